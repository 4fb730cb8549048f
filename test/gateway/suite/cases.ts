/** Words that several topics share. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Approvals } from "../../../src/approvals/Approvals.ts"
import { Reviews } from "../../../src/approvals/Reviews.ts"
import { AuditLog } from "../../../src/audit/AuditLog.ts"
import { AuditRecord } from "../../../src/audit/AuditRecord.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import type { OperationError } from "../../../src/errors/VargateError.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import type * as PolicyEngine from "../../../src/gateway/policy/PolicyEngine.ts"
import type { ActionId } from "../../../src/model/ActionId.ts"
import type { ToolCallRequest } from "../../../src/model/ToolCall.ts"

/** Denies the tool `forbidden`; the template `general` holds the method `delete`. */
export const forbidding: PolicyEngine.Options = {
  rules: [
    { name: "tool_forbidden", severity: "critical", when: ({ action }) => action.tool === "forbidden" },
    { name: "and_seen", severity: "low", when: ({ action }) => action.tool === "forbidden" }
  ]
}

export const allowed = { tool: "slack", method: "post_message", params: { channel: "#general" } }
export const denied = { tool: "forbidden", method: "use" }
export const destructive = { tool: "files", method: "delete", params: { path: "/tmp/a" } }

/** Submits a call that must be held, and gives its id. */
export const hold = Effect.fnUntraced(function*(request: ToolCallRequest = destructive) {
  // A gateway keeps like actions apart; a program that submits two means it.
  const decision = yield* ToolCalls.decide({ ...request, allowDuplicate: true })
  assert(decision._tag === "PendingApproval", decision._tag)
  return decision.actionId
})

export const approve = (id: ActionId, note?: string) => Reviews.use((reviews) => reviews.approve(id, note))
export const reject = (id: ActionId, note?: string) => Reviews.use((reviews) => reviews.reject(id, note))
export const pending = Approvals.use((approvals) => approvals.pending)
export const history = Approvals.use((approvals) => approvals.history)
export const log = (options?: { readonly limit?: number; readonly offset?: number }) =>
  AuditLog.use((auditLog) => auditLog.page(options))
export const newest = Effect.map(log({ limit: 1 }), ({ records }) => records[0]!)

/** The reason of an operation that must fail with a `VargateError`, and the gateway's own words: `NotFound: ...`. */
export const reasonOf = <A, R>(operation: Effect.Effect<A, OperationError, R>) =>
  Effect.map(Effect.flip(operation), (error) => {
    assert(error._tag === "VargateError", error._tag)
    const { reason } = error
    return `${reason._tag}: ${"detail" in reason ? reason.detail : ""}`
  })

/** What the caller is told. */
export const messageOf = <A, R>(operation: Effect.Effect<A, OperationError, R>) =>
  Effect.map(Effect.flip(operation), ({ message }) => message)

/** Changes a stored record where no interface leads. The first has the index 0. */
export const tamper = Effect.fnUntraced(function*(tenantId: string, index: number, change: Partial<AuditRecord>) {
  const ledger = yield* Ledger
  const records = yield* ledger.records(tenantId)
  const record = new AuditRecord({ ...records[index]!, ...change })
  yield* ledger.replaceRecords(tenantId, records.with(index, record))
  return record.actionId
})

export const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index)
