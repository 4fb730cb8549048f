/**
 * POST /mcp/tools/call beside the contract: the route of nearly every request, in as few steps as it takes.
 *
 * **Details**
 *
 * It answers a request that is plainly what it seems: with a key that may make calls, without anything that a browser
 * sends, and with a small JSON body that fits the contract. Everything else takes the contract's own route, as if there
 * were no other, so that each refusal is worded in one place. What both routes reply to a call comes from `ToolCallReplies`.
 *
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { ToolCallBody, ToolCallsApi } from "../../calls/wire/ToolCallsApi.ts"
import { monotonicMillis } from "../../internal/elapsed.ts"
import { isRecord } from "../../internal/isRecord.ts"
import { isNestedDeeper } from "../../internal/jsonNesting.ts"
import { maxParamsLength } from "../../internal/limits.ts"
import { header } from "../../transport/wire/ApiKey.ts"
import { GatewayMetrics, unanswered } from "../calls/GatewayMetrics.ts"
import { maxBodyLevels } from "./bodyLimits.ts"
import { type Caller, Callers } from "./Callers.ts"
import { clientAddress, holderOf, TrustedProxies } from "./clientAddress.ts"
import { type Hosts, refusalOf } from "./crossSite.ts"
import { ToolCallReplies } from "./handlers/toolCalls.ts"
import { answerTo, safely } from "./middleware.ts"
import { missingScope } from "./routeScopes.ts"
import { ClientShares, smallBody } from "./shares.ts"
import { TenantRequests } from "./TenantRequests.ts"

const { method, path } = ToolCallsApi.endpoints.call

const isPayload = Schema.is(ToolCallBody)

/** Of each field this many values are known to be good: agents and tools are few, and schemas are slow. */
const maxKnown = 10_000

const knownTo = (schema: Schema.Top) => {
  const isGood = Schema.is(schema)
  const known = new Set<unknown>()
  return (value: unknown): boolean => {
    if (known.has(value)) return true
    if (typeof value !== "string" || !isGood(value)) return false
    if (known.size < maxKnown) known.add(value)
    return true
  }
}

const { fields } = ToolCallBody
const isAgentId = knownTo(fields.agent_id)
const isAgentType = knownTo(fields.agent_type.schema)
const isAgentVersion = knownTo(fields.agent_version.schema)
const isTool = knownTo(fields.tool)
const isMethod = knownTo(fields.method)

/** What most calls look like; the schema has the last word about any other. */
const isPlain = (payload: Readonly<Record<string, unknown>>): boolean => {
  const { agent_id, agent_type, agent_version, context_override, method, params, tool } = payload
  return context_override === undefined && typeof params === "object" && params !== null && !Array.isArray(params) &&
    isAgentId(agent_id) && isTool(tool) && isMethod(method) &&
    (agent_type === undefined || isAgentType(agent_type)) &&
    (agent_version === undefined || isAgentVersion(agent_version))
}

/** What the gateway counts of params is less than eight times what was sent, however it is written. */
const shortBody = maxParamsLength / 8

/** The body of a call, where it is one. */
const read = (text: string): typeof ToolCallBody.Type | undefined => {
  // A schema makes a copy, which has no such key; here the parsed value itself is used.
  if (text.length > smallBody || text.includes("__proto__")) return undefined
  if (text.length > maxBodyLevels && isNestedDeeper(text, maxBodyLevels)) return undefined
  try {
    const payload: unknown = JSON.parse(text)
    return isRecord(payload) && (isPlain(payload) || isPayload(payload))
      ? payload as typeof ToolCallBody.Type
      : undefined
  } catch {
    return undefined
  }
}

/**
 * A request, as this module looks at it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Head {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: Readonly<Record<string, string | undefined>>
}

/**
 * Whether a request is to be read here: nothing but its key and its body is to be looked at. A client in the same process
 * states no length.
 *
 * @category predicates
 * @since 0.2.0
 */
export const isOrdinary = (head: Head, hosts: Hosts): boolean => {
  if (head.url !== path || head.method !== method) return false
  const { headers } = head
  const length = headers["content-length"]
  return headers["content-type"] === "application/json" &&
    headers[header] !== undefined && headers["authorization"] === undefined &&
    headers["transfer-encoding"] === undefined && headers["expect"] === undefined &&
    (length === undefined || Number(length) <= smallBody) &&
    refusalOf({ method, headers }, hosts) === undefined
}

/**
 * Answers a body that came with a key. Undefined where the contract's route is to answer.
 *
 * @category models
 * @since 0.2.0
 */
export type Answer = (
  apiKey: string,
  text: Effect.Effect<string | undefined>
) => Effect.Effect<HttpServerResponse.HttpServerResponse | undefined>

/**
 * What answers such requests.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: Effect.Effect<Answer, never, TenantRequests | Callers | GatewayMetrics | ToolCallReplies> = Effect
  .gen(function*() {
    const requests = yield* TenantRequests
    const callers = yield* Callers
    const metrics = yield* GatewayMetrics
    const replies = yield* ToolCallReplies

    const respond = Effect.fnUntraced(function*(
      { tenant }: Caller,
      payload: typeof ToolCallBody.Type,
      isShort: boolean
    ) {
      const { body, status } = yield* replies.reply(tenant, payload, isShort)
      return HttpServerResponse.jsonUnsafe(body, { status })
    })

    return Effect.fnUntraced(function*(
      apiKey,
      text
    ): Effect.fn.Return<HttpServerResponse.HttpServerResponse | undefined> {
      const started = yield* monotonicMillis
      const caller = yield* callers.byKey(apiKey)
      if (caller === undefined) return undefined
      const { id, scopes } = caller.identity
      if (missingScope("toolCalls", "call", scopes) !== undefined) return undefined
      const body = (yield* text) ?? ""
      const payload = read(body)
      if (payload === undefined || !requests.take(id, 1)) return undefined
      yield* metrics.began
      return yield* respond(caller, payload, body.length <= shortBody).pipe(
        Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : answerTo(cause)),
        Effect.onExit((exit) => {
          requests.give(id, 1)
          const status = Exit.isSuccess(exit) ? exit.value.status : unanswered
          return Effect.flatMap(
            monotonicMillis,
            (now) => metrics.answered({ method, path, status, seconds: (now - started) / 1000 })
          )
        }),
        // A client that disconnects must not leave an executed action without its record.
        Effect.uninterruptible
      )
    })
  })

/**
 * Has such requests answered before the contract, by whatever server.
 *
 * @category constructors
 * @since 0.2.0
 */
export const before = Effect.fnUntraced(function*(answer: Answer, hosts: Hosts) {
  const isTrusted = yield* TrustedProxies
  const shares = yield* ClientShares

  return <E, R>(
    contract: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest | Scope.Scope> =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      if (!isOrdinary(request, hosts)) return contract
      const address = holderOf(clientAddress(request, isTrusted))
      if (!shares.enter(address)) return contract
      const text = Effect.map(Effect.result(request.text), Result.getOrUndefined)
      return Effect.flatMap<
        HttpServerResponse.HttpServerResponse | undefined,
        never,
        never,
        HttpServerResponse.HttpServerResponse,
        E,
        R | Scope.Scope
      >(
        Effect.onExit(answer(request.headers[header]!, text), () => Effect.sync(() => shares.leave(address))),
        (response) => response === undefined ? contract : shares.bounded(address, request, safely(response))
      )
    })
})
