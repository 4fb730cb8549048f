/** GET /audit/verify: once at a time for a tenant, in slices, beside everything else. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Latch } from "effect"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { acme, as, caseOf, globex, inProcess, onDisk, send } from "../suite/doors.ts"

const post = ToolCalls.call({ tool: "slack", method: "post", allowDuplicate: true })
const many = 100_000
const tenants = [acme, globex].map((tenant) => ({
  ...tenant,
  burst: many,
  policyConfig: { dailyActionLimit: many }
}))

const verify = Effect.map(send("GET", "/audit/verify"), ({ text }) => JSON.parse(text))

/** Counts how often a chain was begun, and how long its slices are. Verification waits at the latch before each. */
const watched = Effect.gen(function*() {
  const ledger = yield* Ledger
  const { links } = ledger
  const latch = yield* Latch.make(true)
  const slices: Array<{ readonly tenantId: string; readonly after: number; readonly size: number }> = []
  const watching: Ledger["Service"]["links"] = (tenantId, after, limit) =>
    Effect.andThen(latch.await, links(tenantId, after, limit)).pipe(
      Effect.tap((found) => Effect.sync(() => slices.push({ tenantId, after, size: found.length })))
    )
  Object.assign(ledger, { links: watching })
  const begun = (tenantId: string) => slices.filter((slice) => slice.tenantId === tenantId && slice.after === 0).length
  return { latch, slices, begun }
})

const turn = Effect.repeat(Effect.yieldNow, { times: 20 })

for (const door of [inProcess, onDisk]) {
  const test = caseOf(door, { tenants })

  describe(`a verification of the chain, ${door.name}`, () => {
    test("is shared by all who ask while it runs", function*() {
      yield* post
      const { begun, latch } = yield* watched
      yield* latch.close
      const five = yield* Effect.forkChild(
        Effect.all(Array.from({ length: 5 }, () => verify), { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* turn
      // What has been recorded before the end is in the answer of each.
      yield* post
      yield* latch.open
      for (const status of yield* Fiber.join(five)) {
        assert.deepInclude(status, { valid: true, record_count: 2 })
      }
      assert.strictEqual(begun(acme.id), 1)
      assert.deepInclude(yield* verify, { valid: true, record_count: 2 })
      assert.strictEqual(begun(acme.id), 2)
    })

    test("holds up neither a call nor another tenant's", function*() {
      yield* post
      const { begun, latch } = yield* watched
      yield* latch.close
      // More than the routes that read a whole log may be at work for one tenant.
      const askers = yield* Effect.forkChild(
        Effect.all(Array.from({ length: 50 }, () => verify), { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* turn
      const answered = yield* Effect.all(Array.from({ length: 10 }, () => post))
      assert.lengthOf(answered, 10)
      assert.isUndefined(askers.pollUnsafe())
      const theirs = yield* Effect.forkChild(
        Effect.andThen(as(globex)(post), send("GET", "/audit/verify", { key: globex.apiKey })),
        { startImmediately: true }
      )
      yield* turn
      yield* latch.open
      assert.strictEqual((yield* Fiber.join(theirs)).status, 200)
      yield* Fiber.join(askers)
      assert.deepStrictEqual([begun(acme.id), begun(globex.id)], [1, 1])
    })

    test("is carried out for those who stay, and for those who come back", function*() {
      yield* post
      const { begun, latch } = yield* watched
      yield* latch.close
      const first = yield* Effect.forkChild(verify, { startImmediately: true })
      yield* turn
      const second = yield* Effect.forkChild(verify, { startImmediately: true })
      yield* turn
      yield* Fiber.interrupt(first)
      yield* latch.open
      assert.deepInclude(yield* Fiber.join(second), { valid: true })
      assert.strictEqual(begun(acme.id), 1)
    })

    test("has slices, between which others have their turn", function*() {
      for (let n = 0; n < 300; n++) yield* post
      const { slices } = yield* watched
      let turns = 0
      const others = yield* Effect.forkChild(
        Effect.forever(Effect.andThen(Effect.yieldNow, Effect.sync(() => turns++)))
      )
      assert.deepInclude(yield* verify, { valid: true, record_count: 300 })
      yield* Fiber.interrupt(others)
      assert.strictEqual(slices.reduce((sum, { size }) => sum + size, 0), 300)
      assert.isAtMost(Math.max(...slices.map(({ size }) => size)), 64)
      // `forever` takes a turn of its own.
      assert.isAtLeast(turns, Math.floor(slices.length / 2) - 1)
      assert.isAbove(slices.length, 4)
    })

    test("finds what was changed, and where", function*() {
      for (let n = 0; n < 30; n++) yield* post
      const ledger = yield* Ledger
      const records = yield* ledger.records(acme.id)
      const changed = records.map((record, index) =>
        index === 20 ? Object.assign(Object.create(Object.getPrototypeOf(record)), record, { severity: "low" }) : record
      )
      yield* ledger.replaceRecords(acme.id, changed)
      assert.deepInclude(yield* verify, {
        valid: false,
        failed_at_action_id: records[20]!.actionId,
        reason: "record_hash mismatch"
      })
      yield* ledger.replaceRecords(acme.id, records.filter((_, index) => index !== 20))
      assert.deepInclude(yield* verify, {
        valid: false,
        failed_at_action_id: records[21]!.actionId,
        reason: "prev_hash mismatch"
      })
    })
  })
}
