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
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
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
  /** How many sessions, each with a server of its own, may be open at a time. Default: 100. */
  readonly maxSessions?: number | undefined
  /** The `Host` headers that are answered, with ports: against DNS rebinding. Default: any. */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** The `Origin` headers of browsers that are answered. Default: none. */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
}

const refuse = (status: number, message: string) =>
  HttpServerResponse.jsonUnsafe(JsonRpc.error(null, JsonRpc.ErrorCode.connectionClosed, message), { status })

/**
 * The route at a path of an HTTP router. Each session of a client opens `server` anew, and closes it when the client ends
 * the session (DELETE) or the server ends.
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
  { allowedHosts, allowedOrigins = [], maxSessions = 100, ...options }: Options = {}
): Layer.Layer<never, never, HttpRouter.HttpRouter | Clearance.Services | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const router = yield* HttpRouter.HttpRouter
    const scope = yield* Effect.scope
    const context = yield* Effect.context<Exclude<R, Scope.Scope> | Clearance.Services>()
    const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
    let open = 0

    /** A conversation of its own for a client that has none yet. */
    const start = Effect.fnUntraced(function*() {
      const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        onsessioninitialized: (id) => void sessions.set(id, transport),
        ...(allowedHosts && { enableDnsRebindingProtection: true, allowedHosts: [...allowedHosts] })
      })
      const ready = yield* Deferred.make<void, ChannelFailed>()
      open++
      yield* Effect.gen(function*() {
        const upstream = yield* server
        const client = yield* fromTransport(transport)
        yield* Deferred.succeed(ready, undefined)
        yield* GovernedMcpProxy.run(client, upstream, options)
      }).pipe(
        Effect.scoped,
        Effect.tapError((error) => Effect.andThen(Deferred.fail(ready, error), Effect.logWarning(error.message))),
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => {
          open--
          if (transport.sessionId !== undefined) sessions.delete(transport.sessionId)
        })),
        Effect.provideContext(context),
        Effect.forkIn(scope)
      )
      yield* Deferred.await(ready)
      return transport
    })

    yield* router.add(
      "*",
      path,
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        const { "mcp-session-id": sessionId, origin } = request.headers
        if (origin !== undefined && !allowedOrigins.includes(origin)) return refuse(403, "This origin is not allowed")
        const known = sessionId === undefined ? undefined : sessions.get(sessionId)
        if (sessionId !== undefined && known === undefined) return refuse(404, "There is no such session")
        if (known === undefined && request.method !== "POST") return refuse(400, "A session begins with a POST")
        if (known === undefined && open >= maxSessions) return refuse(503, "Too many sessions are open")
        const web = yield* HttpServerRequest.toWeb(request)
        const transport = known ?? (yield* start())
        const response = yield* Effect.promise(() => transport.handleRequest(web))
        // What was no initialization has begun nothing.
        if (transport.sessionId === undefined) yield* Effect.promise(() => transport.close())
        return HttpServerResponse.fromWeb(response)
      }).pipe(
        Effect.catch((error) =>
          Effect.succeed(
            error._tag === "ChannelFailed"
              ? refuse(502, "The MCP server cannot be started")
              : refuse(400, "The request cannot be read")
          )
        )
      )
    )
  }))
