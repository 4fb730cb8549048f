import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { Ballots, Proposals, ReviewLinks, ReviewRules, type VoteSigner } from "effect-vargate"
import * as BallotsPostgres from "effect-vargate/node/BallotsPostgres"
import { hashOfVote } from "../../src/reviews/internal/ballotText.ts"
import { action, idOf, minute, next, openingOf, reviewer, sealOf, signer } from "../reviews/ballots.ts"
import * as Postgres from "../workflow/support/postgres.ts"

const openingFor = (id: string) =>
  openingOf(
    ReviewRules.quorum(2, "finance"),
    { requesters: () => ["rob"] },
    action({ actionId: idOf(id), createdAt: minute(1) })
  )

/** As three processes have it: each with connections of its own. */
const processes = (url: string) =>
  Effect.forEach([1, 2, 3], () =>
    Effect.map(
      Layer.build(Layer.fresh(BallotsPostgres.layer({ url, maxConnections: 3 }))),
      (context) => Effect.runSync(Effect.provide(Ballots.Ballots, context))
    ))

const rival = (opening: Ballots.Opening, n: number): Effect.Effect<Ballots.Vote, never, VoteSigner.VoteSigner> =>
  next(opening, [], { by: reviewer(`r${n}`, "finance") })

describe.skipIf(!Postgres.hasPostgres)(`BallotsPostgres (${Postgres.reason})`, () => {
  it.live("three processes make tables, open ballots, vote, claim and end at once: each happens once", () =>
    Effect.gen(function*() {
      const url = yield* Postgres.start
      const stores = yield* processes(url)
      const all = <A, E, R>(what: (store: Ballots.Ballots["Service"], n: number) => Effect.Effect<A, E, R>) =>
        Effect.all(
          Array.from({ length: 12 }, (_, n) => what(stores[n % 3]!, n)),
          { concurrency: 12 }
        )
      const isOnce = (answers: ReadonlyArray<boolean>) => assert.strictEqual(answers.filter((isIn) => isIn).length, 1)
      for (let round = 0; round < 10; round++) {
        const opening = openingFor(`action-${round}`)
        const seal = yield* sealOf(opening)
        const opened = yield* all((store) => store.open(opening, seal))
        for (const ballot of opened) assert.deepStrictEqual(ballot, opened[0])
        isOnce(yield* all((store, n) => Effect.flatMap(rival(opening, n), store.append)))
        isOnce(yield* all((store, n) => store.claim(opening, { choice: "approve", votes: 1, token: `t${n}` })))
        const claimed = (yield* stores[0]!.find(opening))!
        assert.deepStrictEqual([claimed.state, claimed.votes.length, claimed.opening], ["deciding", 1, opening])
        assert.isFalse(
          yield* stores[1]!.append(yield* next(opening, claimed.votes, { by: reviewer("late", "finance") }))
        )
        assert.isTrue(yield* stores[2]!.renew(opening, claimed.claim!.token))
        isOnce(yield* all((store, n) => store.takeOver(opening, { ...claimed.claim!, beat: 1 }, `n${n}`)))
        const ends = yield* all((store, n) =>
          store.end(opening, { result: "approved", byPanel: true, note: `n${n}`, at: minute(n) })
        )
        for (const end of ends) assert.deepStrictEqual(end, ends[0])
      }
      // Of a proposal the same.
      const opening = openingFor("action-changed")
      yield* stores[0]!.open(opening, yield* sealOf(opening))
      const vote = yield* next(opening, [], {
        by: reviewer("r", "finance"),
        choice: "reject",
        proposal: "1".repeat(64)
      })
      const proposal = new Proposals.Proposal({
        id: hashOfVote(vote),
        actionId: opening.actionId,
        agentId: "bot",
        tool: "stripe",
        method: "create_refund",
        params: "{\"amount\":1}",
        digest: "1".repeat(64),
        editor: "r",
        at: minute(1),
        submittedAs: null
      })
      isOnce(yield* all((store) => store.append(vote, proposal)))
      isOnce(yield* all((store, n) => store.claimProposal(proposal.id, `t${n}`)))
      for (let n = 0; n < 12; n++) yield* stores[n % 3]!.settleProposal(proposal.id, `t${n}`, idOf(`second-${n}`))
      const settled = (yield* stores[1]!.proposal(proposal.id))!
      assert.deepStrictEqual({ ...settled, submittedAs: null }, { ...proposal })
      assert.match(settled.submittedAs!, /^second-/)
      assert.strictEqual((yield* stores[2]!.proposalsOf({ actionId: idOf("x"), digest: "1".repeat(64) })).length, 1)
      yield* stores[0]!.end(opening, { result: "rejected", byPanel: true, note: null, at: minute(2) })
      assert.strictEqual((yield* stores[0]!.list({ ended: true })).length, 11)
      assert.deepStrictEqual(yield* stores[1]!.list({ ended: false }), [])
      const unreachable = yield* Effect.exit(
        Layer.build(BallotsPostgres.layer({ url: "postgres://127.0.0.1:1/none" }))
      )
      assert.isTrue(Exit.isFailure(unreachable))
    }).pipe(Effect.scoped, Effect.provide(signer)))

  it.live("of three processes one uses a link, and one of a reviewer's two links at most", () =>
    Effect.gen(function*() {
      const url = yield* Postgres.start
      const stores = yield* Effect.forEach([1, 2, 3], () =>
        Effect.map(
          Layer.build(Layer.fresh(BallotsPostgres.layer({ url, maxConnections: 3 }))),
          (context) => Effect.runSync(Effect.provide(ReviewLinks.ReviewLinks, context))
        ))
      const add = (hash: string, digest: string) =>
        stores[0]!.add(
          { hash, actionId: idOf("a1"), digest, reviewerId: "ann", onBehalfOf: null, expiresAt: 2e12 },
          1e12
        )
      for (let round = 0; round < 10; round++) {
        const digest = `d${round}`
        yield* add(`${round}/1`, digest)
        yield* add(`${round}/2`, digest)
        const uses = yield* Effect.all(
          Array.from(
            { length: 12 },
            (_, n) => Effect.exit(stores[n % 3]!.use(`${round}/${round % 2 === 0 ? 1 : 1 + n % 2}`, 1e12))
          ),
          { concurrency: 12 }
        )
        const used = uses.filter((exit) => Exit.isSuccess(exit) && exit.value)
        assert.strictEqual(used.length, 1)
        assert.deepInclude(yield* stores[1]!.find(`${round}/2`), { digest, reviewerId: "ann", usedAt: 1e12 })
        assert.isFalse(yield* stores[2]!.use(`${round}/2`, 1e12))
      }
    }).pipe(Effect.scoped))
})
