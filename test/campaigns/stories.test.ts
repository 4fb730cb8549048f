/**
 * Random stories of agents that repeat themselves: calls, repeats, approvals, rejections, grants and their revocations,
 * budgets, suspensions, and restarts, on three processes over shared stores. Nothing acts without a decision that covers
 * exactly its bytes, or twice, or while it is suspended; no budget is overdrawn, also by calls in flight together; nobody
 * joins another agent's call; and what a grant has approved stands the verification of reviews.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import {
  type ActionId,
  Agent,
  Approvals,
  AuditLog,
  Ballots,
  Budgets,
  Decisions,
  Governed,
  Grants,
  ReviewPanel,
  ReviewRules,
  ReviewVerifier,
  Suspension,
  VargateError,
  VoteSigner
} from "effect-vargate"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import * as GrantsSql from "effect-vargate/node/GrantsSql"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { TestClock } from "effect/testing"
import { makeRandom } from "../../src/internal/seededRandom.ts"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { reviewer, signer } from "../reviews/ballots.ts"
import { isFull } from "../support/isFull.ts"

const parts = 10
const storiesInPart = isFull ? 1_000 : 6

const gateway = GatewayMemory.layer({
  tenants: [{ id: "t", apiKey: "test-key", burst: 1e6 }],
  policy: {
    rules: [{ name: "too_much", severity: "high", when: ({ action }) => Number(action.params["amount"]) >= 90 }],
    approvals: [({ action }) => Number(action.params["amount"]) >= 10]
  },
  tools: { "broker/pay": ({ amount }) => Effect.succeed({ by: "gateway", amount }) }
})

const memory = Layer.mergeAll(
  Decisions.layerStoreMemory,
  Budgets.layerStoreMemory,
  Suspension.layerStoreMemory,
  Grants.layerStoreMemory
)
const sqlite = Layer.mergeAll(GovernedSql.layer, GrantsSql.layer).pipe(
  Layer.provide(SqliteClient.layer({ filename: ":memory:" })),
  Layer.orDie
)

const [ann, bob] = [reviewer("ann", "finance"), reviewer("bob", "finance")]
const rules = ReviewRules.make({ otherwise: ReviewRules.anyOf("finance") })

const agents = ["a1", "a2"] as const
const tools = ["bank", "broker"] as const
/** Allowed, pending, pending, denied. */
const amounts = [4, 12, 20, 95] as const
const max = 60

const limits = agents.map((agent) => Budgets.limit({ agent, sum: "amount", per: "month", max }))

/** What an agent's own action returns, so that a result says whose it is. */
interface Paid {
  readonly agent: string
  readonly tool: string
  readonly amount: number
  readonly process: number
}

const isPaid = (result: unknown): result is Paid => typeof result === "object" && result !== null && "agent" in result

const story = (seed: number) =>
  Effect.gen(function*() {
    const random = makeRandom(seed)
    const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]!
    const stores = yield* Effect.context<Layer.Success<typeof memory>>()
    const panel = yield* ReviewPanel.make({ rules })
    const { grant, revoke, store } = yield* Grants.Grants
    const kill = yield* Effect.provide(Suspension.KillSwitch, Suspension.layerSwitch)

    // --- what happened

    const ran: Array<Paid & { readonly actionId: ActionId.ActionId | undefined }> = []
    const suspended = new Map<string, string | undefined>()
    const isStopped = (agent: string) => Array.from(suspended.values()).some((of) => of === undefined || of === agent)
    const faults: Array<string> = []
    /** The actions that calls were told of, in place of being sent. */
    const heardOf: Array<{
      readonly actionId: ActionId.ActionId
      readonly agent: string
      readonly tool: string
      readonly amount: number
    }> = []

    // --- three processes

    const guards = Layer.mergeAll(Decisions.layer(), Suspension.layer(), Budgets.layer(limits))
    const boot = Effect.map(
      Effect.provide(Layer.build(Layer.fresh(guards)), stores),
      (context) => ({ context, calls: [] as Array<Fiber.Fiber<void, unknown>> })
    )
    const processes = yield* Effect.forEach([0, 1, 2], () => boot)

    /** Agents ask for the same again, also in other processes and at once. */
    const calls = Effect.fnUntraced(function*() {
      const what = [pick(agents), pick(tools), pick(amounts)] as const
      const times = random() < 0.5 ? 1 : 2 + Math.floor(random() * 3)
      for (let n = 0; n < times; n++) yield* call(...random() < 0.85 ? what : [pick(agents), what[1], what[2]] as const)
    })

    const call = Effect.fnUntraced(function*(
      agent: (typeof agents)[number],
      tool: (typeof tools)[number],
      amount: (typeof amounts)[number]
    ) {
      const index = Math.floor(random() * 3)
      const process = processes[index]!
      const timeout = pick(["8 seconds", "40 seconds"] as const)
      const strategy = random() < 0.2 ? Governed.fail : Governed.wait({ timeout })
      const failing = random() < 0.1
      const submitted = Governed.decide({
        tool,
        method: "pay",
        params: { amount },
        ...random() < 0.05 ? { allowDuplicate: true } : {}
      })
      /** `Governed.run` does not say which action it is: those are counted by their bytes. */
      const act = (actionId: ActionId.ActionId | undefined) =>
        Effect.gen(function*() {
          if (isStopped(agent)) faults.push(`${tool} ${amount} was begun while ${agent} was suspended`)
          ran.push({ actionId, agent, tool, amount, process: index })
          // Others come while it is under way.
          yield* Effect.sleep(failing ? "1 second" : "2 seconds")
          if (failing) return yield* Effect.fail("the bank is closed")
          return { agent, tool, amount, process: index } satisfies Paid
        })
      const approvals = yield* Approvals.Approvals
      const whole: Effect.Effect<unknown, unknown, Layer.Success<typeof gateway>> = random() < 0.15
        ? Effect.flatMap(submitted, (decision): Effect.Effect<unknown, unknown, Layer.Success<typeof gateway>> =>
          decision._tag === "PendingApproval"
            // Stored, and taken up again by the same process.
            ? Effect.delay(
              Effect.suspend(() =>
                Governed.resume(decision.actionId, act(decision.actionId), { timeout })
              ),
              "3 seconds"
            )
            : Governed.settle(decision, { act, hold: Effect.fail }))
        : Governed.run(
          { tool, method: "pay", params: { amount }, onPending: strategy },
          Effect.suspend(() => act(undefined))
        )
      const heard = Effect.matchCause(whole, {
        onSuccess: () => undefined,
        onFailure: (cause) => {
          for (const reason of cause.reasons) {
            if (reason._tag !== "Fail" || !(reason.error instanceof VargateError.VargateError)) continue
            const why = reason.error.reason
            if (why._tag !== "Joined" && why._tag !== "RefusedAgain") continue
            heardOf.push({ actionId: why.actionId, agent, tool, amount })
            if (why._tag !== "Joined" || !isPaid(why.result)) continue
            const { result } = why
            if (
              result.agent !== agent || result.tool !== tool || result.amount !== amount || result.process !== index
            ) {
              faults.push(`${agent} of process ${index} was handed ${JSON.stringify(result)}`)
            }
          }
        }
      })
      const fiber = yield* heard.pipe(
        Effect.provideService(Agent.Agent, { id: agent }),
        Effect.provideContext(
          Context.merge(yield* Effect.context<Layer.Success<typeof gateway>>(), process.context)
        ),
        Effect.provideService(Approvals.Approvals, approvals),
        (run) => Effect.forkChild(run, { startImmediately: true })
      )
      process.calls.push(fiber)
    })

    const restart = Effect.fnUntraced(function*() {
      const index = Math.floor(random() * 3)
      yield* Effect.forEach(processes[index]!.calls, Fiber.interrupt)
      processes[index] = yield* boot
    })

    // --- reviewers and operators

    const vote = Effect.fnUntraced(function*() {
      const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
      if (pending.length === 0) return
      const action = pick(pending)
      const choice = random() < 0.8 ? "approve" : "reject"
      yield* Effect.ignore(
        panel.vote(pick([ann, bob]), { actionId: action.actionId, digest: ReviewPanel.digest(action), choice })
      )
    })

    const suspend = Effect.fnUntraced(function*() {
      const agentId = pick([...agents, undefined])
      const { id } = yield* kill.suspend({ by: "op", ...agentId === undefined ? { everything: true } : { agentId } })
      suspended.set(id, agentId)
    })

    const lift = Effect.fnUntraced(function*() {
      const [id] = suspended.keys()
      if (id === undefined) return
      suspended.delete(id)
      yield* kill.lift(id, { by: "op" })
    })

    const steps: ReadonlyArray<readonly [weight: number, step: () => Effect.Effect<unknown, unknown, Needs>]> = [
      [30, calls],
      [22, vote],
      [8, () => panel.sweep],
      [18, () => TestClock.adjust(pick(["500 millis", "1 second", "3 seconds", "10 seconds"]))],
      [4, () => {
        const params = random() < 0.2 ? {} : { amount: Grants.range(0, pick([12, 20])) }
        return grant(pick([ann, bob]), {
          agentId: pick(agents),
          tool: pick(tools),
          method: "pay",
          params,
          // A sum of what is not named could cover nothing, and is refused.
          budgets: "amount" in params && random() < 0.5 ? [{ sum: "amount", per: "day", max: pick([12, 40]) }] : [],
          ...random() < 0.5 ? { count: pick([1, 2]) } : {},
          expiresIn: pick(["20 seconds", "1 hour"] as const)
        })
      }],
      [3, () =>
        Effect.flatMap(
          store.list({ limit: 5 }),
          ([first]) => first === undefined ? Effect.void : revoke(first.grant.id, "bob")
        )],
      [3, suspend],
      [5, lift],
      [4, restart],
      [1, () => TestClock.adjust("20 minutes")]
    ]
    const total = steps.reduce((sum, [weight]) => sum + weight, 0)
    const next = () => {
      let at = random() * total
      return steps.find(([weight]) => (at -= weight) < 0)![1]
    }

    const length = 15 + Math.floor(random() * 25)
    for (let n = 0; n < length; n++) yield* next()()
    yield* TestClock.adjust("2 minutes")
    yield* Effect.forEach(processes, ({ calls }) => Effect.forEach(calls, Fiber.interrupt))

    // --- what must be so

    const records = yield* GatewayMemory.GatewayMemory.use(({ records }) => records())
    const own = records.filter(({ tool }) => tool !== "approval_queue")
    const approvedIds = new Set<string>()
    for (const record of own) {
      if (record.decision === "allow") approvedIds.add(record.actionId)
      else {
        const outcome = yield* Effect.exit(Approvals.Approvals.use(({ outcome }) => outcome(record.actionId)))
        if (Exit.isSuccess(outcome) && outcome.value._tag === "Approved") approvedIds.add(record.actionId)
      }
    }
    const bytesOf = (agent: string, tool: string, amount: unknown) => JSON.stringify([agent, tool, amount])
    /** How many actions of these bytes were decided in favour. */
    const allowed = new Map<string, number>()
    for (const { actionId, agentId, params, tool } of own) {
      if (!approvedIds.has(actionId)) continue
      const key = bytesOf(agentId, tool, (params as { amount: unknown }).amount)
      allowed.set(key, (allowed.get(key) ?? 0) + 1)
    }
    const done = new Map<string, number>()
    const once = new Set<string>()
    for (const { actionId, agent, amount, tool } of ran) {
      const key = bytesOf(agent, tool, amount)
      done.set(key, (done.get(key) ?? 0) + 1)
      if (actionId === undefined) continue
      assert.isFalse(once.has(actionId), `${actionId} was performed twice`)
      once.add(actionId)
      const record = own.find((record) => record.actionId === actionId)
      assert.deepStrictEqual(
        [record?.agentId, record?.tool, record?.params, approvedIds.has(actionId)],
        [agent, tool, { amount }, true]
      )
    }
    for (const [key, times] of done) {
      assert.isAtMost(times, allowed.get(key) ?? 0, `${key} was performed more often than it was decided`)
    }
    assert.deepStrictEqual(faults, [])
    for (const { actionId, agent, amount, tool } of heardOf) {
      const record = own.find((record) => record.actionId === actionId)
      assert.deepStrictEqual([record?.agentId, record?.tool, record?.params], [agent, tool, { amount }])
    }
    for (const agent of agents) {
      const acted = ran.filter((paid) => paid.agent === agent).reduce((sum, { amount }) => sum + amount, 0)
      const byGateway = own
        .filter(({ actionId, agentId, tool }) => agentId === agent && tool === "broker" && approvedIds.has(actionId))
        .reduce((sum, { params }) => sum + (params as { amount: number }).amount, 0)
      assert.isAtMost(acted + byGateway, max, `the budget of ${agent}`)
    }
    const ballots = yield* Ballots.Ballots.use(({ list }) => list({ limit: 1_000 }))
    const grants = yield* store.list({ limit: 1_000 })
    for (const { grant } of grants) {
      for (const { actionId } of yield* store.uses(grant.id, 1_000)) {
        const record = own.find((record) => record.actionId === actionId)!
        const { amount } = record.params as { readonly amount: number }
        const scope = grant.params["amount"]
        // By a count of its own, since the verifier and the panel share one.
        const isWithin = grant.agentId === record.agentId && grant.tool === record.tool &&
          scope?._tag === "Range" && amount <= scope.max
        assert.isTrue(isWithin, `${actionId} was approved under a grant that does not cover it`)
      }
    }
    const { publicKey } = yield* VoteSigner.VoteSigner
    const log = yield* AuditLog.AuditLog
    const report = yield* ReviewVerifier.verify(ballots, log.records(), { publicKeys: [publicKey], grants })
    assert.deepStrictEqual(report.findings, [])
    return {
      ran: ran.length,
      asked: own.length,
      underGrants: grants.reduce((sum, { uses }) => sum + uses, 0)
    }
  })

type Needs =
  | Scope.Scope
  | Layer.Success<typeof gateway>
  | Layer.Success<typeof memory>
  | Grants.Grants
  | Ballots.Ballots
  | VoteSigner.VoteSigner

const tell = (seed: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tapCause(effect, (cause) => Effect.sync(() => console.error(`story ${seed}`, Cause.pretty(cause))))

describe("stories of agents that repeat themselves", () => {
  for (const [name, layer, some] of [["in memory", memory, 1], ["in SQLite", sqlite, isFull ? 0.1 : 0.5]] as const) {
    for (let part = 0; part < (some === 1 ? parts : Math.ceil(parts * some / 2)); part++) {
      it.effect(`${name}, part ${part + 1}: ${storiesInPart} of them`, () =>
        Effect.gen(function*() {
          let ran = 0
          let underGrants = 0
          for (let n = 0; n < storiesInPart; n++) {
            const seed = 1 + part * 100_000 + n
            const told = yield* story(seed).pipe(
              Effect.provide(
                Layer.fresh(
                  Layer.mergeAll(
                    gateway,
                    Ballots.layerMemory,
                    Layer.provideMerge(Grants.layer, Layer.merge(layer, signer))
                  )
                )
              ),
              Effect.scoped,
              tell(seed)
            )
            ran += told.ran
            underGrants += told.underGrants
          }
          assert.isAbove(ran, 0)
          if (isFull) assert.isAbove(underGrants, 0)
        }))
    }
  }
})
