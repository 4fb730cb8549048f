/**
 * Tenants in a SQLite file.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { hash, randomUUID } from "node:crypto"
import { CurrentTenant } from "../../transport/wire/ApiKey.ts"
import { fill, type Tenant, type TenantOptions, Tenants } from "../tenants/Tenants.ts"
import { Database } from "./Database.ts"
import { fromColumnOrNull, toColumnOrNull } from "./losslessText.ts"

interface TenantRow {
  readonly id: string
  /** Another one after every change. */
  readonly stamp: string
  readonly key_hash: string
  readonly api_key: Uint8Array
  readonly created_at: number
  readonly email: string | null
  readonly slug: string | null
  readonly webhook_secret: Uint8Array | null
  readonly settings: string
}

/** Of how many tenants what was found is kept. */
const maxFound = 2000

const hashOf = (apiKey: Redacted.Redacted) => hash("sha256", Redacted.value(apiKey), "hex")

const make = Effect.gen(function*() {
  const { commit: commitChange, read, seal, sql, unseal } = yield* Database
  let revision = 0
  /** Counted within the change, since its caller may be gone when it ends. */
  const commit = <A>(change: Effect.Effect<A, SqlError>) =>
    commitChange(Effect.andThen(Effect.sync(() => revision++), change))

  const rowOf = (tenant: Tenant): TenantRow => {
    const { apiKey, createdAt, email, id, slug, webhookSecret, ...settings } = tenant
    return {
      id,
      stamp: randomUUID(),
      key_hash: hashOf(apiKey),
      api_key: seal(Redacted.value(apiKey), "tenant", id, "api_key"),
      created_at: createdAt.epochMilliseconds,
      email: toColumnOrNull(email),
      slug: toColumnOrNull(slug),
      webhook_secret: webhookSecret === null
        ? null
        : seal(Redacted.value(webhookSecret), "tenant", id, "webhook_secret"),
      settings: JSON.stringify(settings)
    }
  }

  const decode = (row: TenantRow): Tenant => ({
    // A setting that the row does not know yet has its default.
    ...fill(
      { id: row.id, apiKey: unseal(row.api_key, "tenant", row.id, "api_key") },
      DateTime.makeUnsafe(row.created_at)
    ),
    ...JSON.parse(row.settings),
    email: fromColumnOrNull(row.email),
    slug: fromColumnOrNull(row.slug),
    webhookSecret: row.webhook_secret === null
      ? null
      : Redacted.make(unseal(row.webhook_secret, "tenant", row.id, "webhook_secret"))
  })

  /** Every request asks for its tenant, and opening secrets takes longer than all the rest. */
  const decoded = new Map<string, { readonly stamp: string; readonly tenant: Tenant }>()

  const tenantOf = (row: TenantRow): Tenant => {
    const known = decoded.get(row.id)
    if (known?.stamp === row.stamp) return known.tenant
    const tenant = decode(row)
    decoded.set(row.id, { stamp: row.stamp, tenant })
    return tenant
  }

  const where = (condition: Fragment) =>
    Effect.map(sql<TenantRow>`SELECT * FROM tenants WHERE ${condition}`, ([row]) => row && tenantOf(row))
  const withId = (id: string) => where(sql`id = ${id}`)

  const store = (tenant: Tenant) => {
    const { id, ...row } = rowOf(tenant)
    return Effect.as(
      sql`
        INSERT INTO tenants ${sql.insert({ id, ...row })}
        ON CONFLICT (id) DO UPDATE SET ${sql.update(row)}`,
      tenant
    )
  }

  /** What was found by key or id, good as long as nothing changes. The file is one gateway's at a time. */
  const found = new Map<string, Tenant>()
  let foundAt = revision

  const remembered = (key: string, find: () => Effect.Effect<Tenant | undefined>): Effect.Effect<Tenant | undefined> =>
    Effect.suspend(() => {
      if (foundAt !== revision || found.size >= maxFound) {
        found.clear()
        foundAt = revision
      }
      const known = found.get(key)
      if (known !== undefined) return Effect.succeed(known)
      const before = revision
      return Effect.map(find(), (tenant) => {
        // What was read while something changed may be of before.
        if (tenant !== undefined && before === revision && foundAt === revision) found.set(key, tenant)
        return tenant
      })
    })

  const byId = (id: string) => remembered(`id ${id}`, () => read(withId(id)))

  return Tenants.of({
    revision: () => revision,
    byKey: (apiKey) =>
      Effect.suspend(() => {
        const keyHash = hashOf(apiKey)
        return remembered(`key ${keyHash}`, () => read(where(sql`key_hash = ${keyHash}`)))
      }),
    byId,
    all: Effect.map(read(sql<TenantRow>`SELECT * FROM tenants ORDER BY rank`), (rows) => rows.map(tenantOf)),
    count: Effect.map(
      read(sql<{ readonly total: number }>`SELECT count(*) AS total FROM tenants`),
      ([row]) => row?.total ?? 0
    ),
    byEmail: (email) => read(where(sql`email = ${toColumnOrNull(email)}`)),
    // Only a key of a registered tenant gets this far, and tenants are never removed.
    current: Effect.flatMap(CurrentTenant, ({ id }) => Effect.map(byId(id), (tenant) => tenant!)),

    put: Effect.fnUntraced(function*(options: TenantOptions) {
      const now = yield* DateTime.now
      return yield* commit(Effect.gen(function*() {
        const before = yield* withId(options.id)
        const tenant = fill(options, before?.createdAt ?? now)
        return yield* store({ ...tenant, webhookSecret: tenant.webhookSecret ?? before?.webhookSecret ?? null })
      }))
    }),

    add: Effect.fnUntraced(function*(options: TenantOptions) {
      const tenant = fill(options, yield* DateTime.now)
      return yield* commit(Effect.map(
        sql`INSERT INTO tenants ${sql.insert({ ...rowOf(tenant) })} ON CONFLICT DO NOTHING RETURNING id`,
        ([row]) => row && tenant
      ))
    }),

    update: (id, change) =>
      commit(Effect.flatMap(
        withId(id),
        (tenant) => tenant === undefined ? Effect.undefined : store({ ...tenant, ...change(tenant) })
      )),

    rotateKey: (id, from, to) =>
      commit(Effect.gen(function*() {
        const tenant = yield* withId(id)
        if (tenant === undefined || hashOf(tenant.apiKey) !== hashOf(from)) return false
        yield* store({ ...tenant, apiKey: to })
        return true
      }))
  })
})

/**
 * The tenants in the database in context. Those that are given are put into it first, in the place of those with their
 * ids.
 *
 * **Details**
 *
 * Keys and webhook secrets are encrypted under the key file; a key is found by its SHA-256.
 *
 * **Gotchas**
 *
 * `put` and `rotateKey` die where another tenant has the key already, and `put` where it has the e-mail address or the
 * slug.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (initial: ReadonlyArray<TenantOptions>): Layer.Layer<Tenants, never, Database> =>
  Layer.effect(Tenants, Effect.tap(make, (tenants) => Effect.forEach(initial, tenants.put)))
