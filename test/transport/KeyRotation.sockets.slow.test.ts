/**
 * Fifty callers over real sockets while the key is rotated again and again: no call is lost, none is doubled, and none of
 * them sees a 401.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { Account, AuditLog, ToolCalls, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import * as NodeTransport from "effect-vargate/node/NodeTransport"
import { FetchHttpClient, HttpClient, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { makeRandom } from "../../src/internal/seededRandom.ts"

const callers = 50
const clients = { fetch: FetchHttpClient.layer, NodeTransport: NodeTransport.layer }

interface Wire {
  /** Before a request leaves, and before its answer arrives. */
  readonly onTheWay: (path: string) => Effect.Effect<void>
  readonly onTheWayBack: (path: string) => Effect.Effect<void>
}

/** A gateway whose tool notes each execution, a wire that dawdles, and every service over both. */
const world = (client: Layer.Layer<HttpClient.HttpClient>, wire: Wire) => {
  const executed: Array<unknown> = []
  const statuses = new Map<number, number>()
  const options: Gateway.Options = {
    tenants: [{ id: "t", apiKey: "first-key", burst: 1e6, policyConfig: { dailyActionLimit: 1e6 } }],
    tools: { "bank/pay": ({ n }) => Effect.sync(() => void executed.push(n)) }
  }
  const dawdling = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      HttpClient.HttpClient,
      HttpClient.transform((send, request) =>
        Effect.gen(function*() {
          const { pathname } = new URL(request.url)
          yield* wire.onTheWay(pathname)
          const response = yield* send
          statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
          yield* wire.onTheWayBack(pathname)
          return response
        })
      )
    )
  ).pipe(Layer.provide(client))
  const server = Gateway.serve(options).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
    Layer.provide(Gateway.layerParts(options))
  )
  const services = Layer.unwrap(
    HttpServer.HttpServer.useSync(({ address }) =>
      Vargate.layerOperator({ apiKey: "first-key", url: HttpServer.formatAddress(address) })
    )
  ).pipe(Layer.provide(dawdling), Layer.provide(server))
  return { executed, statuses, services }
}

const pay = (n: number) => ToolCalls.call({ tool: "bank", method: "pay", params: { n } })
const read = AuditLog.AuditLog.use((auditLog) => auditLog.page({ limit: 1 }))
const rotate = Account.Account.use((account) => account.rotateKey())
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

describe.each(Object.entries(clients))("rotation under load, by %s", (_, client) => {
  it.live("at random: every call is done once, and refused to nobody", () => {
    const random = makeRandom(8)
    const dawdle = Effect.suspend(() => Effect.sleep(random() * 40))
    const { executed, services, statuses } = world(client, { onTheWay: () => dawdle, onTheWayBack: () => dawdle })
    const rounds = 20
    return Effect.gen(function*() {
      const calling = yield* Effect.forEach(
        upTo(callers),
        (caller) =>
          Effect.forEach(
            upTo(rounds),
            (round) => Effect.andThen(pay(caller * rounds + round), round % 4 ? Effect.void : read)
          ),
        { concurrency: "unbounded" }
      ).pipe(Effect.forkChild({ startImmediately: true }))
      let rotations = 0
      while (calling.pollUnsafe() === undefined) {
        yield* Effect.sleep(20)
        yield* rotate
        rotations++
      }
      yield* Fiber.join(calling)
      assert.deepStrictEqual([...executed].sort((a, b) => Number(a) - Number(b)), upTo(callers * rounds))
      assert.isAtLeast(rotations, 5)
      // Some were refused on the way, otherwise nothing was shown.
      assert.deepStrictEqual([...statuses.keys()].sort(), [200, 401])
    }).pipe(Effect.provide(services))
  })

  it.live("at the worst moment: all are refused before the new key is here", () => {
    const rotated = Deferred.makeUnsafe<void>()
    const refused = Deferred.makeUnsafe<void>()
    let waiting = callers
    const { executed, services, statuses } = world(client, {
      // The calls set out with the old key, and arrive after the rotation.
      onTheWay: (path) => path === "/mcp/tools/call" ? Deferred.await(rotated) : Effect.void,
      // The new key arrives when all of them have been refused.
      onTheWayBack: (path) =>
        path === "/api-keys/rotate"
          ? Effect.andThen(Deferred.succeed(rotated, undefined), Deferred.await(refused))
          : Effect.sync(() => void (--waiting === 0 && Deferred.doneUnsafe(refused, Effect.void)))
    })
    return Effect.gen(function*() {
      const calling = yield* Effect.forEach(upTo(callers), pay, { concurrency: "unbounded" }).pipe(
        Effect.forkChild({ startImmediately: true })
      )
      yield* rotate
      assert.deepStrictEqual([...statuses], [[200, 1], [401, callers]])
      assert.lengthOf(yield* Fiber.join(calling), callers)
      assert.deepStrictEqual([...executed].sort((a, b) => Number(a) - Number(b)), upTo(callers))
      assert.deepStrictEqual([...statuses], [[200, 1 + callers], [401, callers]])
    }).pipe(Effect.provide(services))
  })
})
