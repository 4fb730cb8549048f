import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { afterEach, vi } from "vitest"
import { auditFields } from "../../../../src/verify/internal/scan/auditFields.ts"
import { type AuditRecordView, scanAuditPage } from "../../../../src/verify/internal/scan/auditScanner.ts"
import { PlainRecords } from "../../../../src/verify/internal/scan/plainRecords.ts"
import { generateJson, mutate, type Random, seeded } from "../../../support/generateJson.ts"
import { inJavaScript } from "../javaScriptOnly.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const windowSize = 32_768

type Members = Readonly<Record<string, string>>

/** A record as a gateway sends it. Every value is a text of JSON. */
const members = (values: Members = {}): Members => ({
  id: "7",
  action_id: "\"a91429b5-b256-4ae6-8f86-000000000007\"",
  agent_id: "\"agent\"",
  tool: "\"stripe\"",
  method: "\"create_refund\"",
  params: "{\"charge\":\"ch_1\",\"amount\":50,\"lines\":[{\"n\":1.5e3},[],{},true,false,null,-0.1]}",
  requested_at: "\"2026-11-23T00:47:54.662007+00:00\"",
  decision: "\"allow\"",
  violations: "[\"high_value\"]",
  severity: "\"none\"",
  alert_tier: "\"none\"",
  bundle_revision: "\"v1.0.0-1795393667\"",
  prev_hash: `"${"0123456789abcdef".repeat(4)}"`,
  record_hash: `"${"0123456789abcdef".repeat(4)}"`,
  created_at: "\"2026-11-23T00:47:54.667348+00:00\"",
  evaluation_pass: "1",
  anomaly_score_at_eval: "0.0",
  contains_pii: "false",
  pii_subject_id: "null",
  pii_fields: "[\"$.email\"]",
  erasure_status: "\"active\"",
  execution_mode: "\"agent_direct\"",
  source: "\"direct\"",
  managed_session_id: "null",
  ...values
})

const text = (members: Members): string =>
  `{${Object.entries(members).map(([key, value]) => `"${key}":${value}`).join(",")}}`

const record = (values?: Members): string => text(members(values))

const pageText = (...records: ReadonlyArray<string>): string =>
  `{"records":[${records.join(",")}],"count":${records.length},"offset":0,"total":${records.length},"tenant_id":"t"}`

const look = (record: AuditRecordView) => ({
  id: record.id,
  actionId: record.actionId,
  requestedAt: record.requestedAt,
  prevHash: record.prevHash,
  recordHash: record.recordHash,
  erasureStatus: record.erasureStatus,
  hashIs: [record.recordHash, record.prevHash, "", `${record.recordHash}x`].map((hash) => record.recordHashIs(hash)),
  isLinked: record.isLinked,
  newerActionId: record.newerActionId,
  newerPrevHash: record.newerPrevHash,
  payload: decoder.decode(record.payload)
})

const scan = (bytes: Uint8Array, options?: { readonly maxDepth?: number }) => {
  const records: Array<ReturnType<typeof look>> = []
  const result = scanAuditPage(bytes, (record) => records.push(look(record)), options)
  return {
    records,
    page: Result.isSuccess(result) ? result.success : undefined,
    failure: Result.isFailure(result) ? { ...result.failure } : undefined
  }
}

const bytesOf = (page: string | Uint8Array) => typeof page === "string" ? encoder.encode(page) : page

/** Both ways see the same in a page. */
const assertSame = (page: string | Uint8Array, options?: { readonly maxDepth?: number }) => {
  const bytes = bytesOf(page)
  const scanned = scan(bytes, options)
  assert.deepStrictEqual(scanned, inJavaScript(() => scan(bytes, options)))
  return scanned
}

/** How many of the records that are scanned meanwhile the module reads. */
const countPlain = (scan: () => void): number => {
  const read = vi.spyOn(PlainRecords.prototype, "read")
  scan()
  const count = read.mock.results.filter(({ value }) => value !== -1).length
  read.mockRestore()
  return count
}

const prefix = pageText().indexOf("]")

/** Whether the module itself reads the record, in a page of its own. */
const isPlain = (record: string): boolean => {
  const plain = PlainRecords.claim(encoder.encode(pageText(record)), Infinity)!
  const { length } = auditFields
  const end = plain.read(prefix, new Int32Array(length), new Int32Array(length))
  plain.release()
  if (end !== -1) assert.strictEqual(end, prefix + encoder.encode(record).length)
  return end !== -1
}

const stringOf = (characters: number) => JSON.stringify("x".repeat(characters))

/** Values as a gateway spells them, of all sizes. */
const randomMembers = (random: Random): Members => {
  const json = () => JSON.stringify(generateJson(random))
  const filled = () => stringOf(random.pick([0, 1, 14, 15, 16, 17, 100, random.below(2000)]))
  const values = Object.fromEntries(
    auditFields.filter(() => random.below(8) === 0).map(({ name }) => [name, random.below(2) === 0 ? json() : filled()])
  )
  const params = `[${
    Array.from({ length: random.below(6) }, () => random.below(3) === 0 ? filled() : json()).join(",")
  }]`
  const all = members({ params, id: String(random.below(1e9)), ...values })
  const dropped = random.below(4) === 0 ? random.pick(auditFields).name : ""
  return Object.fromEntries(Object.entries(all).filter(([name]) => name !== dropped))
}

describe("the module", () => {
  it("reads what a gateway sends", () => {
    assert.isTrue(isPlain(record()))
    assert.isTrue(isPlain(record({ params: "[0,-0,1.0,1e-7,2E+3,[],{},{\"a\":{\"b\":[true]}}]" })))
    assert.isTrue(isPlain(record({ params: JSON.stringify({ "ä\n\"\\": "日本 😀\b\f\r\t/" }), severity: "null" })))
    for (const optional of auditFields.filter(({ isRequired }) => !isRequired)) {
      const { [optional.name]: _, ...rest } = members()
      assert.isTrue(isPlain(text(rest)), optional.name)
    }
  })

  it("leaves other spellings alone", () => {
    const others = [
      record({ id: " 7" }),
      record({ params: "{ }" }),
      record({ params: "[1 ,2]" }),
      record({ tool: "\"\\u0041\"" }),
      record({ tool: "\"\\/\"" }),
      record({ tool: "\"\x7f\"" }),
      record({ params: "[".repeat(65) + "]".repeat(65) }),
      record({ params: stringOf(windowSize) }),
      record({ unknown: "1" }),
      record().replace("\"id\"", "\"\\u0069d\""),
      text(Object.fromEntries(Object.entries(members()).toReversed()))
    ]
    for (const other of others) {
      assert.isFalse(isPlain(other), other)
      assert.strictEqual(assertSame(pageText(record(), other, record())).records.length, 3)
    }
  })

  it("gives up on a page after eight failures in a row", () => {
    const other = record({ tool: "\"\\/\"" })
    const plainAfter = (failures: number): number => {
      const turn = [...Array.from({ length: failures }, () => other), record()]
      return countPlain(() =>
        assert.strictEqual(scan(encoder.encode(pageText(...turn, ...turn))).page!.count, 2 * turn.length)
      )
    }
    assert.strictEqual(plainAfter(7), 2)
    assert.strictEqual(plainAfter(8), 0)
  })

  it("reads all of a long log, however its windows cut it", () => {
    const random = seeded(3)
    const records = Array.from({ length: 3000 }, () => record({ params: stringOf(random.below(500)) }))
    assert.strictEqual(countPlain(() => scan(encoder.encode(pageText(...records)))), records.length)
  })
})

describe("a scan sees the same with and without the module", () => {
  it("in random pages", () => {
    const random = seeded(1)
    for (let i = 0; i < 1000; i++) {
      assertSame(
        pageText(...Array.from({ length: random.below(i % 10 === 0 ? 100 : 8) }, () => text(randomMembers(random))))
      )
    }
  })

  it("in 30,000 mutated pages", () => {
    const random = seeded(2)
    const page = pageText(record(), record({ params: "{\"é\":\"a\\\"b\\\\c\",\"n\":[1,2.5,-3e4]}" }), record())
    let accepted = 0
    for (let i = 0; i < 30_000; i++) {
      if (assertSame(mutate(random, page)).page !== undefined) accepted++
    }
    assert.isAbove(accepted, 1000)
  })

  it("wherever a byte is another one, or the page ends", () => {
    const bytes = encoder.encode(pageText(record({ params: "{\"é\":[-1.5e+3,true]}" }), record({ id: "6" })))
    const others = [..."\"\\{}[],:0-.eu\n \x7f", "\x00"].map((character) => character.charCodeAt(0)).concat(
      0x80,
      0xc3,
      0xff
    )
    const changed = new Uint8Array(bytes)
    for (let at = 0; at < bytes.length; at++) {
      for (const other of others) {
        changed[at] = other
        assertSame(changed)
      }
      changed[at] = bytes[at]!
      // What the module still has in its memory is the rest of this page.
      assertSame(bytes)
      assertSame(bytes.subarray(0, at))
    }
  })

  it("where a window ends at any byte of a record, and at any alignment of the page", () => {
    const last = record({ params: "{\"é😀\":\"\\\\\\n\",\"n\":[1234567890,true,{}]}", id: "6" })
    const first = record({ params: "" }).length
    const shortest = windowSize - first - last.length - 100
    const room = new Uint8Array(2 * windowSize)
    for (let size = shortest; size < shortest + last.length + 85; size++) {
      const page = encoder.encode(pageText(record({ params: stringOf(size) }), last, last))
      const offset = size % 16
      room.set(page, offset)
      const shifted = room.subarray(offset, offset + page.length)
      const { records } = assertSame(shifted)
      assert.strictEqual(records[1]!.payload, records[2]!.payload)
      assert.strictEqual(countPlain(() => scan(shifted)), 3)
    }
  })

  it("in pages of many windows, with records that are as large as one", () => {
    const sizes = [10, windowSize - 1200, 10, windowSize, 5, 5, 3 * windowSize, 20, windowSize - 700, 900]
    for (let i = 0; i < 10; i++) {
      const records = Array.from(
        { length: 100 },
        (_, n) => record({ id: `${n}`, params: stringOf(sizes[n % 10]! + i) })
      )
      const page = encoder.encode(pageText(...records))
      assert.strictEqual(assertSame(page).records.length, 100)
      assert.strictEqual(countPlain(() => scan(page)), 70)
    }
  })

  it("in windows that begin anywhere, where a field is missing", () => {
    const { erasure_status: _, ...rest } = members()
    for (let i = 0; i < 40; i++) {
      const { records } = assertSame(
        pageText(...Array.from({ length: 300 }, () => text({ ...rest, source: stringOf(i) })))
      )
      assert.isTrue(records.every(({ erasureStatus }) => erasureStatus === undefined))
    }
  })

  it("when a window grows to its largest payload", () => {
    for (const filling of ["é", "ü\"", "\"", "\\", "😀", "日", "\n"]) {
      const size = Math.floor((windowSize - 1500) / encoder.encode(JSON.stringify(filling)).length)
      for (const field of ["params", "tool", "created_at"]) {
        const large = record({ [field]: JSON.stringify(filling.repeat(size)) })
        assert.isTrue(isPlain(large))
        assertSame(pageText(large, record(), large))
        const many = record({ [field]: JSON.stringify(Array.from({ length: size >> 1 }, () => filling)) })
        assert.isTrue(isPlain(many))
        assertSame(pageText(many, record()))
      }
    }
  })

  it("with every escape and character at every place of 16 bytes", () => {
    const characters = ["\\\"", "\\\\", "\\n", "\\b", "\\f", "\\r", "\\t", "\\/", "\\u00e9", "\\u0000", "\\x", "\\"]
      .concat(
        ["é", "߿", "ࠀ", "퟿", "", "￿", "\ufeff", "𐀀", "􏿿", "\x7f", "\x1f", "~", " "]
      )
    for (const character of characters) {
      for (let before = 0; before < 34; before++) {
        const string = `"${"a".repeat(before)}${character}${before % 2 === 0 ? character : ""}bc"`
        assertSame(pageText(record({ tool: string, params: `{${string}:[${string}]}`, source: string })))
      }
    }
  })

  it("with invalid UTF-8", () => {
    const runs = [
      [0x80],
      [0xc0, 0x80],
      [0xc1, 0xbf],
      [0xc2],
      [0xc2, 0x41],
      [0xe0, 0x9f, 0xbf],
      [0xe1, 0x80],
      [0xed, 0xa0, 0x80],
      [0xed, 0x9f, 0xbf],
      [0xf0, 0x8f, 0xbf, 0xbf],
      [0xf1, 0x80, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
      [0xff]
    ]
    for (const run of runs) {
      const bytes = encoder.encode(pageText(record({ tool: "\"<????>\"", params: "\"<????>\"" }), record()))
      for (let at = bytes.indexOf(0x3c); at !== -1; at = bytes.indexOf(0x3c, at + 1)) bytes.set(run, at + 1)
      assert.strictEqual(assertSame(bytes).records.length, 2)
    }
  })

  it("with numbers and literals, good and bad", () => {
    const tokens = [
      "0",
      "-0",
      "-",
      "01",
      "1.",
      ".5",
      "1.5",
      "1e",
      "1E+",
      "1e-05",
      "12345678901234567890",
      "9007199254740991",
      "9007199254740993",
      "999999999999999",
      "+1",
      "1.5.5",
      "--1",
      "0x1",
      "true",
      "false",
      "null",
      "tru",
      "nulll",
      "falsy",
      "NaN",
      "",
      "[]",
      "{}",
      "[,]",
      "[1,]",
      "{\"a\"}",
      "{\"a\":}",
      "{1:1}",
      "{\"a\":1,}",
      "[1}",
      "{\"a\":1]",
      "]",
      "}"
    ]
    for (const token of tokens) {
      for (const { name } of auditFields) assertSame(pageText(record({ [name]: token }), record()))
      assertSame(pageText(record({ params: `{"a":[${token}],"b":${token}}` }), record()))
    }
  })

  it("with every field missing, doubled, renamed, moved or null", () => {
    const all = Object.entries(members())
    all.forEach(([key, value], index) => {
      const without = all.filter((_, i) => i !== index)
      const withRecord = (entries: ReadonlyArray<readonly [string, string]>) =>
        `{${entries.map(([key, value]) => `"${key}":${value}`).join(",")}}`
      const changed = [
        without,
        [...all.slice(0, index), [key, value] as const, ...all.slice(index)],
        without.toSpliced(index, 0, [`${key}x`, value]),
        without.toSpliced(index, 0, [key.toUpperCase(), value]),
        without.toSpliced((index + 1) % all.length, 0, [key, value]),
        [...without, [key, value] as const],
        without.toSpliced(index, 0, [key, "null"]),
        all.slice(0, index)
      ]
      for (const entries of changed) assertSame(pageText(record(), withRecord(entries), record()))
    })
  })

  it("at any depth", () => {
    for (const depth of [1, 2, 31, 32, 33, 62, 63, 64, 65, 66, 1000, 10_000, 10_001]) {
      const nested = [
        "[".repeat(depth) + "]".repeat(depth),
        "{\"a\":".repeat(depth) + "1" + "}".repeat(depth),
        "[{\"a\":".repeat(depth >> 1) + "[]" + "}]".repeat(depth >> 1),
        "[".repeat(depth) + "]".repeat(depth - 1) + "}"
      ]
      for (const value of nested) {
        const page = pageText(record({ params: value }), record({ pii_fields: value }))
        assertSame(page)
        assertSame(page, { maxDepth: 10 })
        assertSame(page, { maxDepth: 64 })
      }
    }
  })
})

describe("the one memory", () => {
  const page = encoder.encode(
    pageText(...Array.from({ length: 50 }, (_, i) => record({ id: `${i}`, params: JSON.stringify({ i }) })))
  )

  it("is not touched by a scan inside of a scan", () => {
    const inner = encoder.encode(pageText(record(), record({ tool: "\"another\"", erasure_status: "null" })))
    const expected = scan(page)
    const innerExpected = scan(inner)
    const seen: Array<ReturnType<typeof look>> = []
    const result = scanAuditPage(page, (record) => {
      const before = look(record)
      assert.deepStrictEqual(scan(inner), innerExpected)
      assert.deepStrictEqual(look(record), before)
      seen.push(before)
    })
    assert.deepStrictEqual(seen, expected.records)
    assert.deepStrictEqual(Result.getOrThrow(result), expected.page)
  })

  it("is free again after a failure of the page, and of whoever looks at its records", () => {
    assert.throws(() =>
      scanAuditPage(page, () => {
        throw new RangeError("mine")
      }), RangeError)
    assert.isTrue(Result.isFailure(scanAuditPage(page.subarray(0, 2000), () => {})))
    assert.isTrue(isPlain(record()))
  })
})

describe("where there is no WebAssembly", () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.resetModules()
  })

  const Module = function() {
    throw new Error("Wasm code generation disallowed by embedder")
  }

  for (
    const [what, stub] of [["is missing", undefined], ["is refused", { ...WebAssembly, Module }]] as const
  ) {
    it(`scans in JavaScript when it ${what}`, async () => {
      const page = encoder.encode(pageText(record(), record({ id: "6" })))
      const expected = scan(page)
      vi.stubGlobal("WebAssembly", stub)
      vi.resetModules()
      const fresh = await import("../../../../src/verify/internal/scan/plainRecords.ts")
      const { scanAuditPage } = await import("../../../../src/verify/internal/scan/auditScanner.ts")
      assert.isUndefined(fresh.PlainRecords.claim(page, Infinity))
      const records: Array<ReturnType<typeof look>> = []
      assert.deepStrictEqual(
        Result.getOrThrow(scanAuditPage(page, (record) => records.push(look(record)))),
        expected.page
      )
      assert.deepStrictEqual(records, expected.records)
    })
  }
})
