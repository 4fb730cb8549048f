/**
 * Reading a message as far as something is decided on it, and writing the proxy's own. Ids are kept as the text that they
 * are.
 *
 * @internal
 */
import * as Result from "effect/Result"
import { isNestedDeeper } from "../../internal/jsonNesting.ts"
import * as JsonRpc from "../JsonRpc.ts"
import { misreadMessage } from "./memberNames.ts"
import { MessageSketch } from "./messageSketch.ts"
import { elementsAt, objectAt, type ObjectText } from "./rawMessage.ts"

/** Far more than any message of the protocol has, and little enough for every reader's stack. */
const maxDepth = 1000

/**
 * A message: its text, and what that says.
 *
 * @internal
 */
export interface Read {
  readonly object: ObjectText
  readonly value: JsonRpc.Message
  /** The text of its id, where it has one. */
  readonly id: string | undefined
}

/**
 * Why a message is not read, and what is known all the same.
 *
 * @internal
 */
export interface Refused {
  readonly code: number
  readonly why: string
  readonly id: string | undefined
  readonly hasMethod: boolean
  /** Whether it is JSON at all: what else a server prints is not part of the conversation. */
  readonly isMessage: boolean
}

/** @internal */
export const readMessage = (text: string): Result.Result<Read, Refused> => {
  if (isNestedDeeper(text, maxDepth)) {
    const sketch = new MessageSketch()
    sketch.feed(new TextEncoder().encode(text))
    const { hasMethod, id } = sketch
    return refuse(JsonRpc.ErrorCode.invalidRequest, `this nests more than ${maxDepth} levels deep`, { hasMethod, id })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refuse(JsonRpc.ErrorCode.parseError, "this is not JSON", { isMessage: false })
  }
  if (!JsonRpc.isRecord(value)) {
    return refuse(JsonRpc.ErrorCode.invalidRequest, "a message is a JSON object", { isMessage: false })
  }
  const object = objectAt(text)!
  const id = idOf(object, value)
  const wrong = object.repeated === undefined
    ? misreadMessage(value)
    : `${JSON.stringify(object.repeated)} stands twice`
  return wrong === undefined
    ? Result.succeed({ object, value, id })
    : refuse(JsonRpc.ErrorCode.invalidRequest, wrong, { id, hasMethod: "method" in value })
}

const refuse = (
  code: number,
  why: string,
  { hasMethod = true, id, isMessage = true }: Partial<Omit<Refused, "code" | "why">>
): Result.Result<never, Refused> => Result.fail({ code, why, id, hasMethod, isMessage })

const idOf = (object: ObjectText, { id }: JsonRpc.Message): string | undefined =>
  typeof id === "string" || Number.isFinite(id) ? object.raw("id") : undefined

/**
 * A batch is its messages: taken as a whole, it would carry calls past the policy. What is no batch is itself.
 *
 * @internal
 */
export const messagesIn = (text: string): ReadonlyArray<string> => {
  if (!/^[ \t\r\n]*\[/.test(text) || isNestedDeeper(text, maxDepth + 1)) return [text]
  try {
    JSON.parse(text)
  } catch {
    return [text]
  }
  const elements = elementsAt(text)!
  return elements.length === 0 ? [text] : elements
}

/**
 * Under which an id, or a progress token, is found again: `1` and `1.0` are the same, 2^53 and 2^53 + 1 are not.
 *
 * @internal
 */
export const keyOfId = (id: string): string => {
  const value = JSON.parse(id) as unknown
  return typeof value === "string" ? `s${value}` : Number.isSafeInteger(value) ? `n${String(value)}` : `t${id}`
}

/**
 * What is open under an id that a server answered: a server that holds numbers as doubles answers another one than it was
 * asked with, where that was beyond 2^53.
 *
 * @internal
 */
export const findById = <A>(open: ReadonlyMap<string, A>, id: string): A | undefined => {
  const key = keyOfId(id)
  const exact = open.get(key)
  if (exact !== undefined || !key.startsWith("t")) return exact
  const near = [...open].filter(([other]) => other.startsWith("t") && Number(other.slice(1)) === Number(id))
  return near.length === 1 ? near[0]![1] : undefined
}

// --- the proxy's own messages ----------------------------------------------------------------------------------------

/** @internal */
export const responseText = (id: string, member: "result" | "error", json: string): string =>
  `{"jsonrpc":"2.0","id":${id},"${member}":${json}}`

/** @internal */
export const errorText = (id: string | undefined, code: number, message: string, data?: unknown): string =>
  responseText(id ?? "null", "error", JSON.stringify({ code, message, ...(data === undefined ? {} : { data }) }))

/** @internal */
export const notificationText = (method: string, params: string): string =>
  `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${params}}`
