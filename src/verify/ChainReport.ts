/**
 * What an independent verification of the audit log found, and why.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Checkpoint } from "../audit/Checkpoint.ts"
import { TreesReport } from "./TreesReport.ts"

/**
 * A record by its names. Nothing here has been checked: a tampered log may hold anything.
 *
 * @category models
 * @since 0.1.0
 */
export const RecordRef = Schema.Struct({
  id: Schema.Int,
  actionId: Schema.String,
  recordHash: Schema.String
})

/**
 * The type of {@link RecordRef}.
 *
 * @category models
 * @since 0.1.0
 */
export type RecordRef = typeof RecordRef.Type

const place = { id: Schema.Int, actionId: Schema.String }

/**
 * The record's content does not have the hash that stands beside it: a hashed field or the hash was changed.
 *
 * **Gotchas**
 *
 * A gateway drops keys of params that start with `_sa` from its output, so a genuine record with such a key looks just
 * the same. `mayBeDroppedKey` is true where that cannot be excluded: the neighbours link to the record. Ask the client
 * that submitted the action.
 *
 * @category findings
 * @since 0.1.0
 */
export class HashMismatch extends Schema.TaggedClass<HashMismatch>("effect-vargate/HashMismatch")("HashMismatch", {
  ...place,
  stored: Schema.String,
  computed: Schema.String,
  mayBeDroppedKey: Schema.Boolean
}) {}

/**
 * The record names a predecessor (`expected`) that is not the one before it (`found`): something between was removed,
 * inserted or rehashed.
 *
 * @category findings
 * @since 0.1.0
 */
export class BrokenLink extends Schema.TaggedClass<BrokenLink>("effect-vargate/BrokenLink")("BrokenLink", {
  ...place,
  expected: Schema.String,
  found: Schema.String
}) {}

/**
 * The numbers do not agree: what a page says it holds (`count`), what the log says it holds (`total`), or how many
 * records a kept checkpoint counted (`checkpoint`), against the records that are there. `id` is 0 and `actionId` empty
 * where there is no record to name.
 *
 * @category findings
 * @since 0.1.0
 */
export class MissingRecords extends Schema.TaggedClass<MissingRecords>("effect-vargate/MissingRecords")(
  "MissingRecords",
  { ...place, of: Schema.Literals(["count", "total", "checkpoint"]), expected: Schema.Int, found: Schema.Int }
) {}

/**
 * The same record stands in the log a second time.
 *
 * @category findings
 * @since 0.1.0
 */
export class Duplicate extends Schema.TaggedClass<Duplicate>("effect-vargate/Duplicate")("Duplicate", place) {}

/**
 * The record does not stand where its id belongs: ids fall from record to record. `after` is the id before it.
 *
 * @category findings
 * @since 0.1.0
 */
export class OutOfOrder extends Schema.TaggedClass<OutOfOrder>("effect-vargate/OutOfOrder")("OutOfOrder", {
  ...place,
  after: Schema.Int
}) {}

/**
 * The oldest record names a predecessor other than `GENESIS`: older ones are missing, or were not given.
 *
 * @category findings
 * @since 0.1.0
 */
export class DoesNotReachGenesis extends Schema.TaggedClass<DoesNotReachGenesis>("effect-vargate/DoesNotReachGenesis")(
  "DoesNotReachGenesis",
  { ...place, prevHash: Schema.String }
) {}

/**
 * The record is not what it was: a kept checkpoint, or another page of the same log, shows `expected` in its place.
 * `found` is undefined where the record is gone.
 *
 * @category findings
 * @since 0.1.0
 */
export class RewrittenSince extends Schema.TaggedClass<RewrittenSince>("effect-vargate/RewrittenSince")(
  "RewrittenSince",
  {
    ...place,
    shown: Schema.Literals(["checkpoint", "page"]),
    expected: Schema.String,
    found: Schema.optional(Schema.String)
  }
) {}

/**
 * The log ends before a kept checkpoint: `expected` records were there, the newest of them this one.
 *
 * @category findings
 * @since 0.1.0
 */
export class TruncatedSince extends Schema.TaggedClass<TruncatedSince>("effect-vargate/TruncatedSince")(
  "TruncatedSince",
  { ...place, expected: Schema.Int, found: Schema.Int }
) {}

/**
 * Why a log is not valid.
 *
 * @category findings
 * @since 0.1.0
 */
export const Finding = Schema.Union([
  HashMismatch,
  BrokenLink,
  MissingRecords,
  Duplicate,
  OutOfOrder,
  DoesNotReachGenesis,
  RewrittenSince,
  TruncatedSince
])

/**
 * The type of {@link Finding}.
 *
 * @category findings
 * @since 0.1.0
 */
export type Finding = typeof Finding.Type

/**
 * A place in the log that the gateway cannot show (a record nested too deep makes its page answer 500). Nothing is
 * known about what stands there, except, for a single record, the hash that its successor names.
 *
 * @category models
 * @since 0.1.0
 */
export const Gap = Schema.Struct({
  /** How many records. */
  size: Schema.Int,
  newer: Schema.optional(RecordRef),
  older: Schema.optional(RecordRef),
  recordHash: Schema.optional(Schema.String)
})

/**
 * The type of {@link Gap}.
 *
 * @category models
 * @since 0.1.0
 */
export type Gap = typeof Gap.Type

/**
 * The verdict on a log.
 *
 * **Details**
 *
 * `valid` means: of every record that was read, the hash was recomputed from the very bytes that were sent and is the
 * stored one; each names the hash of the one before it, down to `GENESIS` (or down to the checkpoint it was verified
 * since); none is missing, doubled or out of order; and every checkpoint that it was compared with still holds.
 *
 * **Gotchas**
 *
 * `valid` does not mean more than that:
 *
 * - The hash does not cover id, alert_tier, created_at, execution_mode, contains_pii, evaluation_pass,
 *   anomaly_score_at_eval, source, pii_subject_id, pii_fields, erasure_status, managed_session_id.
 * - Without a checkpoint kept earlier, a gateway may have rewritten or cut its log and recomputed every hash.
 * - A verification since a checkpoint reads only what is newer. Older records are fixed by the kept hash, but are not
 *   read again: do that from time to time.
 * - Nothing is proved about a place in `gaps`, nor that the records on its two sides belong together. `isComplete` says
 *   whether there is none.
 * - A log tells what the gateway recorded, not what it left out.
 *
 * @category models
 * @since 0.1.0
 */
export class ChainReport extends Schema.Class<ChainReport>("effect-vargate/ChainReport")({
  valid: Schema.Boolean,
  tenantId: Schema.optional(Schema.String),
  /** Records that were read and belong to the log. */
  records: Schema.Int,
  /** The newest record. */
  head: Schema.optional(RecordRef),
  /** Id of the oldest record that was read. */
  firstId: Schema.optional(Schema.Int),
  /** Id of the newest record that was read. */
  lastId: Schema.optional(Schema.Int),
  /** Oldest first. */
  findings: Schema.Array(Finding),
  /** Further findings that were counted and not kept. */
  omittedFindings: Schema.Int,
  gaps: Schema.Array(Gap),
  /** The checkpoint that this verification went back to, where it did not go back to the beginning. */
  since: Schema.optional(Checkpoint),
  /** What to keep for the next time. Only a valid log that was read from its newest record has one. */
  checkpoint: Schema.optional(Checkpoint),
  /** What the stored Merkle trees say about the same records, where they were asked for. */
  trees: Schema.optional(TreesReport)
}) {
  /** Whether every record could be read. */
  get isComplete(): boolean {
    return this.gaps.length === 0
  }
}
