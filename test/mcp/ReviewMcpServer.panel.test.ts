/** A decision by an MCP client past a review panel: the reviewer is told, and the verification finds it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import {
  Approvals,
  AuditLog,
  Ballots,
  ReviewPanel,
  ReviewRules,
  ReviewVerifier,
  ToolCalls,
  VoteSigner
} from "effect-vargate"
import * as ReviewMcpServer from "effect-vargate/mcp/ReviewMcpServer"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { reviewer, signer } from "../reviews/ballots.ts"
import { connect, type Question, said } from "../support/rawMcp.ts"

const rules = ReviewRules.make({ otherwise: ReviewRules.anyOf("finance") })

const world = Layer.effect(ReviewPanel.ReviewPanel, ReviewPanel.make({ rules })).pipe(
  Layer.provideMerge(Layer.merge(Ballots.layerMemory, signer)),
  Layer.provideMerge(
    GatewayMemory.layer({
      tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }],
      policy: { approvals: [() => true] }
    })
  )
)

const held = (amount: number) =>
  Effect.map(ToolCalls.decide({ tool: "bank", method: "pay", params: { amount } }), ({ actionId }) => actionId)

const codeIn = ({ message }: Question): string => /enter the code (\d{4})\.$/.exec(message)![1]!

const warning = /A REVIEW PANEL DECIDES HERE: .* `effect-vargate reviews verify`/

describe("ReviewMcpServer beside a review panel", () => {
  it.effect("says that a panel decides, and an approval past it is found", () =>
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.ReviewPanel
      const client = yield* connect(ReviewMcpServer.stdio(), {
        era: "2025-11-25",
        answers: (params) => Effect.succeed({ action: "accept", content: { code: codeIn(params) } })
      })
      const approve = Effect.fnUntraced(function*(actionId: string) {
        const { result } = yield* client.request("tools/call", {
          name: "show_action",
          arguments: { action_id: actionId }
        })
        const digest = result!.structuredContent["digest"] as string
        assert.match(said(yield* client.call("approve_action", { action_id: actionId, digest })), /^APPROVED/)
      })
      const verify = Effect.gen(function*() {
        const { publicKey } = yield* VoteSigner.VoteSigner
        const ballots = yield* Ballots.Ballots.use(({ list }) => list())
        const { records } = yield* AuditLog.AuditLog
        const { findings } = yield* ReviewVerifier.verify(ballots, records(), { publicKeys: [publicKey] })
        return findings.map(({ actionId, fault }) => [actionId, fault])
      })

      const byVotes = yield* held(1)
      yield* panel.sweep
      const { pending: [action] } = yield* Approvals.Approvals.use(({ pending }) => pending)
      yield* panel.vote(reviewer("ann", "finance"), {
        actionId: byVotes,
        digest: ReviewPanel.digest(action!),
        choice: "approve"
      })
      assert.deepStrictEqual(yield* verify, [])

      const [withBallot, withoutBallot] = [yield* held(2), yield* held(3)]
      yield* approve(withoutBallot)
      assert.match(client.asked[0]!.message, warning)
      yield* panel.sweep
      yield* approve(withBallot)
      yield* panel.sweep
      assert.deepStrictEqual(
        new Set((yield* verify).map(String)),
        new Set([
          `${withBallot},NotByPanel`,
          `${withoutBallot},WithoutBallot`
        ])
      )
    }).pipe(Effect.scoped, Effect.provide(world)))

  it.effect("says nothing of a panel where none decides", () =>
    Effect.gen(function*() {
      const client = yield* connect(ReviewMcpServer.stdio(), {
        era: "2025-11-25",
        answers: () => Effect.succeed({ action: "decline" })
      })
      const actionId = yield* held(1)
      const { result } = yield* client.request("tools/call", {
        name: "show_action",
        arguments: { action_id: actionId }
      })
      yield* client.call("approve_action", { action_id: actionId, digest: result!.structuredContent["digest"] })
      assert.notMatch(client.asked[0]!.message, warning)
    }).pipe(Effect.scoped, Effect.provide(world)))
})
