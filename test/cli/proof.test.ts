import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { decide } from "../../src/calls/ToolCalls.ts"
import { Proof } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run } from "../support/cli.ts"

const submit = decide({ tool: "http", method: "GET" })

const hashes = GatewayMemory.GatewayMemory.use((gateway) =>
  Effect.map(gateway.records(), (records) => records.map(({ recordHash }) => recordHash))
)

const anHour = Effect.gen(function*() {
  yield* Effect.repeat(submit, { times: 4 })
  yield* TestClock.adjust("61 minutes")
  return yield* hashes
})

describe("proof", () => {
  it.effect("proves a record by its hash, number or action", () =>
    Effect.gen(function*() {
      const [, hash] = yield* anHour
      const { code, out } = yield* run(["proof", hash!])
      assert.match(out, /✓ proven[^]*by 3 steps that were computed here[^]*Leaf +1 of 5/)
      assert.strictEqual(code, 0)
      const [proof] = decodeLines(Proof, (yield* run(["proof", "2", "--json"])).out)
      assert.isTrue(proof?.inclusion.valid)
      assert.deepStrictEqual([proof?.proof.recordHash, proof?.tree?.records], [hash, 5])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("does not believe a tree that was computed anew", () =>
    Effect.gen(function*() {
      const [, before] = yield* anHour
      const [proof] = decodeLines(Proof, (yield* run(["proof", before!, "--json"])).out)
      const gateway = yield* GatewayMemory.GatewayMemory
      yield* gateway.tamperWithLedger({
        edit: (records) => records.map((record) => new AuditRecord({ ...record, tool: "forged" })),
        rehash: true
      })
      const [, after] = yield* hashes
      const { code, out } = yield* run(["proof", after!, "--root", proof!.tree!.root])
      assert.match(out, /✗ not proven: its steps lead to another root/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("says that the hour is not over, or waits until it is", () =>
    Effect.gen(function*() {
      yield* submit
      const [hash] = yield* hashes
      const early = yield* run(["proof", hash!])
      assert.match(early.err, /until its hour is over/)
      assert.strictEqual(early.code, 8)
      const fiber = yield* Effect.forkChild(run(["proof", hash!, "--wait"]), { startImmediately: true })
      yield* TestClock.adjust("62 minutes")
      assert.strictEqual((yield* Fiber.join(fiber)).code, 0)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("refuses a root that is none", () =>
    Effect.gen(function*() {
      const { code } = yield* run(["proof", "1", "--root", "abc"])
      assert.strictEqual(code, 2)
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
