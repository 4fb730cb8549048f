/**
 * The governed proxy over Streamable HTTP, as a route of an HTTP router.
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
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { VargateError } from "../errors/VargateError.ts"
import type * as Clearance from "../governed/Clearance.ts"
import { makeShared, type Shared } from "./internal/conversation.ts"
import { converse } from "./internal/converse.ts"
import { eraOf, metaKeys, modernVersions } from "./internal/era.ts"
import { corsHeaders, preflight, readBody, refuse } from "./internal/httpRequest.ts"
import * as httpSession from "./internal/httpSession.ts"
import { messagesIn, type Read, readMessage } from "./internal/messages.ts"
import { disagreement } from "./internal/mirroredHeaders.ts"
import * as modernRequest from "./internal/modernRequest.ts"
import * as sharedUpstream from "./internal/sharedUpstream.ts"
import * as JsonRpc from "./JsonRpc.ts"
import { type ChannelFailed, type McpChannel, Unreadable } from "./McpChannel.ts"
import type * as ProxyOptions from "./ProxyOptions.ts"

/**
 * How the route serves.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends ProxyOptions.Options {
  /**
   * How many sessions, each with a server of its own, may be open at a time. One more takes the place of the one that has
   * been idle the longest, and is answered 503 where none is idle. Default: 100.
   */
  readonly maxSessions?: number | undefined
  /**
   * How many requests of modern clients may be unanswered at a time, subscriptions among them. One more is answered 503,
   * and nothing is done for it. Default: 1,000.
   */
  readonly maxRequests?: number | undefined
  /** How long a session may be without a request and without an open stream, before it is ended. Default: 15 minutes. */
  readonly maxIdle?: Duration.Input | undefined
  /** The `Host` headers that are answered, with ports: against DNS rebinding. Default: any. */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** The `Origin` headers of browsers that are answered. Default: none. */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  /**
   * Who sends a request: a name of the client's own, or undefined for a request that is answered 401. A session, and the
   * state of a modern client's call, belong to the one who began them. Default: all clients are one.
   */
  readonly authenticate?:
    | ((request: HttpServerRequest.HttpServerRequest) => Effect.Effect<string | undefined>)
    | undefined
}

/** A client's conversation. */
interface Session {
  readonly id: string
  readonly principal: string | null
  readonly http: httpSession.HttpSession
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
  const isOpen = (session: Session) => sessions.get(session.id) === session

  const forget = (session: Session) => {
    session.expiry?.interruptUnsafe()
    if (isOpen(session)) sessions.delete(session.id)
  }

  /** Its server hears that the client has gone. */
  const leave = (session: Session) =>
    Effect.suspend(() => {
      if (isOpen(session)) sessions.delete(session.id)
      return session.http.close
    })

  const take = (session: Session) => {
    session.answering++
    session.expiry?.interruptUnsafe()
    session.expiry = undefined
  }

  const give = Effect.fnUntraced(function*(session: Session) {
    session.answering--
    if (session.answering > 0 || !isOpen(session)) return
    sessions.delete(session.id)
    sessions.set(session.id, session)
    session.expiry = yield* Effect.forkIn(Effect.delay(leave(session), maxIdle), scope)
  })

  return {
    find: (id: string) => sessions.get(id),
    forget,
    leave,
    give,
    /** Until the request's scope closes, which is when its answer has gone out. */
    answering: (session: Session) => Effect.acquireRelease(Effect.sync(() => take(session)), () => give(session)),
    /** A session that answers its first request; undefined where there is no room for it. */
    open: Effect.fnUntraced(function*(principal: string | null) {
      if (sessions.size >= maxSessions) {
        const idle = [...sessions.values()].find(({ answering }) => answering === 0)
        if (idle === undefined) return undefined
        forget(idle)
        yield* leave(idle)
      }
      const http = yield* httpSession.make
      const session: Session = { id: crypto.randomUUID(), principal, http, answering: 1, expiry: undefined }
      sessions.set(session.id, session)
      return session
    })
  }
})

const isModernVersion = (version: string | undefined) => version !== undefined && modernVersions.includes(version)

/**
 * The route at a path of an HTTP router, for clients of all revisions of the protocol. Each session of a legacy client opens
 * `server` anew, and closes it when the client ends the session (DELETE), when the server ends, and when the client has left
 * the session (`maxIdle`, `maxSessions`). Requests of modern clients (revision 2026-07-28 and later) have no session: one
 * server answers all of them, and is opened for the first one. Nothing is opened before a request has been read and found to
 * need it.
 *
 * **Details**
 *
 * Before everything else stand `allowedHosts`, `allowedOrigins` (with the headers that browsers need, and answers to their
 * preflights) and `authenticate`. A client's credentials are not passed to the server. The headers of a modern request have
 * to agree with its body, on which the decision is made. A modern client cancels a request by closing its connection.
 *
 * **Gotchas**
 *
 * Without `authenticate` every client that reaches the route acts as the agent: bind it to the machine itself, or put
 * authentication before it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R>(
  path: HttpRouter.PathInput,
  server: Effect.Effect<McpChannel, ChannelFailed, R>,
  {
    allowedHosts,
    allowedOrigins = [],
    authenticate,
    maxIdle = "15 minutes",
    maxRequests = 1000,
    maxSessions = 100,
    ...options
  }: Options
): Layer.Layer<never, VargateError, HttpRouter.HttpRouter | Clearance.Services | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const router = yield* HttpRouter.HttpRouter
    const shared: Shared = yield* makeShared("McpHttpProxy.layer", options)
    const scope = yield* Effect.scope
    const context = yield* Effect.context<Exclude<R, Scope.Scope> | Clearance.Services>()
    const sessions = yield* makeSessions(maxSessions, maxIdle)
    // The server of a session that has left may need a moment to end, and the next one waits for that.
    const servers = yield* Semaphore.make(maxSessions)
    const upstream = yield* sharedUpstream.make(server)
    /** Modern requests that are not done with: a client that has left may leave a call behind that is under way. */
    let unanswered = 0

    /** Opens the server of a session, and holds the conversation. */
    const begin = Effect.fnUntraced(function*(session: Session) {
      const ready = yield* Deferred.make<void, ChannelFailed>()
      yield* Effect.gen(function*() {
        const opened = yield* server
        yield* Deferred.succeed(ready, undefined)
        yield* converse(session.http.channel, opened, options, shared, session.principal)
      }).pipe(
        Effect.scoped,
        servers.withPermit,
        Effect.tapError((error) => Effect.logWarning(error.message)),
        Effect.onExit((exit) => Exit.isFailure(exit) ? Deferred.failCause(ready, exit.cause) : Effect.void),
        Effect.ignore,
        Effect.ensuring(Effect.andThen(Effect.sync(() => sessions.forget(session)), session.http.channel.end)),
        Effect.provideContext(context),
        Effect.forkIn(scope)
      )
      yield* Deferred.await(ready)
    })

    /** Answers a client that has no session yet. */
    const initialize = Effect.fnUntraced(function*(read: Read, principal: string | null) {
      const session = yield* sessions.open(principal)
      if (session === undefined) return refuse(503, "Too many sessions are open")
      yield* Effect.addFinalizer(() => sessions.give(session))
      return yield* begin(session).pipe(
        Effect.flatMap(() => session.http.post([read], [read.object.text], { "mcp-session-id": session.id })),
        Effect.map((response) => response ?? HttpServerResponse.empty({ status: 202 })),
        Effect.catch(() => Effect.succeed(refuse(502, "The MCP server cannot be started")))
      )
    })

    /** Answers a modern request, once its headers agree with its body. */
    const modern = Effect.fnUntraced(function*(
      request: HttpServerRequest.HttpServerRequest,
      read: Read,
      principal: string | null
    ) {
      const method = read.value["method"] as string
      const { id } = read
      const params = JsonRpc.member(read.value, "params")
      const bad = (message: string, code: number, data?: unknown) =>
        refuse(400, message, { code, data, ...(id === undefined ? {} : { id }) })
      if (id === undefined) return HttpServerResponse.empty({ status: 202 })
      // It is gone from these revisions, as other methods are that the server is asked about.
      if (method === "initialize") {
        return refuse(404, "Method not found: initialize", { code: JsonRpc.ErrorCode.methodNotFound, id })
      }
      const header = request.headers["mcp-protocol-version"]
      const version = JsonRpc.member(params, "_meta")[metaKeys.protocolVersion]
      if (typeof version === "string" && header !== undefined && header !== version) {
        return bad("MCP-Protocol-Version: Expected the revision of the body", JsonRpc.ErrorCode.headerMismatch)
      }
      const era = eraOf(method, params)
      if (era._tag === "BadEnvelope") return bad(era.message, era.code, era.data)
      if (era._tag === "Legacy") {
        return bad("_meta: Expected the revision that the header names", JsonRpc.ErrorCode.headerMismatch)
      }
      const mirrored = method === "tools/call" ? shared.mirrored.of(params["name"]) : undefined
      const wrong = disagreement(request.headers, method, params, mirrored)
      if (wrong !== undefined) return bad(wrong, JsonRpc.ErrorCode.headerMismatch)
      if (unanswered >= maxRequests) {
        return refuse(503, "Too many requests are unanswered", { id, headers: { "retry-after": "1" } })
      }
      const isGoverned = method === "tools/call" ||
        (options.govern as ReadonlyArray<string> | undefined)?.includes(method)
      const isEvents = request.headers["accept"]?.includes("text/event-stream") === true
      return yield* modernRequest.answer(read.object.text, id, {
        isEvents,
        isAtOnce: isEvents && isGoverned === true,
        begin: (client) =>
          Effect.suspend(() => {
            unanswered++
            return Effect.flatMap(upstream, (channel) => converse(client, channel, options, shared, principal)).pipe(
              Effect.scoped,
              Effect.ignore,
              Effect.ensuring(Effect.sync(() => void unanswered--)),
              Effect.provideContext(context),
              Effect.forkIn(scope)
            )
          })
      })
    })

    const post = Effect.fnUntraced(function*(
      request: HttpServerRequest.HttpServerRequest,
      session: Session | undefined,
      principal: string | null
    ) {
      if (request.headers["content-type"]?.split(";", 1)[0]!.trim().toLowerCase() !== "application/json") {
        return refuse(415, "Expected content of type application/json")
      }
      if (!/application\/json|text\/event-stream|\*\/\*/.test(request.headers["accept"] ?? "")) {
        return refuse(406, "Expected a client that accepts application/json and text/event-stream")
      }
      const body = yield* readBody(request)
      if (body === undefined) {
        return refuse(413, "a message has at most 16 MB", { code: JsonRpc.ErrorCode.invalidRequest })
      }
      if (body instanceof Unreadable) return refuse(400, body.why, { code: JsonRpc.ErrorCode.parseError })
      const texts = messagesIn(body as string)
      const read: Array<Read> = []
      for (const text of texts) {
        const reading = readMessage(text)
        if (Result.isFailure(reading)) {
          const { code, id, why } = reading.failure
          return refuse(400, why, { code, ...(id === undefined ? {} : { id }) })
        }
        read.push(reading.success)
      }
      const [first] = read
      const method = first!.value["method"]
      const version = request.headers["mcp-protocol-version"]
      const isEnveloped = read.some(({ value }) =>
        JsonRpc.member(JsonRpc.member(value, "params"), "_meta")[metaKeys.protocolVersion] !== undefined
      )
      if (isModernVersion(version) || isEnveloped || method === "server/discover") {
        return read.length === 1 && typeof method === "string" && session === undefined
          ? yield* modern(request, first!, principal)
          : refuse(400, "a modern request is one message without a session", { code: JsonRpc.ErrorCode.invalidRequest })
      }
      if (session === undefined) {
        return texts.length === 1 && method === "initialize" && first!.id !== undefined
          ? yield* initialize(first!, principal)
          : refuse(400, "a session begins with one request, initialize", { code: JsonRpc.ErrorCode.invalidRequest })
      }
      const isReused = read.some(({ value }) => value["method"] === "initialize")
      if (isReused) return refuse(400, "this session has begun before", { code: JsonRpc.ErrorCode.invalidRequest })
      const response = yield* session.http.post(read, texts, { "mcp-session-id": session.id }, version)
      return response ?? HttpServerResponse.empty({ status: 202 })
    })

    const answer = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      const principal = authenticate === undefined ? null : yield* authenticate(request)
      if (principal === undefined) {
        return refuse(401, "Expected credentials", { headers: { "www-authenticate": "Bearer" } })
      }
      const sessionId = request.headers["mcp-session-id"]
      const found = sessionId === undefined ? undefined : sessions.find(sessionId)
      // Of another one's session nothing is known.
      const session = found?.principal === principal ? found : undefined
      if (sessionId !== undefined && session === undefined) return refuse(404, "There is no such session")
      if (session !== undefined) yield* sessions.answering(session)
      if (request.method === "POST") return yield* post(request, session, principal)
      if (session === undefined || (request.method !== "GET" && request.method !== "DELETE")) {
        return refuse(405, "A session begins with a POST", {
          headers: { allow: session ? "GET, POST, DELETE" : "POST" }
        })
      }
      if (request.method === "DELETE") {
        sessions.forget(session)
        yield* session.http.close
        return HttpServerResponse.empty({ status: 200 })
      }
      if (!/text\/event-stream|\*\/\*/.test(request.headers["accept"] ?? "")) {
        return refuse(406, "Expected a client that accepts text/event-stream")
      }
      return (yield* session.http.get(request.headers["last-event-id"])) ??
        refuse(409, "This session has a stream already")
    })

    yield* router.add(
      "*",
      path,
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        const { host = "", origin } = request.headers
        if (allowedHosts !== undefined && !allowedHosts.includes(host)) {
          return refuse(403, "This host is not answered for")
        }
        if (origin === undefined) return yield* answer(request)
        if (!allowedOrigins.includes(origin)) return refuse(403, "This origin is not allowed")
        if (request.method === "OPTIONS") return preflight(request, origin)
        return HttpServerResponse.setHeaders(yield* answer(request), corsHeaders(origin))
      }).pipe(
        Effect.catch(() => Effect.succeed(refuse(400, "The request cannot be read")))
      )
    )
  }))
