/**
 * A modern request over HTTP: a conversation of one request, whose end is its answer.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as JsonRpc from "../JsonRpc.ts"
import type { Incoming, McpChannel } from "../McpChannel.ts"
import { makeEventStream } from "./httpSession.ts"
import { errorText, notificationText, type Read, readMessage } from "./messages.ts"

/** How a request is answered. */
interface Answering {
  /** Whether the client reads events. */
  readonly isEvents: boolean
  /** Whether the head of the answer leaves at once, and its status with it. */
  readonly isAtOnce: boolean
  /** Begins the conversation, which lives as long as the route. */
  readonly begin: (client: McpChannel) => Effect.Effect<unknown>
}

/** Errors of which HTTP has a status of its own. */
const statusOf = ({ value }: Read): number => {
  const { code } = JsonRpc.member(value, "error")
  switch (code) {
    case JsonRpc.ErrorCode.methodNotFound:
      return 404
    case JsonRpc.ErrorCode.headerMismatch:
    case JsonRpc.ErrorCode.missingClientCapability:
    case JsonRpc.ErrorCode.unsupportedProtocolVersion:
      return 400
    default:
      return 200
  }
}

/**
 * Its response: the answer as JSON, or events that end with it.
 *
 * @internal
 */
export const answer = Effect.fnUntraced(function*(
  text: string,
  id: string,
  { begin, isAtOnce, isEvents }: Answering
) {
  const incoming = yield* Queue.unbounded<Incoming, Cause.Done>()
  /** What is said before it is known how: the first message decides. */
  const first = yield* Deferred.make<Read>()
  const cancel = Effect.sync(() => {
    Queue.offerUnsafe(
      incoming,
      notificationText("notifications/cancelled", `{"requestId":${id},"reason":"the client has disconnected"}`)
    )
    Queue.endUnsafe(incoming)
  })
  let isAnswered = false
  const stream = yield* makeEventStream(Effect.suspend(() => isAnswered ? Effect.void : cancel))

  const send = (message: string) =>
    Effect.suspend(() => {
      const read = Result.getOrUndefined(readMessage(message))
      if (isAnswered || read === undefined) return Effect.void
      stream.write(message)
      if (typeof read.value["method"] !== "string") {
        isAnswered = true
        stream.end()
        Queue.endUnsafe(incoming)
      }
      return isEvents || isAnswered ? Effect.asVoid(Deferred.succeed(first, read)) : Effect.void
    })

  const client: McpChannel = {
    incoming: Stream.fromQueue(incoming),
    send,
    // The conversation has ended without an answer where the server has.
    end: Effect.suspend(() => send(errorText(id, JsonRpc.ErrorCode.connectionClosed, "the MCP server has ended")))
  }
  Queue.offerUnsafe(incoming, text)
  yield* begin(client)
  if (isAtOnce) return stream.response
  const read = yield* Effect.onInterrupt(Deferred.await(first), () => cancel)
  if (typeof read.value["method"] === "string") return stream.response
  return statusOf(read) === 200
    ? HttpServerResponse.text(read.object.text, { contentType: "application/json" })
    : HttpServerResponse.text(read.object.text, { status: statusOf(read), contentType: "application/json" })
})
