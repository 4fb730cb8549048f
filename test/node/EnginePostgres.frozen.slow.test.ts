/** A machine that was frozen until the others took its work over, and is then told to end. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { network } from "../workflow/support/network.ts"
import * as Postgres from "../workflow/support/postgres.ts"
import { exit, kill, machine, url, world } from "../workflow/support/world.ts"

const each = 40

const peers = ["is gone", "has come again", "says nothing"]

describe.skipIf(!Postgres.hasPostgres)(`a frozen machine (${Postgres.reason})`, () => {
  for (const peer of peers) {
    it.live(`ends on SIGTERM, while its peer ${peer}`, () =>
      Effect.gen(function*() {
        const database = yield* Postgres.start
        const gateway = yield* url
        const ports = yield* Effect.all([Postgres.freePort, Postgres.freePort])
        const wires = yield* Effect.forEach(ports, network)
        const start = (part: number) =>
          machine("./frozenWorker.ts", [
            gateway,
            database,
            ...[ports[part]!, wires[part]!.port, part * each, (part + 1) * each].map(String)
          ])
        const first = yield* start(0)
        const second = yield* start(1)
        // Calls go back and forth between the two.
        yield* Effect.sleep("8 seconds")
        first.kill("SIGSTOP")
        // The other one takes over what it had.
        yield* Effect.sleep("9 seconds")
        if (peer === "says nothing") { for (const { stall } of wires) yield* stall }
        else yield* kill(second)
        if (peer === "has come again") {
          yield* start(1)
          yield* Effect.sleep("4 seconds")
        }
        const at = Date.now()
        first.kill("SIGCONT")
        first.kill("SIGTERM")
        yield* exit(first)
        console.log(`its peer ${peer}: ended after ${Date.now() - at} ms`)
        // In order, or because its grace was over.
        assert.isNull(first.signalCode)
      }).pipe(Effect.scoped, Effect.provide(world)))
  }
})
