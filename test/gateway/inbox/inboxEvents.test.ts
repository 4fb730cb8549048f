/** GET /inbox/events through both doors. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Redacted, Scope, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import { Feed } from "../../../src/gateway/inbox/Feed.ts"
import { Held, Recorded, Settled } from "../../../src/gateway/inbox/FeedEvent.ts"
import { Alive, InboxApi } from "../../../src/gateway/inbox/InboxApi.ts"
import { ScopedKeys } from "../../../src/gateway/tenants/ScopedKeys.ts"
import { Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import { Account } from "../../../src/operator/Account.ts"
import { allowed, approve, hold } from "../suite/cases.ts"
import { acme, Address, as, caseOf, globex, inProcess, overSocket, send } from "../suite/doors.ts"

const events = Effect.fnUntraced(function*(header: readonly [string, string] = ["x-api-key", acme.apiKey]) {
  const baseUrl = yield* Address
  const httpClient = HttpClient.mapRequest(
    yield* HttpClient.HttpClient,
    HttpClientRequest.setHeader(...header)
  )
  const client = yield* HttpApiClient.makeWith(InboxApi, { httpClient, baseUrl })
  return yield* client.inbox.events({})
})

/** The events from now on, one at a time. */
const opened = Effect.fnUntraced(function*(header?: readonly [string, string]) {
  const next = yield* Stream.toPull(Stream.rechunk(yield* events(header), 1))
  assert.deepStrictEqual(yield* next, [new Alive()])
  return { next: Effect.map(next, ([event]) => event) }
})

for (const door of [inProcess, overSocket]) {
  const test = caseOf(door)

  describe(`events, ${door.name}`, () => {
    test("come as they happen", function*() {
      const { next } = yield* opened()
      const id = yield* hold()
      assert.deepStrictEqual(yield* next, new Recorded({ actionId: id, decision: "pending_approval" }))
      assert.deepStrictEqual(yield* next, new Held({ actionId: id }))
      yield* approve(id)
      assert.deepStrictEqual(yield* next, new Settled({ actionId: id, status: "approved" }))
    })

    test("are those of the key's tenant", function*() {
      const { next } = yield* opened()
      yield* as(globex)(hold())
      const { actionId } = yield* ToolCalls.call(allowed)
      assert.deepStrictEqual(yield* next, new Recorded({ actionId, decision: "allow" }))
    })

    test("show that they are alive every 15 seconds", function*() {
      const next = yield* Effect.forkChild(Effect.flatMap(opened(), ({ next }) => next))
      yield* Effect.repeat(TestClock.adjust("15 seconds"), { until: () => next.pollUnsafe() !== undefined })
      assert.deepStrictEqual(yield* Fiber.join(next), new Alive())
    })

    test("need a key", function*() {
      for (const key of [null, "", "wrong"]) {
        const answer = yield* send("GET", "/inbox/events", { key })
        assert.strictEqual(answer.status, 401)
      }
      assert.strictEqual((yield* send("GET", `/inbox/events?x-api-key=${acme.apiKey}`, { key: null })).status, 401)
    })

    test("end when the key is replaced, before they tell anything more", function*() {
      const { next } = yield* opened()
      yield* Tenants.use((tenants) => tenants.put({ ...acme, apiKey: "next-key" }))
      yield* as({ id: acme.id, apiKey: "next-key" })(hold())
      assert.isTrue(Exit.isFailure(yield* Effect.exit(next)))
    })

    test("come by a session, whatever becomes of the key", function*() {
      // A reviewer's key, and not the one that is replaced.
      const reviewer = { name: "ann", scopes: ["reviewer"], apiKey: "reviewer-key" } as const
      yield* ScopedKeys.use((keys) => keys.put(acme.id, reviewer))
      const { token } = yield* as({ id: acme.id, apiKey: reviewer.apiKey })(Account.use((account) => account.session))
      const { next } = yield* opened(["authorization", `Bearer ${Redacted.value(token)}`])
      yield* Account.use((account) => account.rotateKey())
      const id = yield* hold()
      assert.deepStrictEqual(yield* next, new Recorded({ actionId: id, decision: "pending_approval" }))
    })

    test("end with the session, which ends with its key", function*() {
      const { token } = yield* Account.use((account) => account.session)
      const { next } = yield* opened(["authorization", `Bearer ${Redacted.value(token)}`])
      yield* Account.use((account) => account.rotateKey())
      yield* hold()
      assert.isTrue(Exit.isFailure(yield* Effect.exit(next)))
    })

    test("may come one by one to whoever reads slowly, and hold up no call", function*() {
      const { next } = yield* opened()
      for (let n = 0; n < 80; n++) yield* ToolCalls.call(allowed)
      assert.strictEqual((yield* next)!._tag, "Recorded")
    })
  })
}

describe("events, over a socket", () => {
  caseOf(overSocket)("are at most 32 streams for one address, and room is made by whoever leaves", function*() {
    const first = yield* Scope.make()
    yield* Effect.provideService(opened(), Scope.Scope, first)
    for (let n = 1; n < 32; n++) yield* opened()
    const refused = yield* send("GET", "/inbox/events")
    assert.strictEqual(refused.status, 429)
    assert.match(JSON.parse(refused.text).detail, /^This address has 32 streams/)
    yield* Scope.close(first, Exit.void)
    yield* Effect.repeat(Effect.sync(() => {}), {
      until: () => Effect.map(Effect.exit(opened()), Exit.isSuccess)
    })
  })
})

/** A feed that counts who listens. */
const counted = (listeners: { count: number }) =>
  Layer.effectContext(Effect.gen(function*() {
    const parts = yield* Effect.context<Gateway.Parts>()
    const feed = Context.get(parts, Feed)
    return Context.add(parts, Feed, {
      ...feed,
      subscribe: (tenantId) =>
        Effect.acquireRelease(Effect.sync(() => listeners.count++), () => Effect.sync(() => listeners.count--)).pipe(
          Effect.andThen(feed.subscribe(tenantId))
        )
    })
  })).pipe(Layer.provide(Gateway.layerParts({ tenants: [acme] })))

describe("a server", () => {
  const house = (listeners: { count: number }) =>
    Gateway.serve({ tenants: [acme] }).pipe(
      Layer.provideMerge(Layer.mergeAll(
        counted(listeners),
        // A server that waited for the streams would wait longer than any test.
        NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: "1 hour" }),
        FetchHttpClient.layer
      ))
    )

  const url = HttpServer.HttpServer.use(({ address }) => Effect.succeed(HttpServer.formatAddress(address)))

  it.live("forgets a listener that has left", () => {
    const listeners = { count: 0 }
    return Effect.gen(function*() {
      yield* Effect.scoped(Effect.andThen(
        opened(),
        Effect.sync(() => assert.strictEqual(listeners.count, 1))
      )).pipe(Effect.provideServiceEffect(Address, url))
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => listeners.count === 0 })
    }).pipe(Effect.provide(house(listeners)))
  })

  it.live("ends its streams when it closes, and then closes at once", () =>
    Effect.gen(function*() {
      const listeners = { count: 0 }
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(house(listeners), scope)
      const stream = yield* events().pipe(Effect.provideServiceEffect(Address, url), Effect.provideContext(context))
      const listener = yield* Effect.forkChild(Stream.runCollect(stream))
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => listeners.count === 1 })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(listener), [new Alive()])
      assert.strictEqual(listeners.count, 0)
    }))
})
