/**
 * @title A reviewer
 *
 * `Reviews` is a service of its own: only a program that is given it can approve. This one decides small things itself
 * and rejects the rest.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Predicate, Schedule, Stream } from "effect"
import { type Approvals, Governed, Reviews } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const amountOf = ({ params }: Approvals.PendingAction) =>
  Predicate.hasProperty(params, "amount") && Predicate.isNumber(params.amount) ? params.amount : Infinity

const reviewer = Effect.gen(function*() {
  const reviews = yield* Reviews.Reviews
  yield* reviews.stream({ poll: Schedule.spaced("100 millis") }).pipe(
    Stream.runForEach((action) => {
      const amount = amountOf(action)
      const decision = amount < 2000
        ? Effect.asVoid(reviews.approve(action.actionId, "under 2000: approved by rule"))
        : Effect.asVoid(reviews.reject(action.actionId, "ask your manager"))
      return Effect.andThen(Console.log(`reviewer: ${action.agentId} asks to ${action.method} ${amount}`), decision)
    })
  )
})

const agent = (amount: number) =>
  Governed.run(
    { tool: "bank", method: "transfer", params: { amount }, isBusinessHours: true },
    Console.log(`agent: transferring ${amount}`)
  ).pipe(
    Effect.catchTag("Rejected", ({ message }) => Console.log(`agent: ${message}`))
  )

const program = Effect.gen(function*() {
  const watching = yield* Effect.forkChild(reviewer)
  yield* Effect.forEach([1200, 4000, 1500], agent, { concurrency: 3 })
  yield* Fiber.interrupt(watching)
}).pipe(
  Effect.provide(GatewayMemory.layer({ tenants: [{ id: "bank", apiKey: "test-key", policyTemplate: "financial" }] }))
)

NodeRuntime.runMain(program)
