/**
 * What stands before everything else that a route of MCP does with a request: from where it comes, by whom it is sent, and
 * whether it can be read.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { concatBytes } from "../../internal/concatBytes.ts"
import * as JsonRpc from "../JsonRpc.ts"
import type { Incoming } from "../McpChannel.ts"
import { decodeMessage, maxMessageBytes } from "./lineFraming.ts"
import { errorText } from "./messages.ts"

/** @internal */
export const refuse = (
  status: number,
  message: string,
  {
    code = JsonRpc.ErrorCode.connectionClosed,
    data,
    headers = {},
    id
  }: {
    readonly code?: number
    readonly data?: unknown
    readonly id?: string
    readonly headers?: Record<string, string>
  } = {}
) => HttpServerResponse.text(errorText(id, code, message, data), { status, contentType: "application/json", headers })

/** Of the headers that a browser asks for, those that clients of MCP send. */
const requestHeaders =
  "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id"

/**
 * The headers that let a browser's page read an answer.
 *
 * @internal
 */
export const corsHeaders = (origin: string): Record<string, string> => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": "mcp-session-id, mcp-protocol-version, www-authenticate",
  vary: "origin"
})

/** @internal */
export const preflight = (request: HttpServerRequest.HttpServerRequest, origin: string) => {
  const asked = request.headers["access-control-request-headers"]?.split(",") ?? []
  const params = asked.map((name) => name.trim().toLowerCase()).filter((name) => /^mcp-param-[\w-]{1,100}$/.test(name))
  return HttpServerResponse.empty({
    status: 204,
    headers: {
      ...corsHeaders(origin),
      "access-control-allow-methods": "GET, POST, DELETE",
      "access-control-allow-headers": [requestHeaders, ...params].join(", "),
      "access-control-max-age": "600"
    }
  })
}

/**
 * The body of a request as it came; undefined where it is too long.
 *
 * @internal
 */
export const readBody = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  const length = Number(request.headers["content-length"])
  if (length > maxMessageBytes) return undefined
  const parts: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEachWhile(request.stream, (part) =>
    Effect.sync(() => {
      size += part.length
      if (size <= maxMessageBytes) parts.push(part)
      return size <= maxMessageBytes
    }))
  if (size > maxMessageBytes) return undefined
  const body: Incoming = decodeMessage(concatBytes(parts))
  return body
})
