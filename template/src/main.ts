import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Fiber, Layer, Option } from "effect"
import { Approvals, Reviews } from "effect-vargate"
import { answer, type Ticket } from "./agent.ts"
import { agent, embedded, hosted } from "./layers.ts"
import * as Payments from "./Payments.ts"

const tickets: ReadonlyArray<Ticket> = [
  { charge: "ch_1", amount: 20, text: "I want my money back" },
  { charge: "ch_2", amount: 400, text: "Refund, please" },
  { charge: "ch_3", amount: 5000, text: "Refund, please" }
]

const work = Effect.forEach(
  tickets,
  (ticket) => Effect.flatMap(answer(ticket), (text) => Console.log(`${ticket.charge}: ${text}`)),
  { discard: true }
)

/** Stands in for the reviewer, on the gateway in this process only: keep it away from the agent elsewhere. */
const reviewer = Effect.gen(function*() {
  const { pending } = yield* Approvals.Approvals
  for (const { actionId, params } of (yield* pending).pending) {
    yield* Console.log(`a reviewer approves ${JSON.stringify(params)}`)
    yield* Reviews.Reviews.use(({ approve }) => approve(actionId, "known customer"))
  }
}).pipe(Effect.delay("200 millis"), Effect.forever)

const alone = Effect.gen(function*() {
  const deciding = yield* Effect.forkChild(reviewer)
  yield* work
  yield* Fiber.interrupt(deciding)
}).pipe(Effect.provide(embedded))

const program = Effect.gen(function*() {
  const key = yield* Config.option(Config.Redacted("VARGATE_API_KEY"))
  if (Option.isSome(key)) return yield* Effect.provide(work, hosted)
  yield* Console.log("No VARGATE_API_KEY: a gateway inside this process decides.")
  yield* alone
})

NodeRuntime.runMain(Effect.provide(program, Layer.merge(agent, Payments.layer)))
