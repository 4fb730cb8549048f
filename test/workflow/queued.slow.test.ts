/** Calls that wait for their turn while their machine is shut down, or killed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import { join } from "node:path"
import { linesOf } from "./support/payments.ts"
import {
  deciding,
  exit,
  isApproved,
  isFull,
  machine,
  numberOf,
  outcomesIn,
  temporaryFolder,
  url,
  world
} from "./support/world.ts"

const payments = isFull ? 250 : 60
const burst = isFull ? 5 : 2

const submitted = Effect.map(
  Ledger.use((ledger) => ledger.records("t")),
  (records) => records.filter(({ tool }) => tool === "bank").map(({ params }) => numberOf(params))
)

describe("calls in the queue of a limiter", () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    it.live(`are submitted by the next machine after ${signal}`, () =>
      Effect.gen(function*() {
        const folder = yield* temporaryFolder
        const start = (burst: number) =>
          Effect.flatMap(url, (url) => machine("./queueWorker.ts", [url, folder, ...[payments, burst].map(String)]))
        const first = yield* start(burst)
        yield* Effect.repeat(Effect.andThen(Effect.sleep("100 millis"), submitted), {
          until: ({ length }) => length >= 2 * burst
        })
        const at = Date.now()
        first.kill(signal)
        yield* exit(first)
        console.log(`${payments} behind burst ${burst}, ${signal}: ended after ${Date.now() - at} ms`)
        // Had it waited for its queue, all would be submitted.
        assert.isBelow((yield* submitted).length, payments / 2)
        yield* deciding(1)
        yield* start(1_000)
        yield* Effect.repeat(
          Effect.andThen(Effect.sleep("200 millis"), Effect.sync(() => outcomesIn(folder).size)),
          { until: (ended) => ended === payments }
        )
        const all = Array.from({ length: payments }, (_, n) => n)
        const outcomes = outcomesIn(folder)
        const sent = (yield* submitted).toSorted((a, b) => a - b)
        // A machine that is killed between a claim and the first byte cannot say that it has sent nothing.
        const unknown = all.filter((n) => outcomes.get(n)!.has("OutcomeUnknown"))
        assert.isAtMost(unknown.length, signal === "SIGKILL" ? burst : 0)
        const known = all.filter((n) => !unknown.includes(n))
        for (const n of known) {
          assert.deepStrictEqual([...outcomes.get(n)!], [isApproved(n) ? "agent" : "Rejected"], `${n}`)
        }
        assert.deepStrictEqual(sent, known)
        assert.deepStrictEqual(
          linesOf(join(folder, "executed")).map(Number).toSorted((a, b) => a - b),
          known.filter(isApproved)
        )
      }).pipe(Effect.scoped, Effect.provide(world)))
  }
})
