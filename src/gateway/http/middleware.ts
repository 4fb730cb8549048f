/**
 * What stands before the handlers: keys and request checks.
 *
 * @since 0.1.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import { ApiKey, type Bond, CurrentTenant, header } from "../../transport/wire/ApiKey.ts"
import { Unauthorized401, Unprocessable422 } from "../../transport/wire/ErrorBodies.ts"
import { RequestValidation } from "../../transport/wire/RequestValidation.ts"
import { VargateApi } from "../../VargateApi.ts"
import { Sessions } from "../tenants/Sessions.ts"
import { maxBodyBytes, refusalOfBody } from "./bodyLimits.ts"
import { Callers } from "./Callers.ts"
import { clientAddress, holderOf, TrustedProxies } from "./clientAddress.ts"
import { type Hosts, refusalOf } from "./crossSite.ts"
import { missingScope } from "./routeScopes.ts"
import { ClientShares, paced, tooMany } from "./shares.ts"
import { maxRequestsOfTenant, TenantRequests } from "./TenantRequests.ts"
import { readsWholeLog, WholeLogs } from "./wholeLog.ts"

/**
 * Requires the key of a registered tenant, or a session, with the scope that the route needs. A missing or unknown key is
 * 401: the measured gateway's habit of falling back to a default tenant is not copied. Where both are sent the session
 * counts, even a bad one.
 *
 * @category layers
 * @since 0.1.0
 */
export const apiKey: Layer.Layer<ApiKey, never, Callers | Sessions | TenantRequests | WholeLogs> = Layer.effect(
  ApiKey,
  Effect.gen(function*() {
    const callers = yield* Callers
    const sessions = yield* Sessions
    const requests = yield* TenantRequests
    const wholeLogs = yield* WholeLogs

    const inForce = Effect.fnUntraced(function*(token: Redacted.Redacted) {
      const claims = yield* sessions.read(token)
      if (claims === undefined) return undefined
      const bonds: Array<Bond> = []
      for (const bond of claims.bonds) {
        const hash = yield* callers.hashNow(bond.tenant_id, bond.name)
        if (hash === undefined || !sessions.isBoundTo(bond, hash)) return undefined
        bonds.push({ tenantId: bond.tenant_id, name: bond.name, hash })
      }
      return { claims, bonds }
    })

    const bySession = Effect.fnUntraced(function*(token: Redacted.Redacted) {
      const session = yield* inForce(token)
      if (session === undefined) {
        return yield* Effect.fail(Unauthorized401.make({ detail: "Invalid or expired session token" }))
      }
      const { bonds, claims: { email, scopes, tenant_id: id } } = session
      return {
        id,
        email,
        scopes,
        bonds,
        keyName: bonds.find(({ tenantId }) => tenantId === id)?.name ?? undefined,
        isStillGood: Effect.map(inForce(token), (session) => session !== undefined),
        keysRevision: callers.revision
      }
    })

    const byKey = Effect.fnUntraced(function*(apiKey: Redacted.Redacted) {
      if (Redacted.value(apiKey) === "") {
        return yield* Effect.fail(
          Unauthorized401.make({ detail: "Authentication required — provide Bearer token or X-API-Key" })
        )
      }
      const caller = yield* callers.byKey(Redacted.value(apiKey))
      if (caller === undefined) return yield* Effect.fail(Unauthorized401.make({ detail: "Invalid API key" }))
      return caller.identity
    })

    /** MCP clients send what they have as a bearer token: here alone, that may be a key. */
    const atTheDoor = (token: Redacted.Redacted, key: Redacted.Redacted) => {
      const refused = Effect.fail(Unauthorized401.make({ detail: "MCP server requires authentication" }))
      if (Redacted.value(token) === "") return Redacted.value(key) === "" ? refused : byKey(key)
      return byKey(token).pipe(Effect.catch(() => bySession(token)), Effect.catch(() => refused))
    }

    const refusalOf = (tenant: CurrentTenant["Service"], group: string, endpoint: string) => {
      const missing = missingScope(group, endpoint, tenant.scopes)
      if (missing !== undefined) {
        const detail = `This key has the scope ${tenant.scopes.join(", ")}, and this operation needs ${missing}`
        return HttpServerResponse.jsonUnsafe({ detail, required_scope: missing }, { status: 403 })
      }
      return requests.take(tenant.id, 1)
        ? undefined
        : tooMany(`this tenant has ${maxRequestsOfTenant} requests under way, as many as it may have`)
    }

    // Whichever scheme is asked about: the two are not alternatives to be tried in turn.
    const authenticate = Effect.fnUntraced(function*<E, R>(
      handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
      { endpoint, group }: { readonly endpoint: HttpApiEndpoint.Top; readonly group: HttpApiGroup.Top }
    ) {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const [, token] = /^Bearer (.*)$/.exec(headers["authorization"] ?? "") ?? []
      const tenant = yield* group.identifier === "mcpDoor"
        ? atTheDoor(Redacted.make(token ?? ""), Redacted.make(headers[header] ?? ""))
        : token === undefined
        ? byKey(Redacted.make(headers[header] ?? ""))
        : bySession(Redacted.make(token))
      const refusal = refusalOf(tenant, group.identifier, endpoint.identifier)
      if (refusal !== undefined) return refusal
      const handled = Effect.provideService(handler, CurrentTenant, tenant)
      return yield* (readsWholeLog(group.identifier, endpoint.identifier)
        ? wholeLogs.withPermit(tenant.id)(handled)
        : handled).pipe(
          Effect.ensuring(Effect.sync(() => requests.give(tenant.id, 1)))
        )
    })

    return ApiKey.of({ apiKey: authenticate, session: authenticate })
  })
)

const slots = { Params: "path", Headers: "header", Query: "query", Payload: "body" } as const

/**
 * Answers 422 with paths and messages where a request does not fit the contract.
 *
 * @category layers
 * @since 0.1.0
 */
export const requestValidation: Layer.Layer<RequestValidation> = HttpApiMiddleware.layerSchemaErrorTransform(
  RequestValidation,
  (error) =>
    error.kind === "Body" || error.kind === "ResponseHeaders" ? Effect.fail(error) : Effect.fail(
      Unprocessable422.make({
        detail: fieldIssues(error.cause.issue, [slots[error.kind]]).map(({ message, path }) => ({
          type: "value_error",
          loc: path,
          msg: message
        }))
      })
    )
)

/** The paths of the contract, to tell a wrong method from a wrong path. */
const knownPaths: ReadonlyArray<RegExp> = Object.values(VargateApi.groups).flatMap((group) =>
  Object.values(group.endpoints).map(({ path }) => new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`))
)

/**
 * Answers as the gateway does where no route fits: 405 where only the method is wrong, otherwise 404.
 *
 * @category layers
 * @since 0.1.0
 */
export const noRoute = HttpRouter.add("*", "/*", (request) => {
  const path = request.url.split(/[?#]/, 1)[0]!
  return Effect.succeed(knownPaths.some((known) => known.test(path)) ? methodNotAllowed : notFound)
})

const notFound = HttpServerResponse.jsonUnsafe({ detail: "Not Found" }, { status: 404 })
const methodNotAllowed = HttpServerResponse.jsonUnsafe({ detail: "Method Not Allowed" }, { status: 405 })

/** The router gives up on a path that is no proper encoding of anything, even where a route takes every path. */
const isUnreadablePath = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  return HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound"
}

/** As a rule the client has disconnected, and there is no reader for an answer. */
const isUnreadableBody = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  return HttpServerError.isHttpServerError(error) && error.reason._tag === "RequestParseError"
}

/** Names the places that a route's schemas do not take. Where it is the answer that does not fit, the fault is here. */
const unfitRequest = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  if (!HttpApiError.HttpApiSchemaError.is(error)) return undefined
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return undefined
  const places = fieldIssues(error.cause.issue, [slots[error.kind]])
    .slice(0, 5)
    .map(({ message, path }) => `${path.join(".")}: ${message}`)
  const message = `The request is not valid; it had no effect. Correct this and send it again: ${places.join("; ")}`
  return HttpServerResponse.jsonUnsafe({ _tag: "ActionInvalid", message }, { status: 400 })
}

const unreadableBody = HttpServerResponse.jsonUnsafe({ detail: "The body could not be read" }, { status: 400 })
const failed = HttpServerResponse.text("Internal Server Error", { status: 500 })

/**
 * The answer where a handler fails.
 *
 * @category answers
 * @since 0.2.0
 */
export const answerTo = (cause: Cause.Cause<unknown>): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  if (isUnreadablePath(cause)) return Effect.succeed(notFound)
  const unfit = unfitRequest(cause)
  if (unfit !== undefined) return Effect.succeed(unfit)
  return isUnreadableBody(cause)
    ? Effect.as(Effect.logDebug("A body could not be read to its end", cause), unreadableBody)
    : Effect.as(Effect.logError("The gateway failed to answer", cause), failed)
}

/**
 * Answers hold what was decided about whom: no browser keeps them, guesses their type, or shows them to other sites.
 *
 * @category answers
 * @since 0.2.0
 */
export const safeHeaders = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
} as const

/**
 * A response with these headers.
 *
 * @category answers
 * @since 0.2.0
 */
export const safely = (response: HttpServerResponse.HttpServerResponse) =>
  HttpServerResponse.setHeaders(response, {
    ...safeHeaders,
    // The page's own files hold nothing of that, and say what may become of them.
    ...(response.headers["cache-control"] === undefined ? {} : { "cache-control": response.headers["cache-control"] })
  })

/** Whose key or session a request has, before anything of its body is read. What that may do is decided later. */
const recognition = Effect.gen(function*() {
  const callers = yield* Callers
  const sessions = yield* Sessions
  return Effect.fnUntraced(function*({ headers }: HttpServerRequest.HttpServerRequest) {
    const [, token = ""] = /^Bearer (.*)$/.exec(headers["authorization"] ?? "") ?? []
    for (const text of [headers[header] ?? "", token]) {
      if (text === "") continue
      const id = (yield* callers.byKey(text))?.identity.id ?? (yield* sessions.read(Redacted.make(text)))?.tenant_id
      if (id !== undefined) return id
    }
    return undefined
  })
})

const refuse = (detail: string) => HttpServerResponse.jsonUnsafe({ detail }, { status: 403 })

/**
 * Refuses what pages of other sites make a browser send, bodies beyond the limits and clients beyond their shares, and
 * answers 500 with a plain text where a handler fails: the cause is logged, not sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const guard = Effect.fnUntraced(function*(hosts: Hosts) {
  const isTrusted = yield* TrustedProxies
  const tenantOf = yield* recognition
  const shares = yield* ClientShares
  return <E, R>(handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const address = holderOf(clientAddress(request, isTrusted))
      return shares.within(address, request, tenantOf(request), guarded(hosts, request, handler)).pipe(
        Effect.map(safely),
        Effect.flatMap((response) => shares.bounded(address, request, response))
      )
    }).pipe(Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(maxBodyBytes)))
})

const guarded = <E, R>(
  hosts: Hosts,
  request: HttpServerRequest.HttpServerRequest,
  handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
) =>
  Effect.suspend(() => {
    const refusal = refusalOf(request, hosts)
    if (refusal !== undefined) return Effect.succeed(refuse(refusal))
    return Effect.flatMap(
      paced(request, refusalOfBody(request)),
      (refusal) => refusal === undefined ? handler : Effect.succeed(refusal)
    )
  }).pipe(Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), answerTo))
