/** What many listeners cost: encodings, deliveries, look-ups of keys. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue, type Scope, Stream } from "effect"
import { ScopedKeys } from "effect-vargate/gateway/tenants/ScopedKeys"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as Broadcast from "../../../src/gateway/inbox/Broadcast.ts"
import * as Feed from "../../../src/gateway/inbox/Feed.ts"
import { Held, Recorded } from "../../../src/gateway/inbox/FeedEvent.ts"
import * as LedgerMemory from "../../../src/gateway/ledger/LedgerMemory.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import { acme, Address, caseOf, inProcess, onDisk } from "../suite/doors.ts"

const feed = Layer.provideMerge(Broadcast.layer, Layer.provide(Feed.layer, LedgerMemory.layer))
const test = (title: string, body: Effect.Effect<void, never, Broadcast.Broadcast | Feed.Feed | Scope.Scope>) =>
  it.effect(title, () => Effect.provide(body, feed))

const decoder = new TextDecoder()
const idsIn = (bytes: Uint8Array) =>
  [...decoder.decode(bytes).matchAll(/^data: (.*)\n\n/gm)].map(([, data]) => JSON.parse(data!).actionId)

/** Deliveries to so many listeners, each a list of the ids in it. */
const listening = Effect.fnUntraced(function*(count: number) {
  const broadcast = yield* Broadcast.Broadcast
  const inboxes: Array<Queue.Queue<ReadonlyArray<string>>> = []
  for (let n = 0; n < count; n++) {
    const inbox = yield* Queue.unbounded<ReadonlyArray<string>>()
    const news = yield* broadcast.listen("t")
    yield* Effect.forkScoped(Stream.runForEach(news, (bytes) => Queue.offer(inbox, idsIn(bytes))))
    inboxes.push(inbox)
  }
  yield* settled
  return inboxes
})

const settled = Effect.repeat(Effect.yieldNow, { times: 50 })
const publish = (...ids: ReadonlyArray<string>) =>
  Feed.Feed.use((feed) =>
    Effect.forEach(ids, (id) => feed.publish("t", new Held({ actionId: ActionId.make(id) })), { discard: true })
  )

/** An event that counts how often it is read. */
const counted = () => {
  let reads = 0
  const event = new Recorded({ actionId: ActionId.make("a-1"), decision: "allow" })
  Object.defineProperty(event, "actionId", { enumerable: true, get: () => (reads++, ActionId.make("a-1")) })
  return { event, reads: () => reads }
}

describe("Broadcast", () => {
  test(
    "encodes an event once, whoever listens",
    Effect.gen(function*() {
      const { publish } = yield* Feed.Feed
      const reads: Array<number> = []
      for (const count of [1, 50]) {
        const inboxes = yield* listening(count)
        const { event, reads: counting } = counted()
        yield* publish("t", event)
        for (const inbox of inboxes) assert.deepStrictEqual(yield* Queue.take(inbox), ["a-1"])
        reads.push(counting())
      }
      assert.isAbove(reads[0]!, 0)
      assert.strictEqual(reads[1], reads[0])
    })
  )

  test(
    "delivers at once to a few, together what comes together",
    Effect.gen(function*() {
      const [inbox] = yield* listening(4)
      yield* publish("a", "b")
      assert.deepStrictEqual(yield* Queue.take(inbox!), ["a", "b"])
      yield* publish("c")
      assert.deepStrictEqual(yield* Queue.take(inbox!), ["c"])
    })
  )

  test(
    "pauses between deliveries to many, and then tells all that has happened meanwhile",
    Effect.gen(function*() {
      const inboxes = yield* listening(40)
      yield* publish("a")
      for (const inbox of inboxes) assert.deepStrictEqual(yield* Queue.take(inbox), ["a"])
      const next = Array.from({ length: 300 }, (_, n) => `b-${n}`)
      for (const id of next) {
        yield* publish(id)
        yield* Effect.yieldNow
      }
      yield* settled
      assert.strictEqual(yield* Queue.size(inboxes[0]!), 0)
      yield* TestClock.adjust("159 millis")
      assert.strictEqual(yield* Queue.size(inboxes[0]!), 0)
      yield* TestClock.adjust("1 millis")
      for (const inbox of inboxes) assert.deepStrictEqual(yield* Queue.take(inbox), next)
    })
  )
})

describe("the keys of listeners", () => {
  const agents = { name: "agents", scopes: ["agent", "reviewer"], apiKey: "agents-key" } as const
  const listen = Effect.gen(function*() {
    const url = yield* Address
    const response = yield* HttpClient.execute(
      HttpClientRequest.get(`${url}/inbox/events`, { headers: { "x-api-key": agents.apiKey } })
    )
    const inbox = yield* Queue.unbounded<string>()
    yield* Effect.forkScoped(
      Stream.runForEach(Stream.decodeText(response.stream), (text) => Queue.offer(inbox, text)).pipe(
        Effect.ensuring(Queue.offer(inbox, "the end"))
      )
    )
    assert.match(yield* Queue.take(inbox), /Alive/)
    return inbox
  })

  for (const door of [inProcess, onDisk]) {
    caseOf(door, { tenants: [{ ...acme, keys: [agents] }] })(
      `are looked up once for an interval and not for an event, ${door.name}`,
      function*() {
        const keys = yield* ScopedKeys
        const { byName } = keys
        let lookUps = 0
        // Nothing else asks for a key by its name.
        Object.assign(keys, {
          byName: (...key: Parameters<typeof byName>) => Effect.suspend(() => (lookUps++, byName(...key)))
        })
        const listeners: Array<Queue.Queue<string>> = []
        for (let n = 0; n < 4; n++) listeners.push(yield* listen)
        assert.strictEqual(lookUps, 4)
        for (let n = 0; n < 5; n++) {
          yield* ToolCalls.call({ tool: "slack", method: "post", allowDuplicate: true })
          for (const inbox of listeners) assert.match(yield* Queue.take(inbox), /Recorded/)
        }
        assert.strictEqual(lookUps, 4)
        yield* TestClock.adjust("15 seconds")
        for (const inbox of listeners) assert.match(yield* Queue.take(inbox), /Alive/)
        assert.strictEqual(lookUps, 8)
        // A change of any key is noticed with the next event, by each once.
        yield* keys.put(acme.id, { name: "other", scopes: ["agent"], apiKey: "another-key" })
        for (let n = 0; n < 2; n++) {
          yield* ToolCalls.call({ tool: "slack", method: "post", allowDuplicate: true })
          for (const inbox of listeners) assert.match(yield* Queue.take(inbox), /Recorded/)
        }
        assert.strictEqual(lookUps, 12)
        yield* keys.remove(acme.id, agents.name)
        yield* ToolCalls.call({ tool: "slack", method: "post", allowDuplicate: true })
        for (const inbox of listeners) assert.strictEqual(yield* Queue.take(inbox), "the end")
      }
    )
  }
})
