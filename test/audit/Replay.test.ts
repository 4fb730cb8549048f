import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Reviews } from "../../src/approvals/Reviews.ts"
import { AuditLog } from "../../src/audit/AuditLog.ts"
import { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { Replay } from "../../src/audit/Replay.ts"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as Vargate from "../../src/Vargate.ts"
import { capturesOf, reason } from "../conformance/captures.ts"

const gateway = GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "financial" }] })

const charge = (amount: number) =>
  ToolCalls.use((toolCalls) =>
    toolCalls.decide({
      tool: "stripe",
      method: "create_charge",
      params: { amount, currency: "EUR" },
      isBusinessHours: true
    })
  )

const story = Effect.gen(function*() {
  yield* charge(10)
  yield* charge(20)
  yield* charge(90_000)
  const held = yield* charge(1500)
  yield* Reviews.use((reviews) => Effect.ignore(reviews.approve(held.actionId, "fine")))
})

describe("drift", () => {
  it.effect("leaves out what can never match, and finds nothing else in an honest log", () =>
    Effect.gen(function*() {
      yield* story
      const report = yield* Replay.use((replay) => replay.drift(100))
      assert.deepInclude({ ...report }, { same: 3, changed: [], failures: [] })
      assert.deepStrictEqual(report.leftOut.map(({ reason }) => reason).sort(), ["HumanDecision", "Pending"])
      assert.strictEqual(report.exitCode, 0)
      assert.strictEqual(report.summary, "3 the same, 0 changed, 0 not replayed, 2 left out")
      assert.strictEqual((yield* Replay.use((replay) => replay.drift(0))).same, 0)
      assert.strictEqual((yield* Replay.use((replay) => replay.drift(2))).same, 0)
    }).pipe(Effect.provide(gateway)))

  it.effect("names a decision that was changed afterwards", () =>
    Effect.gen(function*() {
      yield* story
      const memory = yield* GatewayMemory.GatewayMemory
      yield* memory.tamperWithLedger({
        rehash: true,
        edit: (records) =>
          records.map((record, i) => i === 2 ? new AuditRecord({ ...record, decision: "allow" }) : record)
      })
      const report = yield* Replay.use((replay) => replay.drift(100))
      assert.strictEqual(report.exitCode, 1)
      assert.deepStrictEqual(report.changed.map(({ original, replayed }) => [original.decision, replayed.decision]), [
        ["allow", "deny"]
      ])
    }).pipe(Effect.provide(gateway)))

  it.effect("goes on where one replay fails", () =>
    Effect.gen(function*() {
      yield* story
      const memory = yield* GatewayMemory.GatewayMemory
      yield* memory.tamperWithLedger({
        edit: (records) =>
          records.map((record, i) => i === 1 ? new AuditRecord({ ...record, bundleRevision: "gone" }) : record)
      })
      const report = yield* Replay.use((replay) => replay.drift(100))
      assert.strictEqual(report.exitCode, 2)
      assert.strictEqual(report.same, 2)
      assert.include(report.failures[0]!.detail, "gone")
    }).pipe(Effect.provide(gateway)))

  it.effect("refuses a count that is none", () =>
    Effect.gen(function*() {
      const replay = yield* Replay
      for (const count of [-1, 1.5, NaN, Infinity]) {
        for (const operation of [replay.drift(count), replay.replayLast(count)]) {
          const error = yield* Effect.flip<unknown, unknown, never>(operation)
          assert.nestedPropertyVal(error, "reason._tag", "InvalidRequest")
        }
      }
    }).pipe(Effect.provide(gateway)))
})

describe("replayLast", () => {
  it.effect("replays the newest, and tells failures apart", () =>
    Effect.gen(function*() {
      yield* story
      const bulk = yield* Replay.use((replay) => replay.replayLast(10))
      assert.strictEqual(bulk.results.length, 5)
      assert.deepStrictEqual([bulk.matched.length, bulk.mismatched.length, bulk.failures.length], [3, 1, 1])
      const { records } = yield* AuditLog.use((auditLog) => auditLog.page({ limit: 5 }))
      assert.deepStrictEqual(bulk.results.map(({ actionId }) => actionId), records.map(({ actionId }) => actionId))
      assert.strictEqual((yield* Replay.use((replay) => replay.replayLast(0))).results.length, 0)
    }).pipe(Effect.provide(gateway)))

  it.effect.each(capturesOf("POST", /^\/audit\/replay-bulk$/))(
    `reads $file (${reason})`,
    ({ headers, status, text }) =>
      Effect.gen(function*() {
        const bulk = yield* Replay.use((replay) => replay.replayLast(3))
        const { results, summary } = JSON.parse(text)
        assert.deepStrictEqual(
          [bulk.results.length, bulk.matched.length, bulk.mismatched.length, bulk.failures.length],
          [
            summary.total,
            summary.matched,
            summary.mismatched,
            summary.errors
          ]
        )
        assert.deepStrictEqual(
          bulk.results.map(({ actionId }) => actionId as string | undefined),
          results.map(({ action_id }: { readonly action_id: string }) => action_id)
        )
      }).pipe(Effect.provide(
        Vargate.layer({ apiKey: "test-key" }).pipe(
          Layer.provide(ScriptedTransport.layer([ScriptedTransport.text(status, text, headers)]))
        )
      ))
  )
})
