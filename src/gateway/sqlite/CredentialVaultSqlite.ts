/**
 * A vault of credentials in a SQLite file.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { CredentialVault } from "../tenants/CredentialVault.ts"
import { Database } from "./Database.ts"
import { fromColumn, toColumn } from "./losslessText.ts"

const logLimit = 50

interface CredentialRow {
  readonly tool_id: string
  readonly name: string
  readonly value: Uint8Array
  readonly created_at: number
}

interface UseRow {
  readonly tool_id: string
  readonly name: string
  readonly action_id: string
  readonly agent_id: string
  readonly accessed_at: number
}

const make = Effect.gen(function*() {
  const { commit, read, seal, sql, unseal } = yield* Database

  /** By tenant. The file is one gateway's at a time, so what it has read stays true until it writes. */
  const toolsOf = new Map<string, ReadonlyArray<string>>()
  const maxTenants = 1000
  let changes = 0
  const changed = Effect.sync(() => {
    changes++
    toolsOf.clear()
  })

  const readTools = Effect.fnUntraced(function*(tenantId: string) {
    const before = changes
    const rows = yield* read(
      sql<CredentialRow>`SELECT DISTINCT tool_id FROM credentials WHERE tenant_id = ${tenantId}`
    )
    const tools = rows.map(({ tool_id }) => fromColumn(tool_id)).sort()
    if (toolsOf.size >= maxTenants) toolsOf.clear()
    // what was read while something changed may be of before
    if (before === changes) toolsOf.set(tenantId, tools)
    return tools
  })

  const tools = (tenantId: string): Effect.Effect<ReadonlyArray<string>> =>
    Effect.suspend(() => {
      const known = toolsOf.get(tenantId)
      return known === undefined ? readTools(tenantId) : Effect.succeed(known)
    })

  return CredentialVault.of({
    tools,

    register: Effect.fnUntraced(function*(tenantId, { name, toolId, value }) {
      const stored = {
        value: seal(Redacted.value(value), "credential", tenantId, toolId, name),
        created_at: (yield* DateTime.now).epochMilliseconds
      }
      yield* commit(sql`
        INSERT INTO credentials ${
        sql.insert({ tenant_id: tenantId, tool_id: toColumn(toolId), name: toColumn(name), ...stored })
      }
        ON CONFLICT DO UPDATE SET ${sql.update(stored)}`).pipe(Effect.ensuring(changed))
    }),

    list: (tenantId) =>
      Effect.map(
        read(sql<CredentialRow>`SELECT * FROM credentials WHERE tenant_id = ${tenantId} ORDER BY tool_id, name`),
        (rows) =>
          rows.map((row) => ({
            toolId: fromColumn(row.tool_id),
            name: fromColumn(row.name),
            createdAt: DateTime.makeUnsafe(row.created_at)
          }))
      ),

    remove: Effect.fnUntraced(function*(tenantId, toolId, name) {
      const [tool, key] = [toColumn(toolId), toColumn(name)]
      const removed = yield* commit(sql`
        DELETE FROM credentials WHERE tenant_id = ${tenantId} AND tool_id = ${tool} AND name = ${key} RETURNING name`)
        .pipe(
          Effect.ensuring(changed)
        )
      return removed.length > 0
    }),

    open: Effect.fnUntraced(function*(tenantId, toolId, { actionId, agentId }) {
      // Most tools have none, and then there is nothing to look for, and nothing to write.
      if (!(yield* tools(tenantId)).includes(toolId)) return new Map()
      const use = {
        tenant_id: tenantId,
        tool_id: toColumn(toolId),
        action_id: toColumn(actionId),
        agent_id: toColumn(agentId),
        accessed_at: (yield* DateTime.now).epochMilliseconds
      }
      const credentials = sql<CredentialRow>`
        SELECT * FROM credentials WHERE tenant_id = ${tenantId} AND tool_id = ${use.tool_id} ORDER BY name`
      const rows = yield* commit(Effect.gen(function*() {
        const rows = yield* credentials
        for (const { name } of rows) yield* sql`INSERT INTO credential_uses ${sql.insert({ ...use, name })}`
        yield* sql`
          DELETE FROM credential_uses WHERE tenant_id = ${tenantId} AND id <= (
            SELECT id FROM credential_uses WHERE tenant_id = ${tenantId} ORDER BY id DESC LIMIT 1 OFFSET ${logLimit}
          )`
        return rows
      }))
      return new Map(rows.map((row) => {
        const name = fromColumn(row.name)
        return [name, Redacted.make(unseal(row.value, "credential", tenantId, toolId, name))]
      }))
    }),

    accessLog: (tenantId) =>
      Effect.map(
        read(sql<UseRow>`SELECT * FROM credential_uses WHERE tenant_id = ${tenantId} ORDER BY id DESC`),
        (rows) =>
          rows.map((row) => ({
            toolId: fromColumn(row.tool_id),
            name: fromColumn(row.name),
            actionId: fromColumn(row.action_id),
            agentId: fromColumn(row.agent_id),
            accessedAt: DateTime.makeUnsafe(row.accessed_at)
          }))
      )
  })
})

/**
 * The vault in the database in context. Values stand there encrypted under the key file, each bound to its tenant, tool
 * and name.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CredentialVault, never, Database> = Layer.effect(CredentialVault, make)
