/**
 * JSON-RPC 2.0 as far as a proxy needs it: which kind a message is, and how to answer one.
 *
 * @since 0.1.0
 */
import * as Internal from "../internal/isRecord.ts"

/**
 * The id of a request, unique among the requests of one side that are not answered yet.
 *
 * @category models
 * @since 0.1.0
 */
export type Id = string | number

/**
 * A message. Whatever else it holds is passed on as it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly [key: string]: unknown
}

/**
 * A message that wants an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request extends Message {
  readonly id: Id
  readonly method: string
}

/**
 * An answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response extends Message {
  readonly id: Id
}

/**
 * Whether a value is an object, which every message is.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRecord: (value: unknown) => value is Readonly<Record<string, unknown>> = Internal.isRecord

const hasId = (message: Message): message is Response =>
  typeof message["id"] === "string" || Number.isFinite(message["id"])

/**
 * Whether a message is a request.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRequest = (message: Message): message is Request =>
  typeof message["method"] === "string" && hasId(message)

/**
 * Whether a message is an answer.
 *
 * @category guards
 * @since 0.1.0
 */
export const isResponse = (message: Message): message is Response => !("method" in message) && hasId(message)

/**
 * The member of that name, where it is an object; otherwise an empty one.
 *
 * @category accessors
 * @since 0.1.0
 */
export const member = (message: Message, name: string): Readonly<Record<string, unknown>> => {
  const value = message[name]
  return isRecord(value) ? value : {}
}

/**
 * Codes of errors: those of JSON-RPC itself, the one that MCP implementations use for a lost connection, and those of
 * revision 2026-07-28.
 *
 * @category models
 * @since 0.1.0
 */
export const ErrorCode = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  connectionClosed: -32000,
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedProtocolVersion: -32022
} as const

/**
 * A request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const request = (id: Id, method: string, params: unknown): Request => ({ jsonrpc: "2.0", id, method, params })

/**
 * A message that wants no answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const notification = (method: string, params: unknown): Message => ({ jsonrpc: "2.0", method, params })

/**
 * The answer to a request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const result = (id: Id, result: unknown): Response => ({ jsonrpc: "2.0", id, result })

/**
 * The answer to a request that failed, or (`null`) to a message that cannot be read.
 *
 * @category constructors
 * @since 0.1.0
 */
export const error = (id: Id | null, code: number, message: string): Message => ({
  jsonrpc: "2.0",
  id,
  error: { code, message }
})
