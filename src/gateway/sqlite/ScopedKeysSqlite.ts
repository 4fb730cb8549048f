/**
 * Scoped keys in a SQLite file: their hashes, never the keys.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { KeyScope } from "../../model/KeyScope.ts"
import { hashOfKey } from "../tenants/internal/apiKeys.ts"
import { putAll, type ScopedKey, ScopedKeys, seal } from "../tenants/ScopedKeys.ts"
import type { TenantOptions } from "../tenants/Tenants.ts"
import { Database } from "./Database.ts"
import { fromColumn, toColumn } from "./losslessText.ts"

interface KeyRow {
  readonly key_hash: string
  readonly tenant_id: string
  readonly name: string
  readonly scopes: string
  readonly created_at: number
}

const keyOf = (row: KeyRow): ScopedKey => ({
  tenantId: row.tenant_id,
  name: fromColumn(row.name),
  scopes: row.scopes.split(",") as ReadonlyArray<KeyScope>,
  hash: row.key_hash,
  createdAt: DateTime.makeUnsafe(row.created_at)
})

const make = Effect.gen(function*() {
  const { commit: commitChange, read, sql } = yield* Database
  let revision = 0
  /** Counted within the change, since its caller may be gone when it ends. */
  const commit = <A>(change: Effect.Effect<A, SqlError>) =>
    commitChange(Effect.andThen(Effect.sync(() => revision++), change))
  const where = (condition: Fragment) =>
    Effect.map(read(sql<KeyRow>`SELECT * FROM scoped_keys WHERE ${condition} ORDER BY name`), (rows) => rows.map(keyOf))
  const first = (condition: Fragment) => Effect.map(where(condition), ([key]) => key)
  const named = (tenantId: string, name: string) => sql`tenant_id = ${tenantId} AND name = ${toColumn(name)}`

  return ScopedKeys.of({
    revision: () => revision,
    put: Effect.fnUntraced(function*(tenantId, options) {
      const key = seal(tenantId, options, yield* DateTime.now)
      const row = {
        key_hash: key.hash,
        tenant_id: tenantId,
        name: toColumn(key.name),
        scopes: key.scopes.join(","),
        created_at: key.createdAt.epochMilliseconds
      }
      return yield* commit(Effect.as(
        Effect.andThen(
          sql`DELETE FROM scoped_keys WHERE ${named(tenantId, key.name)}`,
          sql`INSERT OR REPLACE INTO scoped_keys ${sql.insert(row)}`
        ),
        key
      ))
    }),
    byKey: (apiKey) => first(sql`key_hash = ${hashOfKey(apiKey)}`),
    byName: (tenantId, name) => first(named(tenantId, name)),
    list: (tenantId) => where(sql`tenant_id = ${tenantId}`),
    remove: (tenantId, name) =>
      commit(Effect.map(
        sql`DELETE FROM scoped_keys WHERE ${named(tenantId, name)} RETURNING name`,
        (rows) => rows.length > 0
      ))
  })
})

/**
 * The scoped keys in the database in context. Those that the tenants are given are put into it first.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (tenants: ReadonlyArray<TenantOptions>): Layer.Layer<ScopedKeys, never, Database> =>
  Layer.effect(ScopedKeys, Effect.tap(make, (keys) => putAll(keys, tenants)))
