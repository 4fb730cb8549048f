/**
 * Heap per waiting approval, and what ten thousand of them cost in polls.
 *
 * Run with: node --expose-gc --conditions=effect-vargate-source bench/waiters.ts
 */
import { Effect, Fiber, Layer } from "effect"
import { ActionId, Approvals, Vargate } from "effect-vargate"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"

const waiters = 10_000

const row = (n: number) => ({
  action_id: `waiting-${n}`,
  agent_id: "a",
  tool: "t",
  method: "m",
  params: {},
  violations: [],
  severity: "none",
  created_at: "2026-01-01T00:00:00.000000+00:00",
  timeout_at: "2099-01-01T00:00:00.000000+00:00"
})

/** The newest fifty, as the gateway shows them: everybody waits for one of these. */
const list = {
  pending: Array.from({ length: 50 }, (_, n) => row(n)),
  stats: { pending: 50, approved: 0, rejected: 0, expired: 0 }
}

const wire = ScriptedTransport.layer(() => ScriptedTransport.json(200, list))

const heap = Effect.sync(() => {
  const collect = globalThis.gc
  if (collect === undefined) throw new Error("run with --expose-gc")
  collect()
  return process.memoryUsage().heapUsed
})

const measure = (
  name: string,
  wait: (actionId: ActionId.ActionId) => Effect.Effect<unknown, unknown, Approvals.Approvals>
) =>
  Effect.gen(function*() {
    yield* Effect.exit(Effect.timeout(wait(ActionId.ActionId.make("waiting-0")), "50 millis"))
    const before = yield* heap
    const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
    for (let n = 0; n < waiters; n++) {
      fibers.push(
        yield* Effect.forkChild(wait(ActionId.ActionId.make(`waiting-${n % 50}`)), { startImmediately: true })
      )
    }
    const sent = ScriptedTransport.ScriptedTransport.use(({ requests }) => requests)
    const polls = (yield* sent).length
    const cpu = process.cpuUsage()
    yield* Effect.sleep("5 seconds")
    const { system, user } = process.cpuUsage(cpu)
    const perTick = ((yield* sent).length - polls) / 5
    const after = yield* heap
    console.log(
      `${name.padEnd(24)} ${((after - before) / waiters / 1000).toFixed(2)} kB a waiter, ` +
        `${perTick.toFixed(1)} requests a second, ${((system + user) / 50_000).toFixed(1)}% of a core`
    )
    yield* Fiber.interruptAll(fibers)
  }).pipe(Effect.provide(Vargate.layer({ apiKey: "key" }).pipe(Layer.provideMerge(wire))))

const awaiting = (options?: Approvals.AwaitOptions) => (actionId: ActionId.ActionId) =>
  Approvals.Approvals.use((approvals) => approvals.await(actionId, options))

await Effect.runPromise(Effect.gen(function*() {
  console.log(
    `${waiters} waiters; targets: 2.0 kB, 2.5 kB with a deadline, 5 kB with a span; one poll a tick; 5% of a core`
  )
  yield* measure("no deadline", awaiting({ timeout: "Infinity" }))
  yield* measure("with a deadline", awaiting({ timeout: "1 hour" }))
  yield* measure("with a span", (actionId) => Effect.withSpan(awaiting({ timeout: "1 hour" })(actionId), "wait"))
}))
