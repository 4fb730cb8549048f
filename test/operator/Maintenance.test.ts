import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Maintenance, System, ToolCalls } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { answering } from "../support/operations.ts"

const maintenance = <A, E>(use: (maintenance: Maintenance.Maintenance["Service"]) => Effect.Effect<A, E>) =>
  Maintenance.Maintenance.use(use)

describe("Maintenance", () => {
  it.effect("forgets how an agent behaved, and keeps the audit log", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      const score = System.System.use((system) => system.anomalyScore("a-1"))
      for (let n = 0; n < 3; n++) {
        yield* ToolCalls.decide({ tool: "payroll", method: "delete", agent: { id: "a-1" }, allowDuplicate: true })
      }
      const before = yield* gateway.records()
      assert.isAbove(before.length, 0)
      yield* maintenance(({ clearHistory }) => clearHistory("a-1"))
      assert.strictEqual(yield* score, 0)
      assert.deepStrictEqual(yield* gateway.records(), before)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("forgets counters and keeps the score", () =>
    Effect.gen(function*() {
      const score = System.System.use((system) => system.anomalyScore("a-1"))
      for (let n = 0; n < 3; n++) {
        yield* ToolCalls.decide({ tool: "payroll", method: "delete", agent: { id: "a-1" }, allowDuplicate: true })
      }
      const before = yield* score
      yield* maintenance(({ clearCounters }) => clearCounters("a-1"))
      assert.strictEqual(yield* score, before)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("has nothing to copy where the gateway keeps no database", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(maintenance(({ backup }) => backup))
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, "NotSupported")
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("says of a lost answer that the copy may have been made", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(maintenance(({ backup }) => backup))
      assert.deepInclude(error, { _tag: "VargateError", operation: "Maintenance.backup", sideEffect: "possible" })
    }).pipe(Effect.provide(answering(ScriptedTransport.disconnect))))
})
