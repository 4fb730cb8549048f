/**
 * Every client before every server, with the proxy between them, over standard input and output and over HTTP: what is
 * denied is denied in every cell, the model reads why, and the log has one record for one action.
 */
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schedule, type Scope } from "effect"
import { Approvals, AuditLog, Reviews, Vargate } from "effect-vargate"
import * as McpHttp from "effect-vargate/mcp/McpHttp"
import * as McpHttpProxy from "effect-vargate/mcp/McpHttpProxy"
import * as McpStdio from "effect-vargate/mcp/McpStdio"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { hasMcpPeers } from "../../.ci/mcpPeers.ts"
import { Ledger } from "../../src/gateway/ledger/Ledger.ts"
import { Served, served } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { isFull } from "../support/isFull.ts"
import { decide, gateway, published, waitingFor } from "../support/mcp.ts"
import { type ClientPeer, clients, type Target } from "../support/mcpPeers/clients.ts"
import { listening, type Program } from "../support/mcpPeers/listening.ts"
import { eventually } from "../support/payments.ts"

// --- the servers -----------------------------------------------------------------------------------------------------

interface Call {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}

interface ServerPeer {
  readonly name: string
  readonly speaksModern: boolean
  readonly args: (path: string) => ReadonlyArray<string>
  /** How it is started where it is behind Streamable HTTP itself; otherwise the proxy starts it. */
  readonly http?: (path: string) => (port: number) => Program
  /** It has no sessions: it can ask a legacy client nothing in the middle of a call, and hears of no cancellation. */
  readonly isStateless?: boolean
  /** A call that speaks of these words. */
  readonly call: (words: string, path: string) => Call
  /** Whether that was performed, where it leaves a trace. */
  readonly hasPerformed?: (words: string, path: string) => boolean
  /** A call that takes a while, and reports how far it is. */
  readonly slow?: (steps: number) => Call
  /** A call that asks the user. */
  readonly ask?: (words: string) => Call
  /** It writes down that a call was cancelled. */
  readonly tellsCancelled?: boolean
}

const logOf = (path: string) => join(path, "performed.log")
const performed = (path: string) => existsSync(logOf(path)) ? readFileSync(logOf(path), "utf8").split("\n") : []

const own = (name: string, program: string): ServerPeer => ({
  name,
  speaksModern: true,
  args: (path) => [
    "--conditions=effect-vargate-source",
    fileURLToPath(new URL(`../support/mcpPeers/${program}.ts`, import.meta.url)),
    logOf(path)
  ],
  call: (message) => ({ name: "echo", args: { message } }),
  hasPerformed: (words, path) => performed(path).includes(words),
  slow: (steps) => ({ name: "slow", args: { steps } }),
  ask: (message) => ({ name: "ask", args: { message } }),
  tellsCancelled: true
})

const sdk2 = own("SDK 2", "sdkServer")

const everything: ServerPeer = {
  name: "everything",
  speaksModern: false,
  args: () => [published("server-everything")],
  call: (message) => ({ name: "echo", args: { message } }),
  slow: (steps) => ({ name: "trigger-long-running-operation", args: { duration: steps * 0.02, steps } }),
  ask: () => ({ name: "trigger-elicitation-request", args: {} })
}

const servers: ReadonlyArray<ServerPeer> = [
  sdk2,
  own("Effect", "effectServer"),
  everything,
  {
    ...sdk2,
    name: "SDK 2 at an address",
    http: (path) => (port) => ({ args: [...sdk2.args(path), String(port)], env: {} }),
    isStateless: true
  },
  {
    ...everything,
    name: "everything at an address",
    http: () => (port) => ({ args: [published("server-everything"), "streamableHttp"], env: { PORT: String(port) } })
  },
  {
    name: "filesystem",
    speaksModern: false,
    args: (path) => [published("server-filesystem"), path],
    call: (words, path) => ({ name: "create_directory", args: { path: join(path, words) } }),
    hasPerformed: (words, path) => existsSync(join(path, words))
  }
]

// --- the world -------------------------------------------------------------------------------------------------------

const world = Layer.unwrap(Effect.map(Served, ({ url }) =>
  Layer.mergeAll(Reviews.layer, AuditLog.layer).pipe(
    Layer.provideMerge(Approvals.layerWith({ poll: Schedule.spaced("20 millis") })),
    Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url })),
    Layer.provide(FetchHttpClient.layer)
  ))).pipe(
    Layer.provideMerge(served(gateway)),
    Layer.provideMerge(NodeServices.layer)
  )

type World = Layer.Success<typeof world>

const proxyProgram = fileURLToPath(new URL("../support/mcpProxy.ts", import.meta.url))

type Front = "stdio" | "HTTP"

/** The proxy before a server, as a client reaches it. */
const behindProxy = Effect.fnUntraced(function*(
  front: Front,
  server: ServerPeer,
  path: string
): Effect.fn.Return<Target, unknown, World | Scope.Scope> {
  const command = { command: process.execPath, args: server.args(path) }
  const url = server.http === undefined ? undefined : yield* listening(server.http(path))
  const { env } = yield* Served
  if (front === "stdio") {
    return {
      _tag: "Command",
      command: process.execPath,
      args: [
        "--conditions=effect-vargate-source",
        proxyProgram,
        JSON.stringify({ ...(url === undefined ? command : { url }), tool: "lab" })
      ],
      env: { ...env, PATH: process.env["PATH"]! }
    }
  }
  const options = { tool: "lab", progressEvery: "20 millis" } as const
  const route = url === undefined
    ? McpHttpProxy.layer("/mcp", McpStdio.server(command), options)
    : Layer.provide(McpHttpProxy.layer("/mcp", McpHttp.server({ url }), options), FetchHttpClient.layer)
  const context = yield* Layer.build(
    HttpRouter.serve(route, { disableListenLog: true, disableLogger: true }).pipe(
      Layer.provideMerge(Layer.fresh(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })))
    )
  )
  const { address } = yield* Effect.provideContext(HttpServer.HttpServer, context)
  return { _tag: "Url", url: `http://127.0.0.1:${"port" in address ? address.port : 0}/mcp` }
})

/** What a gateway has on record, without the decisions of reviewers. */
const recorded = Effect.map(
  Ledger.use((ledger) => ledger.records("t")),
  (records) => records.filter(({ tool }) => tool !== "approval_queue")
)

// --- the cells -------------------------------------------------------------------------------------------------------

/** The proxy pairs eras as they are: a client that speaks nothing but the newer one reaches no older server. */
const reaches = (client: ClientPeer, server: ServerPeer): boolean => client.era !== "modern" || server.speaksModern

const cell = Effect.fnUntraced(function*(client: ClientPeer, front: Front, server: ServerPeer) {
  const path = yield* folder
  mkdirSync(path, { recursive: true })
  writeFileSync(logOf(path), "")
  const target = yield* behindProxy(front, server, path)
  const before = (yield* recorded).length

  if (!reaches(client, server)) {
    assert.isTrue(Exit.isFailure(yield* Effect.exit(client.connect(target))), "connects nevertheless")
    assert.lengthOf(yield* recorded, before)
    return
  }

  const conversation = yield* client.connect(target)
  const can = (what: ClientPeer["can"][number]) => client.can.includes(what)
  const isLegacy = client.era === "legacy" || !server.speaksModern
  const isDeaf = server.isStateless === true && isLegacy
  let seen = before
  /** Exactly these decisions came on record since the last time. */
  const records = Effect.fnUntraced(function*(what: string, ...decisions: ReadonlyArray<string>) {
    const all = yield* recorded
    const news = all.slice(seen)
    seen = all.length
    assert.deepStrictEqual(
      news.map(({ decision, tool }) => [tool, decision]),
      decisions.map((one) => ["lab", one]),
      what
    )
  })
  const say = ({ args, name }: Call, options?: Parameters<typeof conversation.call>[2]) =>
    Effect.tryPromise({ try: () => conversation.call(name, args, options), catch: (error) => error as Error })
  const speak = (words: string, options?: Parameters<typeof conversation.call>[2]) =>
    say(server.call(words, path), options)
  const has = (words: string, expected: boolean) => {
    if (server.hasPerformed !== undefined) assert.strictEqual(server.hasPerformed(words, path), expected, words)
  }

  const names = yield* Effect.promise(conversation.list)
  assert.include(names, server.call("", path).name)
  yield* records("list")

  const allowed = yield* speak("plain words")
  assert.isFalse(allowed.isError, allowed.text)
  assert.include(allowed.text, "plain words")
  has("plain words", true)
  yield* records("allowed", "allow")

  const denied = yield* speak("forbidden words")
  assert.isTrue(denied.isError)
  assert.match(denied.text, /^NOT PERFORMED: the policy denied this action \(forbidden_word\)/)
  has("forbidden words", false)
  yield* records("denied", "deny")

  // A process for each call takes its time.
  if (client.isSlow === true && !isFull) return

  const approving = yield* Effect.forkChild(speak("delicate yes"))
  yield* decide("approve", "delicate yes")
  const approved = yield* Fiber.join(approving)
  assert.isFalse(approved.isError, approved.text)
  assert.include(approved.text, "delicate yes")
  has("delicate yes", true)
  yield* records("approved", "pending_approval")

  const rejecting = yield* Effect.forkChild(speak("delicate no"))
  yield* decide("reject", "delicate no", "not this one")
  const rejected = yield* Fiber.join(rejecting)
  assert.isTrue(rejected.isError)
  assert.match(rejected.text, /^NOT PERFORMED: a reviewer rejected this action \(not this one\)/)
  has("delicate no", false)
  yield* records("rejected", "pending_approval")

  if (can("cancel")) {
    const waiting = new AbortController()
    const left = yield* Effect.forkChild(Effect.exit(speak("delicate never", { signal: waiting.signal })))
    yield* waitingFor("delicate never")
    waiting.abort("enough")
    assert.isTrue(Exit.isFailure(yield* Fiber.join(left)))
    // Whatever was cancelled before this call is heard of before it.
    yield* speak("still here")
    yield* decide("approve", "delicate never")
    yield* speak("and here")
    has("delicate never", false)
    yield* records("cancelled", "pending_approval", "allow", "allow")
  }

  if (can("progress") && server.slow !== undefined) {
    const heard: Array<number> = []
    const slow = yield* say(server.slow(3), { onProgress: (progress) => void heard.push(progress) })
    assert.isFalse(slow.isError, slow.text)
    // Clients of the SDK drop the progress that arrives in one piece with the answer, with and without a proxy.
    assert.isNotEmpty(heard)
    assert.deepStrictEqual(heard, [1, 2, 3].slice(0, heard.length))
    yield* records("progress", "allow")
  }

  if (can("progress") && can("cancel") && server.slow !== undefined && server.tellsCancelled === true && !isDeaf) {
    const started = Promise.withResolvers<void>()
    const stop = new AbortController()
    const running = yield* Effect.forkChild(
      Effect.exit(say(server.slow(2000), { signal: stop.signal, onProgress: () => started.resolve() }))
    )
    yield* Effect.promise(() => started.promise)
    stop.abort("enough")
    assert.isTrue(Exit.isFailure(yield* Fiber.join(running)))
    yield* eventually(Effect.sync(() => performed(path).includes("cancelled") ? true : undefined))
    yield* records("cancelled under way", "allow")
  }

  if (can("answer") && server.ask !== undefined && !isDeaf) {
    const asked = yield* say(server.ask("plain question"))
    assert.isFalse(asked.isError, asked.text)
    assert.match(asked.text, /answered yes|Ada/)
    yield* records("asks", "allow")
    if (server.hasPerformed !== undefined) {
      const answering = yield* Effect.forkChild(say(server.ask("delicate question")))
      yield* decide("approve", "delicate question")
      assert.include((yield* Fiber.join(answering)).text, "answered yes")
      assert.lengthOf(performed(path).filter((line) => line === "delicate question"), 1)
      yield* records("held and asks", "pending_approval")
    }
  }
})

/** The cells of the quick run: every client, and every way to a server, once or twice. */
const quick: ReadonlyArray<readonly [string, Front, string]> = [
  ["SDK 1", "stdio", "SDK 2"],
  ["SDK 1", "HTTP", "everything at an address"],
  ["SDK 2 legacy", "HTTP", "SDK 2"],
  ["SDK 2 pinned", "stdio", "SDK 2"],
  ["SDK 2 pinned", "HTTP", "SDK 2 at an address"],
  ["SDK 2 auto", "HTTP", "Effect"],
  ["Effect legacy", "HTTP", "filesystem"],
  ["Effect modern", "HTTP", "SDK 2"],
  ["Inspector legacy", "HTTP", "SDK 2"],
  ["Inspector modern", "HTTP", "SDK 2"]
]

const isTried = (client: ClientPeer, front: Front, server: ServerPeer) =>
  isFull || quick.some(([name, over, before]) => name === client.name && over === front && before === server.name)

const needed = hasMcpPeers() ? "" : " (needs what .ci/mcpPeers.ts installs)"

describe.skipIf(needed !== "")(`the proxy between any client and any server${needed}`, () => {
  for (const client of clients) {
    for (const front of ["stdio", "HTTP"] as const) {
      for (const server of servers.filter((server) => isTried(client, front, server))) {
        it.live(`${client.name} over ${front} before ${server.name}`, () =>
          Effect.provide(Effect.scoped(cell(client, front, server)), world))
      }
    }
  }
})
