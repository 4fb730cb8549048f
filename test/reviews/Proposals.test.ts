import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, type Fiber, Layer, Predicate, Schema, Stream } from "effect"
import {
  type ActionId,
  Agent,
  Approvals,
  AuditLog,
  Ballots,
  Governed,
  Proposals,
  ReviewPanel,
  ReviewRules,
  Reviews,
  ReviewVerifier,
  ToolCalls,
  type VargateError,
  VoteSigner
} from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import { Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { reviewer, signer } from "./ballots.ts"

const { allowChanges, anyOf, quorum } = ReviewRules

const ann = reviewer("ann", "finance")
const bob = reviewer("bob", "finance")
const cid = reviewer("cid", "legal")

const Transfer = Schema.Struct({ to: Schema.String, amount: Schema.Finite })

const optionsOf = (rule: ReviewRules.Rule, options: Partial<ReviewRules.Options> = {}): ReviewPanel.Options => ({
  rules: ReviewRules.make({ ...options, otherwise: rule }),
  params: { "bank/transfer": Transfer }
})

const one = optionsOf(allowChanges()(anyOf("finance")))

/** Transfers of more than 1,000 are pending, others allowed, and those from 5,000 on denied. */
const world = Layer.mergeAll(signer, Proposals.layer).pipe(
  Layer.provideMerge(Layer.fresh(Ballots.layerMemory)),
  Layer.provideMerge(GatewayMemory.layer({
    tenants: [{ id: "bank", apiKey: "test-key", policyTemplate: "financial", burst: 1000 }]
  }))
)

type Needs = Layer.Success<typeof world>

const test = (title: string, effect: Effect.Effect<void, unknown, Needs>) =>
  it.effect(title, () => Effect.provide(effect, world))

const name = { tool: "bank", method: "transfer", isBusinessHours: true } as const

/** A tool that notes what it does. */
const teller = () => {
  const done: Array<unknown> = []
  const transfer = Governed.tool({
    ...name,
    params: Transfer,
    run: (params) => Effect.sync(() => void done.push(params))
  })
  return { done, transfer }
}

const pendingNow = TestReviewer.untilPending()

const shown = (action: Approvals.PendingAction) => ({ actionId: action.actionId, digest: ReviewPanel.digest(action) })

/** Proposes other params for what is pending. */
const propose = Effect.fnUntraced(function*(
  panel: ReviewPanel.ReviewPanel["Service"],
  changes: Readonly<Record<string, unknown>>,
  by = ann
) {
  const action = yield* pendingNow
  yield* panel.vote(by, { ...shown(action), choice: "reject", changes })
  return action
})

const records = Effect.map(
  GatewayMemory.GatewayMemory.use(({ records }) => records()),
  (records) => records.filter(({ tool }) => tool === "bank").map(({ decision, params }) => ({ decision, params }))
)

const until = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.exit(TestReviewer.untilEnded(fiber))

const errorOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  const reason = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  assert.strictEqual(reason?._tag, "Fail", String(exit))
  return (reason as { readonly error: E }).error
}

const refusalOf = <A, R>(vote: Effect.Effect<A, unknown, R>) =>
  Effect.map(
    Effect.flip(vote),
    (error) => Predicate.hasProperty(error, "refusal") ? error.refusal : String((error as Error).message)
  )

const transfer5 = { to: "x", amount: 4000 }

describe("Approve with changes", () => {
  test(
    "the handler gets what the reviewer proposed, once, and the log links the two actions",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const { done, transfer } = teller()
      const fiber = yield* Effect.forkChild(transfer(transfer5))
      const first = yield* propose(panel, { to: "x", amount: 900 })
      const result = yield* TestReviewer.untilEnded(fiber)
      assert.deepStrictEqual(done, [{ to: "x", amount: 900 }])
      assert.deepStrictEqual(yield* records, [
        { decision: "pending_approval", params: transfer5 },
        { decision: "allow", params: { to: "x", amount: 900 } }
      ])
      assert.notStrictEqual(result.actionId, first.actionId)
      assert.strictEqual(result.proposal?.actionId, first.actionId)
      const outcome = yield* Approvals.Approvals.use((approvals) => approvals.outcome(first.actionId))
      assert.strictEqual(outcome._tag, "Rejected")
      const { proposal } = outcome as VargateError.Rejected
      const kept = yield* Proposals.Proposals.use(({ find }) => find(proposal!.id))
      assert.deepStrictEqual(
        [kept!.editor, kept!.params, kept!.digest, kept!.submittedAs],
        ["ann", "{\"to\":\"x\",\"amount\":900}", proposal!.digest, result.actionId]
      )
      // By the log alone: the note has the digest of what was submitted instead.
      const agentId = first.agentId
      assert.strictEqual(
        ReviewPanel.digest(new Approvals.PendingAction({ ...first, agentId, params: { to: "x", amount: 900 } })),
        proposal!.digest
      )
    })
  )

  test(
    "what is proposed is decided like any other action: denied, or pending again and changed again",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const { done, transfer } = teller()
      const denied = yield* Effect.forkChild(transfer(transfer5))
      yield* propose(panel, { to: "x", amount: 9000 })
      assert.strictEqual(errorOf(yield* until(denied))._tag, "Denied")
      const again = yield* Effect.forkChild(transfer(transfer5))
      const first = yield* propose(panel, { to: "x", amount: 3000 })
      yield* TestClock.adjust("3 seconds")
      const second = yield* propose(panel, { to: "x", amount: 2000 }, bob)
      yield* TestClock.adjust("3 seconds")
      const third = yield* pendingNow
      assert.deepStrictEqual([first, second, third].map(({ params }) => (params as typeof transfer5).amount), [
        4000,
        3000,
        2000
      ])
      assert.deepStrictEqual(done, [])
      yield* panel.vote(bob, { ...shown(third), choice: "approve" })
      yield* TestReviewer.untilEnded(again)
      assert.deepStrictEqual(done, [{ to: "x", amount: 2000 }])
    })
  )

  test(
    "who proposed an action does not approve it alone where four eyes are asked for",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(optionsOf(allowChanges()(anyOf("finance")), { requesters: () => ["rob"] }))
      const { done, transfer } = teller()
      const fiber = yield* Effect.forkChild(transfer(transfer5))
      const first = yield* propose(panel, { to: "x", amount: 3000 })
      yield* TestClock.adjust("3 seconds")
      const second = yield* pendingNow
      const mine = yield* panel.vote(ann, { ...shown(second), choice: "approve" })
      assert.strictEqual(mine.ballot.state, "open")
      assert.include(mine.needs, `ann proposed it instead of ${first.actionId}, and cannot approve it alone.`)
      assert.deepStrictEqual(done, [])
      const others = yield* panel.vote(bob, { ...shown(second), choice: "approve" })
      assert.strictEqual(others.ballot.outcome?.result, "approved")
      assert.include(others.ballot.outcome!.note!, ` instead-of:${first.actionId} ann, bob`)
      yield* TestReviewer.untilEnded(fiber)
      assert.deepStrictEqual(done, [{ to: "x", amount: 3000 }])
    })
  )

  test(
    "is known again under another reference, which no proposal keeps",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(optionsOf(allowChanges()(anyOf("finance")), { requesters: () => ["rob"] }))
      const done: Array<unknown> = []
      const request = { ...name, params: transfer5, reference: "params" } as const
      const fiber = yield* Effect.forkChild(Governed.run(request, (params) => Effect.sync(() => done.push(params))))
      const first = yield* pendingNow
      const { vargate_reference: reference } = first.params as { readonly vargate_reference: string }
      yield* propose(panel, { ...first.params as object, amount: 3000 })
      yield* TestClock.adjust("3 seconds")
      const second = yield* pendingNow
      const params = second.params as { readonly vargate_reference: string; readonly amount: number }
      assert.strictEqual(params.amount, 3000)
      assert.notStrictEqual(params.vargate_reference, reference)
      assert.strictEqual((yield* panel.vote(ann, { ...shown(second), choice: "approve" })).ballot.state, "open")
      yield* panel.vote(bob, { ...shown(second), choice: "approve" })
      yield* TestReviewer.untilEnded(fiber)
      assert.deepStrictEqual(done, [{ to: "x", amount: 3000 }])
    })
  )

  test(
    "without the service, and for an action that takes no params, it is a rejection that names the proposal",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const run = Effect.sync(() => assert.fail("it was rejected"))
      const fixed = yield* Effect.forkChild(Governed.run({ ...name, params: transfer5 }, run))
      yield* propose(panel, { to: "x", amount: 900 })
      const rejected = errorOf(yield* until(fixed)) as VargateError.Rejected
      assert.strictEqual(rejected._tag, "Rejected")
      assert.match(rejected.message, /proposes other params/)
      const { done, transfer } = teller()
      const without = yield* Effect.forkChild(
        Effect.updateContext(
          transfer({ to: "y", amount: 4000 }),
          (context: Context.Context<Needs>) => Context.omit(Proposals.Proposals)(context) as Context.Context<Needs>
        )
      )
      yield* propose(panel, { to: "y", amount: 900 })
      assert.strictEqual(errorOf(yield* until(without))._tag, "Rejected")
      assert.deepStrictEqual(done, [])
      assert.strictEqual((yield* records).length, 2)
    })
  )

  test(
    "submits nothing but what the gateway's note names, whatever the store says",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const proposals = yield* Proposals.Proposals
      const lies: ReadonlyArray<(proposal: Proposals.Proposal) => Partial<typeof Proposals.Proposal.Type>> = [
        () => ({ params: "{\"to\":\"eve\",\"amount\":900}" }),
        ({ params }) => ({ params: ` ${params}` }),
        () => ({ params: "{" }),
        ({ actionId }) => ({ actionId: `${actionId}x` as ActionId.ActionId })
      ]
      for (const [n, lie] of lies.entries()) {
        const { done, transfer } = teller()
        const fiber = yield* transfer({ to: `x${n}`, amount: 4000 }).pipe(
          Effect.provideService(Proposals.Proposals, {
            ...proposals,
            find: (id) => Effect.map(proposals.find(id), (one) => new Proposals.Proposal({ ...one!, ...lie(one!) }))
          }),
          Effect.forkChild
        )
        yield* propose(panel, { to: `x${n}`, amount: 900 })
        assert.strictEqual(errorOf(yield* until(fiber))._tag, "Rejected", `lie ${n}`)
        assert.deepStrictEqual(done, [])
      }
      // That of another agent is not this one's.
      const { done, transfer } = teller()
      const agent = { id: "other-bot", type: "t", version: "1.0.0" }
      const fiber = yield* Effect.forkChild(
        ToolCalls.decide({ ...name, params: { to: "z", amount: 4000 }, agent }).pipe(
          Effect.flatMap(({ actionId }) =>
            Governed.resume(actionId, (params) => Effect.sync(() => done.push(params)), {
              call: { ...name, params: { to: "z", amount: 4000 } }
            })
          )
        )
      )
      yield* propose(panel, { to: "z", amount: 900 })
      assert.strictEqual(errorOf(yield* until(fiber))._tag, "Rejected")
      assert.deepStrictEqual([done, transfer === undefined], [[], false])
      assert.strictEqual((yield* records).length, lies.length + 1)
    })
  )

  test(
    "of all who wait for the action one submits what is proposed",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const { actionId } = yield* ToolCalls.decide({ ...name, params: transfer5 })
      const done: Array<unknown> = []
      const resume = Governed.resume(actionId, (params) => Effect.sync(() => done.push(params)), {
        call: { ...name, params: transfer5 }
      })
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(resume))
      yield* propose(panel, { to: "x", amount: 900 })
      const exits = yield* Effect.forEach(fibers, until)
      assert.deepStrictEqual(done, [{ to: "x", amount: 900 }])
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
      assert.deepStrictEqual(
        exits.filter(Exit.isFailure).map((exit) => errorOf(exit)._tag),
        ["Rejected", "Rejected"]
      )
      assert.strictEqual((yield* records).length, 2)
    })
  )

  test(
    "a handle that is awaited twice submits once and acts once",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const done: Array<unknown> = []
      const request = { ...name, params: transfer5, onPending: Governed.detach } as const
      const handle = yield* Governed.run(request, (params) => Effect.sync(() => done.push(params)))
      assert.strictEqual(handle.executedBy, "none")
      if (handle.executedBy !== "none") return
      yield* propose(panel, { to: "x", amount: 900 })
      const results = yield* Effect.all([handle.await, handle.await], { concurrency: 2 }).pipe(
        Effect.forkChild,
        Effect.flatMap(TestReviewer.untilEnded)
      )
      assert.strictEqual(results[0].actionId, results[1].actionId)
      assert.deepStrictEqual([done.length, (yield* records).length], [1, 2])
    })
  )

  test(
    "a claim that came to nothing is given back, and one whose process ended is not",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const { setOpaOutage } = yield* GatewayMemory.GatewayMemory
      const { actionId } = yield* ToolCalls.decide({ ...name, params: transfer5 })
      const done: Array<unknown> = []
      const resume = Governed.resume(actionId, (params) => Effect.sync(() => done.push(params)), {
        call: { ...name, params: transfer5 }
      })
      yield* propose(panel, { to: "x", amount: 900 })
      yield* setOpaOutage(true)
      const refused = yield* Effect.forkChild(resume)
      assert.strictEqual(errorOf(yield* until(refused))._tag, "OpaUnavailable")
      yield* setOpaOutage(false)
      const proposals = yield* Proposals.Proposals
      const claims: Array<boolean> = []
      const dying = yield* resume.pipe(
        Effect.provideService(Proposals.Proposals, {
          ...proposals,
          claim: (id, token) =>
            Effect.flatMap(proposals.claim(id, token), (isOurs) => {
              claims.push(isOurs)
              return Effect.interrupt
            })
        }),
        Effect.forkChild
      )
      assert.isTrue(Exit.isFailure(yield* until(dying)))
      assert.deepStrictEqual(claims, [true])
      const late = yield* Effect.forkChild(resume)
      assert.strictEqual(errorOf(yield* until(late))._tag, "Rejected")
      assert.deepStrictEqual([done, (yield* records).length], [[], 1])
    })
  )

  test(
    "a governed toolkit handles what was proposed",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const Tools = Toolkit.make(
        Tool.make("bank__transfer", {
          parameters: Schema.Struct({ to: Schema.String, amount: Schema.Finite, times: Schema.FiniteFromString }),
          success: Schema.String
        })
      )
      const done: Array<unknown> = []
      const handlers = Tools.toLayer({
        bank__transfer: (params) => Effect.sync(() => `${done.push(params)} done`)
      })
      const { handle } = yield* Effect.provide(
        GovernedToolkit.govern(Tools, { isBusinessHours: true }),
        handlers
      )
      const call = Effect.flatMap(
        handle("bank__transfer", { to: "x", amount: 4000, times: "1" }),
        (results) => Stream.runLast(results)
      )
      const fiber = yield* Effect.forkChild(call)
      const action = yield* pendingNow
      // The schema that the panel was given is another one than the tool's.
      const changes = { to: "x", amount: 900, times: "2" }
      const typed = panel.vote(ann, { ...shown(action), choice: "reject", changes })
      assert.match(String(yield* refusalOf(typed)), /changes\.times/)
      const plain = yield* ReviewPanel.make({ rules: one.rules })
      yield* propose(plain, changes)
      yield* TestReviewer.untilEnded(fiber)
      assert.deepStrictEqual(done, [{ to: "x", amount: 900, times: 2 }])
      // What the tool cannot read is not submitted.
      const unread = yield* Effect.forkChild(call)
      yield* propose(plain, { to: 1 })
      assert.match(JSON.stringify(yield* TestReviewer.untilEnded(unread)), /NOT PERFORMED: a reviewer rejected/)
      assert.deepStrictEqual(done.length, 1)
    })
  )

  test(
    "refuses what the rule, the schema or the gateway's own view do not allow",
    Effect.gen(function*() {
      const strict = yield* ReviewPanel.make(optionsOf(quorum(2, "finance", { rejections: 2 })))
      yield* ToolCalls.decide({ ...name, params: transfer5 })
      const vote = { ...shown(yield* pendingNow), choice: "reject" } as const
      const changes = { to: "x", amount: 900 }
      assert.strictEqual(yield* refusalOf(strict.vote(ann, { ...vote, changes })), "NoChanges")
      const legal = yield* ReviewPanel.make(optionsOf(allowChanges("legal")(quorum(2, "finance", { rejections: 2 }))))
      yield* Reviews.Reviews.use(({ reject }) => reject(vote.actionId))
      yield* ToolCalls.decide({ ...name, params: { to: "y", amount: 4000 } })
      const next = { ...shown(yield* pendingNow), choice: "reject" } as const
      assert.strictEqual(yield* refusalOf(legal.vote(ann, { ...next, changes })), "NoChanges")
      const bad = (changes: Readonly<Record<string, unknown>>, choice: "approve" | "reject" = "reject") =>
        Effect.map(refusalOf(legal.vote(cid, { ...next, changes, choice })), String)
      assert.match(yield* bad(changes, "approve"), /Expected the choice reject/)
      assert.match(yield* bad({ to: "y", amount: 4000 }), /Expected other params/)
      assert.match(yield* bad({ to: "y" }), /changes\.amount/)
      assert.match(yield* bad({ ...changes, more: 1 }), /changes\.more/)
      assert.match(yield* bad({ ...changes, to: "[ENCRYPTED:x]" }), /placeholder/)
      assert.match(yield* bad({ ...changes, _sa_x: 1 }), /placeholder/)
      assert.match(yield* bad({ ...changes, amount: Number.NaN }), /finite/)
      const { ballot, needs } = yield* legal.vote(cid, { ...next, changes })
      assert.strictEqual(ballot.outcome?.result, "rejected")
      assert.deepStrictEqual(needs, ["Rejected by cid, who proposes other params."])
    })
  )

  test(
    "is verified: a note, a vote or a ballot that names another proposal is a finding",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(optionsOf(allowChanges()(anyOf("finance")), { requesters: () => ["rob"] }))
      const { transfer } = teller()
      const fiber = yield* Effect.forkChild(transfer(transfer5))
      const first = yield* propose(panel, { to: "x", amount: 3000 })
      yield* TestClock.adjust("3 seconds")
      const second = yield* pendingNow
      yield* panel.vote(ann, { ...shown(second), choice: "approve" })
      yield* panel.vote(bob, { ...shown(second), choice: "approve" })
      yield* TestReviewer.untilEnded(fiber)
      const ballots = yield* Ballots.Ballots.use(({ list }) => list())
      const { publicKey } = yield* VoteSigner.VoteSigner
      const verify = (ballots: ReadonlyArray<Ballots.Ballot>) =>
        Effect.gen(function*() {
          const { records } = yield* AuditLog.AuditLog
          const { findings } = yield* ReviewVerifier.verify(ballots, records(), { publicKeys: [publicKey] })
          return findings.map(({ fault }) => fault)
        })
      assert.deepStrictEqual(yield* verify(ballots), [])
      // Evidence and stores keep them as text.
      const text = JSON.stringify(ReviewVerifier.encodeBallots(ballots))
      const read = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Ballots.Ballot)))
      assert.deepStrictEqual(yield* verify(read(text)), [])
      const changed = (edit: (ballot: Ballots.Ballot) => Ballots.Ballot) => verify(ballots.map(edit))
      // Another digest in the vote: its signature, the chain and the note do not fit it any more.
      const forged = yield* changed((ballot) =>
        ballot.opening.actionId !== first.actionId ? ballot : new Ballots.Ballot({
          ...ballot,
          votes: ballot.votes.map((vote) => new Ballots.Vote({ ...vote, proposal: "0".repeat(64) }))
        })
      )
      assert.includeMembers(forged, ["BrokenBallot", "OtherVotes", "OtherProposal"])
      // A ballot that hides who proposed the action, or names another one.
      const { proposals, ...hidden } = ballots.find(({ opening }) => opening.actionId === second.actionId)!.opening
      const second2 = (opening: Ballots.Opening) =>
        changed((ballot) =>
          ballot.opening.actionId === second.actionId ? new Ballots.Ballot({ ...ballot, opening }) : ballot
        )
      assert.include(yield* second2(hidden), "OtherProposal")
      assert.include(
        yield* second2({ ...hidden, proposals: proposals!.map((one) => ({ ...one, editor: "cid" })) }),
        "OtherProposal"
      )
    })
  )

  test(
    "an agent that is not the ambient one keeps its name",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const { done, transfer } = teller()
      const agent = { id: "teller-bot", type: "bot", version: "2.0.0" }
      const fiber = yield* Effect.forkChild(Effect.provideService(transfer(transfer5), Agent.Agent, agent))
      yield* propose(panel, { to: "x", amount: 900 })
      yield* TestReviewer.untilEnded(fiber)
      const all = yield* GatewayMemory.GatewayMemory.use(({ records }) => records())
      const own = all.filter(({ tool }) => tool === "bank")
      assert.deepStrictEqual(own.map(({ agentId }) => agentId), ["teller-bot", "teller-bot"])
      assert.strictEqual(done.length, 1)
    })
  )
})
