/** Durable payments on four machines, while machines, database, network and gateway fail one after another. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import { join } from "node:path"
import { network } from "../workflow/support/network.ts"
import { linesOf } from "../workflow/support/payments.ts"
import * as Postgres from "../workflow/support/postgres.ts"
import {
  deciding,
  exit,
  isApproved,
  isFull,
  kill,
  machine,
  numberOf,
  outage,
  outcomesIn,
  temporaryFolder,
  url,
  world
} from "../workflow/support/world.ts"

const payments = isFull ? 240 : 60
const frozenSeconds = isFull ? 45 : 12
/** How long the slowest actions take. */
const longest = isFull ? 28_000 : 7_000
const pause = Effect.sleep(isFull ? 8_000 : 3_000)

/** Nothing was done twice, and no caller was told what is not so. */
const verify = Effect.fnUntraced(function*(folder: string) {
  const outcomes = outcomesIn(folder)
  const begun = linesOf(join(folder, "begun")).map((line) => Number(line.split(" ")[0]))
  const ended = new Set(linesOf(join(folder, "ended")).map(Number))
  assert.strictEqual(new Set(begun).size, begun.length, "an action was run twice")
  const records = yield* Ledger.use((ledger) => ledger.records("t"))
  const submitted = records.filter(({ tool }) => tool === "bank").map(({ params }) => numberOf(params))
  assert.strictEqual(new Set(submitted).size, submitted.length, "a call was submitted twice")
  const unknown: Array<string> = []
  for (let n = 0; n < payments; n++) {
    const [told, ...others] = outcomes.get(n) ?? []
    assert.deepStrictEqual(others, [], `callers of ${n} were told different things: ${[told, ...others].join(", ")}`)
    if (told === "OutcomeUnknown") {
      const isKilled = begun.includes(n) && !ended.has(n)
      unknown.push(`${n} ${isKilled ? "killed in its run" : "without a record"}`)
      assert(isKilled || !submitted.includes(n), `the outcome of ${n} is known`)
      continue
    }
    assert.strictEqual(told, !isApproved(n) ? "Rejected" : n % 2 === 0 ? "agent" : "gateway", `payment ${n}`)
    assert.strictEqual(ended.has(n), told === "agent", `payment ${n}`)
  }
  console.log(`${payments} payments, unknown: ${unknown.join("; ") || "none"}`)
})

describe.skipIf(!Postgres.hasPostgres)(`EnginePostgres, campaign (${Postgres.reason})`, () => {
  it.live(`${payments} payments survive failing machines, databases, networks and gateways`, () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const database = yield* Postgres.server
      const gateway = yield* url
      const wire = yield* network(database.port)
      const share = payments / 4
      const start = Effect.fnUntraced(function*(part: number, databasePort = database.port) {
        const port = yield* Postgres.freePort
        return yield* machine("./campaignWorker.ts", [
          gateway,
          database.url.replace(`:${database.port}/`, `:${databasePort}/`),
          folder,
          ...[port, part * share, (part + 1) * share, longest].map(String)
        ])
      })
      const first = yield* start(0)
      const second = yield* start(1)
      const third = yield* start(2, wire.port)
      const fourth = yield* start(3)
      yield* Effect.sleep("5 seconds")
      yield* deciding(0.03)
      yield* pause
      yield* kill(first)
      yield* start(0)
      yield* pause
      second.kill("SIGSTOP")
      yield* Effect.sleep(frozenSeconds * 1000)
      second.kill("SIGCONT")
      yield* pause
      yield* database.restart(1_000)
      yield* pause
      yield* outage(2_000)
      yield* pause
      yield* wire.stall
      yield* Effect.sleep(frozenSeconds * 500)
      yield* wire.reset
      yield* pause
      // An orderly end leaves nothing unknown.
      fourth.kill("SIGTERM")
      yield* exit(fourth)
      yield* start(3)
      yield* pause
      yield* database.restart(3_000)
      yield* pause
      yield* outage(2_000)
      yield* kill(third)
      yield* start(2)
      yield* Effect.repeat(
        Effect.andThen(Effect.sleep("500 millis"), Effect.sync(() => outcomesIn(folder).size)),
        { until: (ended) => ended === payments }
      )
      yield* verify(folder)
    }).pipe(Effect.scoped, Effect.provide(world)))
})
