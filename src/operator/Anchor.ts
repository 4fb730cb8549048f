/**
 * Roots of the audit log on a blockchain.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { RecordHash } from "../model/RecordHash.ts"

/**
 * A chain as the gateway describes it. What it does not say of it is left out.
 *
 * **Gotchas**
 *
 * The name is the gateway's configuration: a measured gateway calls Polygon's test network `polygon`. Only `chainId` says
 * which chain it is.
 *
 * @category models
 * @since 0.2.0
 */
export const AnchorNetwork = Schema.Struct({
  isConnected: Schema.optional(Schema.Boolean),
  chainId: Schema.optional(Schema.NullOr(Schema.Int)),
  contract: Schema.optional(Schema.NullOr(Schema.String)),
  deployer: Schema.optional(Schema.NullOr(Schema.String)),
  anchors: Schema.optional(Schema.NullOr(Schema.Int)),
  /** The contract's page on a block explorer. */
  explorer: Schema.optional(Schema.NullOr(Schema.String))
})

/**
 * The type of {@link AnchorNetwork}.
 *
 * @category models
 * @since 0.2.0
 */
export type AnchorNetwork = typeof AnchorNetwork.Type

/**
 * What the gateway says about its chains (GET /anchor/status).
 *
 * **Details**
 *
 * `isConnected` false is an ordinary state: a gateway needs no chain. `trees` counts the hourly Merkle trees of all
 * tenants.
 *
 * @category models
 * @since 0.1.0
 */
export class AnchorStatus extends Schema.Class<AnchorStatus>("effect-vargate/AnchorStatus")({
  isConnected: Schema.Boolean,
  /** The first of the connected chains. */
  network: Schema.NullOr(Schema.String),
  connectedChains: Schema.Array(Schema.String),
  contractAddress: Schema.optional(Schema.NullOr(Schema.String)),
  deployerAddress: Schema.optional(Schema.NullOr(Schema.String)),
  /** How many anchors there are. */
  anchors: Schema.Int,
  latestRoot: Schema.optional(Schema.NullOr(Schema.String)),
  lastAnchoredAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)),
  /** Seconds between two anchors. */
  intervalSeconds: Schema.optional(Schema.Finite),
  /** `full`: each anchor covers the whole log. `incremental`: what is new since the last. */
  mode: Schema.optional(Schema.String),
  trees: Schema.optional(Schema.Struct({ total: Schema.Int, anchored: Schema.NullOr(Schema.Int) })),
  /** By name. */
  chains: Schema.optional(Schema.Record(Schema.String, AnchorNetwork))
}) {}

/**
 * Whether the log's root is the one on the chain (GET /anchor/verify).
 *
 * **Details**
 *
 * A log that has grown since the last anchor does not match, and is honest. `interpretation` is the gateway's word on it.
 *
 * @category models
 * @since 0.1.0
 */
export class AnchorCheck extends Schema.Class<AnchorCheck>("effect-vargate/AnchorCheck")({
  matches: Schema.Boolean,
  computedRoot: Schema.optional(Schema.NullOr(Schema.String)),
  onChainRoot: Schema.optional(Schema.NullOr(Schema.String)),
  records: Schema.optional(Schema.Int),
  onChainRecords: Schema.optional(Schema.Int),
  anchorIndex: Schema.optional(Schema.Int),
  mode: Schema.optional(Schema.String),
  chain: Schema.optional(Schema.String),
  lastTx: Schema.optional(Schema.NullOr(Schema.String)),
  lastAnchoredAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)),
  interpretation: Schema.optional(Schema.String)
}) {}

/**
 * A root that was written to a chain (GET /anchor/log, POST /anchor/trigger).
 *
 * @category models
 * @since 0.1.0
 */
export class Anchor extends Schema.Class<Anchor>("effect-vargate/Anchor")({
  index: Schema.optional(Schema.NullOr(Schema.Int)),
  root: Schema.NullOr(Schema.String),
  tx: Schema.NullOr(Schema.String),
  block: Schema.optional(Schema.NullOr(Schema.Int)),
  chain: Schema.optional(Schema.NullOr(Schema.String)),
  records: Schema.optional(Schema.NullOr(Schema.Int)),
  fromRecordId: Schema.optional(Schema.NullOr(Schema.Int)),
  toRecordId: Schema.optional(Schema.NullOr(Schema.Int)),
  anchoredAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)),
  prevRoot: Schema.optional(Schema.NullOr(Schema.String)),
  /** SHA-256 over the bytes of `prevRoot` and `root`. */
  rootChainHash: Schema.optional(Schema.NullOr(Schema.String)),
  /** Left out where the gateway links to the explorer of another chain than the anchor's. */
  explorerUrl: Schema.optional(Schema.NullOr(Schema.String)),
  /** Which of the gateway's mechanisms wrote it. */
  source: Schema.optional(Schema.String)
}) {}

/**
 * What the gateway says about the chain of its anchors (GET /anchor/chain-verify): a claim, not a proof. A gateway without
 * anchors claims that it is valid.
 *
 * @category models
 * @since 0.1.0
 */
export class AnchorChain extends Schema.Class<AnchorChain>("effect-vargate/AnchorChain")({
  claimedValid: Schema.Boolean,
  /** The index of the first anchor that does not follow from the one before. */
  brokenAt: Schema.NullOr(Schema.Int),
  /** Oldest first. */
  links: Schema.Array(Schema.Struct({
    index: Schema.Int,
    root: Schema.String,
    prevRoot: Schema.String,
    rootChainHash: Schema.String,
    expectedHash: Schema.optional(Schema.String),
    claimedValid: Schema.Boolean
  }))
}) {}

/**
 * What the gateway says about the way from one anchor to another (GET /anchor/consistency-proof): a claim, not a proof.
 *
 * @category models
 * @since 0.1.0
 */
export class AnchorConsistency extends Schema.Class<AnchorConsistency>("effect-vargate/AnchorConsistency")({
  claimedConsistent: Schema.Boolean,
  from: Schema.optional(Schema.Struct({ index: Schema.Int, root: Schema.String, records: Schema.Array(Schema.Int) })),
  to: Schema.optional(Schema.Struct({ index: Schema.Int, root: Schema.String, records: Schema.Array(Schema.Int) })),
  addedRecords: Schema.optional(Schema.Int),
  detail: Schema.optional(Schema.String)
}) {}

/**
 * A root over the whole log as it was at some time, kept by the gateway itself and not on a chain (GET /merkle/roots).
 *
 * @category models
 * @since 0.1.0
 */
export class LoggedRoot extends Schema.Class<LoggedRoot>("effect-vargate/LoggedRoot")({
  id: Schema.Int,
  root: RecordHash,
  /** How many records it covers: on a measured gateway those of all tenants. */
  records: Schema.Int,
  computedAt: Schema.DateTimeUtc,
  isAnchored: Schema.Boolean,
  anchorId: Schema.optional(Schema.NullOr(Schema.Int))
}) {}
