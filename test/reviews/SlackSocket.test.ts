import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { Ballots, Deliveries, SlackInteractions, SlackSocket } from "effect-vargate"
import { HttpClient } from "effect/http"
import { Socket } from "effect/socket"
import { TestClock } from "effect/testing"
import { appToken, botToken, type Slack } from "../support/slack.ts"
import { inProcess } from "../support/worlds.ts"
import { minute, signer } from "./ballots.ts"
import { clientOf, hold, listen, makeProcess, makeSlack, type Needs, until } from "./slack.ts"

const test = (title: string, effect: Effect.Effect<void, unknown, Needs | Scope.Scope>) =>
  it.effect(title, () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(minute(0).epochMilliseconds)
      const world = inProcess({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] })
      yield* Effect.provide(effect, Layer.mergeAll(Ballots.layerMemory, Deliveries.layerMemory, signer, world))
    }))

/** Slack's side of a connection. */
class Connection extends EventTarget implements Socket.WebSocketLike {
  readyState = 0
  readonly acknowledged: Array<string> = []
  readonly url: string
  constructor(url: string) {
    super()
    this.url = url
    setImmediate(() => {
      this.readyState = 1
      this.dispatchEvent(new Event("open"))
      this.say({ type: "hello", num_connections: 1 })
    })
  }
  say(message: object | string) {
    const data = typeof message === "string" ? message : JSON.stringify(message)
    this.dispatchEvent(Object.assign(new Event("message"), { data }))
  }
  send(data: string | Uint8Array) {
    this.acknowledged.push(JSON.parse(String(data)).envelope_id)
  }
  close(code = 1000) {
    if (this.readyState > 1) return
    this.readyState = 3
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason: "" }))
  }
  override addEventListener(
    type: string,
    listener: (event: Socket.WebSocketEvent) => void,
    options?: { once?: boolean }
  ) {
    super.addEventListener(type, listener as EventListener, options)
  }
  override removeEventListener(type: string, listener: (event: Socket.WebSocketEvent) => void) {
    super.removeEventListener(type, listener as EventListener)
  }
}

/** A panel that is connected to Slack, with an action that is announced there. */
const connected = Effect.fnUntraced(function*(token = appToken, slackOf = (slack: Slack) => slack) {
  const slack = slackOf(yield* makeSlack())
  const { panel, sweep } = yield* makeProcess(slack)
  yield* hold(1)
  yield* sweep
  const { interactions } = yield* listen(slack, panel)
  const connections: Array<Connection> = []
  yield* Layer.build(SlackSocket.layer({ token: Redacted.make(token) })).pipe(
    Effect.provideService(SlackInteractions.SlackInteractions, interactions),
    Effect.provideService(HttpClient.HttpClient, clientOf(slack)),
    Effect.provideService(Socket.WebSocketConstructor, (url) => {
      const connection = new Connection(url)
      connections.push(connection)
      return connection
    })
  )
  const message = slack.posted[0]!
  const press = (connection: Connection, id: string, user: string) =>
    connection.say({
      type: "interactive",
      envelope_id: id,
      accepts_response_payload: true,
      payload: slack.pressed(user, message, "vargate_approve")
    })
  const open = (count: number) => until(() => connections.length === count && connections.at(-1)!.readyState === 1)
  return { slack, panel, connections, press, open }
})

describe("SlackSocket", () => {
  test(
    "acknowledges what comes over its connection, and makes votes of it",
    Effect.gen(function*() {
      const { connections, open, panel, press, slack } = yield* connected()
      yield* open(1)
      const [connection] = connections
      assert.match(connection!.url, /^wss:\/\/wss\.slack\.com\/link\/\?ticket=/)
      press(connection!, "e1", "UANN")
      yield* until(() => slack.ephemeral.length === 1)
      assert.deepStrictEqual(connection!.acknowledged, ["e1"])
      connection!.say("no JSON")
      connection!.say({ type: "slash_commands", envelope_id: "e2", payload: {} })
      connection!.say({ type: "interactive", envelope_id: "e3", payload: "nothing" })
      yield* until(() => connection!.acknowledged.length === 3)
      const [ballot] = yield* panel.list()
      assert.deepStrictEqual(ballot!.votes.map(({ reviewerId }) => reviewerId), ["ann"])
      assert.deepStrictEqual(slack.faults, [])
    })
  )

  test(
    "opens another connection when Slack says so, and listens to the old one meanwhile",
    Effect.gen(function*() {
      const { connections, open, panel, press, slack } = yield* connected()
      yield* open(1)
      connections[0]!.say({ type: "disconnect", reason: "refresh_requested" })
      yield* open(2)
      press(connections[0]!, "e1", "UANN")
      press(connections[1]!, "e2", "UBOB")
      yield* until(() => slack.ephemeral.length === 2)
      const [ballot] = yield* panel.list()
      assert.strictEqual(ballot!.outcome?.result, "approved")
      assert.deepStrictEqual([connections[0]!.acknowledged, connections[1]!.acknowledged], [["e1"], ["e2"]])
      yield* TestClock.adjust("31 seconds")
      yield* until(() => connections[0]!.readyState === 3)
      assert.strictEqual(connections.length, 2)
    })
  )

  test(
    "comes back after a while where the connection broke off, or Slack is away",
    Effect.gen(function*() {
      const { connections, open, slack } = yield* connected()
      yield* open(1)
      slack.state.isAway = true
      connections[0]!.close(1006)
      yield* Effect.repeat(TestClock.adjust("10 seconds"), { times: 5 })
      assert.strictEqual(connections.length, 1)
      slack.state.isAway = false
      // What Slack answers takes turns of the event loop.
      const pause = Effect.promise(() => new Promise<void>((done) => setTimeout(done)))
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("10 seconds"), pause), {
        while: () => connections.length === 1,
        times: 200
      })
      yield* open(2)
    })
  )

  test(
    "opens no connection that is not secure",
    Effect.gen(function*() {
      const { connections, slack } = yield* connected(appToken, (slack: Slack) => {
        slack.socketUrl = "ws://wss.slack.com/link/"
        return slack
      })
      yield* until(() => slack.tickets.length > 0)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(connections.length, 0)
    })
  )

  test(
    "is not made with what is no token",
    Effect.gen(function*() {
      const error = yield* Effect.flip(connected("secret"))
      assert.match(String(error), /begins with xoxb- or xapp-/)
      assert.notInclude(String(error), "secret")
      assert.notStrictEqual(botToken, appToken)
    })
  )
})
