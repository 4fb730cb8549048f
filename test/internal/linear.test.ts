/** Every parser of this package that walks over a text takes twice as many steps for a text twice as long. */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { readParamsText } from "../../src/calls/internal/paramsText.ts"
import { endOfString, isNestedDeeper } from "../../src/internal/jsonNesting.ts"
import { pythonLengthOfText } from "../../src/internal/pythonLength.ts"
import { SessionLimit429 } from "../../src/operator/wire/ManagedSessionsApi.ts"
import { canonicalJsonBytes } from "../../src/verify/internal/json/jsonCopier.ts"
import { JsonReader } from "../../src/verify/internal/json/jsonReader.ts"
import { scanAuditPage } from "../../src/verify/internal/scan/auditScanner.ts"
import { RecordSplitter } from "../../src/verify/internal/scan/recordSplitter.ts"
import { countedBytes } from "../support/countedBytes.ts"
import { looksAt } from "../support/countedText.ts"

const list = (n: number, part: (i: number) => string) =>
  Array.from({ length: n / 4 }, (_, i) => part(1000 + i)).join(",")

/** JSON of every shape that could be looked at more than once: one number says how large. */
const documents: Readonly<Record<string, (n: number) => string>> = {
  "a long string": (n) => `{"a":"${"x".repeat(n)}"}`,
  "escapes": (n) => `{"a":"${"\\\\".repeat(n / 2)}${"\\u00e9".repeat(n / 6)}"}`,
  "blanks": (n) => `{${" ".repeat(n)}"a"${" ".repeat(n)}:${"\n".repeat(n)}1}`,
  "many keys": (n) => `{${list(n, (i) => `"k${i}":${i}`)}}`,
  "many items": (n) => `{"a":[${list(n, (i) => `[${i}]`)}]}`,
  "a long number": (n) => `{"a":0.${"1".repeat(n)}}`,
  "levels": (n) => `{"a":${"[".repeat(n / 20)}${"]".repeat(n / 20)}}`,
  "no JSON": (n) => `{"a":"${"\\\"".repeat(n / 2)}`
}

const n = 2000

const isLinear = ([one, two]: readonly [number, number]) => {
  assert.isAbove(one, 0)
  // Texts of n and 2n have some characters more around them.
  assert.isAtMost(two, 2 * one + 50)
}

const bytesAt = (read: (bytes: Uint8Array) => unknown, textOf: (n: number) => string) =>
  [n, 2 * n].map((size) => {
    const { bytes, looks } = countedBytes(new TextEncoder().encode(textOf(size)))
    read(bytes)
    return looks()
  }) as [number, number]

const attempt = (read: () => unknown) => {
  try {
    return read()
  } catch {
    return undefined
  }
}

const record = (params: string) =>
  `{"id":1,"action_id":"a","tenant_id":"t","agent_id":"a","tool":"t","method":"m","params":${params}}`

describe.each(Object.entries(documents))("%s", (_, textOf) => {
  it("is looked at in proportion to its length: how deep it nests", () => {
    isLinear(looksAt((text) => isNestedDeeper(text, 1_000_000), textOf, n))
  })

  it("is looked at in proportion to its length: how long Python finds it", () => {
    isLinear(looksAt(pythonLengthOfText, textOf, n))
  })

  it("is looked at in proportion to its length: params as text", () => {
    isLinear(looksAt(readParamsText, textOf, n))
  })

  it("is looked at in proportion to its length: canonical JSON", () => {
    isLinear(bytesAt((bytes) => canonicalJsonBytes(bytes), textOf))
  })

  it("is looked at in proportion to its length: within a record of a log", () => {
    const page = (n: number) => `{"records":[${record(textOf(n))}],"count":1,"offset":0,"total":1,"tenant_id":"t"}`
    isLinear(bytesAt((bytes) => scanAuditPage(bytes, () => {}), page))
    isLinear(bytesAt((bytes) => attempt(() => [...new RecordSplitter(64).push(bytes)]), page))
  })

  it("is looked at in proportion to its length: beside the records of a log", () => {
    const page = (n: number) => `{"more":${textOf(n)},"records":[],"count":0,"offset":0,"total":0,"tenant_id":"t"}`
    isLinear(bytesAt((bytes) => scanAuditPage(bytes, () => {}), page))
    isLinear(bytesAt((bytes) => attempt(() => [...new RecordSplitter(64).push(bytes)]), page))
  })
})

describe("a part of JSON", () => {
  it("is stepped over once", () => {
    isLinear(looksAt((text) => endOfString(text, 0), (n) => `"${"\\\"".repeat(n)}"`, n))
    const parts: ReadonlyArray<readonly [(reader: JsonReader) => unknown, (n: number) => string]> = [
      [(reader) => reader.skipBlanks(0), (n) => " ".repeat(n)],
      [(reader) => reader.skipString(0), (n) => `"${"\\u00e9x".repeat(n / 7)}"`],
      [(reader) => reader.skipScalar(0), (n) => `-${"1".repeat(n)}.${"1".repeat(n)}e${"1".repeat(n)}`]
    ]
    for (const [skip, textOf] of parts) isLinear(bytesAt((bytes) => skip(new JsonReader(bytes)), textOf))
  })
})

describe("the detail of a 429", () => {
  const isLimit = (detail: string) => Result.isSuccess(Schema.decodeResult(SessionLimit429)({ detail }))

  it("is told from other limits", () => {
    assert.isTrue(isLimit("Max concurrent sessions exceeded (10/10)"))
    assert.isFalse(isLimit("Too many requests"))
  })

  it("of a million characters is read in one go", () => {
    const n = 1_000_000
    for (
      const detail of [
        "session ".repeat(n / 8),
        `${"session ".repeat(n / 8)}exceeded (1/1`,
        "exceeded (".repeat(n / 10),
        `exceeded (${"1".repeat(n)}`,
        `session exceeded (${"1".repeat(n)}/${"1".repeat(n)}`,
        "session\n".repeat(n / 8)
      ]
    ) {
      assert.isFalse(isLimit(detail))
    }
    assert.isTrue(isLimit(`${"session ".repeat(n / 8)}exceeded (1/1)`))
  })
})
