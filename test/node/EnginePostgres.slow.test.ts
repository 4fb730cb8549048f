/** Durable payments on a cluster whose machines are killed, frozen and joined by others. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Postgres from "../workflow/support/postgres.ts"
import {
  check,
  deciding,
  isFull,
  kill,
  machine,
  outcomesIn,
  polls,
  temporaryFolder,
  url,
  world
} from "../workflow/support/world.ts"

const payments = isFull ? 1_000 : 150
const frozenSeconds = isFull ? 60 : 15

describe.skipIf(!Postgres.hasPostgres)(`EnginePostgres (${Postgres.reason})`, () => {
  it.live(`${payments} payments survive a killed machine, a frozen one and a late one`, () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const database = yield* Postgres.start
      const gateway = yield* url
      const join = Effect.fnUntraced(function*(from: number, to: number) {
        const port = yield* Postgres.freePort
        return yield* machine("./postgresWorker.ts", [
          gateway,
          database,
          folder,
          ...[port, from, to, 2 * frozenSeconds].map(String)
        ])
      })
      const third = Math.floor(payments / 3)
      const first = yield* join(0, third)
      const second = yield* join(third, 2 * third)
      yield* join(2 * third, payments)
      yield* Effect.sleep("5 seconds")
      polls.length = 0
      yield* deciding(0.05)
      yield* Effect.sleep("2 seconds")
      yield* kill(first)
      second.kill("SIGSTOP")
      yield* Effect.sleep("3 seconds")
      // It also asks for the results of what the dead machine had started.
      yield* join(0, third)
      yield* Effect.sleep(frozenSeconds * 1000)
      second.kill("SIGCONT")
      yield* Effect.repeat(
        Effect.andThen(Effect.sleep("500 millis"), Effect.sync(() => outcomesIn(folder).size)),
        { until: (ended) => ended === payments }
      )
      yield* check(folder, payments)
      const seconds = new Set(polls.map((time) => Math.floor(time / 1000))).size
      console.log(`${polls.length} looks at GET /approvals in ${seconds} seconds`)
      assert.isAtMost(polls.length / seconds, 1.5)
    }).pipe(Effect.scoped, Effect.provide(world)), 600_000)
})
