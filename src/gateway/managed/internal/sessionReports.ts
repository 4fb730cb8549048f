/**
 * Reports on sessions of managed agents.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AuditRecord } from "../../../audit/AuditRecord.ts"
import type { ManagedAgent } from "../../../model/ManagedAgent.ts"
import { type ManagedSession, SessionRecord } from "../../../model/ManagedSession.ts"
import { type ReplayedRecord, SessionCompliance } from "../../../operator/SessionReport.ts"
import { SessionComplianceBody } from "../../../operator/wire/SessionReportBodies.ts"
import type { PolicyEngine } from "../../policy/PolicyEngine.ts"
import type { PolicyInput } from "../../policy/PolicyInput.ts"
import { brokenLinks } from "../../reports/complianceReport.ts"
import { exportHash } from "../../reports/exportHash.ts"

/** The controls of the governance standard that a report of the measured gateway names. */
const controls = ["AG-1.1", "AG-1.2", "AG-1.3", "AG-1.5", "AG-2.1", "AG-2.2", "AG-2.3"]

const shownDigits = 16

const encodeBody = Schema.encodeSync(SessionComplianceBody)

const rounded = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits

/**
 * The report on a session and its records.
 *
 * @category building
 * @since 0.1.0
 */
export const complianceOf = (
  session: ManagedSession,
  agent: ManagedAgent | undefined,
  records: ReadonlyArray<Omit<AuditRecord, "params">>,
  now: DateTime.Utc
): SessionCompliance => {
  const count = (isWanted: (record: Omit<AuditRecord, "params">) => boolean) => records.filter(isWanted).length
  const governed = count(({ source }) => source === "mcp_governed")
  const denied = count(({ decision }) => decision === "deny")
  const links = brokenLinks(records)
  const { endedAt } = session
  const report = new SessionCompliance({
    version: "1.0",
    exportedAt: now,
    session,
    durationHours: endedAt ? rounded(Duration.toHours(DateTime.distance(session.createdAt, endedAt)), 2) : null,
    agent: agent === undefined ? null : {
      id: agent.id,
      name: agent.name,
      model: agent.model,
      allowedTools: agent.allowedTools,
      maxDelegationDepth: agent.maxDelegationDepth
    },
    summary: {
      events: records.length,
      governed,
      observed: count(({ source }) => source === "mcp_observed"),
      denied,
      pending: count(({ decision }) => decision === "pending_approval"),
      anomalies: count(({ violations }) => violations.length > 0),
      denialRate: rounded(denied / Math.max(governed, 1), 4)
    },
    chain: {
      claimedValid: links.length === 0,
      checked: records.length,
      brokenLinks: links.map(({ actualPrevHash, expectedPrevHash, recordId }) => ({
        recordId,
        expectedPrevHash: expectedPrevHash.slice(0, shownDigits),
        actualPrevHash: actualPrevHash.slice(0, shownDigits)
      }))
    },
    timeline: records.map((record) => new SessionRecord(record)),
    controls
  })
  return new SessionCompliance({ ...report, exportHash: exportHash(encodeBody(report), "compact") })
}

/**
 * Takes one decision of a session again, under today's policy.
 *
 * @category building
 * @since 0.1.0
 */
export const replayOf = Effect.fnUntraced(function*(
  engine: PolicyEngine["Service"],
  record: AuditRecord,
  input: PolicyInput | undefined
): Effect.fn.Return<ReplayedRecord> {
  const { actionId, decision, method, severity, source, tool, violations } = record
  const subject = { actionId, tool, method, source }
  if (input === undefined) {
    return { ...subject, outcome: "Skipped", detail: "Control plane events are not policy-evaluated" }
  }
  return yield* engine.evaluate(input).pipe(
    Effect.map(({ decision: policy }): ReplayedRecord => {
      const replayed = policy.allow ? "allow" : "deny"
      // As measured: what was pending matches where it would be denied now.
      const isSame = decision === replayed || (decision === "pending_approval" && replayed === "deny")
      return {
        ...subject,
        outcome: isSame ? "Match" : "Mismatch",
        original: { decision, violations, severity },
        replayed: { decision: replayed, violations: policy.violations, severity: policy.severity }
      }
    }),
    Effect.catch(({ detail }) =>
      Effect.succeed<ReplayedRecord>({ ...subject, outcome: "Failed", detail: `OPA unreachable: ${detail}` })
    )
  )
})
