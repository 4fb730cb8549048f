/**
 * One tool call on the wire, in fewer steps than the derived client takes. An agent makes these calls all day; every other
 * operation uses the derived client alone.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Allowed } from "../../model/Allowed.ts"
import type { Client, Direct } from "../../transport/Transport.ts"
import {
  AllowedBody,
  Blocked403,
  Pending202,
  readAllowed,
  type ToolCallBody,
  type ToolCallsApi
} from "../wire/ToolCallsApi.ts"

const contentType = "application/json"
const request = HttpClientRequest.post("/mcp/tools/call", { headers: { "content-type": contentType } })

const isAllowed = Schema.is(AllowedBody)
const decodePending = Schema.decodeUnknownResult(Pending202)
const decodeBlocked = Schema.decodeUnknownResult(Blocked403)

/** What the policy decided, where an answer is plainly one of its three. */
const read = (status: number, body: unknown): Decided | undefined => {
  switch (status) {
    case 200:
      return isAllowed(body) ? Effect.succeed(readAllowed(body)) : undefined
    case 202: {
      const pending = decodePending(body)
      return Result.isSuccess(pending) ? Effect.succeed(pending.success) : undefined
    }
    case 403: {
      const blocked = decodeBlocked(body)
      return Result.isSuccess(blocked) ? Effect.fail(blocked.success) : undefined
    }
    default:
      return undefined
  }
}

type Decided = Effect.Effect<Allowed | typeof Pending202.Type, typeof Blocked403.Type>

const decoder = new TextDecoder()

const parse = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(decoder.decode(bytes))
  } catch {
    return undefined
  }
}

/**
 * Sends a call once. `text` is its payload as it is sent. An answer that is not plainly one of the policy's is left to the
 * derived client, which reads it as the contract says and knows every error.
 *
 * @internal
 */
export const exchangeToolCall = (
  payload: () => typeof ToolCallBody.Type,
  text: string,
  client: Client<[typeof ToolCallsApi]>,
  { execute, reread }: Direct
) =>
  execute(
    request,
    HttpBody.text(text, contentType),
    (answer) =>
      read(answer.status, parse(answer.bytes)) ?? reread(answer, client.toolCalls.call({ payload: payload() }))
  )
