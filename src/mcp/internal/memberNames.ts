/**
 * Names that are read in more than one way. The policy decides on what `method`, `name` and `arguments` say; a server that
 * matches names without case (as Go's `encoding/json` does, where the last one wins) would act on `Method`, `Name` and
 * `Arguments` instead.
 *
 * @internal
 */

import { metaKeys } from "./era.ts"
import { knownNotifications, knownRequests } from "./methods.ts"

/** Case, compatibility forms (`ſ`, the Kelvin sign), the dot of `İ`, dashes, and what follows a NUL: some reader ignores each. */
const fold = (name: string): string =>
  name.split("\0", 1)[0]!.normalize("NFKC").toUpperCase().toLowerCase().replaceAll(/[\u0307_-]/g, "")

/** The known names by what they are folded to. */
type Names = ReadonlyMap<string, string>

const names = (...known: ReadonlyArray<string>): Names => new Map(known.map((name) => [fold(name), name]))

/**
 * The names that the proxy or a server acts on.
 *
 * @internal
 */
export const namesOf = {
  message: names("jsonrpc", "id", "method", "params", "result", "error"),
  /** The params of `tools/call`, in all revisions of the protocol. */
  call: names("name", "arguments", "_meta", "task", "inputResponses", "requestState"),
  /** The params of the requests that can be governed beside calls. */
  read: names("uri", "name", "arguments", "ref", "argument", "context", "_meta", "inputResponses", "requestState"),
  /** `_meta` of a request. */
  meta: names("progressToken", ...Object.values(metaKeys)),
  /** The params of `notifications/cancelled`. */
  cancellation: names("requestId"),
  /** The result of `tools/list` or `prompts/list`, and a tool or prompt in it. */
  list: names("tools", "prompts", "nextCursor", "cacheScope"),
  tool: names("name"),
  /** A result in which a server says what it is. */
  instructions: names("instructions")
} as const

/** The methods that the proxy knows: another spelling of one of them is none. */
const methods = names(...knownRequests, ...knownNotifications)

/**
 * The first member whose name some reader takes for a known one and another does not.
 *
 * @internal
 */
export const misread = (value: Readonly<Record<string, unknown>>, known: Names): string | undefined => {
  for (const name of Object.keys(value)) {
    const meant = known.get(fold(name))
    if (meant !== undefined && meant !== name) return `${JSON.stringify(name)}: it may be read as ${meant}`
  }
  return undefined
}

/**
 * Why a message may be read as another one: by the names of its members, or by that of its method.
 *
 * @internal
 */
export const misreadMessage = (message: Readonly<Record<string, unknown>>): string | undefined => {
  const wrong = misread(message, namesOf.message)
  if (wrong !== undefined || !("method" in message)) return wrong
  const { method } = message
  if (typeof method !== "string") return "method: Expected string"
  if ("result" in message || "error" in message) return "a message is a request or an answer, not both"
  const meant = methods.get(fold(method.trim()))
  return meant === undefined || meant === method ? undefined : `method: it may be read as ${meant}`
}
