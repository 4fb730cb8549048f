import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Stream } from "effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { Checkpoint } from "../../src/audit/Checkpoint.ts"
import { RecordHash } from "../../src/model/RecordHash.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"

const root = new URL("../../../shared/gateway-capture/audit-log/", import.meta.url)
const hasCaptures = existsSync(root)

const read = (path: string) => new Uint8Array(readFileSync(new URL(path, root)))
const meta = (variant: string) => JSON.parse(new TextDecoder().decode(read(`big/${variant}.meta.json`)))

const checkpoints = (): ReadonlyArray<Checkpoint> =>
  meta("log-5000").checkpoints.map((wire: Record<string, never>) =>
    new Checkpoint({
      tenantId: "fx-big",
      id: wire["id"]!,
      actionId: wire["action_id"]!,
      recordHash: RecordHash.make(wire["record_hash"]!),
      count: wire["record_count"]!,
      at: DateTime.makeUnsafe(0),
      roots: []
    })
  )

const checkpoint = (count: number) => checkpoints().find((kept) => kept.count === count)!

const chunksOf = (bytes: Uint8Array, size: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
  )

/** The verdict on a saved log, however it is read. */
const verdict = (path: string, options?: ChainVerifier.Options) =>
  Effect.gen(function*() {
    const bytes = read(path)
    const plain = path.endsWith(".gz") ? new Uint8Array(gunzipSync(bytes)) : bytes
    const reports = [
      yield* ChainVerifier.verifyFile(bytes, options),
      yield* ChainVerifier.verifyFile(plain, options),
      yield* ChainVerifier.verifyPages([bytes], options),
      yield* ChainVerifier.verifyFile(chunksOf(bytes, 9001), options),
      yield* ChainVerifier.verifyFile(chunksOf(plain, 77_777), options),
      yield* Effect.provide(ChainVerifier.verifyFile(plain, options), NodeHasher.layer)
    ]
    for (const report of reports) assert.deepStrictEqual(report, reports[0])
    return reports[0]!
  })

describe.skipIf(!hasCaptures)("logs captured from a gateway (needs ../shared/gateway-capture)", () => {
  it.effect.each<[path: string, records: number, tenantId: string]>([
    ["adversarial/limit-1000.json", 52, "fx-adv"],
    ["big/log-5000.json.gz", 5000, "fx-big"]
  ])("%s is valid", ([path, records, tenantId]) =>
    Effect.gen(function*() {
      const report = yield* verdict(path)
      assert.deepStrictEqual(report.findings, [])
      assert.isTrue(report.valid && report.isComplete)
      assert.deepInclude({ ...report }, { records, tenantId })
      assert.strictEqual(report.checkpoint?.count, records)
    }))

  it.effect("the genuine log stands against every checkpoint, and its checkpoint is the last of them", () =>
    Effect.gen(function*() {
      const report = yield* ChainVerifier.verifyFile(read("big/log-5000.json.gz"), { checkpoints: checkpoints() })
      assert.deepStrictEqual(report.findings, [])
      const { actionId, count, id, recordHash } = report.checkpoint!
      assert.deepInclude({ ...checkpoint(5000) }, { actionId, count, id, recordHash })
    }))

  it.effect("the tampered record is named, and where the same could be innocent", () =>
    Effect.gen(function*() {
      const { expect } = meta("tampered-param")
      const report = yield* verdict("big/tampered-param.json.gz")
      assert.isFalse(report.valid)
      assert.isUndefined(report.checkpoint)
      assert.deepStrictEqual(report.findings.map(({ _tag, actionId, id }) => ({ _tag, actionId, id })), [
        { _tag: "HashMismatch", actionId: expect.first_bad.action_id, id: expect.first_bad.id }
      ])
      assert.propertyVal(report.findings[0], "mayBeDroppedKey", true)
    }))

  it.effect("a removed record is found by the one after it", () =>
    Effect.gen(function*() {
      const { expect, removed } = meta("deleted-record")
      const report = yield* verdict("big/deleted-record.json.gz")
      assert.deepStrictEqual(report.findings.map(({ _tag, actionId }) => [_tag, actionId]), [
        ["BrokenLink", expect.first_bad.action_id]
      ])
      assert.propertyVal(report.findings[0], "expected", removed.record_hash)
    }))

  it.effect("a truncated log needs a checkpoint that is newer than its end", () =>
    Effect.gen(function*() {
      const path = "big/truncated-last-10.json.gz"
      assert.isTrue((yield* verdict(path)).valid)
      assert.isTrue((yield* ChainVerifier.verifyFile(read(path), { checkpoints: [checkpoint(4990)] })).valid)
      const report = yield* verdict(path, { checkpoints: [checkpoint(5000)] })
      assert.deepStrictEqual(report.findings.map(({ _tag }) => _tag), ["TruncatedSince"])
      assert.deepInclude({ ...report.findings[0] }, { expected: 5000, found: 4990 })
    }))

  it.effect("a rewritten log needs a checkpoint that is newer than the rewriting", () =>
    Effect.gen(function*() {
      const path = "big/rehashed-suffix.json.gz"
      assert.isTrue((yield* verdict(path)).valid)
      assert.isTrue((yield* ChainVerifier.verifyFile(read(path), { checkpoints: [checkpoint(2500)] })).valid)
      const report = yield* verdict(path, { checkpoints: [checkpoint(4000)] })
      assert.deepStrictEqual(report.findings.map(({ _tag, actionId }) => [_tag, actionId]), [
        ["RewrittenSince", checkpoint(4000).actionId]
      ])
    }))

  it.effect("params whose keys the gateway drops look tampered, and the findings say so", () =>
    Effect.gen(function*() {
      const report = yield* verdict("unverifiable-sa-keys/limit-1000.json")
      assert.isFalse(report.valid)
      for (const finding of report.findings) {
        assert.strictEqual(finding._tag, "HashMismatch")
        assert.propertyVal(finding, "mayBeDroppedKey", true)
      }
    }))

  const orders: ReadonlyArray<ReadonlyArray<number>> = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [
    0,
    0,
    1,
    2,
    3,
    4,
    2
  ]]
  it.effect.each(orders)("pages are put together in any order: %s", (order) =>
    Effect.gen(function*() {
      const pages = order.map((page) => read(`big/page-${page}-offset-${1000 * page}.json.gz`))
      const report = yield* Effect.provide(ChainVerifier.verifyPages(pages), NodeHasher.layer)
      assert.deepStrictEqual(report.findings, [])
      assert.strictEqual(report.records, 5000)
      assert.strictEqual(report.checkpoint?.recordHash, checkpoint(5000).recordHash)
    }))

  it.effect.each([0, 2, 4])("page %i is missed", (missing) =>
    Effect.gen(function*() {
      const pages = [0, 1, 2, 3, 4].filter((page) => page !== missing)
        .map((page) => read(`big/page-${page}-offset-${1000 * page}.json.gz`))
      const report = yield* Effect.provide(ChainVerifier.verifyPages(pages), NodeHasher.layer)
      assert.isFalse(report.valid)
      assert.include(report.findings.map(({ _tag }) => _tag), "MissingRecords")
    }))

  it.effect("small pages, saved with blanks and escapes of their own", () =>
    Effect.gen(function*() {
      const folder = new URL("adversarial/pages-limit-3/", root)
      const pages = readdirSync(folder).sort().map((file) => read(`adversarial/pages-limit-3/${file}`))
      const report = yield* ChainVerifier.verifyPages(Stream.fromIterable(pages.toReversed()))
      assert.deepStrictEqual(report.findings, [])
      assert.strictEqual(report.records, 52)
    }))
})
