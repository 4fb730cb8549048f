/** A workflow that wakes in other code than it was begun with. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Option, Schedule, Schema } from "effect"
import { Approvals, Reviews, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { HttpClient, HttpClientError } from "effect/http"
import { join } from "node:path"
import { folder } from "../support/folder.ts"

const ran: Array<unknown> = []

const named = (tool: string, method: string) =>
  GovernedWorkflow.make({
    name: "renamed/Call",
    tool,
    method,
    params: Schema.Struct({ n: Schema.Int }),
    success: Schema.Void,
    run: (params) => Effect.sync(() => void ran.push(params))
  })

const way = { isCut: false }

const client = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, (client) =>
    HttpClient.transform(client, (send, request) => {
      const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })
      const reason = new HttpClientError.TransportError({ request, cause })
      return Effect.suspend(() => way.isCut ? Effect.fail(new HttpClientError.HttpClientError({ reason })) : send)
    }))
)

const world = Reviews.layer.pipe(
  Layer.provideMerge(Approvals.layerWith({ poll: Schedule.spaced("10 millis") })),
  Layer.provideMerge(Vargate.layer({ apiKey: "test-key" })),
  Layer.provide(client),
  Layer.provideMerge(Gateway.layerMemory({ tenants: [{ id: "t", apiKey: "test-key", burst: 1e6 }] }))
)

const calls = Effect.map(
  Ledger.use((ledger) => ledger.records("t")),
  (records) => records.filter(({ method }) => method !== "review").map(({ method, tool }) => `${tool}/${method}`)
)

const until = <A, E, R>(look: Effect.Effect<A | undefined, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    look,
    (found) => found === undefined ? Effect.andThen(Effect.sleep(10), until(look)) : Effect.succeed(found)
  )

const waiting = until(
  Effect.map(Approvals.Approvals.use(({ pending }) => pending), ({ pending }) => pending[0]?.actionId)
)

/** What the process does whose code has this workflow. */
const life = <A, E, R>(
  filename: string,
  workflow: ReturnType<typeof named>,
  program: Effect.Effect<A, E, R>
) =>
  Effect.provide(
    program,
    Layer.provideMerge(Layer.fresh(workflow.layer), Layer.fresh(EngineSqlite.layer({ filename, scan: "10 millis" })))
  )

const failureOf = (workflow: ReturnType<typeof named>, executionId: string) =>
  until(
    Effect.map(workflow.poll(executionId), (result) =>
      Option.isSome(result) && result.value._tag === "Complete" && Exit.isFailure(result.value.exit)
        ? Cause.squash(result.value.exit.cause) as Error & { readonly reason: unknown }
        : undefined)
  )

const assertRefused = (error: Error & { readonly reason: unknown }, field: string) => {
  assert.deepInclude(error.reason, { _tag: "InvalidRequest" })
  assert.include(error.message, `another ${field}: deploy the one that it was begun with`)
}

describe("a workflow that wakes in other code than it was begun with", () => {
  const before = named("files", "delete")
  for (const [tool, method, field] of [["disks", "delete", "tool"], ["files", "shred", "method"]] as const) {
    it.live(`does not act under another ${field}, although its action was approved`, () =>
      Effect.gen(function*() {
        ran.length = 0
        const filename = join(yield* folder, "workflows.db")
        const after = named(tool, method)
        const executionId = yield* life(
          filename,
          before,
          Effect.tap(before.executeDetached({ key: "1", params: { n: 1 } }), () => waiting)
        )
        yield* Reviews.Reviews.use((reviews) => Effect.flatMap(waiting, (id) => reviews.approve(id)))
        assertRefused(yield* life(filename, after, failureOf(after, executionId)), field)
        assert.deepStrictEqual(ran, [])
        assert.notInclude(yield* calls, `${tool}/${method}`)
      }).pipe(Effect.scoped, Effect.provide(world)))

    it.live(`does not submit under another ${field}`, () =>
      Effect.gen(function*() {
        ran.length = 0
        const filename = join(yield* folder, "workflows.db")
        const after = named(tool, method)
        way.isCut = true
        const executionId = yield* life(
          filename,
          before,
          Effect.tap(before.executeDetached({ key: "1", params: { n: 1 } }), () => Effect.sleep("500 millis"))
        )
        way.isCut = false
        assertRefused(yield* life(filename, after, failureOf(after, executionId)), field)
        assert.deepStrictEqual(yield* calls, [])
        assert.deepStrictEqual(ran, [])
      }).pipe(Effect.scoped, Effect.provide(world)))
  }

  it.live("acts where the code is the same", () =>
    Effect.gen(function*() {
      ran.length = 0
      const filename = join(yield* folder, "workflows.db")
      yield* life(
        filename,
        before,
        Effect.tap(before.executeDetached({ key: "1", params: { n: 1 } }), () => waiting)
      )
      yield* Reviews.Reviews.use((reviews) => Effect.flatMap(waiting, (id) => reviews.approve(id)))
      yield* life(filename, before, until(Effect.sync(() => ran[0])))
      assert.deepStrictEqual(ran, [{ n: 1 }])
    }).pipe(Effect.scoped, Effect.provide(world)))
})
