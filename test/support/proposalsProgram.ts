/** A process of an agent that goes on with actions that others submitted, beside another one, and ends itself on the way. */
import { Cause, Effect, Exit, Layer, Schema } from "effect"
import { ActionId, Governed, Proposals, ToolCalls, Vargate } from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import { FetchHttpClient } from "effect/http"
import { appendFileSync } from "node:fs"

const Given = Schema.fromJsonString(Schema.Struct({
  url: Schema.String,
  apiKey: Schema.String,
  ballots: Schema.String,
  /** Where it writes down what it does. */
  acts: Schema.String,
  actions: Schema.Array(Schema.Struct({ actionId: ActionId.ActionId, to: Schema.String })),
  /** At which of its actions, and where, it ends. */
  end: Schema.NullOr(Schema.Struct({ at: Schema.Int, point: Schema.String }))
}))

const { actions, acts, apiKey, ballots, end, url } = Schema.decodeUnknownSync(Given)(process.argv[2])

let now = 0
const at = (point: string) =>
  Effect.sync(() => {
    if (end?.at === now && end.point === point) process.kill(process.pid, "SIGKILL")
  })

/** The same service, and an end before or after what it does. */
const around = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) =>
  at(`before ${name}`).pipe(Effect.andThen(effect), Effect.tap(() => at(`after ${name}`)))

const proposals = Layer.effect(
  Proposals.Proposals,
  Effect.map(Proposals.Proposals, ({ claim, find, release, submitted }) =>
    Proposals.Proposals.of({
      find: (id) => around("find", find(id)),
      claim: (id, token) => around("claim", claim(id, token)),
      release,
      submitted: (id, token, actionId) => around("settle", submitted(id, token, actionId))
    }))
).pipe(Layer.provide(Proposals.layer), Layer.provide(BallotsSql.layerSqlite({ filename: ballots })))

const calls = Layer.effect(
  ToolCalls.ToolCalls,
  Effect.map(
    ToolCalls.ToolCalls,
    (calls) => ToolCalls.ToolCalls.of({ ...calls, decide: (call) => around("submit", calls.decide(call)) })
  )
)

const program = Effect.gen(function*() {
  for (const [index, { actionId, to }] of actions.entries()) {
    now = index
    const exit = yield* Effect.exit(Governed.resume(
      actionId,
      (params) =>
        around(
          "act",
          Effect.sync(() => appendFileSync(acts, `${JSON.stringify({ pid: process.pid, params })}\n`))
        ),
      { call: { tool: "bank", method: "transfer", params: { to, amount: 4000 }, isBusinessHours: true } }
    ))
    console.log(Exit.isSuccess(exit) ? `${to}: ${exit.value.actionId}` : `${to}: ${Cause.pretty(exit.cause)}`)
  }
}).pipe(Effect.provide([proposals, calls.pipe(Layer.provideMerge(Layer.empty))]))

await Effect.runPromise(
  program.pipe(
    Effect.provide(Vargate.layer({ apiKey: apiKey, url })),
    Effect.provide(FetchHttpClient.layer)
  )
)
