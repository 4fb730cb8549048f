/**
 * What one party was shown of a log: kept after a good verification, and compared with everything shown later.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { RecordHash } from "../model/RecordHash.ts"

/**
 * The root of a stored Merkle tree, as it was when it was seen.
 *
 * @category models
 * @since 0.1.0
 */
export const KnownRoot = Schema.Struct({ index: Schema.Int, root: RecordHash })

/**
 * The type of {@link KnownRoot}.
 *
 * @category models
 * @since 0.1.0
 */
export type KnownRoot = typeof KnownRoot.Type

/**
 * The head of a verified log: the newest record, and how many there were.
 *
 * **Details**
 *
 * Its hash fixes the content of every record up to it. Its keeper notices when any of them is rewritten, removed or
 * cut off later, even where the gateway has recomputed all hashes and its own verification says that all is well. Times
 * are written as ISO 8601 in JSON.
 *
 * @category models
 * @since 0.1.0
 */
export class Checkpoint extends Schema.Class<Checkpoint>("effect-vargate/Checkpoint")({
  tenantId: Schema.String,
  /** The record's id. Ids have gaps. */
  id: Schema.Int,
  actionId: Schema.optional(Schema.String),
  recordHash: RecordHash,
  /** Records in the log up to and with this one. */
  count: Schema.Int,
  /** When it was verified, by the clock of the verifier. */
  at: Schema.DateTimeUtcFromString,
  /** Roots of stored trees that were seen with it, newest last. */
  roots: Schema.Array(KnownRoot),
  /** The root of the tree over all records up to this one, as heads have it (`LogHead`), where it was computed. */
  head: Schema.optional(RecordHash)
}) {}
