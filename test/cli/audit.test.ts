import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { decide } from "../../src/calls/ToolCalls.ts"
import { Notice, Record } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, outage, prepare, run } from "../support/cli.ts"

const gateway = () =>
  GatewayMemory.layer({
    tenants: [{ id: "local", apiKey: "vargate-local-key", policyTemplate: "financial", burst: 1000 }]
  })

const charge = (amount: number, agent: string) =>
  decide({ tool: "stripe", method: "create_charge", params: { amount }, agent: { id: agent } })

/** An hour apart: 1 allowed, 2 denied, 3 allowed, 4 denied. */
const some = Effect.gen(function*() {
  for (const [amount, agent] of [[1, "a"], [9000, "a"], [2, "b"], [9001, "b"]] as const) {
    yield* charge(amount, agent)
    yield* TestClock.adjust("1 hour")
  }
})

const idsOf = (out: string) => decodeLines(Record, out).map(({ id }) => id)

describe("audit", () => {
  it.effect("shows the newest last, in a table that fits the screen", () =>
    Effect.gen(function*() {
      yield* some
      const { code, out } = yield* run(["audit"], { columns: 80 })
      const [titles, ...rows] = out.trimEnd().split("\n")
      assert.match(titles!, /^ID +UTC  DECISION  AGENT +ACTION +WHY$/)
      assert.deepStrictEqual(rows.map((row) => Number(row.slice(0, 3))), [1, 2, 3, 4])
      assert.match(rows[1]!, /^ 2  01:00:00  deny +a +stripe\/create_charge  transaction_exc/)
      for (const row of rows) assert.isAtMost(row.length, 80)
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect.each<[ids: ReadonlyArray<number>, ...args: ReadonlyArray<string>]>([
    [[1, 2, 3, 4]],
    [[3, 4], "--limit", "2"],
    [[1, 2], "--agent", "a"],
    [[2, 4], "--decision", "deny"],
    [[4], "--decision", "deny", "-l", "1"],
    [[2], "--decision", "deny", "--agent", "a"],
    [[2, 4], "--violation", "transaction_exceeds_limit"],
    [[], "--tool", "http"],
    [[], "--method", "refund"],
    [[3, 4], "--since", "150m"],
    [[2], "--since", "1970-01-01T00:30", "--until", "1970-01-01T01:30:00Z"]
  ])("%j are found by the filters", ([ids, ...args]) =>
    Effect.gen(function*() {
      yield* some
      const { code, err, out } = yield* run(["audit", "--json", ...args])
      assert.deepStrictEqual([idsOf(out), code, err], [ids, 0, ""])
    }).pipe(Effect.provide(gateway())))

  it.effect("reads on until it has enough that match", () =>
    Effect.gen(function*() {
      yield* charge(9000, "needle")
      yield* Effect.forEach(Array.from({ length: 250 }, (_, i) => i), (i) => charge(i, "hay"))
      const { out } = yield* run(["audit", "--agent", "needle", "--json"])
      assert.deepStrictEqual(idsOf(out), [1])
    }).pipe(Effect.provide(gateway())))

  it.effect("says so where nothing matches", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* run(["audit"])
      assert.deepStrictEqual([code, err, out], [0, "No record matches.\n", ""])
    }).pipe(Effect.provide(gateway())))

  it.effect("follows, and leaves none out", () =>
    Effect.gen(function*() {
      yield* some
      const command = prepare(["audit", "--follow", "-l", "1", "--json"])
      const fiber = yield* Effect.forkChild(command.end, { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      // More than a page of them between two looks.
      yield* Effect.forEach(Array.from({ length: 150 }, (_, i) => i), (i) => charge(i, "a"))
      yield* TestClock.adjust("2 seconds")
      yield* charge(1, "a")
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(idsOf(command.out()), Array.from({ length: 152 }, (_, i) => i + 4))
    }).pipe(Effect.provide(gateway())))

  it.effect("follows on after minutes without a gateway, and leaves none out", () =>
    Effect.gen(function*() {
      yield* some
      const command = prepare(["audit", "--follow", "-l", "1", "--json"])
      const fiber = yield* Effect.forkChild(command.end, { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      outage.isOn = true
      yield* TestClock.adjust("10 minutes")
      outage.isOn = false
      yield* charge(1, "a")
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(idsOf(command.out()), [4, 5])
      const said = decodeLines(Notice, command.err()).map(({ warning }) => warning)
      assert.match(
        said.join("\n"),
        /^The gateway cannot be reached.* Looking again.*\n.*answers again, after 10 min.*$/
      )
    }).pipe(
      Effect.provide(Layer.provideMerge(outage.layer, gateway())),
      Effect.ensuring(Effect.sync(() => outage.isOn = false))
    ))

  it.effect("ends quietly when nobody reads on", () =>
    Effect.gen(function*() {
      yield* some
      const { code, err, out } = yield* run(["audit", "--json"], { reads: 1 })
      assert.deepStrictEqual([code, err, idsOf(out)], [141, "", [1]])
    }).pipe(Effect.provide(gateway())))
})

describe("audit show", () => {
  it.effect("finds a record by its number, its action, the beginning of that, or its hash", () =>
    Effect.gen(function*() {
      yield* some
      const [, record] = yield* GatewayMemory.GatewayMemory.use((gateway) => gateway.records())
      const { actionId, recordHash } = record!
      for (const name of ["2", actionId, actionId.slice(0, 8), recordHash]) {
        assert.deepStrictEqual(idsOf((yield* run(["audit", "show", name, "--json"])).out), [2])
      }
      const { out } = yield* run(["audit", "show", "2"], { columns: 80 })
      assert.match(out, /Decision +deny: transaction_exceeds_limit/)
      assert.match(out, new RegExp(`Hash +${recordHash}`))
      assert.match(out, /Params +\{"amount":9000\}/)
    }).pipe(Effect.provide(gateway())))

  it.effect("knows no record that there is none of", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["audit", "show", "99"])
      assert.include(err, "the log has no record 99")
      assert.strictEqual(code, 8)
    }).pipe(Effect.provide(gateway())))
})
