/**
 * Decisions of the past with the documents that they were taken from, as far as those are known: from a gateway's replays,
 * the ledger of an embedded gateway, or a file of evidence.
 *
 * @since 0.2.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { AuditLog } from "../audit/AuditLog.ts"
import type { AuditRecord } from "../audit/AuditRecord.ts"
import { Replay } from "../audit/Replay.ts"
import { LogBody } from "../audit/wire/AuditApi.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { OperationError, VargateError } from "../errors/VargateError.ts"
import { executionOutcomeUnknown } from "../gateway/ledger/internal/reviewEntry.ts"
import { Ledger } from "../gateway/ledger/Ledger.ts"
import { noRevision } from "../gateway/policy/PolicyEngine.ts"
import { contextAt, recipients } from "../gateway/policy/PolicyInput.ts"
import { maxPageSize } from "../internal/limits.ts"
import type { SizeOptions } from "../verify/ChainVerifier.ts"
import { openFile } from "../verify/internal/evidenceFile.ts"
import type { KnownDocument } from "./PolicyCandidate.ts"
import type { NotCompared, PolicyOutcome } from "./TrialReport.ts"

/**
 * A decision that was taken.
 *
 * @category models
 * @since 0.2.0
 */
export interface PastDecision extends KnownDocument {
  readonly actionId: string
  readonly agentId: string
  readonly tool: string
  readonly method: string
  readonly outcome: PolicyOutcome
  readonly violations: ReadonlyArray<string>
  /** Fields of the document that were computed from others of its fields. */
  readonly derived?: ReadonlyArray<string> | undefined
}

/**
 * Decisions, newest first, and records that are none.
 *
 * @category models
 * @since 0.2.0
 */
export interface PastDecisions {
  readonly decisions: ReadonlyArray<PastDecision>
  readonly leftOut: ReadonlyArray<{
    readonly actionId: string
    readonly reason: typeof NotCompared.Type
    readonly detail?: string | undefined
  }>
}

// --- records ---------------------------------------------------------------------------------------------------------

const byGateway = (violation: string) =>
  violation === "unknown_tool_no_execution_handler" || violation === executionOutcomeUnknown

const reasonToLeaveOut = (
  { agentId, bundleRevision, decision, source, violations }: AuditRecord
): typeof NotCompared.Type | undefined => {
  if (agentId === "human-reviewer") return "HumanDecision"
  const isDecision = decision === "allow" || decision === "deny" || decision === "pending_approval"
  if (source === "control_plane" || !isDecision || bundleRevision === noRevision) return "GatewayDecision"
  // Denied for no reason that a policy would give: the gateway could not reach its secrets store.
  if (decision === "deny" && violations.length === 0) return "GatewayDecision"
  return violations.includes("unknown_tool_no_execution_handler") ? "GatewayDecision" : undefined
}

/** What the policy said: a switch of the tenant allows some calls that it holds, and marks them. */
const outcomeOf = ({ decision, violations }: AuditRecord): PolicyOutcome =>
  decision === "deny"
    ? "denied"
    : decision === "pending_approval" || violations.includes("auto_approved")
    ? "pending"
    : "allowed"

const isEncrypted = (value: unknown) => typeof value === "string" && value.startsWith("[ENCRYPTED:")

/**
 * A document with what its other fields determine: `context.day_of_week` and `data.recipients`. These are no guess, and are
 * named.
 *
 * @category documents
 * @since 0.2.0
 */
export const completed = (document: unknown): Pick<PastDecision, "document" | "derived"> => {
  if (!Predicate.isObject(document)) return { document }
  const { action, context, data } = document as Readonly<Record<string, unknown>>
  const params = Predicate.isObject(action) ? action["params"] : undefined
  const time = Predicate.isObject(context) && typeof context["time_utc"] === "string"
    ? Date.parse(context["time_utc"])
    : Number.NaN
  const derived: Array<string> = []
  const parts: Record<string, unknown> = {}
  if (Predicate.isObject(context) && context["day_of_week"] === undefined && !Number.isNaN(time)) {
    parts["context"] = { ...context, day_of_week: new Date(time).getUTCDay() }
    derived.push("context.day_of_week")
  }
  const isPlain = Predicate.isObject(params) && !Object.values(params).some(isEncrypted)
  if (isPlain && Predicate.isObject(data) && data["recipients"] === undefined) {
    parts["data"] = { ...data, recipients: recipients(params as Readonly<Record<string, unknown>>) }
    derived.push("data.recipients")
  }
  return { document: { ...document, ...parts }, derived }
}

const decisionOf = (record: AuditRecord, document: unknown): PastDecision => ({
  actionId: record.actionId,
  agentId: record.agentId,
  tool: record.tool,
  method: record.method,
  outcome: outcomeOf(record),
  violations: record.violations.filter((violation) => !byGateway(violation) && violation !== "auto_approved"),
  ...completed(document)
})

type One = { readonly decision: PastDecision } | { readonly leftOut: PastDecisions["leftOut"][number] }

const together = (all: ReadonlyArray<One>): PastDecisions => ({
  decisions: all.flatMap((one) => "decision" in one ? [one.decision] : []),
  leftOut: all.flatMap((one) => "leftOut" in one ? [one.leftOut] : [])
})

const leaveOut = ({ actionId }: AuditRecord, reason: typeof NotCompared.Type, detail?: string): One => ({
  leftOut: { actionId, reason, ...detail === undefined ? {} : { detail } }
})

const checkCount = (operation: string, count: number): Effect.Effect<void, VargateError> =>
  Number.isSafeInteger(count) && count > 0 ? Effect.void : Effect.fail(
    invalidRequest(operation, [{ path: ["count"], message: "must be a whole number, at least 1" }])
  )

// --- sources ---------------------------------------------------------------------------------------------------------

const concurrency = 4

/**
 * From the replays of a gateway: the newest `count` records of the key's tenant, each replayed by itself, four at a time.
 *
 * **Details**
 *
 * A replay that fails for its own record (its bundle is not archived, its document was erased) leaves that record out, with
 * the gateway's words; any other failure is one of this effect.
 *
 * **Gotchas**
 *
 * The documents of the hosted gateway have no `tenant.policy_template`, `history.last_24h.last_violation_at` and
 * `history.known_recipient`. Rules that ask for these are undecided.
 *
 * @category sources
 * @since 0.2.0
 */
export const fromReplays: (
  count: number
) => Effect.Effect<PastDecisions, OperationError, AuditLog | Replay> = Effect.fn("PastDecisions.fromReplays")(
  function*(count: number) {
    yield* checkCount("PastDecisions.fromReplays", count)
    const auditLog = yield* AuditLog
    const replays = yield* Replay
    const records = yield* auditLog.records({ pageSize: Math.min(count, maxPageSize) }).pipe(
      Stream.take(count),
      Stream.runCollect
    )
    return together(
      yield* Effect.forEach(records, (record) => {
        const reason = reasonToLeaveOut(record)
        if (reason !== undefined) return Effect.succeed(leaveOut(record, reason))
        return replays.replay(record.actionId).pipe(
          Effect.map(({ input }): One =>
            Predicate.isObject(input)
              ? { decision: decisionOf(record, input) }
              : leaveOut(record, "NoDocument", "the replay has no document")
          ),
          Effect.catchIf(
            (error): error is VargateError =>
              error._tag === "VargateError" &&
              ["NotFound", "InvalidRequest", "GatewayFault"].includes(error.reason._tag),
            ({ reason }) => Effect.succeed(leaveOut(record, "NoDocument", reason.message))
          )
        )
      }, { concurrency })
    )
  }
)

/**
 * From the ledger of an embedded gateway: the newest `count` records of a tenant.
 *
 * @category sources
 * @since 0.2.0
 */
export const fromLedger: (
  tenantId: string,
  count: number
) => Effect.Effect<PastDecisions, VargateError, Ledger> = Effect.fn("PastDecisions.fromLedger")(
  function*(tenantId: string, count: number) {
    yield* checkCount("PastDecisions.fromLedger", count)
    const ledger = yield* Ledger
    const all: Array<One> = []
    while (all.length < count) {
      const { records } = yield* ledger.page(tenantId, Math.min(maxPageSize, count - all.length), all.length)
      if (records.length === 0) break
      for (const record of records) {
        const reason = reasonToLeaveOut(record)
        const input = reason === undefined ? yield* ledger.inputOf(tenantId, record.actionId) : undefined
        all.push(
          reason !== undefined
            ? leaveOut(record, reason)
            : input === undefined
            ? leaveOut(record, "NoDocument", "it was erased")
            : { decision: decisionOf(record, input) }
        )
      }
    }
    return together(all)
  }
)

/** What a record says of the document that it was decided by. */
const documentOf = (record: AuditRecord) => {
  const { anomalyScore, containsPii } = record
  const { is_business_hours: _, ...context } = contextAt(record.requestedAt)
  return {
    agent: { id: record.agentId },
    action: {
      id: record.actionId,
      tool: record.tool,
      method: record.method,
      params: record.params,
      requested_at: DateTime.formatIso(record.requestedAt)
    },
    context,
    data: Predicate.isBoolean(containsPii) ? { contains_pii: containsPii } : {},
    history: Predicate.isNumber(anomalyScore) ? { anomaly_score: anomalyScore } : {}
  }
}

const encryptedIn = ({ params }: AuditRecord): ReadonlyArray<string> =>
  Predicate.isObject(params)
    ? Object.entries(params).filter(([, value]) => isEncrypted(value)).map(([name]) => `action.params.${name}`)
    : []

/**
 * From a file of evidence, as text or bytes, gzipped too: its newest `count` records. Fails with `InvalidRequest` where it is
 * none.
 *
 * **Details**
 *
 * A record holds the call and little of the document: neither the tenant's settings nor the agent's history. What is not in
 * it counts as unknown, encrypted params included, and rules that ask for it are undecided.
 *
 * **Gotchas**
 *
 * The file is read as it is: `Evidence.verify` says whether it holds.
 *
 * @category sources
 * @since 0.2.0
 */
export const fromEvidence: (
  content: string | Uint8Array,
  count: number,
  size?: SizeOptions
) => Effect.Effect<PastDecisions, VargateError> = Effect.fn("PastDecisions.fromEvidence")(
  function*(content: string | Uint8Array, count: number, size: SizeOptions = {}) {
    const operation = "PastDecisions.fromEvidence"
    yield* checkCount(operation, count)
    const { pages } = yield* openFile(operation, content, size)
    const read = yield* Effect.forEach(
      pages,
      (page, index) =>
        Effect.mapError(
          Schema.decodeEffect(Schema.fromJsonString(LogBody))(page),
          () => invalidRequest(operation, [{ path: ["pages", index], message: "it is no page of an audit log" }])
        )
    )
    const records = new Map(read.flatMap(({ records }) => records).map((record) => [record.id, record]))
    const newest = [...records.values()].sort((a, b) => b.id - a.id).slice(0, count)
    return together(newest.map((record): One => {
      const reason = reasonToLeaveOut(record)
      return reason === undefined
        ? { decision: { ...decisionOf(record, documentOf(record)), lacking: encryptedIn(record) } }
        : leaveOut(record, reason)
    }))
  }
)
