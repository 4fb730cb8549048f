/**
 * @title Four eyes
 *
 * Two of finance have to approve, and never the one who asked. Only the panel has a key that may approve; its votes are
 * signed, and the gateway's log points to them.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import {
  Approvals,
  Authenticator,
  Ballots,
  Governed,
  ReviewPanel,
  ReviewRules,
  Vargate,
  VoteSigner
} from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"

const keys = [
  { name: "agents", scopes: ["agent"], apiKey: "for-agents" },
  { name: "panel", scopes: ["reviewer"], apiKey: "for-the-panel" }
] as const

const gateway = Gateway.layerMemory({
  tenants: [{ id: "bank", apiKey: "for-the-operator", policyTemplate: "financial", keys }]
})

const tokenOf = (id: string) => Redacted.make(`a long random token of ${id}'s`)

const reviewers = Authenticator.layerTokens(["ann", "bob", "cid"].map((id) => ({
  id,
  name: id,
  groups: ["finance"],
  tokenHashes: [Authenticator.hashToken(tokenOf(id))]
})))

const rules = ReviewRules.make({
  otherwise: ReviewRules.quorum(2, "finance"),
  requesters: ReviewRules.ownersOf({ "effect-agent": ["ann"] })
})

const panel = ReviewPanel.layer({ rules }).pipe(
  Layer.provideMerge(Vargate.layerOperator({ apiKey: "for-the-panel" })),
  Layer.provide([Ballots.layerMemory, Layer.unwrap(Effect.map(VoteSigner.makeKey, VoteSigner.layer))])
)

const agent = Governed.run(
  { tool: "bank", method: "transfer", params: { amount: 4000 }, isBusinessHours: true },
  Console.log("agent: transferring 4000")
).pipe(Effect.provide(Vargate.layer({ apiKey: "for-agents" })))

const voting = Effect.gen(function*() {
  const action = yield* TestReviewer.untilPending()
  const { authenticate } = yield* Authenticator.Authenticator
  const { vote } = yield* ReviewPanel.ReviewPanel
  for (const id of ["ann", "bob", "cid"]) {
    const reviewer = yield* authenticate(tokenOf(id))
    const request = { actionId: action.actionId, digest: ReviewPanel.digest(action), choice: "approve" } as const
    const { needs } = yield* vote(reviewer, request).pipe(
      Effect.catchTag("VoteRefused", ({ refusal }) => Effect.succeed({ needs: [`refused: ${refusal}`] }))
    )
    yield* Console.log(`${id}: ${needs[1] ?? needs[0]}`)
  }
  const outcome = yield* Approvals.Approvals.use((approvals) => approvals.outcome(action.actionId))
  if (outcome._tag === "Approved") yield* Console.log(`log: ${outcome.note?.replace(/:\w{64}/, ":...")}`)
}).pipe(Effect.provide([panel, reviewers]))

NodeRuntime.runMain(Effect.all([agent, voting], { concurrency: 2 }).pipe(Effect.provide(gateway)))
