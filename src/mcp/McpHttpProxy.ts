/**
 * The governed proxy over Streamable HTTP, as a route of an HTTP router. Needs the official SDK
 * (`@modelcontextprotocol/sdk`) beside this package.
 *
 * **Example** (A server of files for clients that speak HTTP)
 *
 * ```ts
 * import { NodeHttpServer, NodeServices } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { Vargate } from "effect-vargate"
 * import * as McpHttpProxy from "effect-vargate/mcp/McpHttpProxy"
 * import * as McpStdio from "effect-vargate/mcp/McpStdio"
 * import { FetchHttpClient, HttpRouter } from "effect/http"
 * import { createServer } from "node:http"
 *
 * const files = McpStdio.server({ command: "npx", args: ["@modelcontextprotocol/server-filesystem", "."] })
 *
 * const server = HttpRouter.serve(McpHttpProxy.layer("/mcp", files, { tool: "files" })).pipe(
 *   Layer.provide([Vargate.layerConfig(), NodeServices.layer]),
 *   Layer.provide(FetchHttpClient.layer),
 *   Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 3000 }))
 * )
 * ```
 *
 * @since 0.1.0
 */
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Clearance from "../governed/Clearance.ts"
import * as GovernedMcpProxy from "./GovernedMcpProxy.ts"
import * as JsonRpc from "./JsonRpc.ts"
import { type ChannelFailed, fromTransport, type McpChannel } from "./McpChannel.ts"

/**
 * How the route serves.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends GovernedMcpProxy.Options {
  /**
   * How many sessions, each with a server of its own, may be open at a time. One more takes the place of the one that has
   * been idle the longest, and is answered 503 where none is idle. Default: 100.
   */
  readonly maxSessions?: number | undefined
  /** How long a session may be without a request and without an open stream, before it is ended. Default: 15 minutes. */
  readonly maxIdle?: Duration.Input | undefined
  /** The `Host` headers that are answered, with ports: against DNS rebinding. Default: any. */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** The `Origin` headers of browsers that are answered. Default: none. */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
}

const refuse = (status: number, message: string) =>
  HttpServerResponse.jsonUnsafe(JsonRpc.error(null, JsonRpc.ErrorCode.connectionClosed, message), { status })

/** A client's conversation. */
interface Session {
  readonly transport: WebStandardStreamableHTTPServerTransport
  /** Requests whose answers have not gone out to their ends, open streams among them. */
  answering: number
  /** Ends the session unless a request comes first. */
  expiry: Fiber.Fiber<void> | undefined
}

/**
 * The sessions of a route. They are in the order in which they became idle, so that a clock that is set back confuses
 * nothing.
 */
const makeSessions = Effect.fnUntraced(function*(maxSessions: number, maxIdle: Duration.Input) {
  const scope = yield* Effect.scope
  const sessions = new Map<string, Session>()
  const idOf = ({ transport }: Session) => transport.sessionId!
  const isOpen = (session: Session) => sessions.get(idOf(session)) === session

  const forget = (session: Session) => {
    session.expiry?.interruptUnsafe()
    if (isOpen(session)) sessions.delete(idOf(session))
  }

  /** Its server hears that the client has gone. */
  const leave = (session: Session) =>
    Effect.suspend(() => {
      if (isOpen(session)) sessions.delete(idOf(session))
      return Effect.promise(() => session.transport.close())
    })

  const take = (session: Session) => {
    session.answering++
    session.expiry?.interruptUnsafe()
    session.expiry = undefined
  }

  const give = Effect.fnUntraced(function*(session: Session) {
    session.answering--
    if (session.answering > 0 || !isOpen(session)) return
    sessions.delete(idOf(session))
    sessions.set(idOf(session), session)
    session.expiry = yield* Effect.forkIn(Effect.delay(leave(session), maxIdle), scope)
  })

  return {
    find: (id: string) => sessions.get(id),
    forget,
    give,
    /** Until the request's scope closes, which is when its answer has gone out. */
    answering: (session: Session) => Effect.acquireRelease(Effect.sync(() => take(session)), () => give(session)),
    /** A session that answers its first request; undefined where there is no room for it. */
    open: Effect.fnUntraced(function*(transport: WebStandardStreamableHTTPServerTransport) {
      if (sessions.size >= maxSessions) {
        const idle = [...sessions.values()].find(({ answering }) => answering === 0)
        if (idle === undefined) return undefined
        forget(idle)
        yield* leave(idle)
      }
      const session: Session = { transport, answering: 1, expiry: undefined }
      sessions.set(idOf(session), session)
      return session
    })
  }
})

/**
 * The route at a path of an HTTP router. Each session of a client opens `server` anew, and closes it when the client ends
 * the session (DELETE), when the server ends, and when the client has left the session (`maxIdle`, `maxSessions`). Nothing is
 * opened before a request has been read and found to begin a session.
 *
 * **Gotchas**
 *
 * Every client that reaches the route acts as the agent: bind it to the machine itself, or put authentication before
 * it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R>(
  path: HttpRouter.PathInput,
  server: Effect.Effect<McpChannel, ChannelFailed, R>,
  { allowedHosts, allowedOrigins = [], maxIdle = "15 minutes", maxSessions = 100, ...options }: Options = {}
): Layer.Layer<never, never, HttpRouter.HttpRouter | Clearance.Services | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const router = yield* HttpRouter.HttpRouter
    const scope = yield* Effect.scope
    const context = yield* Effect.context<Exclude<R, Scope.Scope> | Clearance.Services>()
    const sessions = yield* makeSessions(maxSessions, maxIdle)
    // The server of a session that has left may need a moment to end, and the next one waits for that.
    const servers = yield* Semaphore.make(maxSessions)

    /** Opens the server of a session, and holds the conversation. */
    const converse = Effect.fnUntraced(function*(session: Session) {
      const ready = yield* Deferred.make<void, ChannelFailed>()
      yield* Effect.gen(function*() {
        const upstream = yield* server
        const client = yield* fromTransport(session.transport)
        yield* Deferred.succeed(ready, undefined)
        yield* GovernedMcpProxy.run(client, upstream, options)
      }).pipe(
        Effect.scoped,
        servers.withPermit,
        Effect.tapError((error) => Effect.logWarning(error.message)),
        Effect.onExit((exit) => Exit.isFailure(exit) ? Deferred.failCause(ready, exit.cause) : Effect.void),
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => sessions.forget(session))),
        Effect.provideContext(context),
        Effect.forkIn(scope)
      )
      yield* Deferred.await(ready)
    })

    /** Answers a client that has no session. What is no initialization begins nothing. */
    const first = Effect.fnUntraced(function*(web: Request) {
      const runPromise = Effect.runPromiseWith(yield* Effect.context<never>())
      let session: Session | undefined
      let refusal: HttpServerResponse.HttpServerResponse | undefined
      let isOver = false
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          isOver = true
          return session === undefined ? Effect.void : sessions.give(session)
        })
      )
      const begin = Effect.fnUntraced(function*(transport: WebStandardStreamableHTTPServerTransport) {
        // The client has gone, while the promise of its answer is still under way.
        if (isOver) return yield* Effect.interrupt
        session = yield* sessions.open(transport)
        if (session === undefined) {
          refusal = refuse(503, "Too many sessions are open")
          return yield* Effect.interrupt
        }
        yield* Effect.onError(converse(session), () =>
          Effect.sync(() => {
            refusal = refuse(502, "The MCP server cannot be started")
          }))
      })
      const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        onsessioninitialized: () => runPromise(begin(transport)),
        ...(allowedHosts && { enableDnsRebindingProtection: true, allowedHosts: [...allowedHosts] })
      })
      const response = yield* Effect.promise(() => transport.handleRequest(web))
      if (session === undefined || refusal !== undefined) yield* Effect.promise(() => transport.close())
      return refusal ?? HttpServerResponse.fromWeb(response)
    })

    yield* router.add(
      "*",
      path,
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        const { "mcp-session-id": sessionId, origin } = request.headers
        if (origin !== undefined && !allowedOrigins.includes(origin)) return refuse(403, "This origin is not allowed")
        const session = sessionId === undefined ? undefined : sessions.find(sessionId)
        if (sessionId !== undefined && session === undefined) return refuse(404, "There is no such session")
        if (session === undefined && request.method !== "POST") return refuse(400, "A session begins with a POST")
        if (session !== undefined) yield* sessions.answering(session)
        const web = yield* HttpServerRequest.toWeb(request)
        if (session === undefined) return yield* first(web)
        return HttpServerResponse.fromWeb(yield* Effect.promise(() => session.transport.handleRequest(web)))
      }).pipe(
        Effect.catch(() => Effect.succeed(refuse(400, "The request cannot be read")))
      )
    )
  }))
