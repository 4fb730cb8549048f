/** Actions that are pending in an embedded gateway, and what is done with them. */
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { type ActionId, Approvals, Reviews, ToolCalls } from "effect-vargate"
import { inProcess, Wiretap, type World, type WorldOptions } from "../support/worlds.ts"

const tools: WorldOptions["tools"] = {
  "db/delete": () => Effect.succeed({ deleted: 1 }),
  "db/drop": () => Effect.fail("disk on fire"),
  "db/purge": () => Effect.succeed({ error: "no such table" })
}

export const options: WorldOptions = {
  tools,
  tenants: [{ id: "t", apiKey: "test-key", burst: 1000, policyConfig: { dailyActionLimit: 10_000 } }],
  approvals: { poll: Schedule.spaced("20 millis") }
}

/** Under the general template these methods are held for a human. */
export const hold = Effect.fn(function*(method: string, n = 0) {
  const decision = yield* ToolCalls.decide({ tool: "db", method, params: { n } })
  assert.strictEqual(decision._tag, "PendingApproval")
  return decision.actionId
})

export const awaiting = (actionId: ActionId.ActionId, awaitOptions?: Approvals.AwaitOptions) =>
  Approvals.Approvals.use((approvals) => approvals.await(actionId, awaitOptions))

export const approve = (actionId: ActionId.ActionId, note?: string) =>
  Reviews.Reviews.use((reviews) => reviews.approve(actionId, note))

export const reject = (actionId: ActionId.ActionId, note?: string) =>
  Reviews.Reviews.use((reviews) => reviews.reject(actionId, note))

export const test = (title: string, effect: Effect.Effect<void, unknown, World>) =>
  it.effect(title, () => Effect.provide(effect, inProcess({ ...options, approvals: {} })))

/** How often the queue was read. */
export const polls = Effect.map(
  Wiretap,
  ({ requests }) => requests.filter((request) => request === "GET /api/approvals").length
)
