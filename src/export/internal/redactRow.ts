/**
 * A record in the bytes that the gateway sent, with other values in the place of those that must not leave.
 *
 * @internal
 */
import { none } from "../../verify/internal/scan/recordReader.ts"
import type { Redaction } from "../Redaction.ts"
import type { Row } from "./logRows.ts"
import { attempt, changeTexts, redactParams } from "./redactParams.ts"

const utf8 = new TextEncoder()
const nothing = utf8.encode("null")
/** Of JSON's values only `null` begins with it. */
const letterN = 0x6e

/**
 * What is put in the place of the params and of the data subject; or another text for the whole record.
 *
 * @internal
 */
export interface Redacted {
  readonly params: Uint8Array | undefined
  readonly subject: Uint8Array | undefined
  readonly whole: Uint8Array | undefined
}

/** The same for all records: there are millions of them. */
const untouched: Redacted = { params: undefined, subject: undefined, whole: undefined }
const withheld: Redacted = { params: nothing, subject: undefined, whole: undefined }
const allWithheld: Redacted = { params: nothing, subject: nothing, whole: undefined }

/** Ids, hashes and times: what a record is found by. */
const kept: ReadonlySet<string> = new Set([
  "action_id",
  "requested_at",
  "prev_hash",
  "record_hash",
  "created_at",
  "bundle_revision"
])

const spliced = (row: Row, redaction: Redaction): Redacted => {
  const subject = row.subjectStart
  const hasSubject = redaction.subject !== "keep" && subject !== none && row.bytes[subject] !== letterN
  if (redaction.params === "withhold") return hasSubject ? allWithheld : withheld
  return {
    params: redaction.params === "keep" ? undefined : utf8.encode(JSON.stringify(redactParams(row, redaction))),
    subject: hasSubject ? nothing : undefined,
    whole: undefined
  }
}

const rewritten = (row: Row, redaction: Redaction, texts: (text: string) => string): Redacted => {
  const fields = row.fields
  const changed = Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      key === "params"
        ? redactParams(row, redaction)
        : key === "pii_subject_id" && redaction.subject !== "keep"
        ? null
        : kept.has(key)
        ? value
        : attempt(() => changeTexts(value, texts))
    ])
  )
  return { params: undefined, subject: undefined, whole: utf8.encode(JSON.stringify(changed)) }
}

/** @internal */
export const redactRow = (row: Row, redaction: Redaction): Redacted =>
  redaction.texts !== undefined
    ? rewritten(row, redaction, redaction.texts)
    : redaction.params === "keep" && redaction.subject === "keep"
    ? untouched
    : spliced(row, redaction)
