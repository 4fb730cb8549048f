import { assert, describe, it, layer } from "@effect/vitest"
import { Arbitrary, Clock, Duration, Effect, Exit, Fiber, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"
import { actionId, type Failure, type OperationName, operations, scripted } from "../support/operations.ts"
import { hour, settableClock } from "../support/wallClock.ts"

const { json, text } = ScriptedTransport

const limit = { error: "rate_limit_exceeded", tenant_id: "t-1", rate_limit_rps: 10, rate_limit_burst: 20 }
const limited = (headers = {}) => json(429, { detail: limit }, headers)
const opaAway = json(502, { detail: "OPA unreachable: All connection attempts failed" })
const allowed = json(200, { status: "allowed", action_id: actionId })
const denied = json(403, { detail: { action_id: actionId, violations: ["v"] } })

const steps = {
  allowed,
  denied,
  pending: json(202, { status: "pending_approval", action_id: actionId }),
  limited: limited(),
  limitedForLong: limited({ "retry-after": "7" }),
  opaAway,
  gatewayAway: text(502, "<html>Bad Gateway</html>", { "content-type": "text/html" }),
  fault: text(500, "Internal Server Error", { "content-type": "text/plain" }),
  unauthenticated: json(401, { detail: "Invalid API key" }),
  redirect: text(307, "", { location: "https://elsewhere.example" }),
  strange: text(200, "<html>"),
  disconnect: ScriptedTransport.disconnect,
  refuse: ScriptedTransport.refuse,
  hang: ScriptedTransport.hang
}

type StepName = keyof typeof steps

/** What certainly did nothing and may be sent again, worked out from the answer alone. */
const repeatable: Readonly<Record<"ToolCalls.call" | "System.health", ReadonlyArray<StepName>>> = {
  "ToolCalls.call": ["limited", "limitedForLong", "opaAway", "refuse"],
  "System.health": ["limited", "limitedForLong", "opaAway", "gatewayAway", "fault", "disconnect", "refuse", "hang"]
}

/** The answers still to come. Beyond them everything is allowed. */
const queue: Array<ScriptedTransport.Step> = []

interface Attempt {
  readonly at: number
  error: Failure | undefined
  readonly endedAt: { millis: number }
}

/** Runs an operation under a policy until it ends, however long that takes, and shows every attempt. */
const attempts = (
  name: OperationName,
  script: ReadonlyArray<StepName>,
  policy: Schedule.Schedule<unknown, Failure>
) =>
  Effect.gen(function*() {
    queue.splice(0, queue.length, ...script.map((step) => steps[step]))
    const made: Array<Attempt> = []
    const attempt = Effect.gen(function*() {
      const current: Attempt = { at: yield* Clock.currentTimeMillis, error: undefined, endedAt: { millis: 0 } }
      made.push(current)
      return yield* Effect.tapError(operations[name], (error) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          current.error = error
          current.endedAt.millis = now
        }))
    })
    const fiber = yield* Effect.forkChild(Effect.exit(Effect.retry(attempt, policy)), { startImmediately: true })
    yield* TestClock.adjust("3650 days")
    const exit = yield* Fiber.join(fiber)
    return { made, exit }
  })

const stepNames = Arbitrary.array(
  Arbitrary.schema(
    Schema.Literals([
      ...(Object.keys(steps) as Array<StepName>),
      // What may be repeated comes often, so that sequences grow long.
      ...repeatable["ToolCalls.call"],
      ...repeatable["ToolCalls.call"],
      ...repeatable["System.health"]
    ])
  ),
  { maxLength: 12 }
)

const operation = Arbitrary.schema(Schema.Literals(["ToolCalls.call", "System.health"]))

// --- schedules of all kinds ------------------------------------------------------------------------------------------

const number = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 })))

const simple = Arbitrary.all({ kind: number, amount: number }).pipe(
  Arbitrary.map(({ amount, kind }): Schedule.Schedule<unknown> => {
    const millis = amount * 3
    switch (kind % 5) {
      case 0:
        return Schedule.recurs(amount % 6)
      case 1:
        return Schedule.spaced(millis)
      case 2:
        return Schedule.exponential(millis)
      case 3:
        return Schedule.fixed(millis)
      default:
        return Schedule.spaced(millis).pipe(Schedule.upTo({ times: amount % 4 }))
    }
  })
)

const schedule = Arbitrary.all({ kind: number, left: simple, right: simple }).pipe(
  Arbitrary.map(({ kind, left, right }): Schedule.Schedule<unknown> => {
    switch (kind % 4) {
      case 0:
        return left
      case 1:
        return Schedule.max([left, right])
      case 2:
        return Schedule.min([left, right])
      default:
        return Schedule.concat(left, right)
    }
  })
)

const policies = {
  none: RetryPolicy.none,
  rateLimited: RetryPolicy.rateLimited,
  opaUnavailable: RetryPolicy.opaUnavailable,
  standard: RetryPolicy.standard,
  reads: RetryPolicy.reads
}

layer(scripted(() => queue.shift() ?? allowed))("policies", (it) => {
  const check = (name: "ToolCalls.call" | "System.health", script: ReadonlyArray<StepName>, {
    exit,
    made
  }: Effect.Success<ReturnType<typeof attempts>>) => {
    made.slice(0, -1).forEach(({ endedAt, error }, i) => {
      assert.include(repeatable[name], script[i], `repeated after ${script[i]}`)
      assert.isTrue(error?.isRetryable)
      assert.strictEqual(error?.sideEffect, "none")
      const silence = made[i + 1]!.at - endedAt.millis
      if (error?._tag === "RateLimited") {
        assert.isAtLeast(silence, script[i] === "limitedForLong" ? 7000 : 1000)
      }
    })
    const last = made.at(-1)!
    if (last.error === undefined) assert.isTrue(Exit.isSuccess(exit))
    else assert.deepStrictEqual(exit, Exit.fail(last.error))
  }

  const given = { stepNames, operation }
  const options = { arbitrary: { runs: 150 } }

  for (const [name, policy] of Object.entries(policies)) {
    it.effect.prop(
      `${name} repeats only what certainly did nothing`,
      given,
      ({ operation, stepNames }) =>
        Effect.map(attempts(operation, stepNames, policy), (result) => check(operation, stepNames, result)),
      options
    )
  }

  it.effect.prop(
    "make turns any schedule into a safe one",
    { ...given, schedule },
    ({ operation, schedule, stepNames }) =>
      Effect.map(
        attempts(operation, stepNames, RetryPolicy.make(schedule).pipe(Schedule.upTo({ times: 30 }))),
        (result) => check(operation, stepNames, result)
      ),
    { arbitrary: { runs: 400 } }
  )

  it.effect.prop("standard goes on as long as it may", { stepNames }, ({ stepNames }) =>
    Effect.gen(function*() {
      const { made } = yield* attempts("ToolCalls.call", stepNames, RetryPolicy.standard)
      const first = stepNames.findIndex((name) => !repeatable["ToolCalls.call"].includes(name))
      assert.lengthOf(made, Math.min(9, (first === -1 ? stepNames.length : first) + 1))
    }), options)

  const always = (name: StepName) => Array.from({ length: 50 }, () => name)
  const requestsOf = (name: OperationName, step: StepName, policy: Schedule.Schedule<unknown, Failure>) =>
    Effect.map(attempts(name, always(step), policy), ({ made }) => made.map(({ at }) => at - made[0]!.at))

  it.effect.each(Object.keys(steps) as Array<StepName>)(
    "none never repeats: %s",
    (step) => Effect.map(requestsOf("ToolCalls.call", step, RetryPolicy.none), (times) => assert.lengthOf(times, 1))
  )

  it.effect.each(repeatable["ToolCalls.call"])(
    "standard is bounded in tries and time: %s",
    (step) =>
      Effect.map(requestsOf("ToolCalls.call", step, RetryPolicy.standard), (times) => {
        assert.lengthOf(times, 9)
        assert.isAtMost(times.at(-1)!, Duration.toMillis("2 minutes"))
      })
  )

  it.effect("standard is bounded in tries and time, whatever the clock is set to", () =>
    Effect.gen(function*() {
      const { clock, set } = yield* settableClock
      queue.splice(0, queue.length, ...Array.from({ length: 20 }, () => opaAway))
      let tries = 0
      const call = Effect.tapError(operations["ToolCalls.call"], () => set(++tries * hour))
      const calling = yield* Effect.retry(call, RetryPolicy.standard).pipe(
        Effect.provideService(Clock.Clock, clock),
        Effect.flip,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* Fiber.join(calling))._tag, "OpaUnavailable")
      assert.strictEqual(tries, 9)
    }))

  it.effect("standard pauses grow", () =>
    Effect.map(requestsOf("ToolCalls.call", "opaAway", RetryPolicy.standard), (times) => {
      const pauses = times.slice(1).map((time, i) => time - times[i]!)
      const least = [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]
      pauses.forEach((pause, i) => {
        assert.isAtLeast(pause, least[i]!)
        assert.isAtMost(pause, least[i]! * 1.5)
      })
    }))

  it.effect.each<[StepName, number]>([["hang", 5], ["disconnect", 6], ["fault", 6], ["gatewayAway", 6], ["refuse", 6]])(
    "reads repeats %s",
    ([step, count]) =>
      Effect.map(requestsOf("System.health", step, RetryPolicy.reads), (times) => assert.lengthOf(times, count))
  )

  it.effect.each<[keyof typeof policies, StepName]>([
    ["rateLimited", "opaAway"],
    ["rateLimited", "refuse"],
    ["opaUnavailable", "limited"],
    ["opaUnavailable", "refuse"]
  ])(
    "%s leaves %s to others",
    ([policy, step]) =>
      Effect.map(requestsOf("ToolCalls.call", step, policies[policy]), (times) => assert.lengthOf(times, 1))
  )

  it.effect.each<[keyof typeof policies, StepName]>([["rateLimited", "limited"], ["opaUnavailable", "opaAway"]])(
    "%s goes on after %s",
    ([policy, step]) =>
      Effect.map(requestsOf("ToolCalls.call", step, policies[policy]), (times) => assert.lengthOf(times, 51))
  )
})

describe("the window after a 429", () => {
  it.effect("gets a full second of silence", () =>
    Effect.gen(function*() {
      const wire = yield* ScriptedTransport.ScriptedTransport
      const fiber = yield* operations["ToolCalls.call"].pipe(
        Effect.retry(RetryPolicy.standard),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("999 millis")
      assert.lengthOf(yield* wire.requests, 1)
      yield* TestClock.adjust("501 millis")
      assert.lengthOf(yield* wire.requests, 2)
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(scripted([limited(), allowed]))))
})
