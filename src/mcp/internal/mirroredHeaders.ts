/**
 * The headers of a modern request over HTTP, which repeat what its body says. What stands before a server may act on them,
 * so they have to agree: the decision is made on the body.
 *
 * @internal
 */
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as JsonRpc from "../JsonRpc.ts"
import { metaKeys } from "./era.ts"

/** What there is to do with a task: other methods that begin so are gone, or unknown, which is for the server to say. */
const tasks: ReadonlySet<string> = new Set(["tasks/get", "tasks/update", "tasks/cancel"])

/** Which member of the params a request is named by. */
const nameOf = (method: string, params: JsonRpc.Message): string | undefined => {
  const value = method === "tools/call" || method === "prompts/get"
    ? params["name"]
    : method === "resources/read"
    ? params["uri"]
    : tasks.has(method)
    ? params["taskId"]
    : undefined
  return typeof value === "string" ? value : undefined
}

const encode = (value: string): string =>
  /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith("=?base64?")
    ? value
    : `=?base64?${Base64.encode(value)}?=`

const decode = (value: string): string | undefined => {
  const match = /^=\?base64\?([A-Za-z0-9+/=]*)\?=$/.exec(value)
  return match === null ? value : Result.getOrUndefined(Base64.decodeString(match[1]!))
}

/**
 * The headers of a modern request that is sent on.
 *
 * @internal
 */
export const mirroredHeaders = (
  method: string,
  params: JsonRpc.Message,
  mirrored: ReadonlyMap<string, ReadonlyArray<string>> = new Map()
): Record<string, string> => {
  const version = JsonRpc.member(params, "_meta")[metaKeys.protocolVersion]
  const name = nameOf(method, params)
  const headers: Record<string, string> = { "mcp-protocol-version": String(version), "mcp-method": method }
  if (name !== undefined) headers["mcp-name"] = encode(name)
  for (const [header, path] of mirrored) {
    const value = textOf(at(JsonRpc.member(params, "arguments"), path))
    if (value !== undefined) headers[`mcp-param-${header}`] = encode(value)
  }
  return headers
}

const at = (value: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce((inner, key) => JsonRpc.isRecord(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined, value)

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : undefined

/** Whether some argument, at any depth, is written so. */
const holds = (value: unknown, text: string): boolean =>
  JsonRpc.isRecord(value) || Array.isArray(value)
    ? Object.values(value).some((inner) => holds(inner, text))
    : textOf(value) === text

/**
 * How headers disagree with the body of a modern request.
 *
 * **Details**
 *
 * Which argument an `Mcp-Param-*` header repeats is known from the tool's schema. Where the schema has not been listed here,
 * the header has to be the value of some argument at least.
 *
 * @internal
 */
export const disagreement = (
  headers: Readonly<Record<string, string | undefined>>,
  method: string,
  params: JsonRpc.Message,
  mirrored: ReadonlyMap<string, ReadonlyArray<string>> | undefined
): string | undefined => {
  const version = JsonRpc.member(params, "_meta")[metaKeys.protocolVersion]
  if (headers["mcp-protocol-version"] !== version) return "MCP-Protocol-Version: Expected the revision of the body"
  if (headers["mcp-method"] !== method) return "Mcp-Method: Expected the method of the body"
  const name = nameOf(method, params)
  const named = headers["mcp-name"]
  if (
    name === undefined
      ? named !== undefined && method !== "tools/call"
      : named === undefined || decode(named) !== name
  ) {
    return "Mcp-Name: Expected the name in the body"
  }
  const given = JsonRpc.member(params, "arguments")
  for (const [header, path] of mirrored ?? []) {
    const value = textOf(at(given, path))
    const sent = headers[`mcp-param-${header}`]
    if (value === undefined ? sent !== undefined : sent === undefined || decode(sent) !== value) {
      return `Mcp-Param-${header}: Expected the argument in the body`
    }
  }
  for (const [header, sent] of Object.entries(headers)) {
    if (!header.startsWith("mcp-param-") || sent === undefined) continue
    if (mirrored?.has(header.slice("mcp-param-".length)) === true) continue
    const value = decode(sent)
    if (mirrored !== undefined || value === undefined || !holds(given, value)) {
      return `${header}: Expected an argument in the body`
    }
  }
  return undefined
}

/**
 * The arguments of tools that headers repeat (`x-mcp-header` in their schemas), by the names of the tools.
 *
 * @internal
 */
export class MirroredArguments {
  private readonly tools = new Map<string, ReadonlyMap<string, ReadonlyArray<string>>>()

  of(tool: unknown): ReadonlyMap<string, ReadonlyArray<string>> | undefined {
    return typeof tool === "string" ? this.tools.get(tool) : undefined
  }

  /** Learns from a result of `tools/list`. */
  learn(result: JsonRpc.Message): void {
    const tools: unknown = result["tools"]
    if (!Array.isArray(tools)) return
    for (const tool of tools as ReadonlyArray<unknown>) {
      if (!JsonRpc.isRecord(tool) || typeof tool["name"] !== "string") continue
      const found = new Map<string, ReadonlyArray<string>>()
      collect(tool["inputSchema"], [], found)
      if (this.tools.size >= 10_000) this.tools.clear()
      this.tools.set(tool["name"], found)
    }
  }
}

const collect = (schema: unknown, path: ReadonlyArray<string>, found: Map<string, ReadonlyArray<string>>): void => {
  if (!JsonRpc.isRecord(schema) || path.length > 16) return
  const header = schema["x-mcp-header"]
  // What is no header's name would make every request of the tool one that cannot be sent.
  if (typeof header === "string" && /^[\w-]{1,100}$/.test(header) && path.length > 0) {
    found.set(header.toLowerCase(), path)
  }
  for (const [key, inner] of Object.entries(JsonRpc.member(schema, "properties"))) collect(inner, [...path, key], found)
}
