/** A toolkit of payments, handlers that write down their runs, and a gateway with rules about amounts. */
import { Context, Effect, Layer, Ref, Schema } from "effect"
import { Approvals, Reviews, type VargateError } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { Tool, Toolkit } from "effect/ai"

const parameters = Schema.Struct({ amount: Schema.Finite })
const success = Schema.Struct({ paid: Schema.Finite })

/** Amounts below 1000 are allowed, below 5000 held, from 5000 denied. */
export const Tools = Toolkit.make(
  Tool.make("bank__note", { parameters, success }),
  Tool.make("bank__wire", { parameters, success, failureMode: "return", failure: Schema.String }),
  Tool.make("bank__gift", { parameters, success }),
  Tool.make("bank__loan", { parameters, success })
)

/** What handlers did, in order. */
export class Runs extends Context.Service<Runs, Ref.Ref<ReadonlyArray<string>>>()("test/Runs") {}

export const ran = Effect.flatMap(Runs, Ref.get)

export const run = (name: string) => ({ amount }: { readonly amount: number }) =>
  Effect.gen(function*() {
    yield* Ref.update(yield* Runs, (runs) => [...runs, `${name} ${amount}`])
    return { paid: amount }
  })

export const handlers = Effect.map(Effect.context<Runs>(), (context) => {
  const own = (name: string) => (params: { readonly amount: number }) => Effect.provide(run(name)(params), context)
  return Tools.of({
    bank__note: own("note"),
    bank__wire: own("wire"),
    bank__gift: own("gift"),
    bank__loan: own("loan")
  })
})

export const layerRuns = Layer.effect(Runs, Ref.make<ReadonlyArray<string>>([]))

export const tenant = {
  id: "t",
  apiKey: "test-key",
  policyTemplate: "financial",
  policyConfig: { businessHoursOnly: false, dailyTransactionCap: 1e9 },
  burst: 1000
} as const

export const layerGateway = GatewayMemory.layer({
  tenants: [tenant],
  tools: {
    "broker/pay": ({ amount }) => Effect.succeed({ paid: amount }),
    "broker/odd": () => Effect.succeed({ paid: "a lot" }),
    "broker/bounce": () => Effect.succeed({ error: "no funds" })
  }
})

/** Lets other fibers and the platform's own work go on until something is there. */
export const eventually = <A, E, R>(look: Effect.Effect<A | undefined, E, R>): Effect.Effect<A, E, R> =>
  look.pipe(
    Effect.flatMap((found) => found === undefined ? Effect.as(Effect.yieldNow, undefined) : Effect.succeed(found)),
    Effect.repeat({ until: (found) => found !== undefined, times: 10_000 }),
    Effect.flatMap((found) => found === undefined ? Effect.die("it never came") : Effect.succeed(found))
  )

/** The action that waits for the given amount, or will in a moment. */
export const waiting = (amount: number) =>
  eventually(
    Approvals.Approvals.use((approvals) => approvals.pending).pipe(
      Effect.map(({ pending }) =>
        pending.find(({ params }) => (params as { readonly amount: number }).amount === amount)?.actionId
      )
    )
  )

/** Decides on the action that waits for the given amount. */
export const review = (decision: "approve" | "reject", amount: number, note?: string) =>
  Effect.flatMap(
    waiting(amount),
    (actionId) =>
      Reviews.Reviews.use((reviews) =>
        reviews[decision](actionId, note) as Effect.Effect<unknown, VargateError.OperationError>
      )
  )

/** What the gateway recorded of tool calls: `tool/method amount: decision`, oldest first. */
export const recorded = Effect.map(
  GatewayMemory.GatewayMemory.use(({ records }) => records()),
  (records) =>
    records.filter(({ tool }) => tool !== "approval_queue").map(({ decision, method, params, tool }) =>
      `${tool}/${method} ${(params as { readonly amount: number }).amount}: ${decision}`
    )
)

/** The action that was recorded for an amount. */
export const actionOf = (amount: number) =>
  Effect.map(
    GatewayMemory.GatewayMemory.use(({ records }) => records()),
    (records) => records.find(({ params }) => (params as { readonly amount?: number }).amount === amount)!.actionId
  )
