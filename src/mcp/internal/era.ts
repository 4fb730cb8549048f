/**
 * Which era of the protocol a request belongs to. Modern requests (revision 2026-07-28 and later) say so themselves, each of
 * them, in `params._meta`; legacy ones belong to a conversation that began with `initialize`. Both may come over one
 * connection.
 *
 * @internal
 */
import { isRecord } from "../../internal/isRecord.ts"
import * as JsonRpc from "../JsonRpc.ts"

/**
 * The modern revisions that the proxy understands.
 *
 * @internal
 */
export const modernVersions: ReadonlyArray<string> = ["2026-07-28"]

/** @internal */
export const knownVersions: ReadonlyArray<string> = [
  "2024-11-05",
  "2025-03-26",
  "2025-06-18",
  "2025-11-25",
  ...modernVersions
]

const prefix = "io.modelcontextprotocol/"

/**
 * The members of `_meta` that the protocol defines.
 *
 * @internal
 */
export const metaKeys = {
  protocolVersion: `${prefix}protocolVersion`,
  clientCapabilities: `${prefix}clientCapabilities`,
  clientInfo: `${prefix}clientInfo`,
  serverInfo: `${prefix}serverInfo`,
  subscriptionId: `${prefix}subscriptionId`
} as const

/** @internal */
export interface Legacy {
  readonly _tag: "Legacy"
}

/** @internal */
export interface Modern {
  readonly _tag: "Modern"
  readonly version: string
  readonly capabilities: Readonly<Record<string, unknown>>
}

/** @internal */
export type Era = Legacy | Modern

/** A request whose envelope is no good. */
interface BadEnvelope {
  readonly _tag: "BadEnvelope"
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

const legacy: Legacy = { _tag: "Legacy" }

const unsupported = (requested: unknown): BadEnvelope => ({
  _tag: "BadEnvelope",
  code: JsonRpc.ErrorCode.unsupportedProtocolVersion,
  message: "this revision of the protocol is not known here",
  data: { supported: modernVersions, requested }
})

const invalid = (message: string): BadEnvelope => ({
  _tag: "BadEnvelope",
  code: JsonRpc.ErrorCode.invalidParams,
  message
})

/**
 * The era of a request.
 *
 * @internal
 */
export const eraOf = (method: string, params: JsonRpc.Message): Era | BadEnvelope => {
  if (method === "initialize") return legacy
  const meta = JsonRpc.member(params, "_meta")
  const version = meta[metaKeys.protocolVersion]
  const capabilities = meta[metaKeys.clientCapabilities]
  if (version === undefined) {
    return method === "server/discover" || method === "subscriptions/listen" || capabilities !== undefined
      ? invalid(`_meta: Expected ${metaKeys.protocolVersion}`)
      : legacy
  }
  if (typeof version !== "string") return invalid(`_meta.${metaKeys.protocolVersion}: Expected string`)
  if (!modernVersions.includes(version)) return unsupported(version)
  if (!isRecord(capabilities)) return invalid(`_meta.${metaKeys.clientCapabilities}: Expected object`)
  return { _tag: "Modern", version, capabilities }
}

/**
 * Whether a modern client has said that it can show an address to its user.
 *
 * @internal
 */
export const canOpenUrls = ({ capabilities }: Modern): boolean =>
  isRecord(JsonRpc.member(capabilities, "elicitation")["url"])

/**
 * Whether a modern client is known to go on after `input_required`: one that declares nothing at all may not be.
 *
 * @internal
 */
export const takesRounds = ({ capabilities }: Modern): boolean => Object.keys(capabilities).length > 0
