/**
 * Checks how anchors are to be verified, before anything is sent.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { checkDuration, checkObject } from "../../../errors/internal/checkInput.ts"
import { invalidRequest } from "../../../errors/internal/invalidRequest.ts"
import type { FieldIssue } from "../../../errors/VargateError.ts"
import { isLoopback } from "../../../internal/loopback.ts"
import { isAddress } from "./contract.ts"
import type { Settings } from "./examine.ts"
import type { Limits } from "./node.ts"

/**
 * A node of the pinned chain that answers JSON-RPC.
 *
 * @category options
 * @since 0.2.0
 */
export interface Node {
  /** Names it in reports: 1 to 64 letters, digits, `.`, `-` and `_`. Its URL, which may carry a key, is never shown. */
  readonly label: string
  /** `https:`, or `http:` on this machine. */
  readonly url: Redacted.Redacted | string
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, Redacted.Redacted | string>> | undefined
  /** Permits plain `http:` to another machine, where every machine on the way can change the answers. Default: false. */
  readonly allowInsecure?: boolean | undefined
}

/**
 * When a block counts: when the chain itself calls it `finalized`, or when so many blocks are on top of it.
 *
 * @category options
 * @since 0.2.0
 */
export type Finality = "finalized" | { readonly confirmations: number }

/**
 * What the auditor knows about the chain, from elsewhere than the gateway.
 *
 * @category options
 * @since 0.2.0
 */
export interface Pins {
  readonly chainId: number
  /** The contract's address. */
  readonly contract: string
  /** The account that alone may write anchors. Default: any. */
  readonly owner?: string | undefined
  /**
   * The number of a block from which on the contract must not have gone to another owner, neither for a while: it is looked for
   * in the contract's logs. That a contract made since then was given its owner is no transfer. Default: the owner is
   * looked at in one block.
   */
  readonly ownerSince?: number | undefined
  /** SHA-256 of the contract's code (`eth_getCode`), in hex. Default: any. */
  readonly codeHash?: string | undefined
  /** What the gateway calls itself in its anchors. Default: `vargate-v1`. */
  readonly systemId?: string | undefined
  readonly finality: Finality
  /** How long after its hour a tree may be anchored at the latest. The hosted gateway needs up to three hours. */
  readonly maxDelay: Duration.Input
  /** The index of the first tree that must be anchored. Default: 0. */
  readonly fromTree?: number | undefined
}

/**
 * Where to ask, and how long.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options extends Pins {
  readonly nodes: ReadonlyArray<Node>
  /** How many of them must be heard and agree, or else nothing is known. Default: all. */
  readonly minNodes?: number | undefined
  /** A node whose final block is older is not heard: it does not follow the chain. Default: one hour. */
  readonly maxLag?: Duration.Input | undefined
  /** Time for one question. Default: 10 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** Time for all questions to one node, and as long again for its logs. Default: 5 minutes. */
  readonly nodeTimeout?: Duration.Input | undefined
  /** The largest answer that is read, in bytes. Default: 4 MiB. */
  readonly maxAnswerBytes?: number | undefined
  /** How often a question is asked again that failed on the way. Default: 2. */
  readonly retries?: number | undefined
  /** The newest so many entries of the contract are read. Default: 10,000. */
  readonly maxEntries?: number | undefined
  /**
   * Logs are asked for in ranges of at most so many blocks; where a node refuses a range, in smaller ones. At most 10,000
   * questions are asked for them. Default: 10,000.
   */
  readonly logRange?: number | undefined
  /** The first so many findings are kept, the others counted. Default: 100. */
  readonly maxFindings?: number | undefined
}

const defaults = {
  logRange: 10_000,
  maxEntries: 10_000,
  maxFindings: 100,
  maxAnswerBytes: 4 * 1024 * 1024,
  retries: 2
} as const

const labelPattern = /^[A-Za-z0-9._-]{1,64}$/
const hashPattern = /^(?:0x)?[0-9a-fA-F]{64}$/

const isCount = (value: unknown, least: number) => Number.isSafeInteger(value) && value as number >= least

const urlIssue = ({ allowInsecure, url }: Node): string | undefined => {
  const parsed = URL.parse(Redacted.isRedacted(url) ? Redacted.value(url) : url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    return "must begin with https:// (or http:// on this machine)"
  }
  if (parsed.username !== "" || parsed.password !== "") return "must have no user: put a key into the path or a header"
  return parsed.protocol === "http:" && allowInsecure !== true && !isLoopback(parsed.hostname)
    ? "plain http lets every machine on the way change the answers: use https, or set allowInsecure"
    : undefined
}

/**
 * What is pinned, checked.
 *
 * @internal
 */
export const checkPins = Effect.fnUntraced(function*(operation: string, pins: Pins) {
  const issues: Array<FieldIssue> = []
  const issue = (isGood: boolean, path: FieldIssue["path"], message: string) => {
    if (!isGood) issues.push({ path, message })
  }
  const { chainId, codeHash, contract, finality, fromTree = 0, owner, ownerSince, systemId = "vargate-v1" } = pins
  issue(isCount(chainId, 1), ["chainId"], "must be a whole number, at least 1")
  issue(isAddress(contract), ["contract"], "must be an address: 0x and 40 hex digits")
  issue(owner === undefined || isAddress(owner), ["owner"], "must be an address: 0x and 40 hex digits")
  issue(ownerSince === undefined || isCount(ownerSince, 0), ["ownerSince"], "must be the number of a block")
  issue(
    codeHash === undefined || (typeof codeHash === "string" && hashPattern.test(codeHash)),
    ["codeHash"],
    "must be the SHA-256 of the contract's code: 64 hex digits"
  )
  issue(isCount(fromTree, 0), ["fromTree"], "must be a whole number, at least 0")
  issue(typeof systemId === "string", ["systemId"], "must be a text")
  issue(
    finality === "finalized" || isCount(finality?.confirmations, 0),
    ["finality"],
    "must be \"finalized\", or a number of confirmations"
  )
  if (issues.length > 0) return yield* invalidRequest(operation, issues)
  return {
    chainId,
    contract: contract.toLowerCase(),
    owner: owner?.toLowerCase(),
    ownerSince,
    codeHash: codeHash?.toLowerCase().replace(/^0x/, ""),
    systemId,
    finality,
    fromTree,
    maxDelaySeconds: Math.ceil(Duration.toSeconds(yield* checkDuration(operation, "maxDelay", pins.maxDelay)))
  }
})

/** @internal */
export const checkOptions = Effect.fnUntraced(function*(operation: string, options: Options) {
  yield* checkObject(operation, options)
  const nodes = Array.isArray(options.nodes) ? options.nodes as ReadonlyArray<Node> : []
  const issues: Array<FieldIssue> = []
  if (nodes.length === 0) issues.push({ path: ["nodes"], message: "name at least one node" })
  nodes.forEach((node, index) => {
    if (typeof node?.label !== "string" || !labelPattern.test(node.label)) {
      const message = "must be 1 to 64 letters, digits, dots, hyphens and underscores"
      issues.push({ path: ["nodes", index, "label"], message })
    }
    const message = typeof node?.url === "string" || Redacted.isRedacted(node?.url) ? urlIssue(node) : "is missing"
    if (message !== undefined) issues.push({ path: ["nodes", index, "url"], message })
  })
  if (new Set(nodes.map((node) => node?.label)).size < nodes.length) {
    issues.push({ path: ["nodes"], message: "give each node a label of its own" })
  }
  const counts = { ...defaults, minNodes: nodes.length, ...definedOf(options) }
  for (const [name, least] of leasts) {
    if (!isCount(counts[name], least)) {
      issues.push({ path: [name], message: `must be a whole number, at least ${least}` })
    }
  }
  if (counts.minNodes > nodes.length) {
    issues.push({ path: ["minNodes"], message: "must not be more than there are nodes" })
  }
  if (issues.length > 0) return yield* invalidRequest(operation, issues)
  const pins = yield* checkPins(operation, options)
  const limits: Limits = {
    timeout: yield* checkDuration(operation, "timeout", options.timeout ?? "10 seconds"),
    maxAnswerBytes: counts.maxAnswerBytes,
    retries: counts.retries
  }
  const settings: Settings = {
    ...pins,
    minNodes: counts.minNodes,
    logRange: counts.logRange,
    maxEntries: counts.maxEntries,
    maxFindings: counts.maxFindings,
    maxLag: yield* checkDuration(operation, "maxLag", options.maxLag ?? "1 hour"),
    nodeTimeout: yield* checkDuration(operation, "nodeTimeout", options.nodeTimeout ?? "5 minutes")
  }
  return { nodes, limits, settings }
})

const leasts = [
  ["minNodes", 1],
  ["logRange", 1],
  ["maxEntries", 1],
  ["maxFindings", 1],
  ["maxAnswerBytes", 1024],
  ["retries", 0]
] as const

const definedOf = (options: Options) =>
  Object.fromEntries(leasts.flatMap(([name]) => options[name] === undefined ? [] : [[name, options[name]]])) as Partial<
    Record<typeof leasts[number][0], number>
  >
