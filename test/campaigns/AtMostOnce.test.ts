/**
 * Ten thousand governed calls through a bad network, held against the gateway's own ledger.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { Governed, type Reconcile, type ToolCalls, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import * as Faults from "effect-vargate/testing/Faults"
import { TestClock } from "effect/testing"

const calls = 10_000

const plan: Faults.Plan = {
  seed: 20260101,
  requestLost: 0.1,
  answerLost: 0.1,
  limited429: 0.05,
  opa502: 0.05,
  proxy502: 0.05,
  error500: 0.05,
  bodyCut: 0.05
}

const tenant = {
  id: "t",
  apiKey: "test-key",
  policyTemplate: "financial",
  policyConfig: { dailyTransactionCap: 1e9 },
  burst: 1e9
} as const

/** What the gateway executed, by the number of the call: past ledger and interfaces. */
const executed = new Map<number, number>()

const world = (faults: Faults.Plan) =>
  Vargate.layer({ apiKey: tenant.apiKey }).pipe(
    Layer.provideMerge(Faults.layer(faults)),
    Layer.provideMerge(Gateway.layerMemory({
      tenants: [tenant],
      tools: {
        "bank/pay": ({ n }) =>
          Effect.sync(() => {
            executed.set(Number(n), (executed.get(Number(n)) ?? 0) + 1)
            return { paid: true }
          })
      }
    }))
  )

/** Fewer looks than by default, for the sake of the test's own time: here a record is there when an answer is lost. */
const reconcile: Reconcile.Options = { wait: "2 seconds", poll: Schedule.spaced("2 seconds"), clockSkew: "1 second" }

/** A third is executed by the gateway, the rest left to the agent; some are denied, some held. */
const requestOf = (n: number): ToolCalls.ToolCallRequest => ({
  tool: "bank",
  method: n % 3 === 0 ? "pay" : "note",
  params: { n, amount: n % 10 === 7 ? 9000 : n % 10 === 8 ? 2000 : 5 },
  isBusinessHours: true
})

/** Of which calls it cannot be told without a reference whether a record is theirs. */
const whatIs = (n: number) => ({ isHeld: n % 10 === 8, isLeft: n % 3 !== 0 && n % 10 !== 7 && n % 10 !== 8 })

const campaign = (reference: "params" | undefined) =>
  Effect.gen(function*() {
    executed.clear()
    const acted = new Map<number, number>()
    const act = (n: number) => Effect.sync(() => void acted.set(n, (acted.get(n) ?? 0) + 1))
    const running = yield* Effect.forkChild(Effect.forEach(
      Array.from({ length: calls }, (_, n) => n),
      (n) => Effect.exit(Governed.run({ ...requestOf(n), reference, reconcile, onPending: Governed.fail }, act(n))),
      { concurrency: 250 }
    ))
    while (running.pollUnsafe() === undefined) yield* TestClock.adjust("250 millis")
    const exits = yield* Fiber.join(running)

    const ledger = yield* Ledger
    const records = yield* ledger.records("t")
    const recordsOf = new Map<number, Array<string>>()
    for (const { actionId, params } of records) {
      const { n } = params as { readonly n: number }
      recordsOf.set(n, [...recordsOf.get(n) ?? [], actionId])
    }

    const counts: Record<string, number> = {}
    const actedOn: Array<string> = []
    let lost = 0
    for (const [n, exit] of exits.entries()) {
      const own = recordsOf.get(n) ?? []
      // What the gateway executes or denies, or a reviewer is to decide, is submitted once. What it left to the agent may be
      // submitted anew, and is acted on by the last record.
      const { isHeld, isLeft } = whatIs(n)
      assert.isAtMost(own.length, reference === undefined && isLeft ? 4 : 1, `call ${n} was submitted twice`)
      assert.isAtMost((executed.get(n) ?? 0) + (acted.get(n) ?? 0), 1, `call ${n} was done twice`)
      const outcome = yield* Effect.match(exit, {
        onSuccess: ({ actionId, executedBy }) => ({ _tag: `done by ${executedBy}`, actionId }),
        onFailure: (error) => error
      })
      counts[outcome._tag] = (counts[outcome._tag] ?? 0) + 1
      if ("actionId" in outcome && outcome.actionId !== undefined) {
        assert.strictEqual(own.at(-1), outcome.actionId)
        if (acted.has(n)) actedOn.push(outcome.actionId)
      }
      const mayBeAnothers = reference === undefined && (isHeld || isLeft)
      if (outcome._tag === "OutcomeUnknown" && own.length > 0 && !mayBeAnothers) lost++
      assert.isFalse(Exit.hasDies(exit))
    }
    assert.strictEqual(lost, 0, "answers whose record exists but was not found")
    assert.strictEqual(new Set(actedOn).size, acted.size, "something was done without a record of its own")
    const faults = yield* Effect.flatMap(Faults.Faults, (service) => service.counts)
    console.log(
      `${calls} calls${reference ? " with references" : ""}:`,
      counts,
      "records:",
      records.length,
      "faults:",
      faults
    )
    assert.isAbove(counts.OutcomeUnknown ?? 0, calls * 0.08)
  }).pipe(Effect.provide(world(plan)))

/** Identical calls at the same time, many of them answered late or never: the hardest to tell apart. */
const identical = Effect.gen(function*() {
  const actedOn: Array<string> = []
  const running = yield* Effect.forkChild(Effect.forEach(
    Array.from({ length: 1_000 }, (_, n) => n),
    (n) =>
      Effect.exit(Effect.tap(
        Governed.run({ ...requestOf(n % 10), method: "note", reconcile, onPending: Governed.fail }, Effect.void),
        ({ actionId, executedBy }) => Effect.sync(() => executedBy === "agent" ? actedOn.push(actionId) : 0)
      )),
    { concurrency: 50 }
  ))
  while (running.pollUnsafe() === undefined) yield* TestClock.adjust("250 millis")
  const exits = yield* Fiber.join(running)
  assert.strictEqual(new Set(actedOn).size, actedOn.length, "two calls took the same action for theirs")
  assert.isFalse(exits.some(Exit.hasDies))
  const ledger = yield* Ledger
  const allowed = (yield* ledger.records("t")).filter(({ decision }) => decision === "allow")
  assert.isAtMost(actedOn.length, allowed.length)
  assert.isAbove(actedOn.length, 300)
}).pipe(
  Effect.provide(
    world({
      seed: 3,
      requestLost: 0.1,
      answerLost: 0.1,
      delayed: 0.1,
      delay: "5 seconds",
      doubled: 0.05,
      bodyCut: 0.05
    })
  )
)

describe("at most once, through seeded faults", () => {
  it.effect("identical calls never take the same record", () => identical)
  it.effect("params differ: every lost answer whose record leaves nothing to do is found", () => campaign(undefined))
  it.effect("the same with references", () => campaign("params"))
})
