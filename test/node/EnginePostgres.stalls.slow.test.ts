/** A database that says nothing any more, without a word: its machine, or a router on the way, is gone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, References, Schema } from "effect"
import { StorageFailed } from "effect-vargate/errors/VargateError"
import * as EnginePostgres from "effect-vargate/node/EnginePostgres"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { RunnerAddress } from "effect/cluster"
import { network } from "../workflow/support/network.ts"
import * as Postgres from "../workflow/support/postgres.ts"

const ran: Array<number> = []

const define = (method: string) =>
  GovernedWorkflow.make({
    name: `stalls/${method}`,
    tool: "bank",
    method,
    params: Schema.Struct({ n: Schema.Int }),
    success: Schema.String,
    run: ({ n }) => Effect.sync(() => (ran.push(n), `paid ${n}`))
  })

/** The first is allowed at once, the second waits for a reviewer. */
const Pay = define("pay")
const Delete = define("delete")

/** An engine whose database is behind a network. */
const world = Effect.gen(function*() {
  const database = yield* Postgres.server
  const wire = yield* network(database.port)
  const port = yield* Postgres.freePort
  const engine = Layer.merge(Pay.layer, Delete.layer).pipe(
    Layer.provideMerge(EnginePostgres.layer({
      url: database.url.replace(`:${database.port}/`, `:${wire.port}/`),
      silence: "5 seconds",
      grace: "3 seconds",
      shardingConfig: {
        runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", port)),
        // The database ends a lost session, and its locks, after this time.
        shardLockExpiration: "6 seconds",
        shardLockRefreshInterval: "1 second",
        entityMessagePollInterval: "1 second"
      }
    })),
    Layer.provideMerge(GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] }))
  )
  return { wire, engine }
})

/** The cluster says at length what it misses. */
const quietly = Effect.provideService(References.MinimumLogLevel, "Fatal")

const failsToBeStored = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => assert(error instanceof StorageFailed, String(error)))

describe.skipIf(!Postgres.hasPostgres)(`a database that says nothing (${Postgres.reason})`, () => {
  it.live("is StorageFailed for those who ask, and the execution continues when it is back", () =>
    Effect.gen(function*() {
      const { engine, wire } = yield* world
      ran.length = 0
      yield* Effect.gen(function*() {
        yield* Pay.execute({ key: "0", params: { n: 0 } })
        const waiting = yield* Effect.forkChild(
          failsToBeStored(Delete.execute({ key: "1", params: { n: 1 }, patience: "3 seconds" })),
          { startImmediately: true }
        )
        yield* TestReviewer.untilPending()
        assert.isUndefined(waiting.pollUnsafe())
        yield* wire.stall
        yield* failsToBeStored(Pay.execute({ key: "2", params: { n: 2 }, patience: "3 seconds" }))
        yield* failsToBeStored(Pay.executeDetached({ key: "3", params: { n: 3 }, patience: "3 seconds" }))
        yield* Fiber.join(waiting)
        // Nothing is reset: the old connections stay as they are.
        yield* wire.lose
        yield* TestReviewer.approveNext()
        for (const n of [2, 3]) {
          assert.strictEqual((yield* Pay.execute({ key: `${n}`, params: { n } })).result, `paid ${n}`)
        }
        assert.strictEqual((yield* Delete.execute({ key: "1", params: { n: 1 } })).result, "paid 1")
        assert.deepStrictEqual(ran.toSorted(), [0, 1, 2, 3])
      }).pipe(Effect.provide(engine))
    }).pipe(Effect.scoped, quietly))

  it.live("does not keep an engine from ending", () =>
    Effect.gen(function*() {
      const { engine, wire } = yield* world
      yield* Effect.provide(
        Effect.andThen(Pay.execute({ key: "0", params: { n: 0 } }), wire.stall),
        engine
      )
    }).pipe(Effect.scoped, quietly))
})
