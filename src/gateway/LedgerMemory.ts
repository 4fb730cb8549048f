/**
 * A ledger in memory: gone with the process, and as fast as it gets.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DecidedAction } from "../domain/Approval.ts"
import { AuditRecord } from "../domain/AuditRecord.ts"
import type { MerkleTree } from "../domain/MerkleProof.ts"
import { genesis, hashRecord } from "./chain.ts"
import { type Entry, type HeldAction, Ledger, type SubjectKey } from "./Ledger.ts"
import type { PolicyInput } from "./PolicyInput.ts"

/** Oldest first. Each list is only ever appended to; `byAction` points into it. */
interface TenantLedger {
  readonly records: Array<AuditRecord>
  readonly byAction: Map<string, number>
  readonly inputs: Map<string, PolicyInput>
  readonly held: Map<string, HeldAction>
  readonly trees: Array<MerkleTree>
  readonly keys: Map<string, ReadonlyArray<SubjectKey>>
}

const listLimit = 50

const make = Effect.sync(() => {
  const tenants = new Map<string, TenantLedger>()
  let lastId = 0

  const ledgerOf = (tenantId: string): TenantLedger => {
    const existing = tenants.get(tenantId)
    if (existing !== undefined) return existing
    const created: TenantLedger = {
      records: [],
      byAction: new Map(),
      inputs: new Map(),
      held: new Map(),
      trees: [],
      keys: new Map()
    }
    tenants.set(tenantId, created)
    return created
  }

  const link = (entry: Entry, createdAt: DateTime.Utc, prevHash: string): AuditRecord => {
    const { input: _, tenantId: __, ...fields } = entry
    return new AuditRecord({
      ...fields,
      id: ++lastId,
      prevHash,
      recordHash: hashRecord({ ...fields, prevHash }),
      createdAt,
      evaluationPass: 1,
      piiSubjectId: entry.piiSubjectId ?? null,
      piiFields: entry.piiFields.length === 0 ? null : entry.piiFields,
      erasureStatus: "active",
      source: entry.source ?? "direct",
      managedSessionId: entry.managedSessionId ?? null
    })
  }

  const newestHeld = (tenantId: string, wanted: (held: HeldAction) => boolean) =>
    [...ledgerOf(tenantId).held.values()].filter(wanted).slice(-listLimit).reverse()

  return Ledger.of({
    append: (entry, hold) =>
      Effect.map(DateTime.now, (now) => {
        const ledger = ledgerOf(entry.tenantId)
        const record = link(entry, now, ledger.records.at(-1)?.recordHash ?? genesis)
        ledger.byAction.set(record.actionId, ledger.records.push(record) - 1)
        if (entry.input !== undefined) ledger.inputs.set(record.actionId, entry.input)
        if (hold !== undefined) {
          ledger.held.set(hold.actionId, {
            action: hold,
            status: "pending",
            reviewer: null,
            note: null,
            reviewedAt: null
          })
        }
        return record
      }),

    page: (tenantId, limit, offset) =>
      Effect.sync(() => {
        const { records } = ledgerOf(tenantId)
        const end = Math.max(0, records.length - offset)
        return { records: records.slice(Math.max(0, end - limit), end).reverse(), total: records.length }
      }),

    records: (tenantId) => Effect.sync(() => ledgerOf(tenantId).records.slice()),

    find: (tenantId, actionId) =>
      Effect.sync(() => {
        const { byAction, records } = ledgerOf(tenantId)
        const index = byAction.get(actionId)
        return index === undefined ? undefined : records[index]
      }),

    inputOf: (tenantId, actionId) => Effect.sync(() => ledgerOf(tenantId).inputs.get(actionId)),

    markBrokered: (tenantId, actionId) =>
      Effect.sync(() => {
        const { byAction, records } = ledgerOf(tenantId)
        const index = byAction.get(actionId)
        if (index !== undefined) {
          records[index] = new AuditRecord({ ...records[index]!, executionMode: "vargate_brokered" })
        }
      }),

    subjectKeys: (tenantId, subjectId) => Effect.sync(() => ledgerOf(tenantId).keys.get(subjectId) ?? []),

    putSubjectKey: (tenantId, subjectId, key) =>
      Effect.sync(() => {
        const { keys } = ledgerOf(tenantId)
        const others = (keys.get(subjectId) ?? []).filter(({ version }) => version !== key.version)
        keys.set(subjectId, [...others, key].sort((a, b) => a.version - b.version))
      }),

    markErased: (tenantId, subjectId) =>
      Effect.sync(() => {
        const { inputs, records } = ledgerOf(tenantId)
        let marked = 0
        records.forEach((record, index) => {
          if (record.piiSubjectId !== subjectId) return
          marked++
          records[index] = new AuditRecord({ ...record, erasureStatus: "erased" })
          inputs.delete(record.actionId)
        })
        return marked
      }),

    replaceRecords: (tenantId, replacement) =>
      Effect.sync(() => {
        const { byAction, records } = ledgerOf(tenantId)
        records.splice(0, records.length, ...replacement)
        byAction.clear()
        records.forEach(({ actionId }, index) => byAction.set(actionId, index))
      }),

    pending: (tenantId) =>
      Effect.sync(() => newestHeld(tenantId, ({ status }) => status === "pending").map(({ action }) => action)),

    decided: (tenantId) =>
      Effect.sync(() =>
        newestHeld(tenantId, ({ status }) => status !== "pending").map((
          { action, note, reviewedAt, reviewer, status }
        ) =>
          new DecidedAction({
            actionId: action.actionId,
            agentId: action.agentId,
            tool: action.tool,
            method: action.method,
            severity: action.severity,
            createdAt: action.createdAt,
            status,
            reviewer,
            note,
            reviewedAt
          })
        )
      ),

    approvalStats: (tenantId) =>
      Effect.sync(() => {
        const stats = { pending: 0, approved: 0, rejected: 0, expired: 0 }
        for (const { status } of ledgerOf(tenantId).held.values()) stats[status]++
        return stats
      }),

    held: (tenantId, actionId) => Effect.sync(() => ledgerOf(tenantId).held.get(actionId)),

    settle: (tenantId, actionId, settlement) =>
      Effect.sync(() => {
        const { held } = ledgerOf(tenantId)
        const waiting = held.get(actionId)
        if (waiting?.status !== "pending") return false
        held.set(actionId, { action: waiting.action, ...settlement })
        return true
      }),

    expire: (tenantId, now) =>
      Effect.sync(() => {
        const { held } = ledgerOf(tenantId)
        for (const [actionId, waiting] of held) {
          const { timeoutAt } = waiting.action
          if (waiting.status === "pending" && timeoutAt !== undefined && DateTime.isGreaterThan(now, timeoutAt)) {
            held.set(actionId, { ...waiting, status: "expired" })
          }
        }
      }),

    trees: (tenantId) => Effect.sync(() => ledgerOf(tenantId).trees.slice()),
    addTree: (tenantId, tree) => Effect.sync(() => void ledgerOf(tenantId).trees.push(tree))
  })
})

/**
 * A fresh ledger in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Ledger> = Layer.effect(Ledger, make)
