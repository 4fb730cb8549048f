import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import { Hasher, type HasherService } from "../../src/verify/Hasher.ts"
import { seeded } from "../support/generateJson.ts"
import { gateway, rawPage, submitSome } from "../support/rawLog.ts"

type Row = Readonly<Record<string, unknown>>

/** Ten rows, newest first: ids 10 to 1. */
const rows = Effect.gen(function*() {
  yield* submitSome(seeded(71), 10)
  const page = JSON.parse(new TextDecoder().decode(yield* rawPage()))
  return page.records as ReadonlyArray<Row>
}).pipe(Effect.provide(gateway()))

const pageOf = (records: ReadonlyArray<Row>, options: { readonly offset?: number; readonly total?: number } = {}) => {
  const { offset = 0, total = records.length } = options
  return new TextEncoder().encode(JSON.stringify({ records, count: records.length, offset, total, tenant_id: "t" }))
}

const findingsOf = (...pages: ReadonlyArray<Uint8Array>) =>
  Effect.map(
    Effect.provide(ChainVerifier.verifyPages(pages), NodeHasher.layer),
    ({ findings }) => findings.map(({ _tag, id }) => `${_tag} ${id}`)
  )

const swap = (rows: ReadonlyArray<Row>, a: number, b: number) => rows.with(a, rows[b]!).with(b, rows[a]!)

describe("findings say why", () => {
  const cases: ReadonlyArray<
    readonly [string, (rows: ReadonlyArray<Row>) => ReadonlyArray<Row>, ReadonlyArray<string>]
  > = [
    ["nothing", (rows) => rows, []],
    ["a record twice in a row", (rows) => rows.toSpliced(4, 0, rows[4]!), ["Duplicate 6"]],
    ["a record again, further down", (rows) => rows.toSpliced(7, 0, rows[2]!), ["Duplicate 8"]],
    ["two neighbours swapped", (rows) => swap(rows, 3, 4), ["OutOfOrder 7", "BrokenLink 8"]],
    ["a record without its place", (rows) => rows.toSpliced(5, 1), ["BrokenLink 6"]],
    ["an id that rises", (rows) => rows.with(5, { ...rows[5], id: 99 }), ["OutOfOrder 99"]],
    ["an id that falls too far", (rows) => rows.with(5, { ...rows[5], id: 0 }), ["OutOfOrder 4"]],
    ["a hash that is another", (rows) => rows.with(5, { ...rows[5], record_hash: "0".repeat(64) }), [
      "HashMismatch 5",
      "BrokenLink 6"
    ]],
    [
      "a hash in capitals",
      (rows) => rows.with(5, { ...rows[5], record_hash: String(rows[5]!["record_hash"]).toUpperCase() }),
      [
        "HashMismatch 5",
        "BrokenLink 6"
      ]
    ],
    ["a link that is another", (rows) => rows.with(5, { ...rows[5], prev_hash: "0".repeat(64) }), [
      "HashMismatch 5",
      "BrokenLink 5"
    ]],
    ["no beginning", (rows) => rows.slice(0, 6), ["DoesNotReachGenesis 5"]]
  ]
  for (const [name, manipulate, expected] of cases) {
    it.effect(name, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* findingsOf(pageOf(manipulate(yield* rows))), expected)
      }))
  }

  it.effect("and cost no second hash of any record", () =>
    Effect.gen(function*() {
      const all = yield* rows
      for (const [name, manipulate] of cases) {
        const manipulated = manipulate(all)
        let hashed = 0
        const counting: HasherService = {
          ...NodeHasher.make,
          hash: (text) => {
            hashed++
            return NodeHasher.make.hash!(text)
          }
        }
        yield* ChainVerifier.verifyPages([pageOf(manipulated)]).pipe(Effect.provideService(Hasher, counting))
        assert.strictEqual(hashed, manipulated.length, name)
      }
    }))

  it.effect("a mismatch may be a dropped key only where the neighbours link to it", () =>
    Effect.gen(function*() {
      const all = yield* rows
      const innocent = (changed: Row) =>
        Effect.map(
          ChainVerifier.verifyPages([pageOf(all.with(5, changed))]),
          ({ findings }) => findings.map((finding) => finding._tag === "HashMismatch" && finding.mayBeDroppedKey)
        )
      assert.deepStrictEqual(yield* innocent({ ...all[5], params: {} }), [true])
      assert.deepStrictEqual(yield* innocent({ ...all[5], record_hash: "0".repeat(64) }), [false, false])
      assert.deepStrictEqual(yield* innocent({ ...all[5], prev_hash: "0".repeat(64) }), [false, false])
    }))
})

describe("between pages", () => {
  const split = (rows: ReadonlyArray<Row>, at: number, lower = rows.slice(at), offset = at) => [
    pageOf(rows.slice(0, at), { total: 10 }),
    pageOf(lower, { offset, total: 10 })
  ]

  it.effect("links, order, doubles and gaps are seen as within one", () =>
    Effect.gen(function*() {
      const all = yield* rows
      const foreign = { ...all[5], record_hash: "0".repeat(64) }
      for (
        const order of [
          (pages: ReadonlyArray<Uint8Array>) => pages,
          (pages: ReadonlyArray<Uint8Array>) => pages.toReversed()
        ]
      ) {
        const found = (...pages: ReadonlyArray<Uint8Array>) => findingsOf(...order(pages))
        assert.deepStrictEqual(yield* found(...split(all, 5)), [])
        assert.deepStrictEqual(yield* found(...split(all, 5, all.slice(4), 4)), [])
        assert.deepStrictEqual(yield* found(...split(all, 5, [foreign, ...all.slice(6)])), [
          "HashMismatch 5",
          "BrokenLink 6"
        ])
        assert.deepStrictEqual(yield* found(...split(all, 5, all.slice(4), 5)), ["MissingRecords 1", "Duplicate 6"])
        assert.deepStrictEqual(yield* found(...split(all, 5, [{ ...all[5], id: 77 }, ...all.slice(6)])), [
          "OutOfOrder 77"
        ])
        assert.deepStrictEqual(yield* found(...split(all, 5, all.slice(6), 6)), ["MissingRecords 1"])
        assert.deepStrictEqual(yield* found(...split(all, 5, all.slice(6), 5)), ["MissingRecords 1", "BrokenLink 6"])
      }
    }))

  it.effect("two that overlap must show the same", () =>
    Effect.gen(function*() {
      const all = yield* rows
      const other = yield* Effect.provide(
        Effect.gen(function*() {
          yield* submitSome(seeded(72), 10)
          return JSON.parse(new TextDecoder().decode(yield* rawPage())).records as ReadonlyArray<Row>
        }),
        gateway()
      )
      const findings = yield* findingsOf(...split(all, 6, other.slice(4), 4))
      assert.isTrue(findings.some((finding) => finding.startsWith("RewrittenSince")), String(findings))
      const [newest, oldest] = split(all, 5, all.slice(7), 7)
      const between = pageOf(other.slice(4, 7), { offset: 4, total: 10 })
      const apart = yield* findingsOf(newest!, oldest!, between)
      assert.include(apart, "RewrittenSince 6")
    }))

  it.effect("a page within others must show the same where one of them begins or ends", () =>
    Effect.gen(function*() {
      const all = yield* rows
      const part = (from: number, to: number, shown = all) => pageOf(shown.slice(from, to), { offset: from, total: 10 })
      const other = yield* Effect.provide(
        Effect.gen(function*() {
          yield* submitSome(seeded(72), 10)
          return JSON.parse(new TextDecoder().decode(yield* rawPage())).records as ReadonlyArray<Row>
        }),
        gateway()
      )
      const genuine = [part(0, 5), part(5, 10), part(0, 1)]
      assert.deepStrictEqual(yield* findingsOf(...genuine, part(3, 7)), [])
      assert.deepStrictEqual(yield* findingsOf(...genuine, part(3, 7, other)), ["RewrittenSince 6"])
      assert.deepStrictEqual(yield* findingsOf(part(0, 10), part(0, 1), part(0, 7, other)), ["RewrittenSince 10"])
    }))

  it.effect("a page may reach over several that were read before it", () =>
    Effect.gen(function*() {
      const all = yield* rows
      const part = (from: number, to: number) => pageOf(all.slice(from, to), { offset: from, total: 10 })
      const report = yield* ChainVerifier.verifyPages([part(1, 2), part(4, 6), part(8, 9), part(0, 10)])
      assert.deepStrictEqual([report.valid, report.records], [true, 10])
    }))

  it.effect("of two tenants are an error", () =>
    Effect.gen(function*() {
      const all = yield* rows
      const pages = [
        pageOf(all.slice(0, 5), { total: 10 }),
        new TextEncoder().encode(
          new TextDecoder().decode(pageOf(all.slice(5), { offset: 5, total: 10 })).replace("\"t\"}", "\"u\"}")
        )
      ]
      const error = yield* Effect.flip(ChainVerifier.verifyPages(pages))
      assert.strictEqual(error.reason._tag, "InvalidRequest")
    }))
})

describe("many findings", () => {
  it.effect("are counted, and the oldest kept", () =>
    Effect.gen(function*() {
      const all = (yield* rows).map((row) => ({ ...row, tool: "other" }))
      const report = yield* ChainVerifier.verifyPages([pageOf(all)], { maxFindings: 3 })
      assert.deepStrictEqual(report.findings.map(({ id }) => id), [1, 2, 3])
      assert.strictEqual(report.omittedFindings, 7)
      assert.isFalse(report.valid)
    }))
})
