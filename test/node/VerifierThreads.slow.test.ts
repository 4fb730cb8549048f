import { assert, describe, it, layer } from "@effect/vitest"
import { DateTime, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { hash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { Checkpoint } from "../../src/audit/Checkpoint.ts"
import { auditPayload, canonicalJson } from "../../src/internal/canonicalJson.ts"
import { RecordHash } from "../../src/model/RecordHash.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as VerifierThreads from "../../src/node/VerifierThreads.ts"
import type { ChainReport } from "../../src/verify/ChainReport.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import { RunScanner } from "../../src/verify/internal/scan/parallelScan.ts"
import * as Merkle from "../../src/verify/Merkle.ts"
import { MerkleTree } from "../../src/verify/MerkleProof.ts"
import { type Random, seeded } from "../support/generateJson.ts"

const encoder = new TextEncoder()

interface Row {
  readonly id: number
  readonly recordHash: string
  readonly text: string
}

/** A log of one's own, newest first; of 600 records, several pieces of a file. */
const logOf = (random: Random, count: number): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  let prevHash = "GENESIS"
  let id = 0
  for (let i = 0; i < count; i++) {
    const params = {
      text: random.pick(["Müller", "\"\\/\n\u007f", "😀 \u2028", ""]),
      list: [i, null, true, { nested: [random.below(1000) / 8] }],
      filler: "x".repeat(random.below(4000))
    }
    const violations = random.below(4) === 0 ? ["too_much"] : []
    const row = {
      actionId: `a91429b5-b256-4ae6-8f86-${String(i).padStart(12, "0")}`,
      agentId: "agent",
      tool: "stripe",
      method: "create_charge",
      requestedAt: "2026-11-23T00:47:54.662007+00:00",
      decision: "allow",
      severity: "none",
      bundleRevision: "v1",
      prevHash
    }
    const paramsText = canonicalJson(params)
    const recordHash = hash("sha256", auditPayload({ ...row, paramsText, violationsText: canonicalJson(violations) }))
    id += 1 + random.below(2)
    rows.push({
      id,
      recordHash,
      text: JSON.stringify({
        id,
        action_id: row.actionId,
        agent_id: row.agentId,
        tool: row.tool,
        method: row.method,
        params,
        requested_at: row.requestedAt,
        decision: row.decision,
        violations,
        severity: row.severity,
        alert_tier: "none",
        bundle_revision: row.bundleRevision,
        prev_hash: prevHash,
        record_hash: recordHash,
        erasure_status: i === 7 ? "erased" : "active"
      })
    })
    prevHash = recordHash
  }
  return rows.reverse()
}

const pageOf = (rows: ReadonlyArray<Row>, total: number, offset = 0) =>
  encoder.encode(
    `{"records":[${
      rows.map(({ text }) => text).join(",")
    }],"count":${rows.length},"offset":${offset},"total":${total},"tenant_id":"t"}`
  )

const pagesOf = (rows: ReadonlyArray<Row>, total: number, random: Random) => {
  const pages: Array<Uint8Array> = []
  for (let offset = 0; offset < rows.length;) {
    const page = rows.slice(offset, offset + 1 + random.below(90))
    pages.push(pageOf(page, total, offset))
    offset += page.length
  }
  return pages
}

const chunksOf = (bytes: Uint8Array, size: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
  )

/** Asserts that a verification ends in the same way on threads and without: in a report, or in what is said of a failure. */
const same = Effect.fnUntraced(function*<E>(verification: Effect.Effect<ChainReport, E>, what?: string) {
  const end = Effect.match(verification, {
    onSuccess: (report) => ({ report, failure: undefined }),
    onFailure: (error) => ({ report: undefined, failure: error instanceof Error ? error.message : String(error) })
  })
  const onThreads = yield* end
  const alone = yield* Effect.provideService(end, RunScanner, undefined)
  assert.deepStrictEqual(onThreads, alone, what)
  return alone
})

const both = layer(Layer.mergeAll(NodeHasher.layer, VerifierThreads.layer({ threads: 2 })))

const captures = new URL("../../../shared/gateway-capture/audit-log/", import.meta.url)
const captured = existsSync(captures)
  ? readdirSync(captures, { recursive: true, encoding: "utf8" }).filter((name) => /(?<!meta)\.json(\.gz)?$/.test(name))
  : []

both("logs captured from a gateway", (it) => {
  it.effect.skipIf(captured.length === 0)(
    "get the same verdict (needs ../shared/gateway-capture)",
    () =>
      Effect.gen(function*() {
        assert.isAtLeast(captured.length, 9)
        let valid = 0
        for (const name of captured) {
          const bytes = new Uint8Array(readFileSync(new URL(name, captures)))
          const ends = [
            yield* same(ChainVerifier.verifyFile(bytes), name),
            yield* same(ChainVerifier.verifyFile(chunksOf(bytes, 9001)), name),
            yield* same(ChainVerifier.verifyPages([bytes]), name)
          ]
          if (ends.every(({ report }) => report?.valid === true)) valid++
        }
        assert.isAtLeast(valid, 2)
      }),
    60_000
  )
})

both("random logs", (it) => {
  it.effect("are scanned on the threads, and in the order of the log", () =>
    Effect.gen(function*() {
      const scanner = yield* RunScanner
      assert(scanner !== undefined)
      let sound = 0
      const counting = {
        ...scanner,
        scan: async (text: Uint8Array<SharedArrayBuffer>, withLeaves: boolean) => {
          const run = await scanner.scan(text, withLeaves)
          if (run !== undefined) sound += run.rows
          return run
        }
      }
      const rows = logOf(seeded(41), 600)
      const report = yield* Effect.provideService(
        ChainVerifier.verifyFile(pageOf(rows, 600)),
        RunScanner,
        counting
      )
      assert.isTrue(report.valid)
      assert.strictEqual(report.head?.recordHash, rows[0]!.recordHash)
      assert.deepStrictEqual([report.records, sound], [600, 600])
    }))

  const manipulations: Readonly<Record<string, (rows: ReadonlyArray<Row>, random: Random) => ReadonlyArray<Row>>> = {
    nothing: (rows) => rows,
    "a dropped record": (rows, random) => rows.toSpliced(random.below(rows.length), 1),
    "a doubled record": (rows, random) =>
      rows.toSpliced(random.below(rows.length), 0, rows[random.below(rows.length)]!),
    "two swapped records": (rows, random) => {
      const [a, b] = [random.below(rows.length), random.below(rows.length)]
      return rows.with(a, rows[b]!).with(b, rows[a]!)
    },
    "a missing beginning": (rows, random) => rows.slice(0, 1 + random.below(rows.length)),
    "a hash that is none": (rows, random) => {
      const at = random.below(rows.length)
      const { recordHash } = rows[at]!
      const text = rows[at]!.text.replace(recordHash, random.pick(["", recordHash.toUpperCase(), `${recordHash}0`]))
      return rows.with(at, { ...rows[at]!, text })
    },
    "another id": (rows, random) => {
      const at = random.below(rows.length)
      const text = rows[at]!.text.replace(/^\{"id":\d+/, `{"id":${random.below(1000)}`)
      return rows.with(at, { ...rows[at]!, text })
    },
    "another byte": (rows, random) => {
      const at = random.below(rows.length)
      const { text } = rows[at]!
      const place = random.below(random.pick([60, text.length]))
      return rows.with(at, {
        ...rows[at]!,
        text: text.slice(0, place) + random.pick([..."0a\"\\{}[],:"]) + text.slice(place + 1)
      })
    },
    "a reversed log": (rows) => rows.toReversed(),
    nobody: () => []
  }

  it.effect("get the same verdict, whatever was done to them", () =>
    Effect.gen(function*() {
      const random = seeded(42)
      const rows = logOf(random, 600)
      const checkpointAt = (place: number, recordHash = rows[place]!.recordHash) =>
        new Checkpoint({
          tenantId: "t",
          id: rows[place]!.id,
          recordHash: RecordHash.make(recordHash),
          count: rows.length - place,
          at: DateTime.makeUnsafe(0),
          roots: []
        })
      const ends = new Map<string, number>()
      const count = (end: string) => ends.set(end, 1 + (ends.get(end) ?? 0))
      for (let trial = 0; trial < 15; trial++) {
        const checkpoints = random.pick([
          [],
          [checkpointAt(0), checkpointAt(random.below(600))],
          [checkpointAt(random.below(600), rows[1]!.recordHash)]
        ])
        for (const [what, manipulate] of Object.entries(manipulations)) {
          const changed = manipulate(rows, random)
          const options = { checkpoints, maxFindings: random.pick([3, 100]) }
          const file = pageOf(changed, 600)
          const pair = [
            yield* same(ChainVerifier.verifyFile(chunksOf(file, 1 + random.below(300_000)), options), what),
            yield* same(ChainVerifier.verifyPages(pagesOf(changed, 600, random), options), what)
          ]
          for (const { report } of pair) count(report === undefined ? "failed" : report.valid ? "valid" : "not valid")
        }
      }
      for (const end of ["failed", "valid", "not valid"]) assert.isAtLeast(ends.get(end)!, 5, end)
    }))

  it.effect("have the same trees", () =>
    Effect.gen(function*() {
      const rows = logOf(seeded(43), 600).toReversed()
      const trees: Array<MerkleTree> = []
      let prevRoot = RecordHash.make(hash("sha256", "VARGATE_GENESIS"))
      for (let from = 0; from < rows.length; from += 150) {
        const part = rows.slice(from, from + 150)
        const root = yield* Merkle.rootOf(part.map(({ recordHash }) => recordHash))
        const tree = {
          index: trees.length,
          root,
          prevRoot,
          records: part.length,
          fromRecordId: part[0]!.id,
          toRecordId: part.at(-1)!.id
        }
        trees.push(Object.assign(Object.create(MerkleTree.prototype), tree))
        prevRoot = root
      }
      const file = chunksOf(pageOf(rows.toReversed(), 600), 50_000)
      const { report } = yield* same(ChainVerifier.verifyFile(file, { trees }))
      assert.strictEqual(report?.trees?.rebuilt, 4)
      assert.deepStrictEqual(report?.trees?.findings.map(({ _tag }) => _tag), ["ErasedLeaves"])
    }))

  it.effect("fail for what comes first in the log", () =>
    Effect.gen(function*() {
      const rows = logOf(seeded(44), 300)
      const good = pageOf(rows.slice(0, 100), 300)
      const malformed = encoder.encode("{\"records\":[{]")
      const badGzip = gzipSync(pageOf(rows.slice(100), 300, 100)).subarray(0, 1000)
      for (const pages of [[good, malformed, badGzip], [good, badGzip, malformed], [malformed, good]]) {
        const { failure } = yield* same(ChainVerifier.verifyPages(pages))
        assert.include(failure, `pages.${pages.findIndex((page) => page !== good)}`)
      }
      const broken = pageOf(rows, 300).fill(0, 5000, 5010)
      const interrupted = Stream.concat(chunksOf(broken, 500_000), Stream.fail("the disk is gone"))
      const { failure } = yield* same(ChainVerifier.verifyFile(interrupted))
      assert.include(failure, "byte 5000")
    }))

  it.effect("can be left in the middle", () =>
    Effect.gen(function*() {
      const chunks = chunksOf(pageOf(logOf(seeded(45), 600), 600), 100_000)
      const fiber = yield* Effect.forkChild(ChainVerifier.verifyFile(Stream.concat(chunks, Stream.never)), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      const report = yield* ChainVerifier.verifyFile(chunks)
      assert.isTrue(report.valid)
    }))
})

describe("the threads", () => {
  it.effect("may be gone: the log is then read without them", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(VerifierThreads.layer({ threads: 1 }), scope)
      yield* Scope.close(scope, Exit.void)
      const file = pageOf(logOf(seeded(46), 300), 300)
      const report = yield* ChainVerifier.verifyFile(file).pipe(Effect.provide(context))
      assert.isTrue(report.valid)
      assert.strictEqual(report.records, 300)
    }).pipe(Effect.provide(NodeHasher.layer)))

  it.effect.each([0, -1, 1.5, NaN, Infinity])("cannot be %d", (threads) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(VerifierThreads.layer({ threads }))))
      assert.strictEqual(error._tag, "VargateError")
      assert.include(error.message, "threads")
    }))
})
