/**
 * A panel in two processes that announces in Slack, over restarts, an outage, lost answers and rate limits: one message for
 * each action, with the right end. What reviewers press comes twice now and then, is forged or is old.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Approvals, Deliveries, Reviews, ToolCalls } from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import { TestClock } from "effect/testing"
import { makeRandom } from "../../src/internal/seededRandom.ts"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { minute, signer } from "../reviews/ballots.ts"
import { listen, makeProcess, makeSlack, until } from "../reviews/slack.ts"
import { isFull } from "../support/isFull.ts"
import { inProcess } from "../support/worlds.ts"

const actions = isFull ? 200 : 24

/** A process that can be killed: from then on, nothing that it does arrives anywhere. */
const makeMortal = Effect.fnUntraced(function*(slack: Effect.Success<ReturnType<typeof makeSlack>>) {
  const deliveries = yield* Deliveries.Deliveries
  let isDead = false
  const alive = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => isDead ? Effect.interrupt : effect)
  const process = yield* makeProcess(slack).pipe(
    Effect.provideService(Deliveries.Deliveries, {
      claim: (claim) => alive(deliveries.claim(claim)),
      settle: (id, receipt) => alive(deliveries.settle(id, receipt)),
      release: (id, at) => alive(deliveries.release(id, at)),
      find: (ids) => alive(deliveries.find(ids))
    })
  )
  return { ...process, kill: () => void (isDead = true) }
})

const store = BallotsSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)

type End = "Approved" | "Rejected" | "Expired"

describe("Slack", () => {
  it.effect(`${actions} actions, two restarts, one outage: one message each, with the right end`, () =>
    Effect.gen(function*() {
      const random = makeRandom(23)
      const chance = (p: number) => random() < p
      yield* TestClock.setTime(minute(0).epochMilliseconds)
      const slack = yield* makeSlack({ burst: 2 })
      const approvals = yield* Approvals.Approvals
      const reviews = yield* Reviews.Reviews
      let processes = [yield* makeMortal(slack), yield* makeMortal(slack)]
      const route = yield* listen(slack, processes[0]!.panel)
      const ends = new Map<string, End>()
      let pressed = 0
      let restarts = 0
      let told = 0

      /** Presses, and now and then once more, as Slack does where it saw no answer. */
      const press = Effect.fnUntraced(function*(payload: Record<string, unknown>, isVote = true) {
        assert.strictEqual(yield* route.post(slack.request(payload)), 200)
        if (isVote) {
          told++
          yield* until(() => slack.ephemeral.length >= told)
        }
        if (chance(0.3)) assert.strictEqual(yield* route.post(slack.request(payload, { retry: 1 })), 200)
        if (chance(0.1)) {
          assert.strictEqual(yield* route.post(slack.request(payload, { secret: "the secret of another app" })), 401)
        }
        pressed++
      })

      const decide = Effect.fnUntraced(function*(actionId: string) {
        const message = slack.posted.find(({ metadata }) => metadata?.["event_payload"].action_id === actionId)
        if (message === undefined || ends.has(actionId)) return
        const what = random()
        if (what < 0.55) {
          yield* press(slack.pressed("UANN", message, "vargate_approve"))
          yield* press(slack.pressed("UBOB", message, "vargate_approve"))
          ends.set(actionId, "Approved")
        } else if (what < 0.8) {
          yield* press(slack.pressed("UANN", message, "vargate_reject"), false)
          yield* until(() => slack.views.at(-1)?.["private_metadata"].includes(actionId))
          yield* press(slack.submitted("UANN", "no"))
          ends.set(actionId, "Rejected")
        } else if (what < 0.9) {
          const { pending } = yield* approvals.pending
          const action = pending.find((action) => action.actionId === actionId)
          if (action !== undefined) yield* reviews.reject(action.actionId, "elsewhere")
          ends.set(actionId, action === undefined ? "Expired" : "Rejected")
        } else ends.set(actionId, "Expired")
      })

      const tick = Effect.gen(function*() {
        yield* Effect.forEach(processes, ({ sweep }) => Effect.exit(sweep), { concurrency: 2 })
        yield* TestClock.adjust("1 second")
      })

      const ids: Array<string> = []
      for (let n = 0; n < actions; n++) {
        const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "delete", params: { n } })
        ids.push(actionId)
        if (chance(0.1)) slack.state.lost = { method: "chat.postMessage", times: 1 }
        if (chance(0.1)) slack.state.lost = { method: "chat.update", times: 1 }
        if (n === Math.floor(actions / 2)) {
          slack.state.isAway = true
          for (let second = 0; second < 20; second++) yield* tick
          slack.state.isAway = false
        }
        const isRestart = n === Math.floor(actions / 3) || n === Math.floor(actions * 0.75)
        if (isRestart) {
          // Both end with a message posted, and before that is written down.
          const before = slack.posted.length
          slack.onPosted = () => processes.forEach(({ kill }) => kill())
          for (let second = 0; second < 10 && slack.posted.length === before; second++) yield* tick
          slack.onPosted = undefined
          assert.isAbove(slack.posted.length, before)
          processes = [yield* makeMortal(slack), yield* makeMortal(slack)]
          restarts++
        }
        // Several in the same second.
        if (chance(0.4)) yield* tick
        // The gateway lists the newest 50.
        while (ids.filter((id) => !ends.has(id)).length > 15) {
          for (const id of ids.filter((id) => !ends.has(id)).slice(0, 8)) yield* decide(id)
          yield* tick
        }
      }
      for (let second = 0; second < 1_000 && ids.some((id) => !ends.has(id)); second++) {
        yield* tick
        for (const id of ids) yield* decide(id)
      }
      yield* TestClock.adjust("61 minutes")
      const titles = { Approved: "Approved", Rejected: "Rejected", Expired: "Expired: no decision in time" }
      const wrong = () =>
        slack.posted.flatMap(({ metadata, text }) => {
          const end = titles[ends.get(metadata?.["event_payload"].action_id)!]
          return text.startsWith(end) ? [] : [`${text}, and not ${end}`]
        })
      for (let second = 0; second < 600 && wrong().length > 0; second++) yield* tick

      assert.deepStrictEqual(
        slack.posted.map(({ metadata }) => metadata?.["event_payload"].action_id).toSorted(),
        ids.toSorted()
      )
      assert.deepStrictEqual(wrong(), [])
      for (const id of ids) {
        const [ballot] = (yield* processes[0]!.panel.list({ limit: 1_000 })).filter(({ opening }) =>
          opening.actionId === id
        )
        const outcome = yield* approvals.outcome(ballot!.opening.actionId)
        assert.strictEqual(outcome._tag, ends.get(id), id)
        assert.strictEqual(ballot!.outcome?.result, ends.get(id)!.toLowerCase(), id)
        if (ends.get(id) === "Approved") {
          assert.deepStrictEqual(ballot!.votes.map(({ reviewerId }) => reviewerId), ["ann", "bob"])
        }
      }
      assert.deepStrictEqual(slack.faults, [])
      assert.deepStrictEqual([restarts, slack.rateLimited > 0], [2, true])
      const count = (end: End) => ids.filter((id) => ends.get(id) === end).length
      console.log(
        `${ids.length} actions, ${slack.posted.length} messages, ${pressed} presses, ${slack.rateLimited} times 429; ` +
          `${count("Approved")} approved, ${count("Rejected")} rejected, ${count("Expired")} expired`
      )
    }).pipe(
      Effect.provide(Layer.mergeAll(
        store,
        signer,
        inProcess({
          tenants: [{ id: "t", apiKey: "test-key", burst: 1_000 }],
          tools: { "db/delete": () => Effect.succeed("gone") }
        })
      )),
      Effect.scoped
    ))
})
