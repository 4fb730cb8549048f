/**
 * The fast path: one tool call on the wire, in fewer steps than the derived client takes. An agent makes these calls all
 * day; every other operation uses the derived client alone.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import type { Allowed } from "../../model/Allowed.ts"
import type { BufferedResponse } from "../../transport/internal/BufferedResponse.ts"
import { derivedClient } from "../../transport/internal/derivedClient.ts"
import { directExchangeOf } from "../../transport/internal/directExchange.ts"
import type { Transport } from "../../transport/Transport.ts"
import {
  AllowedBody,
  Blocked403,
  Pending202,
  readAllowed,
  type ToolCallBody,
  ToolCallsApi
} from "../wire/ToolCallsApi.ts"

const contentType = "application/json"
const request = HttpClientRequest.post("/mcp/tools/call", { headers: { "content-type": contentType } })

const isAllowed = Schema.is(AllowedBody)
const decodePending = Schema.decodeUnknownResult(Pending202)
const decodeBlocked = Schema.decodeUnknownResult(Blocked403)

/** What the policy decided, where an answer is plainly one of its three. */
const read = (status: number, body: unknown): Answer | undefined => {
  switch (status) {
    case 200:
      return isAllowed(body) ? readAllowed(body) : undefined
    case 202:
      return Result.getOrUndefined(decodePending(body))
    case 403:
      return Result.getOrUndefined(decodeBlocked(body))
    default:
      return undefined
  }
}

/** A denial is an answer as good as the others. As a failure it would have to pass everyone who looks for one. */
type Answer = Allowed | typeof Pending202.Type | typeof Blocked403.Type

const decoder = new TextDecoder()

const parse = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(decoder.decode(bytes))
  } catch {
    return undefined
  }
}

// --- answers that are not plainly one of the policy's ----------------------------------------------------------------

const CurrentAnswer = Context.Reference<BufferedResponse | undefined>(
  "effect-vargate/internal/fastPath/CurrentAnswer",
  {
    defaultValue: () => undefined
  }
)

/** A client without a wire: whatever it is asked, it answers with what has arrived. */
const arrived: HttpClient.HttpClient = HttpClient.makeWith(
  (request: Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError.HttpClientError>) =>
    Effect.flatMap(
      Effect.zip(request, CurrentAnswer),
      ([, answer]) => answer === undefined ? Effect.die("no answer to read") : Effect.succeed(answer)
    ),
  (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(request)
)

const { toolCalls } = derivedClient(arrived)(ToolCallsApi)

const readByContract = (answer: BufferedResponse) =>
  toolCalls.call({ payload: unread }).pipe(
    Effect.catchTag("Blocked403", Effect.succeed),
    Effect.provideService(CurrentAnswer, answer)
  )

const unread = { agent_id: "-", tool: "-", method: "-" }

// --- sending ---------------------------------------------------------------------------------------------------------

/**
 * A call that is to be sent.
 *
 * @internal
 */
export interface Sendable {
  readonly payload: () => typeof ToolCallBody.Type
  /** The payload as it is sent. */
  readonly text: string
}

/** Runs before a call is sent, and keeps it from being sent by a failure. */
type Before = Effect.Effect<void, VargateError>

/**
 * How calls are sent over a transport, each once, and their answers read. An answer that is not plainly one of the policy's
 * is read by the derived client, which knows every error.
 *
 * @internal
 */
export const makeSend = (transport: Transport["Service"]) => {
  const exchange = directExchangeOf(transport)
  const client = transport.client(ToolCallsApi)
  const options = (name: string, before?: Before) => ({ name, sideEffect: "possible" as const, before })

  /** It writes the payload itself, and must not send other numbers than were decided on. */
  const derived = (name: string, { payload, text }: Sendable) => {
    const body = payload()
    const isKept = JSON.stringify(body) === text
      ? Effect.void
      : Effect.fail(invalidRequest(name, [{
        path: ["body", "params"],
        message: "Expected numbers that a double holds: the transport in use writes params anew"
      }]))
    const called = transport.request(options(name), client.toolCalls.call({ payload: body }))
    return Effect.andThen(isKept, Effect.catchTag(called, "Blocked403", Effect.succeed))
  }

  return (name: string, call: Sendable, before?: Before) =>
    exchange === undefined
      ? before === undefined ? derived(name, call) : Effect.andThen(before, derived(name, call))
      : exchange(
        options(name, before),
        request,
        HttpBody.text(call.text, contentType),
        (answer) => {
          const plain = read(answer.status, parse(answer.bytes))
          return plain === undefined ? readByContract(answer) : Effect.succeed(plain)
        }
      )
}
