/**
 * The data subjects in the log, and the keys of their data.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { Subject } from "../../audit/Erasure.ts"
import type { Ledger } from "../ledger/Ledger.ts"
import type { Database } from "./Database.ts"
import { fromColumn, toColumn } from "./losslessText.ts"
import { fromMillis, toMillis } from "./recordRows.ts"

/**
 * The methods of a ledger that are about data subjects.
 *
 * @category constructors
 * @since 0.1.0
 */
export const subjects = ({ commit, read, seal, sql, unseal }: Database["Service"]) => {
  const truncateLog = Effect.map(
    read(sql<{ readonly busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`),
    ([row]) => row?.busy !== 1
  )

  return {
    subjects: (tenantId) =>
      Effect.map(
        read(sql<
          {
            readonly subject_id: string
            readonly records: number
            readonly erasure_status: string | null
            readonly last_seen: number | null
          }
        >`SELECT * FROM subjects WHERE tenant_id = ${tenantId}`),
        (rows) =>
          rows.map((row) =>
            new Subject({
              id: fromColumn(row.subject_id),
              records: row.records,
              erasureStatus: row.erasure_status ?? "active",
              lastSeen: row.last_seen === null ? null : fromMillis(row.last_seen)
            })
          ).sort((a, b) => a.id < b.id ? -1 : 1)
      ),

    subjectKeys: (tenantId, subjectId) =>
      Effect.map(
        read(sql<
          { readonly version: number; readonly secret: Uint8Array | null; readonly erased_at: number | null }
        >`
        SELECT version, secret, erased_at FROM subject_keys
        WHERE tenant_id = ${tenantId} AND subject_id = ${toColumn(subjectId)} ORDER BY version`),
        (rows) =>
          rows.map(({ erased_at, secret, version }) => ({
            version,
            secret: secret === null
              ? undefined
              : new Uint8Array(Buffer.from(unseal(secret, "subject", tenantId, subjectId, String(version)), "base64")),
            erasedAt: erased_at === null ? undefined : fromMillis(erased_at)
          }))
      ),

    putSubjectKey: (tenantId, subjectId, { erasedAt, secret, version }) => {
      const key = {
        secret: secret === undefined
          ? null
          : seal(Buffer.from(secret).toString("base64"), "subject", tenantId, subjectId, String(version)),
        erased_at: toMillis(erasedAt)
      }
      return commit(Effect.asVoid(sql`
      INSERT INTO subject_keys ${sql.insert({ tenant_id: tenantId, subject_id: toColumn(subjectId), version, ...key })}
      ON CONFLICT DO UPDATE SET ${sql.update(key)}`))
    },

    markErased: Effect.fnUntraced(function*(tenantId, subjectId) {
      const marked = yield* commit(Effect.gen(function*() {
        const marked = yield* sql`
        UPDATE records SET erasure_status = 'erased'
        WHERE tenant_id = ${tenantId} AND pii_subject_id = ${toColumn(subjectId)} RETURNING id`
        const theirs = sql`FROM records WHERE tenant_id = ${tenantId} AND pii_subject_id = ${toColumn(subjectId)}`
        yield* sql`
        UPDATE subjects SET erasure_status = 'erased'
        WHERE tenant_id = ${tenantId} AND subject_id = ${toColumn(subjectId)}`
        yield* sql`DELETE FROM policy_inputs WHERE record_id IN (SELECT id ${theirs})`
        yield* sql`
        UPDATE held_actions SET params = '{}'
        WHERE tenant_id = ${tenantId} AND status <> 'pending' AND action_id IN (SELECT action_id ${theirs})`
        return marked.length
      }))
      // What was overwritten, the keys among it, still stands in the write-ahead log. While another program reads the
      // database the log must stay; it is emptied as soon as none does.
      if (!(yield* truncateLog)) {
        yield* Effect.forkDetach(
          Effect.repeat(truncateLog, { until: Boolean, schedule: Schedule.spaced("10 seconds") })
        )
      }
      return marked
    })
  } satisfies Partial<Ledger["Service"]>
}
