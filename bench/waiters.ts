/** Heap per waiting approval, and what ten thousand of them cost in polls. */
import { Effect, Fiber, Layer } from "effect"
import { ActionId, Approvals, Vargate } from "effect-vargate"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { atMost, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"

const waiters = 10_000
const seconds = thorough(5, 1)

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

/** The newest fifty, as the gateway shows them: every waiter waits for one of these. */
const list = {
  pending: Array.from({ length: 50 }, (_, n) => row(n)),
  stats: { pending: 50, approved: 0, rejected: 0, expired: 0 }
}

const wire = ScriptedTransport.layer(() => ScriptedTransport.json(200, list))

const heap = Effect.sync(() => {
  globalThis.gc!()
  return process.memoryUsage().heapUsed
})

const measure = (
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
    yield* Effect.sleep(seconds * 1000)
    const { system, user } = process.cpuUsage(cpu)
    const polled = (yield* sent).length - polls
    const after = yield* heap
    yield* Fiber.interruptAll(fibers)
    return {
      kilobytes: (after - before) / waiters / 1000,
      polls: polled / seconds,
      core: (system + user) / seconds / 1e4
    }
  }).pipe(Effect.provide(Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(wire))))

const awaiting = (options?: Approvals.AwaitOptions) => (actionId: ActionId.ActionId) =>
  Approvals.Approvals.use((approvals) => approvals.await(actionId, options))

const run = (wait: Parameters<typeof measure>[0]) => Effect.runPromise(measure(wait))

const limits = { "no deadline": 2, "with a deadline": 2.5, "with a span": 5 }
const measured = {
  "no deadline": await run(awaiting({ timeout: "Infinity" })),
  "with a deadline": await run(awaiting({ timeout: "1 hour" })),
  "with a span": await run((actionId) => Effect.withSpan(awaiting({ timeout: "1 hour" })(actionId), "wait"))
}
const names = Object.keys(limits) as ReadonlyArray<keyof typeof limits>
const worst = (key: "polls" | "core") => Math.max(...names.map((name) => measured[name][key]))

hand({
  title: "Waiting for approvals",
  about:
    `${waiters.toLocaleString("en")} fibers that wait for a decision, ${seconds} s; the pending list has 50 rows and ` +
    "is polled every second.",
  tables: [{
    columns: ["way", "kB of heap a waiter", "polls/s", "% of a core"],
    rows: names.map((name) => [name, measured[name].kilobytes, measured[name].polls, measured[name].core])
  }],
  targets: [
    ...names.map((name) => atMost(`heap of a waiter, ${name}`, limits[name], "kB", measured[name].kilobytes)),
    atMost("polls for all waiters, one a tick", (seconds + 1) / seconds, "a second", worst("polls")),
    atMost(`CPU of ${waiters.toLocaleString("en")} waiters`, 5, "% of a core", worst("core"))
  ]
})
process.exit()
