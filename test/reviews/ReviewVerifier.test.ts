import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted, Stream } from "effect"
import {
  Approvals,
  AuditLog,
  Ballots,
  Evidence,
  ReviewPanel,
  ReviewRules,
  Reviews,
  ReviewVerifier,
  ToolCalls,
  VoteSigner
} from "effect-vargate"
import { TestClock } from "effect/testing"
import { gzipSync } from "node:zlib"
import { inProcess, type World } from "../support/worlds.ts"
import { cast, minute, reviewer, sealOf, signer } from "./ballots.ts"

const { quorum } = ReviewRules

const [ann, bob, eve] = [reviewer("ann", "finance"), reviewer("bob", "finance"), reviewer("eve", "finance")]

const rules = ReviewRules.make({ otherwise: quorum(2, "finance") })

const hold = (n: number) =>
  Effect.gen(function*() {
    const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "delete", params: { n } })
    const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
    return pending.find((action) => action.actionId === actionId)!
  })

/** Two actions that the panel has approved, and one that it has rejected. */
const history = Effect.gen(function*() {
  const panel = yield* ReviewPanel.make({ rules })
  const actions = yield* Effect.forEach([1, 2, 3], hold)
  for (const [index, action] of actions.entries()) {
    const vote = { actionId: action.actionId, digest: ReviewPanel.digest(action) }
    yield* panel.vote(ann, { ...vote, choice: "approve" })
    yield* panel.vote(bob, { ...vote, choice: index === 2 ? "reject" : "approve" })
  }
  return { actions, ballots: yield* Ballots.Ballots.use(({ list }) => list()) }
})

const verify = (ballots: ReadonlyArray<Ballots.Ballot>, options: Partial<ReviewVerifier.Options> = {}) =>
  Effect.gen(function*() {
    const { publicKey } = yield* VoteSigner.VoteSigner
    const { records } = yield* AuditLog.AuditLog
    return yield* ReviewVerifier.verify(ballots, records(), { publicKeys: [publicKey], ...options })
  })

const faults = ({ findings }: ReviewVerifier.ReviewReport) => findings.map(({ fault }) => fault)

const test = (title: string, effect: Effect.Effect<void, unknown, World | Ballots.Ballots | VoteSigner.VoteSigner>) =>
  it.effect(title, () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(minute(0).epochMilliseconds)
      yield* Effect.provide(
        effect,
        Layer.mergeAll(
          Layer.fresh(Ballots.layerMemory),
          signer,
          inProcess({
            tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }],
            tools: { "db/delete": () => Effect.succeed("gone") }
          })
        )
      )
    }))

describe("ReviewVerifier", () => {
  test(
    "finds nothing where ballots and log agree",
    Effect.gen(function*() {
      const { ballots } = yield* history
      const { approvals, findings, valid, votes } = yield* verify(ballots)
      assert.deepStrictEqual([valid, approvals, votes, findings], [true, 2, 6, []])
    })
  )

  test(
    "finds approvals without a ballot, and those that are not the panel's",
    Effect.gen(function*() {
      const { ballots } = yield* history
      const [gone, ...left] = ballots
      assert.deepStrictEqual(faults(yield* verify(left)), ["WithoutBallot"])
      assert.strictEqual((yield* verify(left)).findings[0]!.actionId, gone!.opening.actionId)
      const { approve, reject } = yield* Reviews.Reviews
      const [one, other, third] = yield* Effect.forEach([4, 5, 6], hold)
      const panel = yield* ReviewPanel.make({ rules })
      yield* panel.vote(ann, {
        actionId: other!.actionId,
        digest: ReviewPanel.digest(other!),
        choice: "approve"
      })
      yield* TestClock.adjust("1 minute")
      yield* approve(one!.actionId, "by an operator")
      yield* approve(other!.actionId, "by an operator")
      yield* reject(third!.actionId)
      const all = yield* Ballots.Ballots.use(({ list }) => list())
      assert.deepStrictEqual(faults(yield* verify(all)).toSorted(), ["NotByPanel", "WithoutBallot"])
      // A panel that is in force from later on answers for nothing earlier.
      const later = DateTime.add(yield* DateTime.now, { minutes: 1 })
      assert.deepStrictEqual(faults(yield* verify(all, { since: later })), [])
    })
  )

  test(
    "finds votes that were removed, added, changed or signed by another key",
    Effect.gen(function*() {
      const { ballots } = yield* history
      const approved = ballots.find(({ outcome }) => outcome?.result === "approved")!
      const others = ballots.filter((ballot) => ballot !== approved)
      const found = (change: Partial<typeof Ballots.Ballot.Type>) =>
        Effect.map(verify([...others, new Ballots.Ballot({ ...approved, ...change })]), faults)
      const [first, second] = approved.votes
      const { opening } = approved
      assert.deepStrictEqual(yield* found({ votes: [first!] }), ["OtherVotes"])
      assert.include(yield* found({ votes: [second!] }), "BrokenBallot")
      const more = yield* cast(opening, [{ by: ann }, { by: bob }, { by: eve }])
      assert.deepStrictEqual(yield* found({ votes: more }), ["UncountedVote", "OtherVotes"])
      const renamed = new Ballots.Vote({ ...second!, reviewerId: "eve" })
      assert.deepStrictEqual(yield* found({ votes: [first!, renamed] }), ["BrokenBallot", "OtherVotes"])
      const lax = { ...opening, rule: ReviewRules.anyOf("finance") }
      assert.include(yield* found({ opening: lax }), "BrokenBallot")
      // The whole ballot anew, by another key.
      const otherKey = VoteSigner.layer(Redacted.make("22".repeat(32)))
      const forged = yield* Effect.provide(
        Effect.all({ seal: sealOf(opening), votes: cast(opening, [{ by: ann }, { by: eve }]) }),
        otherKey
      )
      assert.deepStrictEqual(yield* found(forged), ["BrokenBallot", "BrokenBallot", "BrokenBallot", "OtherVotes"])
    })
  )

  test(
    "finds decisions that the votes do not make, even where a panel's key signed everything",
    Effect.gen(function*() {
      const action = yield* hold(1)
      const opening = ReviewRules.opening(rules, action)
      const votes = yield* cast(opening, [{ by: ann }])
      const ballot = new Ballots.Ballot({ opening, seal: yield* sealOf(opening), votes, claim: null, outcome: null })
      const { headOf, noteOf } = yield* Effect.promise(() => import("../../src/reviews/internal/ballotText.ts"))
      yield* Reviews.Reviews.use(({ approve }) => approve(action.actionId, noteOf("approve", headOf(ballot), ["ann"])))
      assert.deepStrictEqual(faults(yield* verify([ballot])), ["RuleNotMet"])
      const decided = new Ballots.Ballot({
        ...ballot,
        outcome: { result: "approved", byPanel: true, note: null, at: minute(1) }
      })
      const silent = yield* ReviewVerifier.verify([decided], Stream.empty, {
        publicKeys: [(yield* VoteSigner.VoteSigner).publicKey]
      })
      assert.deepStrictEqual(faults(silent), ["NotInLog"])
    })
  )

  test(
    "verifies the ballots in a file of evidence, by the panel's key alone",
    Effect.gen(function*() {
      const { ballots } = yield* history
      const { publicKey } = yield* VoteSigner.VoteSigner
      const evidence = yield* Evidence.Evidence
      const exported = (range: Evidence.Range) =>
        evidence.export({ ballots: ReviewVerifier.encodeBallots(ballots), ...range })
      const verifyFile = (text: string) => ReviewVerifier.verifyEvidence(text, { publicKeys: [publicKey] })
      const whole = yield* exported({})
      assert.strictEqual(JSON.parse(whole).version, 2)
      const { ballots: count, valid } = yield* Evidence.verify(whole)
      assert.deepStrictEqual([valid, count], [true, 3])
      const report = yield* verifyFile(whole)
      assert.deepStrictEqual([report.valid, report.approvals, report.votes, report.findings], [true, 2, 6, []])
      const gzipped = new Uint8Array(gzipSync(whole))
      assert.isTrue((yield* ReviewVerifier.verifyEvidence(gzipped, { publicKeys: [publicKey] })).valid)
      // A part of the log says nothing of decisions that are not in it.
      assert.deepStrictEqual(faults(yield* verifyFile(yield* exported({ fromId: 1, toId: 1, pageSize: 1 }))), [])
      const without = yield* exported({ ballots: undefined })
      assert.strictEqual(JSON.parse(without).version, 1)
      assert.deepStrictEqual(faults(yield* verifyFile(without)), ["WithoutBallot", "WithoutBallot", "WithoutBallot"])
      const forged = JSON.parse(whole)
      forged.ballots[0].votes[0].reviewerId = "eve"
      assert.include(faults(yield* verifyFile(JSON.stringify(forged))), "BrokenBallot")
      forged.ballots = [{ votes: [] }]
      const error = yield* Effect.flip(verifyFile(JSON.stringify(forged)))
      assert.strictEqual(error.reason._tag, "InvalidRequest")
    })
  )

  test(
    "finds votes on other params than those of the log",
    Effect.gen(function*() {
      const action = yield* hold(1)
      const other = new Approvals.PendingAction({ ...action, params: { n: 2 } })
      const opening = ReviewRules.opening(rules, other)
      const ballot = new Ballots.Ballot({
        opening,
        seal: yield* sealOf(opening),
        votes: [],
        claim: null,
        outcome: null
      })
      assert.deepStrictEqual(faults(yield* verify([ballot])), ["OtherAction"])
      const changed = new Ballots.Ballot({
        ...ballot,
        outcome: { result: "changed", byPanel: false, note: null, at: minute(1) }
      })
      assert.deepStrictEqual(faults(yield* verify([changed])), [])
    })
  )
})
