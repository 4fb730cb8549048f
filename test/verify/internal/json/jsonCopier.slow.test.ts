import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { canonicalJsonBytes } from "../../../../src/verify/internal/json/jsonCopier.ts"
import { generateJson, mutate, type Random, seeded, spellJson } from "../../../support/generateJson.ts"
import { hasPython, python } from "../../../support/python.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const canonicalBytes = (bytes: Uint8Array): string | undefined =>
  Result.match(canonicalJsonBytes(bytes), { onFailure: () => undefined, onSuccess: (text) => decoder.decode(text) })

const canonical = (text: string): string | undefined => canonicalBytes(encoder.encode(text))

const mutant = (random: Random): Uint8Array => encoder.encode(mutate(random, spellJson(random, generateJson(random))))

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe("canonicalJsonBytes", () => {
  it("accepts what JSON.parse accepts, on 60,000 mutations", () => {
    const random = seeded(4)
    let accepted = 0
    for (let i = 0; i < 60_000; i++) {
      const bytes = mutant(random)
      const text = decoder.decode(bytes)
      const copy = canonicalBytes(bytes)
      assert.strictEqual(copy !== undefined, isJson(text), text)
      if (copy === undefined) continue
      accepted++
      assert.match(copy, /^[\x20-\x7e]*$/)
      assert.strictEqual(canonical(copy), copy)
    }
    assert.isAbove(accepted, 10_000)
  })

  // The values are compared by Python only, since V8 reads some escaped keys wrongly:
  // https://github.com/nodejs/node/issues/63785
  it.skipIf(!hasPython)("agrees with python3's json on 40,000 oddly spelled texts (needs python3)", () => {
    const random = seeded(5)
    const texts: Array<string> = []
    while (texts.length < 40_000) {
      const text = texts.length % 2 === 0 ? spellJson(random, generateJson(random)) : decoder.decode(mutant(random))
      if (isJson(text)) texts.push(text)
    }
    // Numbers go through Python as marked strings, to keep their spelling. Python drops repeated keys: not compared.
    const program = [
      "import json, re, sys",
      "mark = re.compile(r'\"\\\\u0000number:([^\"]*)\"')",
      "keep = lambda token: '\\0number:' + token",
      "def members(pairs):",
      "  global repeated",
      "  repeated = repeated or len(dict(pairs)) < len(pairs)",
      "  return dict(pairs)",
      "for line in sys.stdin:",
      "  repeated = False",
      "  value = json.loads(json.loads(line), parse_float=keep, parse_int=keep, object_pairs_hook=members)",
      "  text = mark.sub(r'\\1', json.dumps(value, separators=(',', ':'), ensure_ascii=True))",
      "  print('repeated' if repeated else text)"
    ].join("\n")
    const expected = python(program, texts.map((text) => JSON.stringify(text)))
    assert.strictEqual(expected.length, texts.length)
    const compared = texts.filter((_, i) => expected[i] !== "repeated")
    assert.isAbove(compared.length, 38_000)
    texts.forEach((text, i) => {
      if (expected[i] !== "repeated") assert.strictEqual(canonical(text), expected[i])
    })
  })
})
