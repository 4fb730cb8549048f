/**
 * The audit log, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Semaphore from "effect/Semaphore"
import type { AuditRecord } from "../../../audit/AuditRecord.ts"
import { BulkReplay, ReplayFailure, ReplayReport } from "../../../audit/ReplayReport.ts"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { BadGateway502, BadRequest400, NotFound404, Unprocessable422 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { executionOutcomeUnknown } from "../../ledger/internal/reviewEntry.ts"
import { Ledger } from "../../ledger/Ledger.ts"
import { noRevision, PolicyEngine } from "../../policy/PolicyEngine.ts"
import { ChainVerdicts } from "../ChainVerdicts.ts"
import { logAnswer } from "../logAnswer.ts"

const defaultLimit = 200
const defaultAgents = 20
/** For a negative limit the measured gateway shows everything. Here the log may be longer than an answer can be. */
const unlimited = 10_000

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "audit",
  Effect.fnUntraced(function*(handlers) {
    const ledger = yield* Ledger
    const reading = yield* Semaphore.make(1)
    const verdicts = yield* ChainVerdicts
    const engine = yield* PolicyEngine

    const chosen = Effect.fnUntraced(function*(
      tenantId: string,
      choice: {
        readonly action_id?: string | undefined
        readonly record_number?: number | undefined
        readonly last_block?: boolean | undefined
      }
    ) {
      if (choice.action_id !== undefined) return yield* ledger.find(tenantId, choice.action_id)
      if (choice.record_number) return yield* ledger.nth(tenantId, choice.record_number)
      if (choice.last_block === true) return (yield* ledger.page(tenantId, 1, 0)).records[0]
      return yield* Effect.fail(
        BadRequest400.make({ detail: "Provide action_id, record_number, or last_block=true" })
      )
    })

    const replay = Effect.fnUntraced(function*(id: string, record: AuditRecord) {
      const input = yield* ledger.inputOf(id, record.actionId)
      if (input === undefined) {
        return yield* Effect.fail(Unprocessable422.make({
          detail: `Record ${record.actionId} holds no policy input. Only decisions of the policy can be replayed.`
        }))
      }
      if (record.bundleRevision === noRevision) return yield* notArchived(record)
      const { decision: replayed, revision } = yield* engine.evaluate(input).pipe(
        Effect.mapError(({ detail }) => BadGateway502.make({ detail: `OPA unreachable: ${detail}` }))
      )
      if (record.bundleRevision !== revision) return yield* notArchived(record)
      return reportOf(record, input, {
        decision: replayed.allow ? "allow" : "deny",
        violations: replayed.violations,
        severity: replayed.severity,
        bundleRevision: revision,
        at: yield* DateTime.now
      })
    })

    return handlers
      .handle(
        "log",
        Effect.fnUntraced(function*({ query }) {
          const { id } = yield* CurrentTenant
          const { limit = defaultLimit, offset = 0 } = query
          return yield* logAnswer(ledger, id, limit < 0 ? unlimited : limit, offset, reading)
        })
      )
      .handle(
        "verify",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          return yield* verdicts.verify(id)
        })
      )
      .handle(
        "agents",
        Effect.fnUntraced(function*({ query }) {
          const { id } = yield* CurrentTenant
          const agents = yield* ledger.agents(id, Math.max(0, query.limit ?? defaultAgents))
          return { agents, count: agents.length, tenant_id: id }
        })
      )
      .handle(
        "replay",
        Effect.fnUntraced(function*({ payload }) {
          const { id } = yield* CurrentTenant
          const record = yield* chosen(id, payload)
          return record === undefined
            ? yield* Effect.fail(NotFound404.make({ detail: "Record not found" }))
            : yield* replay(id, record)
        })
      )
      .handle(
        "replayBulk",
        Effect.fnUntraced(function*({ payload }) {
          const { id } = yield* CurrentTenant
          const { records } = yield* ledger.page(id, Math.min(unlimited, Math.max(0, payload.count)), 0)
          const results = yield* Effect.forEach(records, (record) =>
            Effect.catch(
              replay(id, record),
              ({ detail }) => Effect.succeed(new ReplayFailure({ actionId: record.actionId, detail: String(detail) }))
            ))
          return new BulkReplay({ results })
        })
      )
  })
)

/** The rules in force are the only ones at hand. */
const notArchived = ({ bundleRevision }: AuditRecord) =>
  Effect.fail(BadGateway502.make({ detail: `Archived bundle ${bundleRevision} not found (HTTP 404)` }))

const reportOf = (record: AuditRecord, input: unknown, replayed: ReplayReport["replayed"]) => {
  const original = {
    decision: record.decision,
    // The gateway's own mark is no part of the decision.
    violations: record.violations.filter((violation) => violation !== executionOutcomeUnknown),
    severity: record.severity,
    bundleRevision: record.bundleRevision,
    at: record.requestedAt
  }
  const consistent = original.decision === replayed.decision &&
    String(original.violations) === String(replayed.violations) &&
    original.severity === replayed.severity
  return new ReplayReport({
    actionId: record.actionId,
    consistent,
    original,
    replayed,
    interpretation: consistent
      ? `The recorded decision is reproducible under policy ${record.bundleRevision}.`
      : "The replayed decision differs from the record: it was taken by a reviewer or a switch, or the record was changed.",
    input
  })
}
