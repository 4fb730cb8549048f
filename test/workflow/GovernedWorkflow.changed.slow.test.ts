/** A workflow that wakes in code whose params are others than those that were approved. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Schema } from "effect"
import { Approvals, Reviews, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Journal } from "effect-vargate/workflow/Journal"
import { join } from "node:path"
import { folder } from "../support/folder.ts"

const ran: Array<unknown> = []

const shared = { name: "changed/Pay", tool: "files", method: "delete", success: Schema.String } as const

const run = (params: unknown) => Effect.sync(() => (ran.push(params), "done"))

const first = GovernedWorkflow.make({
  ...shared,
  version: "1",
  params: Schema.Struct({ n: Schema.Int }),
  run
})

const Currency = Schema.Struct({ n: Schema.Int, currency: Schema.String })

const second = GovernedWorkflow.make({ ...shared, version: "2", params: Currency, run })

const migrating = GovernedWorkflow.make({
  ...shared,
  version: "2",
  params: Currency,
  run,
  migrate: (params, version) => ({ ...params, currency: version === "1" ? "EUR" : "?" })
})

const world = Reviews.layer.pipe(
  Layer.provideMerge(Approvals.layerWith({ poll: Schedule.spaced("10 millis") })),
  Layer.provideMerge(Vargate.layer({ apiKey: "test-key" })),
  Layer.provideMerge(Gateway.layerMemory({ tenants: [{ id: "t", apiKey: "test-key", burst: 1e6 }] }))
)

/** What the process does whose code has this workflow. */
const life = <A, E, R>(filename: string, layer: typeof first.layer, program: Effect.Effect<A, E, R>) =>
  Effect.provide(
    program,
    Layer.provideMerge(
      Layer.fresh(layer),
      Layer.fresh(EngineSqlite.layer({ filename, scan: "10 millis", repeat: "50 millis" }))
    )
  )

const until = <A, E, R>(look: Effect.Effect<A | undefined, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    look,
    (found) => found === undefined ? Effect.andThen(Effect.sleep(10), until(look)) : Effect.succeed(found)
  )

const waiting = until(
  Effect.map(Approvals.Approvals.use(({ pending }) => pending), ({ pending }) => pending[0]?.actionId)
)

const start = { key: "1", params: { n: 1 } }

const inState = (state: string) =>
  until(Effect.gen(function*() {
    const execution = yield* Journal.use((journal) => Effect.flatMap(first.executionId("1"), journal.find))
    return execution?.state === state ? execution : undefined
  }))

/** Submitted by the first version, approved, and woken in the second. */
const blocked = Effect.gen(function*() {
  ran.length = 0
  const filename = join(yield* folder, "workflows.db")
  yield* life(filename, first.layer, Effect.andThen(first.executeDetached(start), inState("held")))
  const actionId = yield* waiting
  yield* Reviews.Reviews.use((reviews) => reviews.approve(actionId))
  const execution = yield* life(filename, second.layer, inState("blocked"))
  return { filename, actionId, execution }
})

const bySecond = Effect.map(
  Ledger.use((ledger) => ledger.records("t")),
  (records) => records.filter(({ tool }) => tool === "files").length
)

describe("an execution whose params the code cannot read", () => {
  it.live("is blocked, with what was approved, and continues after a rollback", () =>
    Effect.gen(function*() {
      const { actionId, execution, filename } = yield* blocked
      assert.deepStrictEqual([execution.version, execution.params, execution.actionId], ["1", "{\"n\":1}", actionId])
      assert.include(execution.problem, "currency")
      assert.deepStrictEqual(ran, [])
      const done = yield* life(filename, first.layer, first.execute(start))
      assert.deepStrictEqual([done.actionId, done.result], [actionId, "done"])
      assert.deepStrictEqual(ran, [{ n: 1 }])
      assert.strictEqual(yield* bySecond, 1)
    }).pipe(Effect.scoped, Effect.provide(world)))

  it.live("continues with a migration", () =>
    Effect.gen(function*() {
      const { actionId, filename } = yield* blocked
      const execution = yield* life(filename, migrating.layer, inState("done"))
      assert.deepStrictEqual([execution.outcome, execution.actionId], ["agent", actionId])
      assert.deepStrictEqual(ran, [{ n: 1, currency: "EUR" }])
      assert.strictEqual(yield* bySecond, 1)
    }).pipe(Effect.scoped, Effect.provide(world)))

  it.live("says so to those who wait for its end", () =>
    Effect.gen(function*() {
      ran.length = 0
      const filename = join(yield* folder, "workflows.db")
      yield* life(filename, first.layer, Effect.andThen(first.executeDetached(start), inState("held")))
      const error = yield* life(
        filename,
        second.layer,
        Effect.gen(function*() {
          // The caller has the first definition, and the machine that runs it the second.
          const fiber = yield* Effect.forkChild(Effect.flip(first.execute(start)))
          const actionId = yield* waiting
          yield* Reviews.Reviews.use((reviews) => reviews.approve(actionId))
          return yield* Fiber.join(fiber)
        })
      )
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.include(error.message, "currency")
      assert.deepStrictEqual(ran, [])
    }).pipe(Effect.scoped, Effect.provide(world)))
})
