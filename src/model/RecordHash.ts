/**
 * Hashes of the audit log.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Lower-case hex of a SHA-256: the hash of an audit record or of a node of a Merkle tree.
 *
 * @category ids
 * @since 0.1.0
 */
export const RecordHash = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "64 lower-case hex digits" })
).pipe(Schema.brand("effect-vargate/RecordHash"))

/**
 * The type of {@link RecordHash}.
 *
 * @category ids
 * @since 0.1.0
 */
export type RecordHash = typeof RecordHash.Type
