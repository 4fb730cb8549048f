/**
 * Personal data and its erasure, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Stream from "effect/Stream"
import { hash } from "node:crypto"
import { ErasureCheck, ErasureReceipt, type TestedField } from "../../../audit/Erasure.ts"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { NotFound404 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { Ledger } from "../../ledger/Ledger.ts"
import { SubjectKeys } from "../../ledger/SubjectKeys.ts"

/**
 * The handlers of this group.
 *
 * **Details**
 *
 * On the measured gateway any tenant erases, and reads, any other's subjects. Here each has its own.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "subjects",
  Effect.fnUntraced(function*(handlers) {
    const ledger = yield* Ledger
    const keys = yield* SubjectKeys

    /** One value per field name, as the answer can hold no more: the newest. Undefined where there are no records. */
    const encryptedFields = (tenantId: string, subjectId: string) =>
      Stream.runFold(
        ledger.recordsOf(tenantId, subjectId),
        (): Map<string, string> | undefined => undefined,
        (fields = new Map(), { params, piiFields }) => {
          for (const field of piiFields ?? []) fields.set(field, String(Reflect.get(params as object, field)))
          return fields
        }
      )

    const testField = Effect.fnUntraced(function*(
      tenantId: string,
      subjectId: string,
      field: string,
      value: string
    ): Effect.fn.Return<TestedField> {
      const encrypted = `${value.slice(0, 32)}...`
      const plaintext = yield* keys.decrypt(tenantId, subjectId, value)
      return plaintext === undefined
        ? { field, encrypted, error: "key_not_found", keyErased: true, claimedErased: true }
        : { field, encrypted, plaintext, claimedErased: false }
    })

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          return { subjects: yield* ledger.subjects(id) }
        })
      )
      .handle(
        "erase",
        Effect.fnUntraced(function*({ params }) {
          const { id } = yield* CurrentTenant
          const subjectId = params.subject_id
          const key = yield* keys.erase(id, subjectId, yield* DateTime.now)
          if (key?.erasedAt === undefined) {
            return yield* Effect.fail(NotFound404.make({ detail: `No key found for subject ${subjectId}` }))
          }
          const records = yield* ledger.markErased(id, subjectId)
          return new ErasureReceipt({
            subjectId,
            records,
            certificate: hash("sha256", `${subjectId}|${key.version}|${DateTime.formatIso(key.erasedAt)}`, "hex"),
            erasedAt: key.erasedAt,
            interpretation: `Key deleted. ${records} audit records contain encrypted PII for this subject. ` +
              "The ciphertext fields are now irrecoverable. Record count and hash chain integrity are preserved."
          })
        })
      )
      .handle(
        "verifyErasure",
        Effect.fnUntraced(function*({ params }) {
          const { id } = yield* CurrentTenant
          const subjectId = params.subject_id
          const encrypted = yield* encryptedFields(id, subjectId)
          if (encrypted === undefined) {
            return yield* Effect.fail(NotFound404.make({ detail: `No records found for subject ${subjectId}` }))
          }
          const fields = yield* Effect.forEach(
            encrypted,
            ([field, value]) => testField(id, subjectId, field, value)
          )
          const isErased = fields.every(({ claimedErased }) => claimedErased)
          return new ErasureCheck({
            subjectId,
            claimedErased: isErased,
            fields,
            interpretation: isErased
              ? "All encrypted fields are now irrecoverable — the key has been deleted."
              : "WARNING: Some fields could still be decrypted. Erasure may not be complete."
          })
        })
      )
  })
)
