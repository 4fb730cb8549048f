/**
 * Standing approvals of a panel in a database, SQLite or Postgres, so that several processes share them. Postgres needs a
 * `SqlClient`, as that of `@effect/sql-pg`.
 *
 * @since 0.2.0
 */
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { StorageFailed } from "../errors/VargateError.ts"
import * as SqliteClient from "../internal/sqliteClient.ts"
import { Grant, GrantStatus, GrantStore, GrantUse } from "../reviews/Grants.ts"
import { storageFailed } from "./internal/storageFailed.ts"

const migrations = Migrator.make({})({
  table: "vargate_grants_migrations",
  loader: Migrator.fromRecord({
    "0001_grants": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE vargate_grants (
        id TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        max_uses INTEGER,
        uses INTEGER NOT NULL DEFAULT 0,
        revoked_at TEXT,
        revoked_by TEXT
      )`
      yield* sql`CREATE INDEX vargate_grants_expires ON vargate_grants (expires_at) WHERE revoked_at IS NULL`
      yield* sql`CREATE TABLE vargate_grant_uses (
        grant_id TEXT NOT NULL,
        action_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        at_time TEXT NOT NULL,
        PRIMARY KEY (grant_id, action_id, digest)
      )`
      yield* sql`CREATE TABLE vargate_grant_budgets (
        grant_id TEXT NOT NULL,
        budget TEXT NOT NULL,
        used BIGINT NOT NULL,
        PRIMARY KEY (grant_id, budget)
      )`
    })
  })
})

const GrantText = Schema.fromJsonString(Schema.toCodecJson(Grant))
const encodeGrant = Schema.encodeEffect(GrantText)
const decodeGrant = Schema.decodeUnknownEffect(GrantText)
const decodeUse = Schema.decodeUnknownEffect(GrantUse)
const decodeTime = Schema.decodeUnknownEffect(Schema.NullOr(Schema.DateTimeUtcFromString))

interface GrantRow {
  readonly id: string
  readonly body: string
  readonly uses: number
  readonly revoked_at: string | null
  readonly revoked_by: string | null
}

/** Takes back what was counted of a use for which there is a limit. */
class Exhausted extends Data.TaggedError("Exhausted") {}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* storageFailed("GrantsSql.layer")(migrations)

  const read = Effect.fnUntraced(function*(row: GrantRow) {
    const grant = yield* decodeGrant(row.body)
    if (grant.id !== row.id) return yield* Effect.fail({ message: `row ${row.id} holds the grant ${grant.id}` })
    return new GrantStatus({
      grant,
      revokedAt: yield* decodeTime(row.revoked_at),
      revokedBy: row.revoked_by,
      uses: Number(row.uses)
    })
  })

  return GrantStore.of({
    add: Effect.fnUntraced(function*(grant) {
      yield* sql`INSERT INTO vargate_grants (id, body, created_at, expires_at, max_uses)
        VALUES (${grant.id}, ${yield* encodeGrant(grant)}, ${DateTime.formatIso(grant.createdAt)},
          ${DateTime.formatIso(grant.expiresAt)}, ${grant.count})`
    }, storageFailed("GrantStore.add")),
    find: Effect.fnUntraced(function*(id) {
      const [row] = yield* sql<GrantRow>`SELECT * FROM vargate_grants WHERE id = ${id}`
      return row === undefined ? undefined : yield* read(row)
    }, storageFailed("GrantStore.find")),
    list: Effect.fnUntraced(function*({ inForceAt, limit }) {
      const which = inForceAt === undefined
        ? sql`1 = 1`
        : sql`revoked_at IS NULL AND expires_at > ${DateTime.formatIso(inForceAt)}`
      const rows = yield* sql<GrantRow>`
        SELECT * FROM vargate_grants WHERE ${which} ORDER BY created_at DESC LIMIT ${limit}`
      // One that cannot be read counts for nothing, and keeps no other from counting.
      const found = yield* Effect.forEach(
        rows,
        (row) =>
          Effect.match(read(row), {
            onFailure: ({ message }) => ({ fault: `The grant ${row.id} cannot be read: ${message}` }),
            onSuccess: (status) => ({ status })
          })
      )
      for (const one of found) if ("fault" in one) yield* Effect.logError(one.fault)
      return found.flatMap((one) => "status" in one ? [one.status] : [])
    }, storageFailed("GrantStore.list")),
    revoke: Effect.fnUntraced(function*(id, { at, by }) {
      return yield* sql.withTransaction(Effect.gen(function*() {
        const [revoked] = yield* sql`UPDATE vargate_grants
          SET revoked_at = ${DateTime.formatIso(at)}, revoked_by = ${by}
          WHERE id = ${id} AND revoked_at IS NULL RETURNING id`
        if (revoked === undefined) return false
        // A use whose clock is ahead, or that was recorded meanwhile.
        yield* sql`UPDATE vargate_grants
          SET revoked_at = (SELECT MAX(at_time) FROM vargate_grant_uses WHERE grant_id = ${id})
          WHERE id = ${id} AND revoked_at < (SELECT MAX(at_time) FROM vargate_grant_uses WHERE grant_id = ${id})`
        return true
      }))
    }, storageFailed("GrantStore.revoke")),
    use: Effect.fnUntraced(function*(id, { actionId, at, digest }, draws) {
      const time = DateTime.formatIso(at)
      return yield* sql.withTransaction(Effect.gen(function*() {
        // The row of the grant is what all who use it wait for.
        const [open] = yield* sql`UPDATE vargate_grants SET uses = uses + 1
          WHERE id = ${id} AND revoked_at IS NULL AND expires_at > ${time} RETURNING id`
        if (open === undefined) return yield* new Exhausted()
        const [first] = yield* sql`INSERT INTO vargate_grant_uses (grant_id, action_id, digest, at_time)
          VALUES (${id}, ${actionId}, ${digest}, ${time}) ON CONFLICT DO NOTHING RETURNING grant_id`
        if (first === undefined) {
          yield* sql`UPDATE vargate_grants SET uses = uses - 1 WHERE id = ${id}`
          return true
        }
        const [within] = yield* sql`SELECT id FROM vargate_grants
          WHERE id = ${id} AND (max_uses IS NULL OR uses <= max_uses)`
        if (within === undefined) return yield* new Exhausted()
        for (const { amount, budget, max } of draws) {
          const [drawn] = yield* sql`INSERT INTO vargate_grant_budgets (grant_id, budget, used)
            VALUES (${id}, ${budget}, ${amount})
            ON CONFLICT (grant_id, budget) DO UPDATE SET used = vargate_grant_budgets.used + excluded.used
              WHERE vargate_grant_budgets.used + excluded.used <= ${max}
            RETURNING used`
          if (drawn === undefined || Number(drawn["used"]) > max) return yield* new Exhausted()
        }
        return true
      })).pipe(Effect.catchTag("Exhausted", () => Effect.succeed(false)))
    }, storageFailed("GrantStore.use")),
    uses: Effect.fnUntraced(function*(id, limit) {
      const rows = yield* sql<{ action_id: string; digest: string; at_time: string }>`
        SELECT * FROM vargate_grant_uses WHERE grant_id = ${id} ORDER BY at_time DESC LIMIT ${limit}`
      return yield* Effect.forEach(
        rows,
        (row) => decodeUse({ actionId: row.action_id, digest: row.digest, at: row.at_time })
      )
    }, storageFailed("GrantStore.uses"))
  })
})

/**
 * The store in the database in context. Its tables begin with `vargate_` and are made where they are missing.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<GrantStore, StorageFailed, SqlClient.SqlClient> = Layer.effect(GrantStore, make)

/**
 * The store in a SQLite file, which is made where it is missing: that of the panel's ballots may be the same.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerSqlite = (
  options: { readonly filename: string }
): Layer.Layer<GrantStore, StorageFailed | SqlError> =>
  Layer.provide(layer, SqliteClient.layer({ filename: options.filename }))
