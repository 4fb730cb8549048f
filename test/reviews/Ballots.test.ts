import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { Ballots, Proposals, ReviewRules, type VoteSigner } from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import { SqlClient } from "effect/sql"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { hashOfVote } from "../../src/reviews/internal/ballotText.ts"
import { action, cast, idOf, minute, next, openingOf, reviewer, sealOf, signer } from "./ballots.ts"

const sqlite = BallotsSql.layer.pipe(Layer.provideMerge(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)

const stores = { "in memory": Ballots.layerMemory, "in SQLite": sqlite }

const opening = openingOf(
  ReviewRules.deadline("45 minutes")(ReviewRules.firstThen(ReviewRules.quorum(2, "finance"), "legal")),
  {
    requesters: () => ["rob"],
    delegations: [{ from: "ann", to: "cid", groups: ["finance"], until: minute(20) }]
  }
)
const key = { actionId: opening.actionId, digest: opening.digest }
const ann = reviewer("ann", "finance")

for (const [name, layer] of Object.entries(stores)) {
  const test = (
    title: string,
    body: (ballots: Ballots.Ballots["Service"]) => Effect.Effect<void, unknown, VoteSigner.VoteSigner>
  ) => it.effect(title, () => Effect.provide(Ballots.Ballots.use(body), [Layer.fresh(layer), signer]))

  describe(`Ballots ${name}`, () => {
    test("a ballot begins once, and is read as it was written", (ballots) =>
      Effect.gen(function*() {
        const seal = yield* sealOf(opening)
        const begun = yield* ballots.open(opening, seal)
        assert.deepStrictEqual(begun.opening, opening)
        const other = openingOf(ReviewRules.anyOf("other"))
        assert.deepStrictEqual(yield* ballots.open(other, yield* sealOf(other)), begun)
        assert.deepStrictEqual(yield* ballots.find(key), begun)
        assert.deepStrictEqual([begun.state, begun.votes, begun.seal], ["open", [], seal])
        assert.isUndefined(yield* ballots.find({ ...key, digest: "0".repeat(64) }))
      }))

    test("takes each place of a vote once, and none once the decision is claimed", (ballots) =>
      Effect.gen(function*() {
        yield* ballots.open(opening, yield* sealOf(opening))
        const rivals = yield* Effect.forEach(
          ["a", "b", "c"],
          (id) => next(opening, [], { by: reviewer(id, "finance") })
        )
        const taken = yield* Effect.all(rivals.map((vote) => ballots.append(vote)), { concurrency: 3 })
        assert.strictEqual(taken.filter((isIn) => isIn).length, 1)
        const { votes } = (yield* ballots.find(key))!
        assert.strictEqual(votes.length, 1)
        assert.deepStrictEqual(votes[0], rivals[taken.indexOf(true)])
        assert.isFalse(yield* ballots.append(new Ballots.Vote({ ...rivals[0]!, sequence: 3 })))
        const second = yield* next(opening, votes, { by: ann })
        assert.isFalse(yield* ballots.claim(key, { choice: "approve", votes: 0, token: "t" }))
        assert.isTrue(yield* ballots.claim(key, { choice: "approve", votes: 1, token: "t" }))
        assert.isFalse(yield* ballots.append(second))
        assert.strictEqual((yield* ballots.find(key))!.votes.length, 1)
        assert.isFalse(yield* ballots.append(new Ballots.Vote({ ...second, actionId: idOf("other"), sequence: 1 })))
      }))

    test("of all who claim a decision one gets it, until it is taken over", (ballots) =>
      Effect.gen(function*() {
        yield* ballots.open(opening, yield* sealOf(opening))
        const claims = yield* Effect.all(
          Array.from({ length: 10 }, (_, n) => ballots.claim(key, { choice: "reject", votes: 0, token: `t${n}` })),
          { concurrency: 10 }
        )
        assert.strictEqual(claims.filter((isOurs) => isOurs).length, 1)
        const token = `t${claims.indexOf(true)}`
        assert.deepStrictEqual((yield* ballots.find(key))!.claim, { choice: "reject", token, beat: 0 })
        assert.isTrue(yield* ballots.renew(key, token))
        assert.isFalse(yield* ballots.renew(key, "other"))
        assert.isFalse(yield* ballots.takeOver(key, { token, beat: 0 }, "next"), "its owner has shown that it lives")
        const takers = yield* Effect.all(
          ["n1", "n2"].map((next) => ballots.takeOver(key, { token, beat: 1 }, next)),
          { concurrency: 2 }
        )
        assert.strictEqual(takers.filter((isOurs) => isOurs).length, 1)
        assert.isFalse(yield* ballots.renew(key, token))
      }))

    test("what a vote proposes is kept with it, and claimed by one", (ballots) =>
      Effect.gen(function*() {
        yield* ballots.open(opening, yield* sealOf(opening))
        const vote = yield* next(opening, [], { by: ann, choice: "reject", proposal: "1".repeat(64) })
        const id = hashOfVote(vote)
        const proposal = new Proposals.Proposal({
          id,
          actionId: opening.actionId,
          agentId: "bot",
          tool: "stripe",
          method: "create_refund",
          params: "{\"amount\":1}",
          digest: "1".repeat(64),
          editor: "ann",
          at: minute(1),
          submittedAs: null
        })
        assert.isFalse(yield* ballots.claimProposal(id, "early"))
        // A vote that is not taken proposes nothing.
        assert.isFalse(yield* ballots.append(new Ballots.Vote({ ...vote, sequence: 2 }), proposal))
        assert.isUndefined(yield* ballots.proposal(id))
        assert.isTrue(yield* ballots.append(vote, proposal))
        assert.deepStrictEqual((yield* ballots.find(key))!.votes, [vote])
        assert.deepStrictEqual(yield* ballots.proposal(id), proposal)
        const of = (actionId: string, digest: string) =>
          Effect.map(ballots.proposalsOf({ actionId: idOf(actionId), digest }), (found) => found.length)
        assert.deepStrictEqual([yield* of("other", "1".repeat(64)), yield* of("other", "2".repeat(64))], [1, 0])
        const claims = yield* Effect.all(["a", "b", "c"].map((token) => ballots.claimProposal(id, token)), {
          concurrency: 3
        })
        assert.strictEqual(claims.filter((isOurs) => isOurs).length, 1)
        const token = ["a", "b", "c"][claims.indexOf(true)]!
        assert.isTrue(yield* ballots.claimProposal(id, token), "its answer was lost")
        yield* ballots.releaseProposal(id, "other")
        yield* ballots.settleProposal(id, "other", idOf("stolen"))
        assert.isFalse(yield* ballots.claimProposal(id, "other"))
        yield* ballots.releaseProposal(id, token)
        assert.isTrue(yield* ballots.claimProposal(id, "next"))
        yield* ballots.settleProposal(id, "next", idOf("second"))
        yield* ballots.settleProposal(id, "next", idOf("third"))
        yield* ballots.releaseProposal(id, "next")
        assert.strictEqual((yield* ballots.proposal(id))!.submittedAs, "second")
        assert.isFalse(yield* ballots.claimProposal(id, "next"), "it was submitted")
        assert.deepStrictEqual([yield* of("second", "2".repeat(64)), yield* of("third", "2".repeat(64))], [1, 0])
      }))

    test("the first outcome stays", (ballots) =>
      Effect.gen(function*() {
        yield* ballots.open(opening, yield* sealOf(opening))
        const outcome = { result: "expired", byPanel: false, note: null, at: minute(60) } as const
        assert.deepStrictEqual(yield* ballots.end(key, outcome), outcome)
        assert.deepStrictEqual(yield* ballots.end(key, { ...outcome, result: "approved" }), outcome)
        const ended = (yield* ballots.find(key))!
        assert.deepStrictEqual([ended.state, ended.outcome], ["ended", outcome])
        assert.isFalse(yield* ballots.claim(key, { choice: "approve", votes: 0, token: "t" }))
        assert.isFalse(yield* ballots.append(yield* next(opening, [], { by: ann })))
      }))

    test("lists the latest first, and those that have ended apart", (ballots) =>
      Effect.gen(function*() {
        const openings = [1, 2, 3].map((n) =>
          openingOf(
            ReviewRules.anyOf("a"),
            {},
            action({ actionId: idOf(`action-${n}`), createdAt: minute(n), params: { n } })
          )
        )
        for (const one of openings) yield* ballots.open(one, yield* sealOf(one))
        yield* ballots.end(openings[1]!, { result: "lost", byPanel: false, note: null, at: DateTime.makeUnsafe(0) })
        const ids = (options?: Ballots.ListOptions) =>
          Effect.map(ballots.list(options), (list) => list.map(({ opening }) => opening.actionId as string))
        assert.deepStrictEqual(yield* ids(), ["action-3", "action-2", "action-1"])
        assert.deepStrictEqual(yield* ids({ limit: 1 }), ["action-3"])
        assert.deepStrictEqual(yield* ids({ ended: true }), ["action-2"])
        assert.deepStrictEqual(yield* ids({ ended: false }), ["action-3", "action-1"])
      }))

    test("of an action whose params have changed, the ballot that has not ended is the latest", (ballots) =>
      Effect.gen(function*() {
        const changed = openingOf(ReviewRules.anyOf("a"), {}, action({ params: { amount: 1 } }))
        yield* ballots.open(opening, yield* sealOf(opening))
        yield* ballots.end(key, { result: "changed", byPanel: false, note: null, at: minute(1) })
        yield* ballots.open(changed, yield* sealOf(changed))
        const found = yield* ballots.ofAction(opening.actionId)
        assert.deepStrictEqual(found.map(({ opening }) => opening.digest), [changed.digest, opening.digest])
      }))
  })
}

describe("BallotsSql", () => {
  it.effect("keeps every vote in its order", () =>
    Effect.gen(function*() {
      const ballots = yield* Ballots.Ballots
      yield* ballots.open(opening, yield* sealOf(opening))
      const votes = yield* cast(opening, Array.from({ length: 12 }, (_, n) => ({ by: reviewer(`r${n}`, "finance") })))
      for (const vote of votes) assert.isTrue(yield* ballots.append(vote))
      assert.deepStrictEqual((yield* ballots.find(key))!.votes, votes)
    }).pipe(Effect.provide([sqlite, signer])))

  it.effect("says what failed where the database does, and appends nothing by half", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const ballots = yield* Ballots.Ballots
      yield* ballots.open(opening, yield* sealOf(opening))
      const vote = yield* next(opening, [], { by: ann })
      yield* sql`ALTER TABLE vargate_votes RENAME TO away`
      const error = yield* Effect.flip(ballots.append(vote))
      assert.deepStrictEqual([error._tag, error.operation], ["StorageFailed", "Ballots.append"])
      yield* sql`ALTER TABLE away RENAME TO vargate_votes`
      assert.isTrue(yield* ballots.append(vote))
    }).pipe(Effect.provide([sqlite, signer])))
})
