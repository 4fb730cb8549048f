/**
 * What nodes answered about anchors, kept so that a third party can repeat the check without them.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { Exchange } from "./internal/node.ts"

/**
 * Questions and answers, by the label of each node, with what was pinned when they were asked.
 *
 * **Details**
 *
 * Answers are cut down to what is looked at: fields of a block's header, a receipt with its events of anchors, logs of
 * the contract, results of calls. There is no URL in it. It shows what the exporter was told; a third party that doubts it asks a node of its own for the
 * same transactions and blocks.
 *
 * @category models
 * @since 0.2.0
 */
export class AnchorEvidence extends Schema.Class<AnchorEvidence>("effect-vargate/AnchorEvidence")({
  chainId: Schema.Int,
  contract: Schema.String,
  owner: Schema.optionalKey(Schema.String),
  ownerSince: Schema.optionalKey(Schema.Int),
  /** In how large ranges logs were asked for at first. */
  logRange: Schema.optionalKey(Schema.Int),
  codeHash: Schema.optionalKey(Schema.String),
  systemId: Schema.String,
  finality: Schema.Union([Schema.Literal("finalized"), Schema.Struct({ confirmations: Schema.Int })]),
  maxDelaySeconds: Schema.Int,
  fromTree: Schema.Int,
  /** The newest tree that nodes were asked about. */
  toTree: Schema.Int,
  minNodes: Schema.Int,
  maxEntries: Schema.Int,
  maxLagSeconds: Schema.Int,
  /** When the trees were read, and when nodes were asked. */
  seenAt: Schema.DateTimeUtcFromString,
  askedAt: Schema.DateTimeUtcFromString,
  nodes: Schema.Array(Schema.Struct({ label: Schema.String, exchanges: Schema.Array(Exchange) }))
}) {}
