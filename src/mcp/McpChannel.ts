/**
 * One side of an MCP conversation, whatever carries it: messages come in, messages go out.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as JsonRpc from "./JsonRpc.ts"

/**
 * The other side cannot be reached, or is gone. `detail` says how.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChannelFailed extends Schema.TaggedError<ChannelFailed>("effect-vargate/mcp/ChannelFailed")(
  "ChannelFailed",
  { detail: Schema.String }
) {
  override get message() {
    return `The MCP connection failed: ${this.detail}.`
  }
}

/**
 * One side of an MCP conversation.
 *
 * @category models
 * @since 0.1.0
 */
export interface McpChannel {
  /** What the other side sends: parsed JSON, or `undefined` for what is none. Ends when the other side has gone. */
  readonly incoming: Stream.Stream<unknown, ChannelFailed>
  /**
   * Sends a message. `relatedTo` is the request of the other side that it belongs to, where it is not the answer itself:
   * Streamable HTTP sends it on that request's stream.
   */
  readonly send: (message: JsonRpc.Message, relatedTo?: JsonRpc.Id) => Effect.Effect<void, ChannelFailed>
  /** Says that nothing more will be sent, and waits until what was sent has left. */
  readonly end: Effect.Effect<void>
}

/**
 * What this module needs of a transport of the official TypeScript SDK (`@modelcontextprotocol/sdk`): each of them fits.
 *
 * @category models
 * @since 0.1.0
 */
export interface SdkTransport {
  start(): Promise<void>
  send(message: never, options?: never): Promise<void>
  close(): Promise<void>
  onmessage?: ((message: never) => void) | undefined
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  setProtocolVersion?: ((version: string) => void) | undefined
}

/**
 * A channel over a transport of the official SDK, client's or server's: Streamable HTTP, or two ends in one process. The
 * transport must not be started yet; it is closed with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromTransport = Effect.fnUntraced(function*(
  transport: SdkTransport
): Effect.fn.Return<McpChannel, ChannelFailed, Scope.Scope> {
  const incoming = yield* Queue.unbounded<unknown, Cause.Done>()
  const failed = (cause: unknown) =>
    new ChannelFailed({ detail: cause instanceof Error ? cause.message : "the transport gave no reason" })

  Object.assign(transport, {
    onmessage: (message: unknown) => {
      // HTTP names the negotiated version in a header of every later request.
      const version = JsonRpc.isRecord(message) ? JsonRpc.member(message, "result")["protocolVersion"] : undefined
      if (typeof version === "string") transport.setProtocolVersion?.(version)
      Queue.offerUnsafe(incoming, message)
    },
    onclose: () => void Queue.endUnsafe(incoming),
    // Fatal errors close the transport or fail what is being sent; the others are nothing to act on.
    onerror: () => {}
  })
  yield* Effect.acquireRelease(
    Effect.tryPromise({ try: () => transport.start(), catch: failed }),
    () => Effect.ignore(Effect.tryPromise(() => transport.close()))
  )
  return {
    incoming: Stream.fromQueue(incoming),
    send: (message, relatedTo) =>
      Effect.tryPromise({
        try: () =>
          transport.send(message as never, (relatedTo === undefined ? {} : { relatedRequestId: relatedTo }) as never),
        catch: failed
      }),
    end: Effect.ignore(Effect.tryPromise(() => transport.close()))
  }
})
