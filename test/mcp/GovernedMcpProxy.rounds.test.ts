/** Modern clients that repeat, confuse and forge states at random: an action is submitted once, and each round handed over once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Agent, Approvals, Reviews } from "effect-vargate"
import * as HandOverClaims from "effect-vargate/mcp/HandOverClaims"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { TestClock } from "effect/testing"
import { seeded } from "../support/generateJson.ts"
import { isFull } from "../support/isFull.ts"
import { gateway } from "../support/mcp.ts"
import { modern, recorded, resultOf, start, toldBy } from "../support/mcpModern.ts"

const stories = isFull ? 300 : 6

/** A tool call of a client: one of the server's tools, or the question after a pending call. */
interface Asked {
  readonly agent: number
  /** Those of the action that it is about. */
  readonly words: string
  readonly call: { readonly name: string; readonly arguments: Message }
}

/** What a client may send, and what it knows. */
interface Known extends Asked {
  readonly state: string
}

const echo = (message: string): Asked["call"] => ({ name: "echo", arguments: { message } })
const check = (actionId: unknown): Asked["call"] => ({
  name: "vargate_check_approval",
  arguments: { action_id: actionId }
})

const wordsOf = ({ params }: Message) =>
  (params as { readonly arguments: { readonly message: string } }).arguments.message

const story = (seed: number) =>
  Effect.gen(function*() {
    const random = seeded(seed)
    const claims = HandOverClaims.makeMemory()
    // Two agents, and a proxy of each.
    const proxies = yield* Effect.forEach([0, 1], (n) =>
      start({ onPending: { _tag: "Wait", timeout: "20 minutes" }, rounds: { max: random.below(3) } }).pipe(
        Effect.provideService(Agent.Agent, { id: `agent-${n}` }),
        Effect.provideService(HandOverClaims.HandOverClaims, claims)
      ))
    const known: Array<Known> = []
    /** Calls that were answered with the tool to ask after them. */
    const held: Array<Asked> = []
    /** How many fresh calls there were, by their words. */
    const wanted = new Map<string, number>()
    /** How often the server has asked for more, by the words of the call. */
    const asked = new Map<string, number>()
    const answered = proxies.map(() =>
      0
    )
    const seen = proxies.map(() => 0)
    const forgedBy = new Map<unknown, boolean>()
    let id = 0

    /** The requests by their ids, as the clients sent them. */
    const requests = new Map<unknown, Asked>()

    const send = (asked: Asked, more: Message = {}) => {
      requests.set(++id, asked)
      return proxies[asked.agent]!.client.says(modern(id, "tools/call", { ...asked.call, ...more }))
    }

    const step = Effect.gen(function*() {
      const agent = random.below(2)
      const one = known.length === 0 ? undefined : random.pick(known)
      switch (random.below(11)) {
        case 0: {
          const words = `${random.pick(["delicate", "plain"])} ${++id}`
          wanted.set(words, 1)
          return yield* send({ agent, words, call: echo(words) })
        }
        case 1:
        case 2:
        case 3:
          if (one === undefined) return
          // The same state, perhaps twice at the same moment.
          for (let times = random.pick([1, 2, 3]); times > 0; times--) {
            yield* send(one, { requestState: one.state, inputResponses: { sure: { action: "accept" } } })
          }
          return
        case 4: {
          if (one === undefined) return
          const { call, state } = one
          const at = random.below(state.length)
          const forged = random.pick(
            [
              { ...one, call: { ...call, arguments: { ...call.arguments, more: 1 } } },
              { ...one, agent: 1 - one.agent },
              { ...one, state: state.slice(0, at) + random.pick(["A", "B", "."]) + state.slice(at + 1) },
              { ...one, state: random.pick(known).state },
              { ...one, call: echo(`${one.words}!`) }
            ] as const
          )
          const isSame = (other: Known) =>
            other.agent === forged.agent && other.state === forged.state &&
            JSON.stringify(other.call) === JSON.stringify(forged.call)
          forgedBy.set(id + 1, !known.some(isSame))
          return yield* send(forged, { requestState: forged.state })
        }
        case 5: {
          const { pending } = yield* Approvals.Approvals.use((approvals) => approvals.pending)
          if (pending.length === 0) return
          const { actionId } = random.pick(pending)
          return yield* Effect.ignore(
            Reviews.Reviews.use((reviews) =>
              random.below(4) === 0 ? reviews.reject(actionId) : reviews.approve(actionId)
            )
          )
        }
        case 6:
          return yield* TestClock.adjust(
            random.pick([
              "1 second",
              "25 seconds",
              "45 seconds",
              "2 minutes",
              random.below(9) === 0 ? "62 minutes" : "1 second"
            ])
          )
        case 7:
        case 8: {
          if (held.length === 0) return
          // The question after a pending call, by its own agent or another, perhaps twice at the same moment.
          const question = random.pick(held)
          const asks = random.below(8) === 0 ? { ...question, agent: 1 - question.agent } : question
          for (let times = random.pick([1, 1, 2]); times > 0; times--) yield* send(asks)
          return
        }
        default: {
          // The server answers, or asks for more, or is misunderstood.
          const { server } = proxies[agent]!
          const request = server.sent[answered[agent]!]
          if (request === undefined) return
          answered[agent]!++
          const up = random.below(2) === 0 ? {} : { requestState: `up ${++id}` }
          const done = { resultType: "complete", content: [] }
          if (random.below(8) === 0) return yield* server.says({ jsonrpc: "2.0", id: request["id"], Result: {} })
          const isMore = random.below(2) === 0
          if (isMore) asked.set(wordsOf(request), (asked.get(wordsOf(request)) ?? 0) + 1)
          const result = isMore ? { resultType: "input_required", inputRequests: {}, ...up } : done
          return yield* server.says({ jsonrpc: "2.0", id: request["id"], result })
        }
      }
    })

    /** What the clients have learnt since. */
    const learn = Effect.sync(() => {
      for (const [agent, { client }] of proxies.entries()) {
        for (; seen[agent]! < client.sent.length; seen[agent]!++) {
          const message = client.sent[seen[agent]!]!
          const request = requests.get(message["id"])
          if (forgedBy.get(message["id"]) === true) {
            assert.strictEqual((message["error"] as { code: number }).code, -32602)
          }
          if (message["result"] === undefined || request === undefined) continue
          const { _meta, isError, requestState } = resultOf(message)
          if (requestState !== undefined) known.push({ ...request, state: requestState })
          const actionId = (_meta as Message | undefined)?.["effect-vargate/actionId"]
          if (isError === true && toldBy(message).startsWith("NOT PERFORMED YET")) {
            held.push({ ...request, call: check(actionId) })
          }
        }
      }
    })

    for (let steps = 0; steps < 60; steps++) {
      yield* step
      yield* Effect.yieldNow.pipe(Effect.repeat({ times: random.below(40) }))
      yield* learn
    }
    yield* TestClock.adjust("46 seconds")
    yield* Effect.yieldNow.pipe(Effect.repeat({ times: 100 }))
    yield* learn

    // Never two submissions.
    const submitted = (yield* recorded).map(({ params }) => (params as { message: string }).message)
    assert.deepStrictEqual([...submitted].sort(), [...new Set(submitted)].sort())
    for (const words of submitted) assert.isTrue(wanted.has(words), words)
    // Never two hand-overs of one round: the first one, and one for each time that the server asked for more.
    const handedOver = proxies.flatMap(({ server }) => server.sent.map(wordsOf))
    for (const words of new Set(handedOver)) {
      assert.isAtMost(handedOver.filter((other) => other === words).length, 1 + (asked.get(words) ?? 0), words)
    }
    return { handedOver: handedOver.length, states: known.length, forged: forgedBy.size, held: held.length }
  }).pipe(Effect.provide(GatewayMemory.layer(gateway)))

describe("rounds", () => {
  it.effect("that are repeated, changed and forged at random submit nothing twice and hand nothing over twice", () =>
    Effect.gen(function*() {
      const totals = { handedOver: 0, states: 0, forged: 0, held: 0 }
      for (let seed = 1; seed <= stories; seed++) {
        const one = yield* story(seed)
        for (const key of ["handedOver", "states", "forged", "held"] as const) totals[key] += one[key]
      }
      assert.isAbove(totals.handedOver, stories)
      assert.isAbove(totals.states, stories)
      assert.isAbove(totals.forged, stories / 2)
      assert.isAbove(totals.held, stories / 2)
    }))
})
