/**
 * The panel in two processes that are killed in the moment in which Slack has a message and they do not know it: over
 * sockets, on one SQLite file. At full size alone: a claim of a killed process holds for 30 seconds.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Approvals, Reviews, ToolCalls, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { FetchHttpClient, HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { makeRandom } from "../../src/internal/seededRandom.ts"
import { until } from "../reviews/slack.ts"
import { folder } from "../support/folder.ts"
import { isFull } from "../support/isFull.ts"
import { Slack } from "../support/slack.ts"

const actions = 200
const file = fileURLToPath(new URL("../reviews/support/slackProgram.ts", import.meta.url))

const listening = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })

const portOf = Effect.map(HttpServer.HttpServer, ({ address }) => "port" in address ? address.port : 0)

const slackOnPort = Effect.gen(function*() {
  let slack: Slack | undefined
  const routes = HttpRouter.use((router) =>
    router.add("*", "/*", (request) =>
      Effect.gen(function*() {
        const web = yield* HttpServerRequest.toWeb(request)
        // What is thrown there is an answer that nothing can be read from.
        const answer = Effect.tryPromise(() => slack!.handle(web)).pipe(
          Effect.map(HttpServerResponse.fromWeb),
          Effect.catch(() => Effect.succeed(HttpServerResponse.empty({ status: 502 })))
        )
        return yield* answer
      }))
  )
  const context = yield* Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(Layer.provideMerge(listening))
  )
  const port = yield* Effect.provide(portOf, context)
  slack = new Slack({ now: Date.now, origin: `http://127.0.0.1:${port}`, burst: 10, perSecond: 10 })
  for (const [id, name] of [["UANN", "ann"], ["UBOB", "bob"]] as const) slack.addUser(id, `${name}@example.com`)
  return slack
})

const gateway = Effect.gen(function*() {
  const options = {
    tenants: [{ id: "t", apiKey: "the-key-of-the-panel", burst: 1e6 }],
    tools: { "db/delete": () => Effect.succeed("gone") }
  }
  const context = yield* Layer.build(
    Gateway.serve(options).pipe(Layer.provideMerge(listening), Layer.provide(Gateway.layerParts(options)))
  )
  return { url: `http://127.0.0.1:${yield* Effect.provide(portOf, context)}`, apiKey: "the-key-of-the-panel" }
})

interface Process {
  readonly child: ChildProcess
  readonly port: number
}

const start = (options: object): Promise<Process> =>
  new Promise((done, fail) => {
    const child = spawn(
      process.execPath,
      ["--conditions=effect-vargate-source", file, JSON.stringify(options)],
      { stdio: ["ignore", "pipe", "pipe"] }
    )
    let said = ""
    child.stderr.on("data", (chunk: Buffer) => said += chunk.toString())
    child.stdout.once("data", (chunk: Buffer) => done({ child, port: JSON.parse(chunk.toString()).port }))
    child.once("exit", () => fail(new Error(said)))
  })

describe.skipIf(!isFull)("Slack, processes (needs VARGATE_FULL_CAMPAIGNS)", () => {
  it.live(`${actions} actions, two processes killed twice, one outage: one message each, with the right end`, () =>
    Effect.gen(function*() {
      const random = makeRandom(24)
      const slack = yield* slackOnPort
      const { apiKey, url } = yield* gateway
      const options = { apiKey, url, apiUrl: slack.apiUrl, filename: join(yield* folder, "panel.db") }
      let running: ReadonlyArray<Process> = []
      const startAll = Effect.promise(async () => {
        running = await Promise.all([start(options), start(options)])
      })
      const kill = () => running.forEach(({ child }) => child.kill("SIGKILL"))
      yield* Effect.addFinalizer(() => Effect.sync(kill))
      yield* startAll
      slack.receive = (request) =>
        fetch(new Request(`http://127.0.0.1:${running[random() < 0.5 ? 0 : 1]!.port}/slack`, request))

      const press = (payload: Record<string, unknown>) =>
        Effect.promise(async () => assert.strictEqual(await slack.send(payload), 200))
      const told = (count: number) => until(() => slack.ephemeral.length >= count)

      yield* Effect.gen(function*() {
        const approvals = yield* Approvals.Approvals
        const reviews = yield* Reviews.Reviews
        const ends = new Map<string, "Approved" | "Rejected">()
        const messageOf = (id: string) =>
          slack.posted.find(({ metadata }) => metadata?.["event_payload"].action_id === id)
        const decide = Effect.fnUntraced(function*(id: string) {
          yield* until(() => messageOf(id) !== undefined)
          const message = messageOf(id)!
          const before = slack.ephemeral.length
          const what = random()
          if (what < 0.6) {
            yield* press(slack.pressed("UANN", message, "vargate_approve"))
            yield* told(before + 1)
            yield* press(slack.pressed("UBOB", message, "vargate_approve"))
            yield* told(before + 2)
            ends.set(id, "Approved")
          } else if (what < 0.85) {
            yield* press(slack.pressed("UANN", message, "vargate_reject"))
            yield* until(() => slack.views.at(-1)?.["private_metadata"].includes(id))
            yield* press(slack.submitted("UANN", "no"))
            yield* told(before + 1)
            ends.set(id, "Rejected")
          } else {
            const { pending } = yield* approvals.pending
            yield* reviews.reject(pending.find((action) => action.actionId === id)!.actionId, "elsewhere")
            ends.set(id, "Rejected")
          }
        })

        const ids: Array<string> = []
        for (let n = 0; n < actions; n++) {
          ids.push((yield* ToolCalls.decide({ tool: "db", method: "delete", params: { n } })).actionId)
          if (n === 60 || n === 150) {
            const ended = running.map(({ child }) => once(child, "exit"))
            slack.onPosted = kill
            yield* Effect.promise(() => Promise.all(ended))
            slack.onPosted = undefined
            yield* startAll
          }
          if (n === 100) {
            slack.state.isAway = true
            yield* Effect.sleep("3 seconds")
            slack.state.isAway = false
          }
          while (ids.filter((id) => !ends.has(id)).length > 30) {
            // What is there; some wait for the claim of a killed process.
            const ready = ids.filter((id) => !ends.has(id) && messageOf(id) !== undefined)
            if (ready.length === 0) yield* Effect.sleep("100 millis")
            for (const id of ready.slice(0, 10)) yield* decide(id)
          }
        }
        for (const id of ids.filter((id) => !ends.has(id))) yield* decide(id)
        const wrong = () =>
          slack.posted.filter(({ metadata, text }) =>
            !text.startsWith(`${ends.get(metadata?.["event_payload"].action_id)}: `)
          )
        yield* until(() => wrong().length === 0, 120_000)
        const announced = slack.posted.map(({ metadata }) => metadata?.["event_payload"].action_id)
        assert.deepStrictEqual(announced.toSorted(), ids.toSorted())
        for (const [id, end] of ends) {
          const { pending } = yield* approvals.pending
          assert.isUndefined(pending.find(({ actionId }) => actionId === id), end)
        }
        assert.deepStrictEqual(slack.faults, [])
        console.log(`${ids.length} actions, ${slack.posted.length} messages, ${slack.rateLimited} times 429`)
      }).pipe(
        Effect.provide(
          Vargate.layerOperator({ apiKey: Redacted.make(apiKey), url }).pipe(Layer.provideMerge(FetchHttpClient.layer))
        )
      )
    }).pipe(Effect.scoped))
})
