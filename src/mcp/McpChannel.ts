/**
 * One side of an MCP conversation, whatever carries it: messages come in, messages are sent. A message is the text of its
 * JSON, which is passed on as it came.
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
 * The other side cannot be reached, or has ended. `detail` says how. `isUnsent` is true where what was sent has certainly
 * not arrived, or was certainly not acted on.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChannelFailed extends Schema.TaggedError<ChannelFailed>("effect-vargate/mcp/ChannelFailed")(
  "ChannelFailed",
  { detail: Schema.String, isUnsent: Schema.optional(Schema.Boolean) }
) {
  override get message() {
    return `The MCP connection failed: ${this.detail}.`
  }
}

/**
 * What came in place of a message: too long, not UTF-8, or without JSON. `why` begins like "this is ...".
 *
 * @category models
 * @since 0.2.0
 */
export class Unreadable {
  readonly why: string
  /** The text of its id, where that can be told. */
  readonly id: string | undefined
  /** Whether it names a method. */
  readonly hasMethod: boolean

  constructor(why: string, { hasMethod, id }: { readonly id: string | undefined; readonly hasMethod: boolean }) {
    this.why = why
    this.id = id
    this.hasMethod = hasMethod
  }
}

/**
 * A request that was sent has no answer, and will have none. `isUnsent` is true where it has certainly not arrived, or was
 * certainly not acted on.
 *
 * @category models
 * @since 0.2.0
 */
export class Unanswered {
  /** The text of its id. */
  readonly id: string
  readonly why: string
  readonly isUnsent: boolean

  constructor(id: string, why: string, isUnsent: boolean) {
    this.id = id
    this.why = why
    this.isUnsent = isUnsent
  }
}

/**
 * What the other side sends: the text of a message, or what came in its place.
 *
 * @category models
 * @since 0.2.0
 */
export type Incoming = string | Unreadable | Unanswered

/**
 * One side of an MCP conversation.
 *
 * @category models
 * @since 0.1.0
 */
export interface McpChannel {
  /** What the other side sends. Ends when the other side has ended. */
  readonly incoming: Stream.Stream<Incoming, ChannelFailed>
  /**
   * Sends the text of a message. `relatedTo` is the text of the id of the other side's request that it belongs to, where
   * it is not the answer itself: Streamable HTTP sends it on that request's stream.
   */
  readonly send: (message: string, relatedTo?: string) => Effect.Effect<void, ChannelFailed>
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
 * The text of a message that is an object already. It is read once: a client in the same process keeps its object, and could
 * change it meanwhile.
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromValue = (message: unknown): Incoming => {
  try {
    // What has no JSON has no text, which is read as no JSON.
    return JSON.stringify(message) as string | undefined ?? ""
  } catch (thrown) {
    // Only the stack of `JSON.stringify` ends with a RangeError.
    const why = thrown instanceof RangeError ? "this nests too deep" : "this cannot be written as JSON"
    return new Unreadable(why, sketchOf(message))
  }
}

const sketchOf = (message: unknown) => {
  try {
    if (!JsonRpc.isRecord(message)) return { id: undefined, hasMethod: false }
    const { id } = message
    return {
      id: typeof id === "string" || Number.isFinite(id) ? JSON.stringify(id) : undefined,
      hasMethod: "method" in message
    }
  } catch {
    return { id: undefined, hasMethod: false }
  }
}

/**
 * A channel over a transport of the official SDK, client's or server's: Streamable HTTP, or two ends in one process. The
 * transport must not be started yet; it is closed with the scope.
 *
 * **Gotchas**
 *
 * Transports of the SDK parse what they carry, so numbers beyond 2^53 have changed before they are here. `McpStdio` and
 * `McpHttp` carry messages as they came.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromTransport = Effect.fnUntraced(function*(
  transport: SdkTransport
): Effect.fn.Return<McpChannel, ChannelFailed, Scope.Scope> {
  const incoming = yield* Queue.unbounded<Incoming, Cause.Done>()
  const failed = (cause: unknown) =>
    new ChannelFailed({
      detail: cause instanceof Error ? cause.message : "the transport gave no reason",
      isUnsent: isUnsent(cause)
    })

  Object.assign(transport, {
    onmessage: (message: unknown) => {
      // HTTP names the negotiated version in a header of every later request.
      const version = JsonRpc.isRecord(message) ? JsonRpc.member(message, "result")["protocolVersion"] : undefined
      if (typeof version === "string") transport.setProtocolVersion?.(version)
      Queue.offerUnsafe(incoming, fromValue(message))
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
          transport.send(
            JSON.parse(message) as never,
            (relatedTo === undefined ? {} : { relatedRequestId: JSON.parse(relatedTo) as unknown }) as never
          ),
        catch: failed
      }),
    end: Effect.ignore(Effect.tryPromise(() => transport.close()))
  }
})

/** A server that knows no such session (404) has not looked at the message; nor has one to which there is no connection. */
const isUnsent = (cause: unknown): boolean => {
  if (!(cause instanceof Error)) return false
  if ("code" in cause && cause.code === 404) return true
  const inner = cause.cause
  return inner instanceof Error && "code" in inner && (inner.code === "ECONNREFUSED" || inner.code === "ENOTFOUND")
}
