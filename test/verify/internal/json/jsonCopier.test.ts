import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { asciiString } from "../../../../src/internal/canonicalJson.ts"
import { canonicalJsonBytes } from "../../../../src/verify/internal/json/jsonCopier.ts"
import { seeded } from "../../../support/generateJson.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const canonicalBytes = (bytes: Uint8Array): string | undefined =>
  Result.match(canonicalJsonBytes(bytes), { onFailure: () => undefined, onSuccess: (text) => decoder.decode(text) })

const canonical = (text: string): string | undefined => canonicalBytes(encoder.encode(text))

describe("canonicalJsonBytes", () => {
  it("keeps number tokens, key order and repeated keys", () => {
    const text = "{\"10\":1.0,\"2\":1e+16,\"__proto__\":-0.0,\"a\":123456789012345678901234567890,\"a\":[1E5,0.10]}"
    assert.strictEqual(canonical(text), text)
  })

  it("drops blanks and one leading byte order mark", () => {
    assert.strictEqual(canonical("\ufeff \t\r\n{ \"a\" : [ 1 , { } , [ ] ] }\n"), "{\"a\":[1,{},[]]}")
    assert.isUndefined(canonical("\ufeff\ufeff1"))
  })

  it("brings strings to Python's spelling", () => {
    assert.strictEqual(
      canonical("\"\\u00E9é\\/\\u002f\\u0041\\u0022\\u005C\\u000a\\u0008\\u001F\x7f😀\\uD83D\\uDE00\\uD83Dx\""),
      "\"\\u00e9\\u00e9//A\\\"\\\\\\n\\b\\u001f\\u007f\\ud83d\\ude00\\ud83d\\ude00\\ud83dx\""
    )
  })

  it("says where a text stops being JSON", () => {
    const failures: ReadonlyArray<readonly [string, number, string]> = [
      ["", 0, "a value"],
      ["[1,]", 3, "a value"],
      ["[01]", 2, "\",\" or \"]\""],
      ["{\"a\" 1}", 5, "\":\""],
      ["{,}", 1, "a string"],
      ["-", 1, "a digit"],
      ["1.e1", 2, "a digit"],
      ["\"\t\"", 1, "a character of a string"],
      ["\"abc", 4, "a character of a string"],
      ["\"\\x\"", 2, "an escape letter"],
      ["\"\\u12g4\"", 5, "a hexadecimal digit"],
      ["nul", 0, "a value"],
      ["1 2", 2, "the end of the text"]
    ]
    for (const [text, position, expected] of failures) {
      const failure = Result.getOrThrow(Result.flip(canonicalJsonBytes(encoder.encode(text))))
      assert.deepStrictEqual({ ...failure }, { _tag: "MalformedJson", position, expected }, text)
    }
  })

  it("fails beyond the depth limit, and needs no stack below it", () => {
    const depth = 100_000
    const bytes = encoder.encode("[{\"a\":".repeat(depth / 2) + "1" + "}]".repeat(depth / 2))
    const failure = Result.getOrThrow(Result.flip(canonicalJsonBytes(bytes)))
    assert.strictEqual(failure.expected, "at most 10000 open arrays and objects")
    assert.strictEqual(failure.position, 30_000)
    assert.deepStrictEqual(Result.getOrThrow(canonicalJsonBytes(bytes, { maxDepth: depth })), bytes)
    assert.isTrue(Result.isFailure(canonicalJsonBytes(bytes, { maxDepth: depth - 1 })))
  })

  it("has room for texts that grow", () => {
    assert.strictEqual(canonical("\"" + "é".repeat(50_000) + "\""), "\"" + "\\u00e9".repeat(50_000) + "\"")
  })

  it("replaces invalid UTF-8 as TextDecoder does", () => {
    const random = seeded(3)
    const bytes = [0x22, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1]
    bytes.push(0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xfe, 0xff)
    for (let i = 0; i < 50_000; i++) {
      const inside = Array.from({ length: 1 + random.below(8) }, () => random.pick(bytes)).filter((byte) =>
        byte !== 0x22
      )
      const text = Uint8Array.of(0x22, ...inside, 0x22)
      assert.strictEqual(canonicalBytes(text), asciiString(decoder.decode(text).slice(1, -1)), inside.join(" "))
    }
  })
})
