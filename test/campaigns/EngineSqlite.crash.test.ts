/** Durable payments wait for people while their process is killed again and again, and the gateway goes away for a while. */
import { describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import {
  check,
  deciding,
  exit,
  isFull,
  kill,
  machine,
  outage,
  temporaryFolder,
  url,
  world
} from "../workflow/support/world.ts"

const payments = isFull ? 200 : 60
const kills = isFull ? 20 : 5

describe("EngineSqlite", () => {
  it.live(`${payments} payments survive ${kills} kills and a gateway that is away`, () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      yield* deciding(0.1)
      const start = machine("./sqliteWorker.ts", [yield* url, folder, String(payments)])
      let child = yield* start
      for (let n = 0; n < kills; n++) {
        yield* Effect.sleep(yield* Random.nextBetween(500, 3_000))
        yield* kill(child)
        child = yield* start
        if (n === Math.floor(kills / 2)) yield* outage(3_000)
      }
      yield* exit(child)
      yield* check(folder, payments)
    }).pipe(Effect.scoped, Effect.provide(world)))
})
