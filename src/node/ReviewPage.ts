/**
 * The page of a review panel: reviewers log in as themselves, see what needs them, and vote. It is the inbox of the embedded
 * gateway, with the panel's routes behind it instead of a key.
 *
 * **Example** (A panel with its page on a port)
 *
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import type { Approvals, AuditLog, Authenticator, ReviewPanel } from "effect-vargate"
 * import * as ReviewPage from "effect-vargate/node/ReviewPage"
 * import { createServer } from "node:http"
 *
 * declare const panel: Layer.Layer<
 *   ReviewPanel.ReviewPanel | Approvals.Approvals | AuditLog.AuditLog | Authenticator.Authenticator
 * >
 *
 * const server = ReviewPage.serve({ url: "https://ops.example.com/gov/" }).pipe(
 *   Layer.provide([panel, NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 8090 })])
 * )
 * ```
 *
 * @since 0.2.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Approvals } from "../approvals/Approvals.ts"
import type { AuditLog } from "../audit/AuditLog.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { refusalOf } from "../gateway/http/crossSite.ts"
import { answerTo, safely } from "../gateway/http/middleware.ts"
import * as InboxPage from "../gateway/inbox/InboxPage.ts"
import { ReviewLogin } from "../http/ReviewLogin.ts"
import * as ReviewPageHandlers from "../http/ReviewPageHandlers.ts"
import * as ReviewSessions from "../http/ReviewSessions.ts"
import { isLoopback } from "../internal/loopback.ts"
import type { Authenticator } from "../reviews/Authenticator.ts"
import type { ReviewPanel } from "../reviews/ReviewPanel.ts"

/**
 * Where the page is, and how long a login lasts.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /**
   * The address at which browsers see the page, like `https://ops.example.com/gov/`: https, or http on this machine. A
   * reverse proxy may keep the path or remove it. Without an address the page answers on this machine's own names alone.
   */
  readonly url?: string | undefined
  readonly session?: ReviewSessions.Options | undefined
}

/** Where browsers are, from an address that was checked. */
interface Place {
  /** Undefined where browsers are on this machine, under whatever port. */
  readonly url: URL | undefined
  /** Of the cookie: ends in a slash. */
  readonly path: string
  readonly secure: boolean
}

const placeOf = Effect.fnUntraced(function*({ url }: Options): Effect.fn.Return<Place, VargateError> {
  if (url === undefined) return { url: undefined, path: "/", secure: false }
  const parsed = URL.parse(url)
  const isUsable = parsed !== null && parsed.username === "" && parsed.password === "" && parsed.search === "" &&
    parsed.hash === "" && (parsed.protocol === "https:" || (parsed.protocol === "http:" && isLoopback(parsed.hostname)))
  if (!isUsable) {
    return yield* invalidRequest("ReviewPage.layer", [{
      path: ["url"],
      message: "Expected an address like https://ops.example.com/gov/, or http on this machine"
    }])
  }
  if (!parsed.pathname.endsWith("/")) parsed.pathname += "/"
  return { url: parsed, path: parsed.pathname, secure: parsed.protocol === "https:" }
})

/** A vote and a token are small. */
const maxBody = 65_536

/** The same request without the path under which browsers see the page, where a proxy has left that in. */
const withoutPath = (request: HttpServerRequest.HttpServerRequest, path: string) =>
  path !== "/" && request.url.startsWith(path)
    ? request.modify({ url: `/${request.url.slice(path.length)}` })
    : request

/**
 * Stands before all routes: refuses other names of this machine and what pages of other sites make a browser send, and keeps
 * answers out of caches and other pages.
 */
const guard = ({ path, url }: Place) =>
  HttpRouter.middleware(
    (handler) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const refusal = refusalOf(request, url === undefined ? [] : [url.hostname])
        return refusal === undefined
          ? Effect.provideService(handler, HttpServerRequest.HttpServerRequest, withoutPath(request, path))
          : Effect.succeed(HttpServerResponse.jsonUnsafe({ message: refusal }, { status: 403 }))
      }).pipe(
        Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), answerTo),
        Effect.map(safely),
        Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(maxBody))
      ),
    { global: true }
  )

// --- the login at a provider -----------------------------------------------------------------------------------------

const loginCookie = "vargate_review_login"

const callbackPath = "panel/callback"

/** Back to the page, which says what went wrong. */
const toPage = (path: string, problem?: string) =>
  HttpServerResponse.redirect(problem === undefined ? path : `${path}#${problem}`, { status: 303 })

/** A login that comes back from another site, so that its cookie cannot be a strict one. */
const loginRoutes = (place: Place) =>
  Layer.unwrap(Effect.gen(function*() {
    const login = yield* Effect.serviceOption(ReviewLogin)
    if (Option.isNone(login)) return Layer.empty
    const { begin, complete } = login.value
    const sessions = yield* ReviewSessions.ReviewSessions
    const { path, secure } = place
    const cookieOptions = { path, secure, httpOnly: true, sameSite: "lax" } as const

    const baseOf = ({ headers }: HttpServerRequest.HttpServerRequest) =>
      place.url ?? new URL(`http://${headers["host"] ?? "localhost"}/`)

    const start = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const { cookie, url } = yield* begin(new URL(callbackPath, baseOf(request)).href)
      return HttpServerResponse.setCookieUnsafe(
        HttpServerResponse.redirect(url, { status: 303 }),
        loginCookie,
        Redacted.value(cookie),
        cookieOptions
      )
    }).pipe(
      Effect.catch(({ message }) => Effect.as(Effect.logWarning(message), toPage(path, "login-unavailable")))
    )

    const end = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const cookie = request.cookies[loginCookie] ?? ""
      const { search } = new URL(request.url, "http://localhost")
      const reviewer = yield* complete(Redacted.make(cookie), new URL(`${callbackPath}${search}`, baseOf(request)))
      const { id } = yield* sessions.open(reviewer)
      return ReviewPageHandlers.withSession(toPage(path), id, place)
    }).pipe(
      Effect.catch(({ message }) => Effect.as(Effect.logWarning(message), toPage(path, "login-refused"))),
      Effect.map((response) => HttpServerResponse.expireCookieUnsafe(response, loginCookie, cookieOptions))
    )

    return Layer.merge(
      HttpRouter.add("GET", "/panel/login", start),
      HttpRouter.add("GET", `/${callbackPath}`, end)
    )
  }))

/** Many pages look at the queue; the gateway is asked once for all of them. */
const sharedQueue = Layer.effect(
  Approvals,
  Effect.gen(function*() {
    const approvals = yield* Approvals
    return Approvals.of({ ...approvals, pending: yield* Effect.cachedWithTTL(approvals.pending, "1 second") })
  })
)

/**
 * What a page needs.
 *
 * @category models
 * @since 0.2.0
 */
export type Services = ReviewPanel | Approvals | AuditLog | Authenticator

/**
 * The page and its routes, for a router of their own: what stands before them refuses requests of other sites, whatever
 * route they are for.
 *
 * **Details**
 *
 * Reviewers log in with a token that the `Authenticator` knows, and, where `ReviewLogin` is in context, at its provider.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}) =>
  Layer.unwrap(Effect.map(placeOf(options), (place) =>
    Layer.mergeAll(
      guard(place),
      InboxPage.panelLayer,
      loginRoutes(place),
      ReviewPageHandlers.layer(place).pipe(Layer.provide(sharedQueue))
    ).pipe(
      Layer.provide(ReviewSessions.layerMemory(options.session))
    )))

/** What further routes need of their program: a router and the platform's services are here. */
type Beside<R> = Exclude<
  HttpRouter.Request.Without<R>,
  HttpRouter.HttpRouter | Layer.Success<typeof HttpServer.layerServices>
>

/**
 * The page on the server in context, with further routes beside it: those of `ProposalHandlers`, of a channel, of your own.
 *
 * @category layers
 * @since 0.2.0
 */
export const serve = <R = never>(
  options: Options = {},
  routes: Layer.Layer<never, never, R> = Layer.empty
): Layer.Layer<never, VargateError, HttpServer.HttpServer | Services | Beside<R>> => {
  const served = HttpRouter.serve(
    // What single requests of further routes need, their handlers have been given: a router takes no others.
    Layer.merge(layer(options), routes as Layer.Layer<never, never, Beside<R> | HttpRouter.HttpRouter>),
    { disableLogger: true, disableListenLog: true }
  ) as Layer.Layer<never, VargateError, HttpServer.HttpServer | Services | Beside<R>>
  return served.pipe(
    // Its router is its own, also where the layers below serve a gateway and hand on what they were built with.
    Layer.provide(Layer.fresh(Layer.sync(Layer.CurrentMemoMap, Layer.makeMemoMapUnsafe))),
    // What comes back from a provider stands in a URL: no trace may show it.
    Layer.provide(Layer.succeed(UrlParams.CurrentRedactedNames, ["code", "state", "iss", "session_state"])),
    Layer.provide(HttpServer.layerServices)
  ) as Layer.Layer<never, VargateError, HttpServer.HttpServer | Services | Beside<R>>
}
