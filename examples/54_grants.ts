/**
 * @title Always, within a scope
 *
 * A reviewer approves one refund and says "always" to small ones of the same agent. The panel approves those at its next
 * look, within a budget and until the grant expires or is revoked; everything else still waits for a reviewer.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option } from "effect"
import { Approvals, Ballots, Governed, Grants, Reviewer, ReviewPanel, ReviewRules, VoteSigner } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"

const ann = new Reviewer.Reviewer({ id: "ann", name: "Ann", groups: ["finance"] })

const rules = ReviewRules.make({ otherwise: ReviewRules.anyOf("finance") })

const panel = ReviewPanel.layer({ rules, every: "100 millis" }).pipe(
  Layer.provideMerge(Grants.layerMemory),
  Layer.provide([Ballots.layerMemory, Layer.unwrap(Effect.map(VoteSigner.makeKey, VoteSigner.layer))])
)

const refund = (amount: number) =>
  Governed.run(
    { tool: "bank", method: "transfer", params: { to: "ch_1", amount }, isBusinessHours: true },
    Console.log(`refunding ${amount}`)
  )

const always = {
  params: { to: Grants.any, amount: Grants.range(0, 2000) },
  budgets: [{ sum: "amount", per: "day", max: 5000 }],
  expiresIn: "7 days"
} as const

const voting = Effect.gen(function*() {
  const action = yield* TestReviewer.untilPending()
  const { vote } = yield* ReviewPanel.ReviewPanel
  yield* vote(ann, { actionId: action.actionId, digest: ReviewPanel.digest(action), choice: "approve", always })
})

const program = Effect.gen(function*() {
  yield* Effect.all([refund(1500), voting], { concurrency: 2 })
  const { actionId } = yield* refund(1800)
  const outcome = yield* Approvals.Approvals.use((approvals) => approvals.outcome(actionId))
  if (outcome._tag === "Approved") {
    yield* Console.log(`log: ${outcome.note?.replace(/:\w{64}/, ":...").replace(/grant [\w-]+/, "grant ...")}`)
  }
  const { revoke, store } = yield* Grants.Grants
  const [status] = yield* store.list({ limit: 1 })
  yield* Console.log(`uses: ${status!.uses}`)
  yield* revoke(status!.grant.id, "ann")
  const again = yield* Effect.timeoutOption(refund(1900), "1 second")
  yield* Console.log(`after the revocation: ${Option.isNone(again) ? "a reviewer is asked again" : "refunded"}`)
})

NodeRuntime.runMain(program.pipe(
  Effect.provide(panel),
  Effect.provide(
    GatewayMemory.layer({ tenants: [{ id: "bank", apiKey: "for-everything", policyTemplate: "financial" }] })
  )
))
