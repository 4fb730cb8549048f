/**
 * The fields of an audit record (`GET /audit/log`), by the names on the wire.
 *
 * @internal
 */
import { type Token, token } from "../json/jsonReader.ts"

/**
 * How a field of a record is told from others, and whether the payload holds it as a string of JSON.
 *
 * @internal
 */
export interface AuditField {
  readonly name: string
  /** The key alone, in quotes. */
  readonly key: Token
  /** The key and its colon. */
  readonly label: Token
  /** All that stands before the value in compact JSON: separator, key, colon. */
  readonly lead: Token
  /** The same as text. */
  readonly leadText: string
  /** Whether a record must have it. */
  readonly isRequired: boolean
  /** Whether the hash payload holds it. */
  readonly isHashed: boolean
  /** Params and violations are strings inside the payload. */
  readonly isNested: boolean
}

/** The order in which the gateway sends them. */
const names: ReadonlyArray<string> = [
  "id",
  "action_id",
  "agent_id",
  "tool",
  "method",
  "params",
  "requested_at",
  "decision",
  "violations",
  "severity",
  "alert_tier",
  "bundle_revision",
  "prev_hash",
  "record_hash",
  "created_at",
  "evaluation_pass",
  "anomaly_score_at_eval",
  "contains_pii",
  "pii_subject_id",
  "pii_fields",
  "erasure_status",
  "execution_mode",
  "source",
  "managed_session_id"
]

const notHashed: ReadonlySet<string> = new Set(["id", "alert_tier", "record_hash"])
const lastRequired = names.indexOf("record_hash")

/**
 * The fields of a record in the order in which the gateway sends them.
 *
 * @internal
 */
export const auditFields: ReadonlyArray<AuditField> = names.map((name, index) => {
  const leadText = `${index === 0 ? "{" : ","}"${name}":`
  return {
    name,
    key: token(`"${name}"`),
    label: token(`"${name}":`),
    lead: token(leadText),
    leadText,
    isRequired: index <= lastRequired && name !== "alert_tier",
    isHashed: index <= lastRequired && !notHashed.has(name),
    isNested: name === "params" || name === "violations"
  }
})

/**
 * The place of a name in `auditFields`, or -1.
 *
 * @internal
 */
export const fieldIndex = (name: string): number => names.indexOf(name)

const fieldsByKeyLength: ReadonlyArray<ReadonlyArray<number>> = Array.from(
  { length: 1 + Math.max(...auditFields.map((field) => field.key.length)) },
  (_, length) => auditFields.flatMap((field, index) => field.key.length === length ? [index] : [])
)
const noFields: ReadonlyArray<number> = []

/**
 * The fields whose key in quotes has this length.
 *
 * @internal
 */
export const fieldsOfKeyLength = (length: number): ReadonlyArray<number> => fieldsByKeyLength[length] ?? noFields

/**
 * The first field of the hash payload. Its fields come in the order of `auditFields`.
 *
 * @internal
 */
export const firstHashed = fieldIndex("action_id")

/**
 * The field of the hash payload that follows a given field, or -1.
 *
 * @internal
 */
export const nextHashed: Int8Array = Int8Array.from(
  names,
  (_, after) => auditFields.findIndex(({ isHashed }, index) => index > after && isHashed)
)
