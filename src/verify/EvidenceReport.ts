/**
 * What checking a file of evidence found.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { RecordHash } from "../model/RecordHash.ts"
import { AnchorsReport } from "./anchors/AnchorsReport.ts"
import { ChainReport } from "./ChainReport.ts"
import { Inclusion } from "./TreesReport.ts"

/**
 * A proof of the file, verified against the stored trees that the file lists.
 *
 * @category models
 * @since 0.1.0
 */
export const CheckedProof = Schema.Struct({
  recordHash: RecordHash,
  /** Whether the record itself is among the pages of the file. */
  isInPages: Schema.Boolean,
  inclusion: Inclusion
})

/**
 * The type of {@link CheckedProof}.
 *
 * @category models
 * @since 0.1.0
 */
export type CheckedProof = typeof CheckedProof.Type

/**
 * The verdict on a file of evidence, computed anew from its raw pages.
 *
 * **Gotchas**
 *
 * The stored trees in the file are what the gateway listed when it was written. To rely on less, pass roots or
 * checkpoints of your own to the verification.
 *
 * @category models
 * @since 0.1.0
 */
export class EvidenceReport extends Schema.Class<EvidenceReport>("effect-vargate/EvidenceReport")({
  /** Whether everything in the file holds, and no record is missing between those in it. */
  valid: Schema.Boolean,
  /**
   * Whether the file holds the whole log, as it was when it was exported: it claims so, reaches back to the beginning,
   * and has no gap. If not, nothing is said about what is older or newer than its records.
   */
  isWhole: Schema.Boolean,
  /** The records, the trees that could be rebuilt from them, and the checkpoints. */
  chain: ChainReport,
  proofs: Schema.Array(CheckedProof),
  /** Where the report in the file says something else than what was found now. */
  contradictions: Schema.Array(Schema.String),
  /** What the nodes' answers in the file say about the anchors of the trees, where they are in it. */
  anchors: Schema.optional(AnchorsReport),
  /** How many ballots of a review panel are in the file. Nothing is said about them here. */
  ballots: Schema.optional(Schema.Int)
}) {}
