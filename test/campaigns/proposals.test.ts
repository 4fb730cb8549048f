/**
 * What reviewers propose, submitted by processes that end anywhere: two agents wait for the same actions over one SQLite
 * file, and are killed, lose answers, or find the store away. Of a proposal at most one action ever lives, and nothing is
 * executed but the params that were decided.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import {
  type ActionId,
  Approvals,
  Ballots,
  Governed,
  Proposals,
  ReviewPanel,
  ReviewRules,
  type Reviews,
  ToolCalls,
  VargateError
} from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import { HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Ledger } from "../../src/gateway/ledger/Ledger.ts"
import { makeRandom } from "../../src/internal/seededRandom.ts"
import { reviewer, signer } from "../reviews/ballots.ts"
import { folder } from "../support/folder.ts"
import { isFull } from "../support/isFull.ts"
import { inProcess, overSocket, Wiretap, type World } from "../support/worlds.ts"

const casesInPart = isFull ? 100 : 30
const batches = isFull ? 40 : 2
const actionsInBatch = 6

const ann = reviewer("ann", "finance")
const bob = reviewer("bob", "finance")

/** Transfers of more than 1,000 are pending, others allowed, and those from 5,000 on denied. */
const tenant = {
  id: "bank",
  apiKey: "test-key-of-the-bank",
  policyTemplate: "financial",
  policyConfig: { dailyTransactionCap: 100_000 },
  burst: 100_000
} as const

const rules = ReviewRules.make({ otherwise: ReviewRules.allowChanges()(ReviewRules.anyOf("finance")) })

const shown = (action: Approvals.PendingAction) => ({ actionId: action.actionId, digest: ReviewPanel.digest(action) })

const submit = (to: string) =>
  Effect.map(
    ToolCalls.decide({ tool: "bank", method: "transfer", params: { to, amount: 4000 }, isBusinessHours: true }),
    ({ actionId }) => actionId
  )

const recordsOf = (to: string) =>
  Effect.map(
    Ledger.use(({ records }) => records(tenant.id)),
    (records) => records.filter(({ params, tool }) => tool === "bank" && (params as { readonly to: string }).to === to)
  )

const pendingOf = (to: string) =>
  Effect.map(
    Approvals.Approvals.use(({ pending }) => pending),
    ({ pending }) => pending.find(({ params }) => (params as { readonly to: string }).to === to)
  )

interface Acted {
  readonly params: { readonly to: string; readonly amount: number }
}

/** What must hold of one action and all that was made of it, whatever happened. */
const check = Effect.fnUntraced(function*(
  name: string,
  to: string,
  proposed: ReadonlyArray<number>,
  acted: ReadonlyArray<Acted>,
  hasLost: boolean
) {
  const records = yield* recordsOf(to)
  const [first, ...others] = records
  assert.deepStrictEqual(first?.params, { to, amount: 4000 }, name)
  // Each proposal was submitted once; where an answer was lost and nothing was executed, once more.
  if (!hasLost) assert.isAtMost(others.length, proposed.length, `${name}: submitted more than once`)
  for (const { params } of others) {
    assert.include(proposed, (params as { readonly amount: number }).amount, `${name}: what nobody proposed`)
  }
  for (const { params } of acted) {
    assert.deepStrictEqual(params, { to, amount: proposed.at(-1)! }, `${name}: other params than were decided`)
  }
  const pending = yield* Approvals.Approvals.use(({ pending }) => pending)
  const waiting = pending.pending.filter(({ params }) => (params as { readonly to: string }).to === to).length
  assert.isAtMost(waiting + acted.length, 1, `${name}: more than one action lives`)
  return others.length
})

// --- processes as fibers, which end at any step ----------------------------------------------------------------------

type Point = "find" | "claim" | "claim lost" | "submit" | "submitted" | "settle" | "act"
const points: ReadonlyArray<Point> = ["find", "claim", "claim lost", "submit", "submitted", "settle", "act"]

const part = (seed: number) =>
  Effect.gen(function*() {
    const random = makeRandom(seed)
    const int = (n: number) => Math.floor(random() * n)
    const chance = (p: number) => random() < p
    const pick = <A>(values: ReadonlyArray<A>): A => values[int(values.length)]!
    const path = join(yield* folder, "panel.db")
    /** Each process with a connection of its own. */
    const connect = Effect.map(
      Layer.build(Layer.fresh(BallotsSql.layerSqlite({ filename: path }))),
      (context) => Effect.runSync(Effect.provide(Ballots.Ballots, context))
    )
    const { lost } = yield* Wiretap
    const calls = yield* ToolCalls.ToolCalls
    const panel = yield* Effect.provideService(ReviewPanel.make({ rules }), Ballots.Ballots, yield* connect)
    const sums = { acted: 0, submitted: 0, crashes: 0, away: 0, lost: 0, again: 0 }
    const stores = yield* Effect.all([connect, connect])

    for (let n = 0; n < casesInPart; n++) {
      const to = `${seed}-${n}`
      const name = `seed ${seed}, case ${n}`
      const actionId = yield* submit(to)
      const acted: Array<Acted> = []
      const proposed: Array<number> = []
      let hasLost = false

      const start = (store: Ballots.Ballots["Service"], point: Point | undefined, away: Point | undefined) => {
        const at = (here: Point) =>
          Effect.suspend(() => {
            if (here === point) {
              sums.crashes++
              return Effect.interrupt
            }
            return Effect.void
          })
        let isAway = away
        const reach = (here: Point) =>
          Effect.suspend(() => {
            if (isAway !== here) return Effect.void
            sums.away++
            if (chance(0.7)) isAway = undefined
            return Effect.fail(new VargateError.StorageFailed({ operation: "Proposals", detail: "away" }))
          })
        const program = Governed.resume(
          actionId,
          (params) => Effect.andThen(at("act"), Effect.sync(() => void acted.push({ params } as Acted))),
          {
            call: { tool: "bank", method: "transfer", params: { to, amount: 4000 }, isBusinessHours: true },
            reconcile: chance(0.5) ? { wait: "2 seconds" } : { wait: "2 seconds", resend: true }
          }
        )
        return program.pipe(
          Effect.provideService(Proposals.Proposals, {
            find: (id) => reach("find").pipe(Effect.andThen(store.proposal(id)), Effect.tap(() => at("find"))),
            claim: (id, token) =>
              reach("claim").pipe(
                Effect.andThen(store.claimProposal(id, token)),
                Effect.tap(() => at("claim")),
                Effect.tap(() => reach("claim lost"))
              ),
            release: store.releaseProposal,
            submitted: (id, token, actionId) =>
              reach("settle").pipe(
                Effect.andThen(store.settleProposal(id, token, actionId)),
                Effect.tap(() => at("settle"))
              )
          }),
          Effect.provideService(ToolCalls.ToolCalls, {
            ...calls,
            decide: (call) => at("submit").pipe(Effect.andThen(calls.decide(call)), Effect.tap(() => at("submitted")))
          }),
          Effect.exit,
          Effect.forkChild
        )
      }

      const run = Effect.fnUntraced(function*(isLast: boolean) {
        const fibers = []
        for (const store of stores) {
          const crash = !isLast && chance(0.6) ? pick(points) : undefined
          fibers.push(yield* start(store, crash, chance(0.2) ? pick(points) : undefined))
        }
        return fibers
      })

      let fibers = yield* run(false)
      const rounds = 1 + int(3)
      for (let round = 0; round < rounds; round++) {
        const action = yield* pendingOf(to)
        if (action === undefined) break
        if (round === rounds - 1 && round > 0 && chance(0.5)) {
          yield* Effect.exit(panel.vote(bob, { ...shown(action), choice: "approve" }))
        } else {
          const amount = pick([900, 800, 2000 + round, 3000 + round, 9000])
          proposed.push(amount)
          if (chance(0.15)) {
            lost.push("/api/mcp/tools/call")
            hasLost = true
            sums.lost++
          }
          yield* panel.vote(chance(0.5) ? ann : bob, { ...shown(action), choice: "reject", changes: { to, amount } })
        }
        yield* TestClock.adjust("8 seconds")
        if (chance(0.4)) {
          sums.again++
          fibers = [...fibers, ...yield* run(false)]
          yield* TestClock.adjust("8 seconds")
        }
      }
      fibers = [...fibers, ...yield* run(true)]
      yield* TestClock.adjust("30 seconds")
      sums.submitted += yield* check(name, to, proposed, acted, hasLost)
      sums.acted += acted.length
      lost.length = 0
      // What still waits expires, and lets every process go.
      yield* TestClock.adjust("70 minutes")
      yield* Approvals.Approvals.use(({ pending }) => pending)
      yield* TestClock.adjust("1 minute")
      for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe(), `${name}: a process waits for ever`)
      yield* check(name, to, proposed, acted, hasLost)
    }
    return sums
  })

// --- processes of their own ------------------------------------------------------------------------------------------

const program = fileURLToPath(new URL("../support/proposalsProgram.ts", import.meta.url))

const steps = ["find", "claim", "submit", "settle", "act"].flatMap((step) => [`before ${step}`, `after ${step}`])

const agent = (given: object) =>
  Effect.promise(() =>
    new Promise<{ readonly signal: string | null; readonly code: number | null; readonly said: string }>((resolve) => {
      const child = spawn(process.execPath, ["--conditions=effect-vargate-source", program, JSON.stringify(given)], {
        stdio: ["ignore", "pipe", "pipe"]
      })
      let said = ""
      child.stdout.on("data", (text) => void (said += text))
      child.stderr.on("data", (text) => void (said += text))
      child.once("close", (code, signal) => resolve({ code, signal, said }))
    })
  )

const server = overSocket({ tenants: [tenant] }) as Layer.Layer<World | HttpServer.HttpServer, unknown>

const batch = (seed: number) =>
  Effect.gen(function*() {
    const random = makeRandom(seed)
    const pick = <A>(values: ReadonlyArray<A>): A => values[Math.floor(random() * values.length)]!
    const { address } = yield* HttpServer.HttpServer
    const path = yield* folder
    const [ballots, acts] = [join(path, "panel.db"), join(path, "acts.jsonl")]
    const panel = yield* Effect.provideContext(
      ReviewPanel.make({ rules }),
      Context.merge(
        yield* Effect.context<Layer.Success<typeof signer> | Approvals.Approvals | Reviews.Reviews>(),
        yield* Layer.build(Layer.fresh(BallotsSql.layerSqlite({ filename: ballots })))
      )
    )
    const actions: Array<{ readonly actionId: ActionId.ActionId; readonly to: string; readonly amount: number }> = []
    for (let n = 0; n < actionsInBatch; n++) {
      const to = `${seed}-${n}`
      const actionId = yield* submit(to)
      const amount = pick([900, 800, 700])
      const action = (yield* pendingOf(to))!
      yield* panel.vote(ann, { ...shown(action), choice: "reject", changes: { to, amount } })
      actions.push({ actionId, to, amount })
    }
    const given = {
      url: `http://127.0.0.1:${"port" in address ? address.port : 0}`,
      apiKey: tenant.apiKey,
      ballots,
      acts,
      actions: actions.map(({ actionId, to }) => ({ actionId, to }))
    }
    const ends = [0, 1].map(() => ({ at: Math.floor(random() * actionsInBatch), point: pick(steps) }))
    let killed = 0
    const run = (ends: ReadonlyArray<object | null>) =>
      Effect.forEach(ends, (end) => agent({ ...given, end }), { concurrency: 2 })
    for (const { code, said, signal } of [...yield* run(ends), ...yield* run([null, null])]) {
      if (signal === "SIGKILL") killed++
      else assert.strictEqual(code, 0, said)
    }
    const lines = existsSync(acts) ? readFileSync(acts, "utf8").split("\n").filter((line) => line !== "") : []
    const all = lines.map((line) => JSON.parse(line) as Acted)
    let submitted = 0
    for (const { amount, to } of actions) {
      const own = all.filter(({ params }) => params.to === to)
      submitted += yield* check(`batch ${seed}, ${JSON.stringify(ends)}`, to, [amount], own, false)
    }
    return { acted: all.length, submitted, killed }
  })

describe("proposals, campaign", () => {
  for (let index = 0; index < (isFull ? 10 : 2); index++) {
    it.effect(`${casesInPart} proposals, and processes that end at any step, part ${index + 1}`, () =>
      Effect.gen(function*() {
        const sums = yield* part(4000 + index)
        console.log(JSON.stringify(sums))
        for (const sum of Object.values(sums)) assert.isAbove(sum, 0)
      }).pipe(Effect.scoped, Effect.provide([signer, inProcess({ tenants: [tenant] })])))
  }

  it.live(`${batches * actionsInBatch} proposals, and two processes that are killed and started again`, () =>
    Effect.gen(function*() {
      let [acted, killed, submitted] = [0, 0, 0]
      for (let n = 0; n < batches; n++) {
        const sums = yield* Effect.scoped(batch(5000 + n))
        acted += sums.acted
        killed += sums.killed
        submitted += sums.submitted
      }
      console.log(JSON.stringify({ acted, killed, submitted }))
      assert.isAbove(killed, 0)
      // A process that is killed takes one proposal with it at most.
      assert.isAtLeast(acted, batches * actionsInBatch - killed)
    }).pipe(Effect.provide([signer, server])))
})
