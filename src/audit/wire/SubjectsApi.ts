/**
 * GET /audit/subjects, POST /audit/erase/{subject_id}, GET /audit/erase/{subject_id}/verify
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { ErasureCheck, ErasureReceipt, Subject, SubjectId, type TestedField } from "../Erasure.ts"

const SubjectRow = Schema.Struct({
  ...Subject.fields,
  lastSeen: Schema.optional(Schema.NullOr(Timestamp))
}).pipe(
  Schema.encodeKeys({
    id: "subject_id",
    records: "record_count",
    erasureStatus: "erasure_status",
    lastSeen: "last_seen"
  }),
  Schema.decodeTo(Subject)
)

const ReceiptBody = Schema.Struct({
  ...ErasureReceipt.fields,
  erasedAt: Schema.optional(Timestamp)
}).annotate({ identifier: "ErasureBody" }).pipe(
  Schema.encodeKeys({
    subjectId: "subject_id",
    records: "records_affected",
    certificate: "erasure_certificate",
    erasedAt: "erased_at"
  }),
  Schema.decodeTo(ErasureReceipt)
)

const FieldResult = Schema.Struct({
  encrypted_value: Schema.String,
  result: Schema.Struct({
    plaintext: Schema.optionalKey(Schema.String),
    error: Schema.optionalKey(Schema.String),
    erased: Schema.optionalKey(Schema.Boolean)
  }),
  erasure_verified: Schema.Boolean
})

const readField = (
  field: string,
  { encrypted_value, erasure_verified, result }: typeof FieldResult.Type
): TestedField => ({
  field,
  encrypted: encrypted_value,
  plaintext: result.plaintext,
  error: result.error,
  claimedErased: erasure_verified,
  keyErased: result.erased
})

const writeField = (field: TestedField): typeof FieldResult.Type => ({
  encrypted_value: field.encrypted,
  result: {
    ...(field.plaintext === undefined ? {} : { plaintext: field.plaintext }),
    ...(field.error === undefined ? {} : { error: field.error }),
    ...(field.keyErased === undefined ? {} : { erased: field.keyErased })
  },
  erasure_verified: field.claimedErased
})

const CheckBody = Schema.Struct({
  subject_id: Schema.String,
  fields_tested: Schema.optionalKey(Schema.Int),
  results: Schema.Record(Schema.String, FieldResult),
  erasure_verified: Schema.Boolean,
  decryption_result: Schema.optionalKey(Schema.String),
  interpretation: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "ErasureCheckBody" }).pipe(Schema.decodeTo(
  Schema.toType(ErasureCheck),
  SchemaTransformation.transform({
    decode: (wire) =>
      new ErasureCheck({
        subjectId: wire.subject_id,
        claimedErased: wire.erasure_verified,
        fields: Object.entries(wire.results).map(([field, result]) => readField(field, result)),
        interpretation: wire.interpretation
      }),
    encode: (check) => ({
      subject_id: check.subjectId,
      fields_tested: check.fields.length,
      results: Object.fromEntries(check.fields.map((field) => [field.field, writeField(field)])),
      erasure_verified: check.claimedErased,
      decryption_result: check.claimedErased ? "failed" : "succeeded",
      ...(check.interpretation === undefined ? {} : { interpretation: check.interpretation })
    })
  })
))

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class SubjectsApi extends HttpApiGroup.make("subjects").add(
  HttpApiEndpoint.get("list", "/audit/subjects", {
    success: Schema.Struct({ subjects: Schema.Array(SubjectRow) }).annotate({ identifier: "SubjectsBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.post("erase", "/audit/erase/:subject_id", {
    params: { subject_id: SubjectId },
    success: ReceiptBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("verifyErasure", "/audit/erase/:subject_id/verify", {
    params: { subject_id: SubjectId },
    success: CheckBody,
    error: Refusals
  })
).middleware(ApiKey) {}
