/** A panel and a Slack of our own, over sockets: requests, answers and a connection as they are on the wire. */
import { NodeHttpServer, NodeSocketServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import {
  Ballots,
  Deliveries,
  ReviewChannel,
  ReviewPanel,
  SlackChannel,
  SlackInteractions,
  SlackSocket
} from "effect-vargate"
import * as SlackRoute from "effect-vargate/http/SlackRoute"
import { FetchHttpClient, HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Socket } from "effect/socket"
import { createServer } from "node:http"
import { appToken, botToken, channelId, signingSecret, Slack } from "../support/slack.ts"
import { inProcess } from "../support/worlds.ts"
import { signer } from "./ballots.ts"
import { hold, type Needs, rules, until, users } from "./slack.ts"

const portOf = ({ address }: HttpServer.HttpServer["Service"]) => "port" in address ? address.port : 0

/** Serves routes on a port of this machine, and returns it. */
const serve = <E, R>(routes: Layer.Layer<never, E, R | HttpRouter.HttpRouter>) =>
  Effect.map(
    Layer.build(
      HttpRouter.serve(routes, { disableLogger: true }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
      )
    ),
    (context) => portOf(Effect.runSync(Effect.provide(HttpServer.HttpServer, context)))
  )

/** Slack on a port: a request that is not answered there has its connection cut. */
const slackOnPort = Effect.gen(function*() {
  let slack: Slack | undefined
  const port = yield* serve(HttpRouter.use((router) =>
    router.add("*", "/*", (request) =>
      Effect.gen(function*() {
        const web = yield* HttpServerRequest.toWeb(request)
        return HttpServerResponse.fromWeb(yield* Effect.promise(() => slack!.handle(web)))
      }))
  ))
  slack = new Slack({ now: Date.now, origin: `http://127.0.0.1:${port}` })
  for (const [id, name] of [["UANN", "ann"], ["UBOB", "bob"]] as const) slack.addUser(id, `${name}@example.com`)
  return slack
})

const make = Effect.gen(function*() {
  const slack = yield* slackOnPort
  const { apiUrl } = slack
  const panel = yield* ReviewPanel.make({ rules })
  const token = Redacted.make(botToken)
  const channel = yield* SlackChannel.make({ name: "chat", token, channel: channelId, apiUrl })
  const { sweep } = yield* ReviewChannel.make({ channels: [channel] })
  const deliveries = yield* Deliveries.Deliveries
  const interactions = SlackInteractions.layer({ token, apiUrl, signingSecret: Redacted.make(signingSecret) }).pipe(
    Layer.provide([
      users,
      FetchHttpClient.layer,
      Layer.succeed(ReviewPanel.ReviewPanel, panel),
      Layer.succeed(Deliveries.Deliveries, deliveries)
    ])
  )
  yield* hold(1)
  yield* panel.sweep
  yield* sweep
  return { slack, panel, interactions, message: slack.posted[0]! }
}).pipe(Effect.provide(FetchHttpClient.layer))

const test = (title: string, effect: Effect.Effect<void, unknown, Needs | Scope.Scope>) =>
  it.live(title, () =>
    effect.pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(
        Ballots.layerMemory,
        Deliveries.layerMemory,
        signer,
        inProcess({ tools: { "db/delete": () => Effect.succeed("gone") } })
      ))
    ))

describe("Slack over sockets", () => {
  test(
    "announces, and takes what is pressed on a route",
    Effect.gen(function*() {
      const { interactions, message, panel, slack } = yield* make
      const port = yield* serve(SlackRoute.layer("/slack").pipe(Layer.provide(interactions)))
      slack.receive = (request) => fetch(new Request(`http://127.0.0.1:${port}/slack`, request))
      const send = (payload: Record<string, unknown>) => Effect.promise(() => slack.send(payload))
      assert.strictEqual(yield* send(slack.pressed("UANN", message, "vargate_reject")), 200)
      yield* until(() => slack.views.length === 1)
      assert.strictEqual(yield* send(slack.submitted("UANN", "no — ünï \u{1F600}")), 200)
      yield* until(() => slack.ephemeral.length === 1)
      const [ballot] = yield* panel.list()
      assert.deepStrictEqual(ballot!.votes.map(({ choice, note }) => [choice, note]), [[
        "reject",
        "no — ünï \u{1F600}"
      ]])
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "takes what is pressed over a connection of its own, and another one when it breaks off",
    Effect.gen(function*() {
      const { interactions, message, panel, slack } = yield* make
      const acknowledged: Array<unknown> = []
      const writers: Array<Socket.Writer> = []
      const server = yield* NodeSocketServer.makeWebSocket({ host: "127.0.0.1", port: 0 })
      yield* Effect.forkScoped(server.run((socket) =>
        Effect.gen(function*() {
          const { pull } = yield* socket.reader
          const writer = yield* socket.writer
          writers.push(writer)
          yield* writer.write(JSON.stringify({ type: "hello", num_connections: 1 }))
          for (;;) for (const frame of yield* pull) acknowledged.push(JSON.parse(String(frame)).envelope_id)
        }).pipe(Effect.scoped, Effect.ignore)
      ))
      slack.socketUrl = `ws://127.0.0.1:${"port" in server.address ? server.address.port : 0}/`
      yield* Layer.build(
        SlackSocket.layer({ token: Redacted.make(appToken), apiUrl: slack.apiUrl }).pipe(
          Layer.provide([interactions, FetchHttpClient.layer, Socket.layerWebSocketConstructorGlobal])
        )
      )
      const press = (id: string, user: string) =>
        writers.at(-1)!.write(JSON.stringify({
          type: "interactive",
          envelope_id: id,
          payload: slack.pressed(user, message, "vargate_approve")
        }))
      yield* until(() => writers.length === 1)
      yield* press("e1", "UANN")
      yield* until(() => slack.ephemeral.length === 1)
      yield* writers[0]!.write(JSON.stringify({ type: "disconnect", reason: "refresh_requested" }))
      yield* until(() => writers.length === 2)
      yield* press("e2", "UBOB")
      yield* until(() => slack.ephemeral.length === 2)
      assert.deepStrictEqual(acknowledged, ["e1", "e2"])
      const [ballot] = yield* panel.list()
      assert.strictEqual(ballot!.outcome?.result, "approved")
      yield* writers[1]!.write(new Socket.CloseEvent(1011))
      yield* until(() => writers.length === 3)
      assert.deepStrictEqual(slack.faults, [])
    })
  )
})
