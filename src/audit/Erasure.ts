/**
 * Erasing the data of a subject from a log that cannot change: the values were encrypted under a key of their own, and
 * the key is deleted.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Whose data it is, as the gateway names them: the `customer_id`, `subject_id` or `user_id` among the params of a call,
 * or the id of the agent where there is none.
 *
 * **Details**
 *
 * 1 to 256 characters, not `.` or `..` and no lone surrogates, which could not stand in a URL.
 *
 * @category ids
 * @since 0.1.0
 */
export const SubjectId = Schema.String.check(
  Schema.isPattern(/^(?!\.{1,2}$)\P{Cs}{1,256}$/u, { expected: "a subject id" })
)

/**
 * A data subject: its personal data is in the log (GET /audit/subjects).
 *
 * @category models
 * @since 0.1.0
 */
export class Subject extends Schema.Class<Subject>("effect-vargate/Subject")({
  id: Schema.String,
  records: Schema.Int,
  /** `active` or `erased`. */
  erasureStatus: Schema.String,
  lastSeen: Schema.optional(Schema.NullOr(Schema.DateTimeUtc))
}) {}

/**
 * The gateway's word that a subject's key was deleted (POST /audit/erase/{subject_id}).
 *
 * **Details**
 *
 * Erased records stay in the log with their ciphertext and their hashes, so the chain stays valid. They leave the
 * Merkle trees as the gateway rebuilds them: see `ErasedLeaves`.
 *
 * @category models
 * @since 0.1.0
 */
export class ErasureReceipt extends Schema.Class<ErasureReceipt>("effect-vargate/ErasureReceipt")({
  subjectId: Schema.String,
  records: Schema.optional(Schema.Int),
  certificate: Schema.optional(Schema.String),
  erasedAt: Schema.optional(Schema.DateTimeUtc),
  interpretation: Schema.optional(Schema.String)
}) {}

/**
 * One field that the gateway tried to decrypt. `plaintext` is there where it could.
 *
 * @category models
 * @since 0.1.0
 */
export const TestedField = Schema.Struct({
  field: Schema.String,
  /** The beginning of the ciphertext. */
  encrypted: Schema.String,
  plaintext: Schema.optional(Schema.String),
  error: Schema.optional(Schema.String),
  /** Whether the gateway calls this field erased. */
  claimedErased: Schema.Boolean,
  /** Whether the gateway knows of the deletion of a key. */
  keyErased: Schema.optional(Schema.Boolean)
})

/**
 * The type of {@link TestedField}.
 *
 * @category models
 * @since 0.1.0
 */
export type TestedField = typeof TestedField.Type

/**
 * What the gateway found when it tried to decrypt a subject's data (GET /audit/erase/{subject_id}/verify).
 *
 * **Gotchas**
 *
 * Before an erasure this holds the data in plain text. And `claimedErased` is true wherever decryption failed, even for
 * a key that was never found (subject ids that contain `key-` or `-v1` are mangled): `isErased` asks for more.
 *
 * @category models
 * @since 0.1.0
 */
export class ErasureCheck extends Schema.Class<ErasureCheck>("effect-vargate/ErasureCheck")({
  subjectId: Schema.String,
  claimedErased: Schema.Boolean,
  fields: Schema.Array(TestedField),
  interpretation: Schema.optional(Schema.String)
}) {
  /** Whether at least one field was tested, none could be decrypted, and each because its key was deleted. */
  get isErased(): boolean {
    return this.claimedErased && this.fields.length > 0 &&
      this.fields.every(({ claimedErased, keyErased, plaintext }) =>
        claimedErased && plaintext === undefined && keyErased !== false
      )
  }
}
