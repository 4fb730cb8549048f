import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Approvals } from "../../src/approvals/Approvals.ts"
import * as Reviews from "../../src/approvals/Reviews.ts"
import { CallResult, Failure } from "../../src/cli/Output.ts"
import * as Faults from "../../src/testing/Faults.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { decodeLines, prepare, run } from "../support/cli.ts"

const gateway = () =>
  GatewayMemory.layer({
    tenants: [{ id: "local", apiKey: "vargate-local-key", policyTemplate: "financial" }],
    tools: {
      "stripe/create_charge": ({ amount }) =>
        amount === 13 ? Effect.fail("card declined") : Effect.succeed({ charged: amount })
    }
  })

const charge = (amount: number, ...more: ReadonlyArray<string>) => [
  "call",
  "stripe",
  "create_charge",
  "-p",
  JSON.stringify({ amount }),
  ...more
]

const records = GatewayMemory.GatewayMemory.use((gateway) => gateway.records())

/** Lets the command go on while time passes. */
const passing = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>, seconds: number) {
  const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
  yield* TestClock.adjust(`${seconds} seconds`)
  return yield* Fiber.join(fiber)
})

describe("call", () => {
  it.effect.each<[amount: number, code: number, tag: string, said: RegExp]>([
    [50, 0, "Allowed", /allowed, and executed by the gateway[^]*Result +\{"charged":50\}/],
    [13, 9, "Allowed", /allowed, but the tool failed[^]*Error +.*card declined/],
    [9000, 3, "Denied", /denied by policy[^]*Violations +transaction_exceeds_limit[^]*Severity +high/],
    [80, 0, "Allowed", /executed/]
  ])("of %d ends with %d", ([amount, code, tag, said]) =>
    Effect.gen(function*() {
      const human = yield* run(charge(amount))
      assert.match(human.out, said)
      assert.strictEqual(human.code, code)
      const json = yield* run(charge(amount, "--json"))
      assert.deepStrictEqual(decodeLines(CallResult, json.out).map(({ _tag }) => _tag), [tag])
      assert.deepStrictEqual([json.code, json.err], [code, ""])
    }).pipe(Effect.provide(gateway())))

  it.effect("that is held ends with 4, and says how to wait", () =>
    Effect.gen(function*() {
      const { code, out } = yield* run(["call", "db", "drop"])
      assert.match(out, /pending: a reviewer must decide[^]*effect-vargate approvals show [0-9a-f-]{36} --wait/)
      assert.strictEqual(code, 4)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("acts as the agent that it is told to", () =>
    Effect.gen(function*() {
      yield* run(["call", "http", "GET", "--agent", "bot", "--reference", "-p", "{\"a\":1}"])
      const [record] = yield* records
      assert.strictEqual(record?.agentId, "bot")
      assert.hasAllKeys(record?.params, ["a", "vargate_reference"])
    }).pipe(Effect.provide(gateway())))

  it.effect("refuses before sending what the gateway would refuse", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["call", "no spaces", "GET", "--json"])
      assert.strictEqual(code, 2)
      assert.deepInclude(decodeLines(Failure, err)[0], { error: "InvalidRequest", sideEffect: "none" })
      assert.lengthOf(yield* records, 0)
    }).pipe(Effect.provide(gateway())))
})

describe("call --wait", () => {
  const held = ["call", "db", "drop", "--wait"]

  /** Starts waiting, and finds the action. */
  const start = Effect.fnUntraced(function*(args: ReadonlyArray<string>, columns?: number) {
    const command = prepare(args, columns === undefined ? {} : { columns })
    const fiber = yield* Effect.forkChild(command.end, { startImmediately: true })
    yield* TestClock.adjust("2 seconds")
    const { pending } = yield* Approvals.use((approvals) => approvals.pending)
    return { command, fiber, actionId: pending[0]!.actionId }
  })

  it.effect("goes on when somebody approves", () =>
    Effect.gen(function*() {
      const { actionId, fiber } = yield* start([...held, "--json"])
      yield* Reviews.Reviews.use((reviews) => reviews.approve(actionId, "fine"))
      yield* TestClock.adjust("2 seconds")
      const { code, out } = yield* Fiber.join(fiber)
      const [outcome] = decodeLines(CallResult, out)
      assert.deepInclude({ ...outcome }, { _tag: "Approved", actionId, note: "fine" })
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("ends with 3 when somebody rejects, and shows meanwhile that it waits", () =>
    Effect.gen(function*() {
      const { actionId, command, fiber } = yield* start(held, 80)
      assert.match(command.err(), new RegExp(`Waiting for a decision on action ${actionId}.[^]*waited 2 s`))
      yield* Reviews.Reviews.use((reviews) => reviews.reject(actionId, "no"))
      yield* TestClock.adjust("2 seconds")
      const { code, out } = yield* Fiber.join(fiber)
      assert.match(out, /rejected by a reviewer[^]*Reviewer.*: no/)
      assert.strictEqual(code, 3)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("ends with 4 when its time is over", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* passing(run(["call", "db", "drop", "--wait=10s"]), 11)
      assert.match(err, /No decision on [0-9a-f-]{36} within 10s/)
      assert.match(out, /pending: a reviewer must decide/)
      assert.strictEqual(code, 4)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("says how to come back when it is interrupted", () =>
    Effect.gen(function*() {
      const { actionId, command, fiber } = yield* start(held)
      yield* Fiber.interrupt(fiber)
      assert.include(command.err(), `effect-vargate approvals show ${actionId} --wait`)
    }).pipe(Effect.provide(GatewayMemory.layer())))
})

describe("at most once", () => {
  const losing = (plan: Partial<Faults.Plan>) => Layer.provideMerge(Faults.layer({ seed: 1, ...plan }), gateway())

  it.effect("a lost answer is looked up in the log", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* passing(run(charge(50)), 60)
      assert.match(err, /The answer was lost/)
      assert.match(out, /Found +in the audit log/)
      assert.strictEqual(code, 0)
      assert.lengthOf(yield* records, 1)
    }).pipe(Effect.provide(losing({ answerLost: 1 }))))

  it.effect("a call that never arrived is not sent again, and nobody is told that nothing happened", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* passing(run(charge(50, "--retry", "--json")), 120)
      assert.deepInclude(decodeLines(Failure, err)[0], { error: "OutcomeUnknown", sideEffect: "possible", exitCode: 6 })
      assert.deepStrictEqual([code, out], [6, ""])
      assert.lengthOf(yield* records, 0)
    }).pipe(Effect.provide(losing({ requestLost: 1 }))))

  it.effect("--retry tries again where nothing can have happened", () =>
    Effect.gen(function*() {
      const memory = yield* GatewayMemory.GatewayMemory
      yield* memory.setOpaOutage(true)
      const impatient = yield* run(charge(50))
      assert.strictEqual(impatient.code, 10)
      assert.match(impatient.err, /policy engine cannot be reached/)
      const fiber = yield* Effect.forkChild(run(charge(50, "--retry")), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* memory.setOpaOutage(false)
      yield* TestClock.adjust("1 minute")
      const patient = yield* Fiber.join(fiber)
      assert.strictEqual(patient.code, 0)
      assert.match(patient.err, /policy engine [^]*trying again in \d+ ms \(attempt 2\)[^]*\(attempt 3\)/)
      assert.lengthOf(yield* records, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("an unreachable gateway is 5", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(charge(50))
      assert.match(err, /cannot be reached; nothing was sent/)
      assert.strictEqual(code, 5)
    }).pipe(Effect.provide(ScriptedTransport.layer([ScriptedTransport.refuse]))))

  it.effect("a key that is not accepted is 7", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(charge(50), { env: { VARGATE_API_KEY: "wrong-key" } })
      assert.match(err, /^The key is that of VARGATE_API_KEY\.\nerror: .*did not accept the API key/)
      assert.notInclude(err, "wrong")
      assert.strictEqual(code, 7)
    }).pipe(Effect.provide(gateway())))
})
