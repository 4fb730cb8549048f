import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Predicate, Redacted } from "effect"
import {
  Approvals,
  Ballots,
  ClaimHolder,
  ReviewPanel,
  ReviewRules,
  Reviews,
  ToolCalls,
  VoteSigner
} from "effect-vargate"
import { TestClock } from "effect/testing"
import { inProcess, Wiretap, type World } from "../support/worlds.ts"
import { minute, reviewer, sealOf, signer } from "./ballots.ts"

const { anyOf, deadline, quorum } = ReviewRules

const ann = reviewer("ann", "finance")
const bob = reviewer("bob", "finance")
const cid = reviewer("cid", "legal")

const rulesOf = (rule: ReviewRules.Rule, options: Partial<ReviewRules.Options> = {}) => ({
  rules: ReviewRules.make({ ...options, otherwise: rule })
})

const two = rulesOf(quorum(2, "finance"))

const hold = (n: number) =>
  Effect.map(ToolCalls.decide({ tool: "db", method: "delete", params: { n } }), ({ actionId }) => actionId)

const shown = (actionId: string) =>
  Effect.map(Approvals.Approvals.use(({ pending }) => pending), ({ pending }) => {
    const action = pending.find((action) => action.actionId === actionId)!
    return { actionId: action.actionId, digest: ReviewPanel.digest(action) }
  })

const told = Effect.map(Wiretap, ({ requests }) => requests.filter((request) => /approve|reject/.test(request)))

type Needs = World | Ballots.Ballots | VoteSigner.VoteSigner

const test = (title: string, effect: Effect.Effect<void, unknown, Needs>) =>
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

const refusalOf = <A, R>(vote: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(vote), (error) =>
    Predicate.hasProperty(error, "refusal")
      ? error.refusal
      : Predicate.hasProperty(error, "_tag")
      ? error._tag
      : error)

describe("ReviewPanel", () => {
  test(
    "approves once two have approved, and the gateway's note points to their votes",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(two)
      const vote = yield* shown(yield* hold(1))
      const first = yield* panel.vote(ann, { ...vote, choice: "approve", note: "known customer" })
      assert.deepStrictEqual([first.ballot.state, yield* told], ["open", []])
      assert.deepStrictEqual(first.needs.slice(0, 2), [
        "Needs 2 of finance.",
        "2 of finance: approved by ann."
      ])
      assert.strictEqual(yield* refusalOf(panel.vote(ann, { ...vote, choice: "approve" })), "AlreadyVoted")
      assert.strictEqual(yield* refusalOf(panel.vote(cid, { ...vote, choice: "approve" })), "NotAsked")
      const last = yield* panel.vote(bob, { ...vote, choice: "approve" })
      assert.deepStrictEqual([last.ballot.state, last.ballot.outcome?.result, last.ballot.outcome?.byPanel], [
        "ended",
        "approved",
        true
      ])
      assert.deepStrictEqual(last.needs, ["Approved by ann and bob."])
      assert.deepStrictEqual(yield* told, [`POST /api/approve/${vote.actionId}`])
      const [decided] = yield* Approvals.Approvals.use(({ history }) => history)
      assert.match(decided!.note!, /^review-panel\/1 approve sha256:[0-9a-f]{64} ann, bob$/)
      assert.strictEqual(yield* refusalOf(panel.vote(cid, { ...vote, choice: "reject" })), "Ended")
    })
  )

  test(
    "rejects where one of those who are asked rejects",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(two)
      const vote = yield* shown(yield* hold(1))
      const { ballot } = yield* panel.vote(ann, { ...vote, choice: "reject", note: "too much" })
      assert.strictEqual(ballot.outcome?.result, "rejected")
      const outcome = yield* Approvals.Approvals.use((approvals) => approvals.outcome(vote.actionId))
      assert.strictEqual(outcome._tag, "Rejected")
      assert.deepStrictEqual(yield* told, [`POST /api/reject/${vote.actionId}`])
    })
  )

  test(
    "refuses a vote on anything but what is pending now",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(two)
      const [one, other] = [yield* shown(yield* hold(1)), yield* shown(yield* hold(2))]
      const foreign = panel.vote(ann, { actionId: one.actionId, digest: other.digest, choice: "approve" })
      assert.strictEqual(yield* refusalOf(foreign), "Changed")
      yield* Reviews.Reviews.use((reviews) => reviews.reject(other.actionId))
      assert.strictEqual(yield* refusalOf(panel.vote(ann, { ...other, choice: "approve" })), "NotPending")
      assert.deepStrictEqual((yield* panel.status(one.actionId))?.ballot.votes ?? [], [])
      const long = panel.vote(ann, { ...one, choice: "approve", note: "x".repeat(2001) })
      assert.strictEqual(yield* refusalOf(long), "VargateError")
    })
  )

  test(
    "who asked does not decide",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(rulesOf(anyOf("finance"), { requesters: () => ["ann"] }))
      const vote = yield* shown(yield* hold(1))
      assert.strictEqual(yield* refusalOf(panel.vote(ann, { ...vote, choice: "approve" })), "Requester")
      assert.deepStrictEqual(yield* told, [])
      yield* panel.vote(bob, { ...vote, choice: "approve" })
      assert.strictEqual((yield* told).length, 1)
    })
  )

  test(
    "ends a ballot with what happened elsewhere",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(two)
      const [one, other, late] = [yield* hold(1), yield* hold(2), yield* hold(3)]
      yield* panel.sweep
      assert.strictEqual((yield* panel.list({ ended: false })).length, 3)
      const vote = yield* shown(one)
      yield* Reviews.Reviews.use((reviews) => reviews.approve(one, "by the operator"))
      yield* Reviews.Reviews.use((reviews) => reviews.reject(other))
      assert.strictEqual(yield* refusalOf(panel.vote(ann, { ...vote, choice: "approve" })), "Ended")
      yield* TestClock.adjust("61 minutes")
      yield* panel.sweep
      const outcomeOf = (actionId: typeof one) =>
        Effect.map(panel.status(actionId), (status) => {
          const { byPanel, note, result } = status!.ballot.outcome!
          return [result, byPanel, note]
        })
      assert.deepStrictEqual(yield* outcomeOf(one), ["approved", false, "by the operator"])
      assert.deepStrictEqual((yield* outcomeOf(other)).slice(0, 2), ["rejected", false])
      // The gateway's own look lets it expire; what that looks like is the business of Approvals.
      yield* TestClock.adjust("2 minutes")
      yield* panel.sweep
      assert.deepStrictEqual(yield* outcomeOf(late), ["expired", false, null])
    })
  )

  test(
    "rejects at the deadline, and counts no vote after it",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(rulesOf(deadline("10 minutes")(quorum(2, "finance"))))
      const vote = yield* shown(yield* hold(1))
      yield* panel.vote(ann, { ...vote, choice: "approve" })
      yield* TestClock.adjust("9 minutes")
      yield* panel.sweep
      assert.deepStrictEqual(yield* told, [])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* refusalOf(panel.vote(bob, { ...vote, choice: "approve" })), "TooLate")
      yield* panel.sweep
      const { outcome } = (yield* panel.status(vote.actionId))!.ballot
      assert.deepStrictEqual([outcome?.result, outcome?.byPanel], ["rejected", true])
      assert.match(outcome!.note!, /the deadline has passed$/)
    })
  )

  test(
    "of three processes that see the rule met, one tells the gateway",
    Effect.gen(function*() {
      const panels = yield* Effect.all([ReviewPanel.make(two), ReviewPanel.make(two), ReviewPanel.make(two)])
      const vote = yield* shown(yield* hold(1))
      const voters = [ann, bob, reviewer("eve", "finance")]
      yield* Effect.all(
        panels.map((panel, n) => Effect.exit(panel.vote(voters[n]!, { ...vote, choice: "approve" }))),
        { concurrency: 3 }
      )
      yield* Effect.all(panels.map(({ sweep }) => sweep), { concurrency: 3 })
      assert.deepStrictEqual(yield* told, [`POST /api/approve/${vote.actionId}`])
      const { ballot } = (yield* panels[0].status(vote.actionId))!
      assert.deepStrictEqual([ballot.outcome?.result, ballot.outcome?.byPanel], ["approved", true])
    })
  )

  test(
    "finishes what a process that ended between quorum and approval has begun",
    Effect.gen(function*() {
      const ballots = yield* Ballots.Ballots
      const panel = yield* ReviewPanel.make(rulesOf(quorum(2, "finance")))
      const vote = yield* shown(yield* hold(1))
      yield* panel.vote(ann, { ...vote, choice: "approve" })
      // The other process claims, and ends.
      const dying = yield* Effect.provideService(ReviewPanel.make(two), Ballots.Ballots, {
        ...ballots,
        claim: (key, claim) => Effect.andThen(ballots.claim(key, claim), Effect.interrupt)
      })
      yield* Effect.exit(dying.vote(bob, { ...vote, choice: "approve" }))
      assert.strictEqual((yield* panel.status(vote.actionId))!.ballot.state, "deciding")
      yield* panel.sweep
      yield* TestClock.adjust("29 seconds")
      yield* panel.sweep
      assert.deepStrictEqual(yield* told, [], "its lease has not ended")
      yield* TestClock.adjust("1 second")
      yield* panel.sweep
      assert.deepStrictEqual(yield* told, [`POST /api/approve/${vote.actionId}`])
      assert.strictEqual((yield* panel.status(vote.actionId))!.ballot.outcome?.byPanel, true)
    })
  )

  test(
    "finishes at once what a process has begun that has certainly ended",
    Effect.gen(function*() {
      const ballots = yield* Ballots.Ballots
      const dying = (name: string, actionId: string) =>
        Effect.gen(function*() {
          const panel = yield* ReviewPanel.make(two)
          const vote = yield* shown(actionId)
          yield* panel.vote(ann, { ...vote, choice: "approve" })
          yield* Effect.exit(panel.vote(bob, { ...vote, choice: "approve" }))
        }).pipe(
          Effect.provideService(Ballots.Ballots, {
            ...ballots,
            claim: (key, claim) => Effect.andThen(ballots.claim(key, claim), Effect.interrupt)
          }),
          Effect.provideService(ClaimHolder.ClaimHolder, { name, hasEnded: () => Effect.succeed(false) })
        )
      const [first, second] = [yield* hold(1), yield* hold(2)]
      yield* dying("one", first)
      yield* dying("another", second)
      const panel = yield* Effect.provideService(ReviewPanel.make(two), ClaimHolder.ClaimHolder, {
        name: "three",
        hasEnded: (name) => Effect.succeed(name === "one")
      })
      yield* panel.sweep
      assert.deepStrictEqual(yield* told, [`POST /api/approve/${first}`])
      yield* TestClock.adjust("30 seconds")
      yield* panel.sweep
      assert.deepStrictEqual(yield* told, [first, second].map((id) => `POST /api/approve/${id}`))
    })
  )

  test(
    "decides nothing by a claim in the store whose rule is not met",
    Effect.gen(function*() {
      const ballots = yield* Ballots.Ballots
      const panel = yield* ReviewPanel.make(two)
      const vote = yield* shown(yield* hold(1))
      yield* panel.vote(ann, { ...vote, choice: "approve" })
      assert.isTrue(yield* ballots.claim(vote, { choice: "approve", votes: 1, token: "forged" }))
      const other = yield* shown(yield* hold(2))
      yield* panel.sweep
      assert.isTrue(yield* ballots.claim(other, { choice: "reject", votes: 0, token: "forged" }))
      yield* panel.sweep
      yield* TestClock.adjust("31 seconds")
      yield* panel.sweep
      assert.deepStrictEqual(yield* told, [])
    })
  )

  test(
    "knows its own decision again where the answer was lost, and asks for none twice",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      const panel = yield* ReviewPanel.make(two)
      const vote = yield* shown(yield* hold(1))
      yield* panel.vote(ann, { ...vote, choice: "approve" })
      lost.push("/api/approve")
      const voting = yield* Effect.forkChild(panel.vote(bob, { ...vote, choice: "approve" }))
      yield* TestClock.adjust("1 minute")
      const { ballot } = yield* Fiber.join(voting)
      assert.deepStrictEqual([ballot.outcome?.result, ballot.outcome?.byPanel], ["approved", true])
      assert.strictEqual((yield* told).length, 1)
    })
  )

  test(
    "counts nothing in a ballot that holds what the panel did not sign",
    Effect.gen(function*() {
      const ballots = yield* Ballots.Ballots
      const panel = yield* ReviewPanel.make(two)
      const vote = yield* shown(yield* hold(1))
      yield* panel.vote(ann, { ...vote, choice: "approve" })
      const [first] = (yield* panel.status(vote.actionId))!.ballot.votes
      // The same vote again, under another name.
      yield* ballots.append(new Ballots.Vote({ ...first!, sequence: 2, reviewerId: "bob" }))
      assert.strictEqual(yield* refusalOf(panel.vote(bob, { ...vote, choice: "approve" })), "Spoiled")
      yield* panel.sweep
      assert.deepStrictEqual(yield* told, [])
    })
  )

  test(
    "counts nothing under a rule that the panel did not sign",
    Effect.gen(function*() {
      const ballots = yield* Ballots.Ballots
      const panel = yield* ReviewPanel.make(two)
      const vote = yield* shown(yield* hold(1))
      const pending = (yield* Approvals.Approvals.use(({ pending }) => pending)).pending[0]!
      const lax = ReviewRules.opening(ReviewRules.make({ otherwise: anyOf("finance") }), pending)
      yield* ballots.open(lax, yield* Effect.provide(sealOf(lax), otherSigner))
      assert.strictEqual(yield* refusalOf(panel.vote(ann, { ...vote, choice: "approve" })), "Spoiled")
      assert.deepStrictEqual(yield* told, [])
      // A key that is trusted still is one that counts.
      const { publicKey } = yield* Effect.provide(VoteSigner.VoteSigner, otherSigner)
      const trusting = yield* ReviewPanel.make({ ...two, trustedKeys: [publicKey] })
      yield* trusting.vote(ann, { ...vote, choice: "approve" })
      assert.strictEqual((yield* told).length, 1)
    })
  )

  test(
    "sweeps by itself",
    Effect.gen(function*() {
      yield* Effect.gen(function*() {
        const panel = yield* ReviewPanel.ReviewPanel
        const actionId = yield* hold(1)
        assert.isUndefined(yield* panel.status(actionId))
        yield* TestClock.adjust("5 seconds")
        // Signatures are made on another thread, which needs time of its own.
        const pause = Effect.promise(() => new Promise<void>((done) => setTimeout(done)))
        const opened = Effect.repeat(Effect.andThen(pause, panel.status(actionId)), {
          while: (status) => status === undefined,
          times: 15_000
        })
        assert.strictEqual((yield* opened)?.ballot.state, "open")
        assert.isAbove(yield* Clock.currentTimeMillis, minute(0).epochMilliseconds)
      }).pipe(Effect.provide(ReviewPanel.layer(two)))
    })
  )
})

const otherSigner = VoteSigner.layer(Redacted.make("22".repeat(32)))
