import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { runInNewContext } from "node:vm"
import { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { Checkpoint } from "../../src/audit/Checkpoint.ts"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import { GatewayMemory } from "../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as Vargate from "../../src/Vargate.ts"
import type { ChainReport } from "../../src/verify/ChainReport.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import { seeded } from "../support/generateJson.ts"
import { gateway, rawPage, submitSome } from "../support/rawLog.ts"

const tags = ({ findings }: ChainReport) => findings.map(({ _tag }) => _tag)
const verify = ChainVerifier.verify

const encoder = new TextEncoder()
const encode = (text: string) => encoder.encode(text)

const withRecord = (index: number, change: Partial<AuditRecord>) => (records: ReadonlyArray<AuditRecord>) =>
  records.map((record, place) => place === index ? new AuditRecord({ ...record, ...change }) : record)

describe("over the network", () => {
  it.effect("verifies a genuine log in pages of every size, and offers a checkpoint", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(1), 23)
      const reports = yield* Effect.forEach([1, 2, 7, 22, 23, 24, 1000], (pageSize) => verify({ pageSize }))
      for (const report of reports) {
        assert.deepStrictEqual(report.findings, [])
        assert.deepInclude({ ...report }, { valid: true, records: 23, firstId: 1, lastId: 23, gaps: [] })
        assert.strictEqual(report.checkpoint?.count, 23)
      }
    }).pipe(Effect.provide(gateway())))

  it.effect("verifies an empty log", () =>
    Effect.gen(function*() {
      const report = yield* verify()
      assert.deepInclude({ ...report }, { valid: true, records: 0, head: undefined, checkpoint: undefined })
    }).pipe(Effect.provide(gateway())))

  it.effect("neither loses nor doubles records that are appended while it reads", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(2), 30)
      const toolCalls = yield* ToolCalls
      const growing = ChainVerifier.layer.pipe(
        Layer.provide(Vargate.layer({
          apiKey: "test-key",
          transformClient: (client) =>
            client.pipe((inner) =>
              Object.assign(Object.create(Object.getPrototypeOf(inner)), inner, {
                execute: (request: never) =>
                  Effect.tap(
                    inner.execute(request),
                    () => Effect.ignore(toolCalls.call({ tool: "http", method: "GET", params: { n: 1 } }))
                  )
              })
            )
        }))
      )
      const report = yield* Effect.provide(verify({ pageSize: 4 }), growing)
      assert.deepStrictEqual(report.findings, [])
      assert.strictEqual(report.records, 30)
      assert.strictEqual(report.checkpoint?.count, 30)
    }).pipe(Effect.provide(gateway())))

  it.effect("refuses a page size that the gateway would refuse", () =>
    Effect.gen(function*() {
      for (const pageSize of [0, -1, 1.5, 1001, NaN]) {
        const error = yield* Effect.flip(verify({ pageSize }))
        assert(error._tag === "VargateError")
        assert.strictEqual(error.reason._tag, "InvalidRequest")
      }
    }).pipe(Effect.provide(gateway())))

  it.effect("says which record was changed, while the gateway says the same", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(3), 12)
      const memory = yield* GatewayMemory
      yield* memory.tamperWithLedger({ edit: withRecord(5, { decision: "allow", params: { amount: 1 } }) })
      const report = yield* verify()
      assert.deepStrictEqual(tags(report), ["HashMismatch"])
      assert.strictEqual(report.findings[0]!.id, 6)
    }).pipe(Effect.provide(gateway())))
})

describe("since a checkpoint", () => {
  const prepare = Effect.gen(function*() {
    yield* submitSome(seeded(4), 150)
    const { checkpoint } = yield* verify()
    return checkpoint!
  })

  it.effect("reads only what is newer, and the checkpoint's record", () =>
    Effect.gen(function*() {
      const since = yield* prepare
      const same = yield* verify({ since })
      assert.deepInclude({ ...same }, { valid: true, records: 100, lastId: 150 })
      yield* submitSome(seeded(5), 130)
      const report = yield* verify({ since, pageSize: 50 })
      assert.deepStrictEqual(report.findings, [])
      assert.strictEqual(report.checkpoint?.count, 280)
      assert.isBelow(report.records, 200)
      assert.strictEqual(report.since, since)
    }).pipe(Effect.provide(gateway())))

  const manipulations: ReadonlyArray<
    readonly [name: string, tag: string, edit: (records: ReadonlyArray<AuditRecord>) => ReadonlyArray<AuditRecord>]
  > = [
    ["cuts off the newest", "TruncatedSince", (records) => records.slice(0, -3)],
    ["empties the log", "TruncatedSince", () => []],
    ["rewrites an old record", "RewrittenSince", withRecord(7, { decision: "allow", params: {} })],
    ["removes an old record", "RewrittenSince", (records) => records.filter((_, place) => place !== 3)],
    ["replaces the newest", "RewrittenSince", withRecord(149, { tool: "other" })]
  ]

  for (const [name, tag, edit] of manipulations) {
    it.effect(`sees what the gateway hides when it ${name} and hashes anew`, () =>
      Effect.gen(function*() {
        const since = yield* prepare
        const memory = yield* GatewayMemory
        yield* memory.tamperWithLedger({ edit, rehash: true })
        assert.isTrue((yield* verify()).valid, "nobody can see it without a checkpoint")
        assert.include(tags(yield* verify({ since })), tag)
        assert.include(tags(yield* verify({ checkpoints: [since] })), tag)
        yield* submitSome(seeded(6), 5)
        assert.isFalse((yield* verify({ since })).valid)
      }).pipe(Effect.provide(gateway())))
  }

  it.effect("counts: an old record that is gone is missed although the newest is still there", () =>
    Effect.gen(function*() {
      const since = yield* prepare
      const memory = yield* GatewayMemory
      yield* memory.tamperWithLedger({ edit: (records) => records.filter((_, place) => place !== 3) })
      assert.include(tags(yield* verify({ since })), "MissingRecords")
    }).pipe(Effect.provide(gateway())))

  it.effect("refuses the checkpoint of another tenant", () =>
    Effect.gen(function*() {
      const since = new Checkpoint({ ...yield* prepare, tenantId: "somebody-else" })
      const error = yield* Effect.flip(verify({ since }))
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, "InvalidRequest")
    }).pipe(Effect.provide(gateway())))
})

describe("records that the gateway cannot show", () => {
  /** The log of an embedded gateway, served by a script that answers 500 wherever a poisoned record would show. */
  const poisoned = (ids: ReadonlyArray<number>) =>
    Effect.gen(function*() {
      yield* submitSome(seeded(7), 40)
      const { records, tenant_id, total } = JSON.parse(new TextDecoder().decode(yield* rawPage()))
      return Vargate.layer({ apiKey: "test-key" }).pipe(
        Layer.provideMerge(ScriptedTransport.layer(({ path }) => {
          const query = new URL(path, "http://localhost").searchParams
          const offset = Number(query.get("offset"))
          const page = records.slice(offset, offset + Number(query.get("limit")))
          return page.some(({ id }: { readonly id: number }) => ids.includes(id))
            ? ScriptedTransport.text(500, "Internal Server Error", { "content-type": "text/plain; charset=utf-8" })
            : ScriptedTransport.json(200, { records: page, count: page.length, offset, total, tenant_id })
        }))
      )
    }).pipe(Effect.provide(gateway()))

  for (
    const [ids, gaps] of [
      [[20], [[1, 21, 19]]],
      [[20, 21, 30], [[1, 31, 29], [2, 22, 19]]],
      [[40], [[1, undefined, 39]]],
      [[1], [[1, 2, undefined]]]
    ] as const
  ) {
    it.effect(`are named as gaps: ${ids.join(", ")}`, () =>
      Effect.gen(function*() {
        const layer = yield* poisoned(ids)
        for (const pageSize of [1000, 16, 1]) {
          const report = yield* Effect.provide(verify({ pageSize }), layer)
          assert.deepStrictEqual(report.findings, [])
          assert.isTrue(report.valid)
          assert.isFalse(report.isComplete)
          const named: unknown = report.gaps.map(({ newer, older, size }) => [size, newer?.id, older?.id])
          assert.deepStrictEqual(named, gaps)
          assert.strictEqual(report.records, 40 - ids.length)
        }
      }))
  }

  it.effect("too many of them are a gateway that is down", () =>
    Effect.gen(function*() {
      const layer = yield* poisoned(Array.from({ length: 20 }, (_, i) => i + 5))
      const error = yield* Effect.flip(Effect.provide(verify(), layer))
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, "GatewayFault")
    }))
})

describe("answers that are no pages", () => {
  const answers: ReadonlyArray<readonly [string, ScriptedTransport.Step, string]> = [
    ["HTML", ScriptedTransport.text(200, "<html>"), "UnexpectedResponse"],
    ["another JSON", ScriptedTransport.json(200, { records: 1 }), "UnexpectedResponse"],
    ["a page that breaks off", ScriptedTransport.text(200, "{\"records\":["), "UnexpectedResponse"],
    ["401", ScriptedTransport.json(401, { detail: "Invalid API key" }), "Unauthenticated"],
    ["403", ScriptedTransport.json(403, { detail: "no" }), "Forbidden"],
    ["502", ScriptedTransport.text(502, "<html>"), "GatewayFault"],
    ["a redirect", ScriptedTransport.text(307, ""), "UnexpectedResponse"],
    ["nothing", ScriptedTransport.disconnect, "ConnectionLost"]
  ]
  it.effect.each(answers)("%s", ([, step, tag]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(verify())
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, tag)
      assert.strictEqual(error.operation, "ChainVerifier.verify")
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provide(ScriptedTransport.layer([step])))
    )))

  it.effect("no answer in time", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(verify()), { startImmediately: true })
      yield* TestClock.adjust("31 seconds")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "VargateError" && error.reason._tag === "Timeout")
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provide(ScriptedTransport.layer([ScriptedTransport.hang])))
    )))

  const nonsense: ReadonlyArray<Uint8Array> = [
    encode(""),
    encode("{}"),
    encode("[]"),
    encode("{\"records\":[],}"),
    encode("{\"records\":[{}],\"count\":1,\"offset\":0,\"total\":1,\"tenant_id\":\"t\"}"),
    encode("{\"records\":[,],\"count\":0,\"offset\":0,\"total\":0,\"tenant_id\":\"t\"}"),
    new Uint8Array([0x1f, 0x8b, 8, 0, 1, 2, 3]),
    new Uint8Array([0xff, 0xfe])
  ]
  it.effect("saved nonsense is a typed error", () =>
    Effect.gen(function*() {
      for (const bytes of nonsense) {
        const errors = [
          yield* Effect.flip(ChainVerifier.verifyPages([bytes])),
          yield* Effect.flip(ChainVerifier.verifyFile(bytes)),
          yield* Effect.flip(
            ChainVerifier.verifyFile(Stream.fromIterable([...bytes].map((byte) => new Uint8Array([byte]))))
          )
        ]
        for (const error of errors) assert.strictEqual(error.reason._tag, "InvalidRequest")
      }
    }).pipe(Effect.provide(NodeHasher.layer)))

  it.effect("nesting without end is a typed error, not a stack overflow", () =>
    Effect.gen(function*() {
      const deep = "[".repeat(100_000)
      const page = (yield* Effect.provide(
        Effect.andThen(submitSome(seeded(8), 1), rawPage()),
        gateway()
      )).slice()
      const text = new TextDecoder().decode(page).replace(/"params":\{/, `"params":{"deep":${deep},`)
      const error = yield* Effect.flip(ChainVerifier.verifyFile(encode(text)))
      assert.strictEqual(error.reason._tag, "InvalidRequest")
    }))
})

describe("bytes of another realm", () => {
  it.effect("are verified like our own, whole and in pages", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(90), 5)
      const foreign: Uint8Array = runInNewContext("Uint8Array.from(bytes)", { bytes: [...yield* rawPage()] })
      assert.notInstanceOf(foreign, Uint8Array)
      assert.deepInclude({ ...yield* ChainVerifier.verifyFile(foreign) }, { valid: true, records: 5 })
      assert.deepInclude({ ...yield* ChainVerifier.verifyPages([foreign]) }, { valid: true, records: 5 })
      assert.deepInclude({ ...yield* ChainVerifier.verifyFile(Stream.make(foreign)) }, { valid: true, records: 5 })
      const { reason } = yield* Effect.flip(ChainVerifier.verifyFile("text" as never))
      assert.match(reason.message, /not bytes/)
    }).pipe(Effect.provide(gateway())))
})
