/**
 * A ledger in memory: gone with the process, and as fast as it gets.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DecidedAction, PendingAction } from "../../approvals/Approval.ts"
import { AgentActivity } from "../../audit/AgentActivity.ts"
import { AuditRecord } from "../../audit/AuditRecord.ts"
import { Subject } from "../../audit/Erasure.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { MerkleTree } from "../../verify/MerkleProof.ts"
import type { PolicyInput } from "../policy/PolicyInput.ts"
import { writeJson } from "../sqlite/plainJson.ts"
import { AgentHistory, makeMemory as makeHistory, withUnderway } from "./AgentHistory.ts"
import { genesis, hashRecord, linked } from "./internal/chain.ts"
import { type Entry, type HeldAction, Ledger, type Link, type SignedHead, type SubjectKey } from "./Ledger.ts"

/** Oldest first. Each list is only ever appended to; `byAction` points into it. */
interface TenantLedger {
  readonly records: Array<AuditRecord>
  readonly byAction: Map<string, number>
  /** As JSON: a text is one thing to keep, and collecting garbage takes as long as there are things kept. */
  readonly inputs: Map<string, string>
  /** By the action ids of the records to come. */
  readonly intents: Map<string, Entry>
  readonly held: Map<string, HeldAction>
  readonly trees: Array<MerkleTree>
  readonly keys: Map<string, ReadonlyArray<SubjectKey>>
  readonly heads: Map<string, SignedHead>
  /** By level and index. */
  readonly tiles: Map<string, Uint8Array>
}

const listLimit = 50

const make = Effect.sync(() => {
  const history = makeHistory()
  const tenants = new Map<string, TenantLedger>()
  let lastId = 0

  const ledgerOf = (tenantId: string): TenantLedger => {
    const existing = tenants.get(tenantId)
    if (existing !== undefined) return existing
    const created: TenantLedger = {
      records: [],
      byAction: new Map(),
      inputs: new Map(),
      intents: new Map(),
      held: new Map(),
      trees: [],
      keys: new Map(),
      heads: new Map(),
      tiles: new Map()
    }
    tenants.set(tenantId, created)
    return created
  }

  const append = (entry: Entry, hold: PendingAction | undefined, now: DateTime.Utc): AuditRecord => {
    const ledger = ledgerOf(entry.tenantId)
    const record = linked(entry, {
      id: ++lastId,
      createdAt: now,
      prevHash: ledger.records.at(-1)?.recordHash ?? genesis
    })
    ledger.byAction.set(record.actionId, ledger.records.push(record) - 1)
    if (entry.input !== undefined) ledger.inputs.set(record.actionId, writeJson(entry.input))
    if (entry.executed !== undefined) markBrokered(ledger, entry.executed)
    ledger.intents.delete(record.actionId)
    if (hold !== undefined) {
      ledger.held.set(hold.actionId, {
        action: hold,
        status: "pending",
        reviewer: null,
        note: null,
        reviewedAt: null
      })
    }
    history.add(entry)
    return record
  }

  const markBrokered = ({ byAction, records }: TenantLedger, actionId: ActionId) => {
    const index = byAction.get(actionId)
    if (index !== undefined) {
      records[index] = new AuditRecord({ ...records[index]!, executionMode: "vargate_brokered" })
    }
  }

  const newestHeld = (tenantId: string, wanted: (held: HeldAction) => boolean) =>
    [...ledgerOf(tenantId).held.values()].filter(wanted).slice(-listLimit).reverse()

  const ledger = Ledger.of({
    append: (entry, hold) => Effect.map(DateTime.now, (now) => append(entry, hold, now)),
    intend: (entry) => Effect.sync(() => void ledgerOf(entry.tenantId).intents.set(entry.actionId, entry)),
    // Memory never refuses.
    unrecorded: () => Effect.succeed([]),
    head: () => Effect.undefined,

    page: (tenantId, limit, offset) =>
      Effect.sync(() => {
        const { records } = ledgerOf(tenantId)
        const end = Math.max(0, records.length - offset)
        return { records: records.slice(Math.max(0, end - limit), end).reverse(), total: records.length }
      }),

    records: (tenantId) => Effect.sync(() => ledgerOf(tenantId).records.slice()),
    stream: (tenantId) => streamOf(() => ledgerOf(tenantId).records),
    origin: () => Effect.undefined,
    links: (tenantId, after, limit) =>
      Effect.sync(() => linksOf(ledgerOf(tenantId).records.slice(after, after + limit), after)),
    nth: (tenantId, place) => Effect.sync(() => ledgerOf(tenantId).records[place - 1]),

    find: (tenantId, actionId) =>
      Effect.sync(() => {
        const { byAction, records } = ledgerOf(tenantId)
        const index = byAction.get(actionId)
        return index === undefined ? undefined : records[index]
      }),

    findByHash: (tenantId, recordHash) =>
      Effect.sync(() => ledgerOf(tenantId).records.find((record) => record.recordHash === recordHash)),

    inputOf: (tenantId, actionId) =>
      Effect.sync(() => {
        const input = ledgerOf(tenantId).inputs.get(actionId)
        return input === undefined ? undefined : JSON.parse(input) as PolicyInput
      }),

    agents: (tenantId, limit) => Effect.sync(() => agentsOf(ledgerOf(tenantId).records).slice(0, limit)),

    subjects: (tenantId) => Effect.sync(() => subjectsOf(ledgerOf(tenantId).records)),

    recordsOf: (tenantId, subjectId) =>
      streamOf(() => ledgerOf(tenantId).records.filter(({ piiSubjectId }) => piiSubjectId === subjectId)),

    subjectKeys: (tenantId, subjectId) => Effect.sync(() => ledgerOf(tenantId).keys.get(subjectId) ?? []),

    putSubjectKey: (tenantId, subjectId, key) =>
      Effect.sync(() => {
        const { keys } = ledgerOf(tenantId)
        const others = (keys.get(subjectId) ?? []).filter(({ version }) => version !== key.version)
        keys.set(subjectId, [...others, key].sort((a, b) => a.version - b.version))
      }),

    markErased: (tenantId, subjectId) =>
      Effect.sync(() => {
        const { held, inputs, records } = ledgerOf(tenantId)
        let marked = 0
        records.forEach((record, index) => {
          if (record.piiSubjectId !== subjectId) return
          marked++
          records[index] = new AuditRecord({ ...record, erasureStatus: "erased" })
          inputs.delete(record.actionId)
          const decided = held.get(record.actionId)
          if (decided !== undefined && decided.status !== "pending") {
            held.set(record.actionId, { ...decided, action: new PendingAction({ ...decided.action, params: {} }) })
          }
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

    settle: (tenantId, actionId, settlement, entry, intent) =>
      Effect.map(DateTime.now, (now) => {
        const { held, intents } = ledgerOf(tenantId)
        const waiting = held.get(actionId)
        if (waiting?.status !== "pending") return false
        held.set(actionId, { action: waiting.action, ...settlement })
        if (entry !== undefined) append(entry, undefined, now)
        if (intent !== undefined) intents.set(intent.actionId, intent)
        return true
      }),

    expire: (tenantId, now) =>
      Effect.sync(() => {
        const { held } = ledgerOf(tenantId)
        const expired = [...held.values()].filter(({ action: { timeoutAt }, status }) =>
          status === "pending" && timeoutAt !== undefined && DateTime.isGreaterThan(now, timeoutAt)
        )
        for (const waiting of expired) held.set(waiting.action.actionId, { ...waiting, status: "expired" })
        return expired.map(({ action }) => action.actionId)
      }),

    leaves: (tenantId, afterId = 0, toId = Number.MAX_SAFE_INTEGER) =>
      streamOf(() =>
        ledgerOf(tenantId).records.flatMap(({ createdAt, erasureStatus, id, recordHash, requestedAt }) =>
          afterId < id && id <= toId && erasureStatus !== "erased"
            ? [{ id, recordHash, createdAt: createdAt ?? requestedAt }]
            : []
        )
      ),
    trees: (tenantId) => Effect.sync(() => ledgerOf(tenantId).trees.slice()),
    addTree: (tenantId, tree) => Effect.sync(() => void ledgerOf(tenantId).trees.push(tree)),
    noteAnchor: (tenantId, treeIndex, { block, chain, tx }) =>
      Effect.sync(() => {
        const { trees } = ledgerOf(tenantId)
        const place = trees.findIndex(({ anchorTx, index }) => index === treeIndex && typeof anchorTx !== "string")
        if (place < 0) return
        trees[place] = new MerkleTree({
          ...trees[place]!,
          anchorTx: tx,
          anchorChain: chain,
          ...block === undefined ? {} : { anchorBlock: block }
        })
      }),

    hashes: (tenantId, after, limit) =>
      Effect.sync(() =>
        ledgerOf(tenantId).records.slice(after, after + limit).map(({ recordHash }, i) => ({
          place: after + i + 1,
          recordHash
        }))
      ),
    signedHead: (tenantId, origin) => Effect.sync(() => ledgerOf(tenantId).heads.get(origin)),
    putTiles: (tenantId, tiles) =>
      Effect.sync(() => {
        for (const { hashes, index, level } of tiles) ledgerOf(tenantId).tiles.set(`${level}/${index}`, hashes)
      }),
    putSignedHead: (tenantId, head) => Effect.sync(() => void ledgerOf(tenantId).heads.set(head.origin, head)),
    tile: (tenantId, level, index) => Effect.sync(() => ledgerOf(tenantId).tiles.get(`${level}/${index}`))
  })

  const underway = (tenantId: string, agentId: string, inFlight: ReadonlyArray<ActionId>) => {
    const { byAction, intents } = ledgerOf(tenantId)
    const own = [...intents.values()].filter((intent) => intent.agentId === agentId)
    return own.length + inFlight.filter((id) => !byAction.has(id) && !intents.has(id)).length
  }

  const agentHistory = AgentHistory.of({
    ...history,
    of: (call) =>
      Effect.map(
        history.of(call),
        (past) => withUnderway(past, underway(call.tenantId, call.agentId, call.inFlight ?? []))
      )
  })

  return Context.make(Ledger, ledger).pipe(Context.add(AgentHistory, agentHistory))
})

const linksOf = (records: ReadonlyArray<AuditRecord>, after: number): ReadonlyArray<Link> =>
  records.map((record, index) => ({
    place: after + index + 1,
    actionId: record.actionId,
    prevHash: record.prevHash,
    recordHash: record.recordHash,
    computedHash: hashRecord(record)
  }))

/** What is there when the stream is run. */
const streamOf = <A>(read: () => ReadonlyArray<A>): Stream.Stream<A> =>
  Stream.suspend(() => Stream.fromArray(read().slice()))

const agentsOf = (records: ReadonlyArray<AuditRecord>): ReadonlyArray<AgentActivity> =>
  Object.values(Arr.groupBy(records, ({ agentId }) => agentId)).map((own) => {
    const last = own[own.length - 1]!
    return new AgentActivity({
      agentId: last.agentId,
      total: own.length,
      blocked: own.filter(({ decision }) => decision === "deny").length,
      lastAction: last.createdAt,
      anomalyScore: last.anomalyScore,
      tools: [...new Set(own.map(({ tool }) => tool))].sort()
    })
  }).sort((a, b) => b.total - a.total || (a.agentId < b.agentId ? -1 : 1))

const subjectsOf = (records: ReadonlyArray<AuditRecord>): ReadonlyArray<Subject> => {
  const subjects = new Map<string, Subject>()
  for (const { createdAt, erasureStatus, piiSubjectId } of records) {
    if (typeof piiSubjectId !== "string") continue
    const before = subjects.get(piiSubjectId)
    subjects.set(
      piiSubjectId,
      new Subject({
        id: piiSubjectId,
        records: (before?.records ?? 0) + 1,
        erasureStatus: erasureStatus ?? "active",
        lastSeen: createdAt
      })
    )
  }
  return [...subjects.values()].sort((a, b) => a.id < b.id ? -1 : 1)
}

/**
 * A fresh ledger in memory, and the history of its agents.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Ledger | AgentHistory> = Layer.effectContext(make)
