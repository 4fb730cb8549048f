/**
 * Random ballots: rules, votes, double votes, changed params, delegations, expiries, crashes and forged votes, on three
 * processes over one store. The gateway is asked to approve exactly when the rule is met, once, and never by the
 * requester. What is expected is found by trying every way to fill the places of a rule.
 */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted } from "effect"
import {
  Approvals,
  Ballots,
  type Reviewer,
  ReviewPanel,
  ReviewRules,
  Reviews,
  ToolCalls,
  VoteSigner
} from "effect-vargate"
import { TestClock } from "effect/testing"
import { makeRandom } from "../../src/internal/seededRandom.ts"
import { headOf, textOfVote } from "../../src/reviews/internal/ballotText.ts"
import { faultsOf } from "../../src/reviews/internal/checkBallot.ts"
import { tally } from "../../src/reviews/internal/tally.ts"
import { reviewer, signer } from "../reviews/ballots.ts"
import { isFull } from "../support/isFull.ts"
import { inProcess, Wiretap } from "../support/worlds.ts"

const parts = isFull ? 20 : 2
const ballotsInPart = isFull ? 100 : 20

// --- what is expected ------------------------------------------------------------------------------------------------

interface Demand {
  readonly count: number
  readonly groups: ReadonlyArray<string>
  readonly rejections: number
}

/** A rule as the test sees it: demands in stages, each stage at once. */
interface Plan {
  readonly stages: ReadonlyArray<ReadonlyArray<Demand>>
  readonly escalation: { readonly minutes: number; readonly group: string } | undefined
  readonly vetoers: ReadonlyArray<string>
  readonly deadline: number | undefined
  readonly requesters: ReadonlyArray<string>
  readonly delegations: ReadonlyArray<{ readonly from: string; readonly to: string; readonly until: number }>
}

const ruleOf = ({ deadline, escalation, stages, vetoers }: Plan): ReviewRules.Rule => {
  const { allOf, escalateAfter, firstThen, quorum, veto } = ReviewRules
  const all = stages.map((demands) =>
    allOf(...demands.map(({ count, groups, rejections }) => quorum(count, groups, { rejections })))
  )
  const sequence: ReviewRules.Rule = all.length === 1 ? all[0]! : firstThen(...all)
  const escalated = escalation === undefined
    ? sequence
    : escalateAfter(`${escalation.minutes} minutes`, escalation.group)(sequence)
  const guarded = vetoers.length === 0 ? escalated : veto(...vetoers)(escalated)
  return deadline === undefined ? guarded : ReviewRules.deadline(`${deadline} minutes`)(guarded)
}

interface Counted {
  readonly by: string
  readonly seat: string
  readonly choice: Ballots.Choice
  readonly demands: ReadonlyArray<Demand>
  readonly isVeto: boolean
}

const canFill = (places: ReadonlyArray<Demand>, voters: ReadonlyArray<Counted>): boolean => {
  const [place, ...others] = places
  return place === undefined ||
    voters.some((voter) => voter.demands.includes(place) && canFill(others, voters.filter((other) => other !== voter)))
}

/** Counts votes as the documentation says, one after the other. */
class Model {
  votes: ReadonlyArray<Counted> = []
  result: Ballots.Choice | undefined
  readonly plan: Plan
  constructor(plan: Plan) {
    this.plan = plan
  }

  private isMet(demands: ReadonlyArray<Demand>) {
    const places = demands.flatMap((demand) => Array.from({ length: demand.count }, () => demand))
    return canFill(places, this.votes.filter(({ choice }) => choice === "approve"))
  }

  /** What the vote counts as, or undefined where it does not. */
  judge(by: Reviewer.Reviewer, choice: Ballots.Choice, onBehalfOf: string | undefined, minutes: number) {
    const { deadline = 60, delegations, escalation, requesters, stages, vetoers } = this.plan
    if (this.result !== undefined || minutes >= Math.min(deadline, 60)) return undefined
    if (requesters.includes(by.id) || requesters.includes(onBehalfOf ?? "")) return undefined
    const delegation = delegations.find(({ from, to, until }) => from === onBehalfOf && to === by.id && minutes < until)
    if (onBehalfOf !== undefined && delegation === undefined) return undefined
    const groups = delegation === undefined ? by.groups : ["a"]
    const seat = onBehalfOf ?? by.id
    if (this.votes.some((vote) => vote.by === by.id && vote.seat === seat && vote.choice === choice)) return undefined
    const next = stages.findIndex((demands) => !this.isMet(demands))
    const open = stages.slice(0, next < 0 ? stages.length : next + 1).flat()
    const isAsked = (demand: Demand) =>
      groups.some((group) =>
        demand.groups.includes(group) ||
        (escalation !== undefined && minutes >= escalation.minutes && group === escalation.group)
      )
    const demands = open.filter(isAsked)
    const isVeto = choice === "reject" && groups.some((group) => vetoers.includes(group))
    return demands.length === 0 && !isVeto ? undefined : { by: by.id, seat, choice, demands, isVeto }
  }

  count(vote: Counted) {
    this.votes = [...this.votes.filter(({ by, seat }) => by !== vote.by && seat !== vote.seat), vote]
    const rejections = this.votes.filter(({ choice }) => choice === "reject")
    const all = this.plan.stages.flat()
    const isRejected = rejections.some(({ isVeto }) => isVeto) ||
      all.some((demand) => rejections.filter(({ demands }) => demands.includes(demand)).length >= demand.rejections)
    this.result = isRejected ? "reject" : this.isMet(all) ? "approve" : undefined
  }
}

// --- what happens ----------------------------------------------------------------------------------------------------

/** Where a process ends, the next time it gets there. */
type Point = "append" | "claim" | "before telling" | "after telling" | "end"
const points: ReadonlyArray<Point> = ["append", "claim", "before telling", "after telling", "end"]

const otherSigner = VoteSigner.layer(Redacted.make("22".repeat(32)))

/** A process of the panel that can be ended at a point. */
const makeProcess = Effect.fnUntraced(function*(options: ReviewPanel.Options) {
  const ballots = yield* Ballots.Ballots
  const reviews = yield* Reviews.Reviews
  let end: Point | undefined
  const at = (point: Point) =>
    Effect.suspend(() => {
      if (end !== point) return Effect.void
      end = undefined
      return Effect.interrupt
    })
  const telling = <A, E>(tell: Effect.Effect<A, E>) =>
    Effect.andThen(at("before telling"), Effect.tap(tell, () => at("after telling")))
  const panel = yield* ReviewPanel.make(options).pipe(
    Effect.provideService(Ballots.Ballots, {
      ...ballots,
      append: (vote) => Effect.tap(ballots.append(vote), () => at("append")),
      claim: (key, claim) => Effect.tap(ballots.claim(key, claim), () => at("claim")),
      end: (key, outcome) => Effect.andThen(at("end"), ballots.end(key, outcome))
    }),
    Effect.provideService(Reviews.Reviews, {
      ...reviews,
      approve: (actionId, note) => telling(reviews.approve(actionId, note)),
      reject: (actionId, note) => telling(reviews.reject(actionId, note))
    })
  )
  return { panel, endAt: (point: Point | undefined) => void (end = point) }
})

interface Sums {
  approved: number
  rejected: number
  open: number
  spoiled: number
  crashes: number
  refused: number
  votes: number
}

const part = (seed: number) =>
  Effect.gen(function*() {
    const random = makeRandom(seed)
    const int = (n: number) => Math.floor(random() * n)
    const chance = (p: number) => random() < p
    const pick = <A>(values: ReadonlyArray<A>): A => values[int(values.length)]!
    const groups = ["a", "b", "c"]
    const some = () => [...new Set([pick(groups), ...chance(0.4) ? [pick(groups)] : []])]

    const ballots = yield* Ballots.Ballots
    const reviews = yield* Reviews.Reviews
    const approvals = yield* Approvals.Approvals
    const { requests } = yield* Wiretap
    const { keyId, publicKey } = yield* VoteSigner.VoteSigner
    const keys = new Map([[keyId, publicKey]])
    const sums: Sums = { approved: 0, rejected: 0, open: 0, spoiled: 0, crashes: 0, refused: 0, votes: 0 }
    let foreign: Ballots.Vote | undefined

    for (let n = 0; n < ballotsInPart; n++) {
      const reviewers = ["r1", "r2", "r3", "r4", "r5"].map((id) => reviewer(id, ...some()))
      const demand = (): Demand => ({ count: 1 + int(2), groups: some(), rejections: chance(0.8) ? 1 : 2 })
      const stage = () => Array.from({ length: 1 + int(2) }, demand)
      const plan: Plan = {
        stages: Array.from({ length: chance(0.3) ? 2 : 1 }, stage),
        escalation: chance(0.3) ? { minutes: 5 + int(20), group: pick(groups) } : undefined,
        vetoers: chance(0.2) ? [pick(groups)] : [],
        deadline: chance(0.2) ? 10 + int(40) : undefined,
        requesters: chance(0.5) ? [pick(reviewers).id] : [],
        delegations: chance(0.4) ? [{ from: "r1", to: pick(["r2", "r3"]), until: 1 + int(50) }] : []
      }
      const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "delete", params: { seed, n } })
      const action = (yield* approvals.pending).pending.find((action) => action.actionId === actionId)!
      const start = action.createdAt.epochMilliseconds
      const minutes = Effect.map(DateTime.now, (now) => (now.epochMilliseconds - start) / 60_000)
      const rules = ReviewRules.make({
        otherwise: ruleOf(plan),
        requesters: () => plan.requesters,
        delegations: plan.delegations.map(({ from, to, until }) => ({
          from,
          to,
          groups: ["a"],
          until: DateTime.add(action.createdAt, { minutes: until })
        }))
      })
      const processes = yield* Effect.forEach([1, 2, 3], () => makeProcess({ rules }))
      const digest = ReviewPanel.digest(action)
      const key = { actionId, digest }
      const model = new Model(plan)
      let isSpoiled = false
      let isDecidedElsewhere = false
      const name = `seed ${seed}, ballot ${n}: ${JSON.stringify(plan)}`
      const stored = Effect.map(ballots.find(key), (ballot) => ballot?.votes.length ?? 0)

      const voting = Effect.fnUntraced(function*() {
        const by = pick(reviewers)
        const choice = chance(0.92) ? "approve" : "reject"
        const onBehalfOf = chance(0.2) ? pick(["r1", "r1", "r4"]) : undefined
        const isForeign = chance(0.05)
        const process = pick(processes)
        const crash = chance(0.2) ? pick(points) : undefined
        const expected = isForeign || isSpoiled || isDecidedElsewhere
          ? undefined
          : model.judge(by, choice, onBehalfOf, yield* minutes)
        const before = yield* stored
        process.endAt(crash)
        const exit = yield* Effect.exit(process.panel.vote(by, {
          actionId,
          digest: isForeign ? "0".repeat(64) : digest,
          choice,
          ...onBehalfOf === undefined ? {} : { onBehalfOf }
        }))
        process.endAt(undefined)
        if (exit._tag === "Failure" && exit.cause.reasons.some((reason) => reason._tag === "Interrupt")) sums.crashes++
        assert.strictEqual((yield* stored) - before, expected === undefined ? 0 : 1, `${name}: a vote of ${by.id}`)
        if (expected === undefined) return void sums.refused++
        sums.votes++
        model.count(expected)
      })

      const steps = 4 + int(20)
      for (let step = 0; step < steps; step++) {
        const what = random()
        if (what < 0.7) yield* voting()
        else if (what < 0.82) yield* TestClock.adjust(`${1 + int(12)} minutes`)
        else if (what < 0.92) {
          const process = pick(processes)
          process.endAt(chance(0.3) ? pick(points) : undefined)
          yield* Effect.exit(process.panel.sweep)
          process.endAt(undefined)
        } else if (what < 0.95) {
          const ballot = yield* ballots.find(key)
          if (ballot === undefined || ballot.state !== "open") continue
          // Forged, replayed or foreign: straight into the store.
          const last = ballot.votes.at(-1)
          const unsigned = {
            ...last ?? foreign,
            sequence: ballot.votes.length + 1,
            previous: headOf(ballot),
            reviewerId: pick(reviewers).id
          } as Ballots.Vote
          if (last === undefined && foreign === undefined) continue
          const forged = chance(0.5) ? unsigned : new Ballots.Vote({
            ...unsigned,
            ...key,
            signature: yield* Effect.provide(
              VoteSigner.VoteSigner.use(({ sign }) => sign(textOfVote(unsigned))),
              otherSigner
            )
          })
          isSpoiled = (yield* ballots.append(new Ballots.Vote({ ...forged, ...key }))) || isSpoiled
        } else if (what < 0.97 && model.result === undefined) {
          const exit = yield* Effect.exit(
            chance(0.5) ? reviews.approve(actionId, "elsewhere") : reviews.reject(actionId, "elsewhere")
          )
          isDecidedElsewhere ||= exit._tag === "Success"
        }
      }
      // Whatever a process left open is finished by another.
      const isLate = (yield* minutes) >= 60
      for (let round = 0; round < 3; round++) {
        yield* Effect.forEach(processes, ({ panel }) => panel.sweep)
        yield* TestClock.adjust("31 seconds")
      }

      const ballot = yield* ballots.find(key)
      const outcome = yield* approvals.outcome(actionId)
      const note = outcome._tag === "Approved" || outcome._tag === "Rejected" ? outcome.note : null
      const byPanel = note?.startsWith("review-panel/1") === true
      const told = requests.splice(0).filter((request) => request === `POST /api/approve/${actionId}`).length
      if (outcome._tag === "Approved" && byPanel) {
        assert.strictEqual(model.result, "approve", `${name}: approved though the rule is not met`)
        assert.deepStrictEqual(yield* faultsOf(ballot!, keys), [], name)
        assert.include(note!, headOf(ballot!), name)
        const { ignored, standing } = tally(ballot!.opening, ballot!.votes)
        assert.deepStrictEqual(ignored, [], name)
        for (const { vote } of standing) {
          assert.notInclude(plan.requesters, vote.reviewerId, name)
          assert.notInclude(plan.requesters, vote.onBehalfOf ?? "", name)
        }
        assert.strictEqual(told, 1, `${name}: asked ${told} times`)
        sums.approved++
      } else if (outcome._tag === "Rejected" && byPanel) {
        const isDue = plan.deadline !== undefined
        assert.isTrue(model.result === "reject" || (isDue && model.result === undefined), `${name}: rejected`)
        sums.rejected++
      } else {
        assert.isTrue(
          model.result === undefined || isSpoiled || isDecidedElsewhere || isLate,
          `${name}: ${model.result} is not at the gateway (${outcome._tag}, ${ballot?.state})`
        )
        if (isSpoiled) sums.spoiled++
        else sums.open++
      }
      if (ballot !== undefined && outcome._tag !== "Waiting" && !isSpoiled) {
        assert.strictEqual(ballot.state, "ended", `${name}: the ballot has not ended`)
        assert.strictEqual(ballot.outcome?.result, outcome._tag.toLowerCase(), name)
        assert.strictEqual(ballot.outcome?.byPanel, byPanel, name)
      }
      foreign = ballot?.votes[0] ?? foreign
      if (outcome._tag === "Waiting") yield* reviews.reject(actionId)
    }
    return sums
  })

describe("reviews, campaign", () => {
  for (let index = 0; index < parts; index++) {
    it.effect(`${ballotsInPart} random ballots, part ${index + 1}`, () =>
      Effect.gen(function*() {
        const sums = yield* part(1000 + index)
        console.log(JSON.stringify(sums))
        assert.isAbove(sums.approved, 0)
        assert.isAbove(sums.crashes, 0)
      }).pipe(Effect.provide(Layer.mergeAll(
        Layer.fresh(Ballots.layerMemory),
        signer,
        inProcess({
          tenants: [{ id: "t", apiKey: "test-key", burst: 100_000 }],
          tools: { "db/delete": () => Effect.succeed("gone") }
        })
      ))))
  }
})
