/**
 * What can be said about a session of a managed agent afterwards.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ReplayedDecision } from "../audit/ReplayReport.ts"
import { ActionId } from "../model/ActionId.ts"
import { ManagedAgentId } from "../model/ManagedAgent.ts"
import { ManagedSession, SessionRecord } from "../model/ManagedSession.ts"
import { BrokenLink } from "./ComplianceExport.ts"

/**
 * The gateway's report on one session (GET /managed/sessions/{id}/compliance).
 *
 * **Gotchas**
 *
 * `chain` compares neighbours within the session only. Wherever the record of another session or agent stands between
 * two of them, which is the rule and not the exception, it claims a broken link in an honest log. `ChainVerifier` looks
 * at the whole log.
 *
 * @category models
 * @since 0.1.0
 */
export class SessionCompliance extends Schema.Class<SessionCompliance>("effect-vargate/SessionCompliance")({
  version: Schema.optional(Schema.String),
  exportedAt: Schema.DateTimeUtc,
  session: ManagedSession,
  durationHours: Schema.optional(Schema.NullOr(Schema.Finite)),
  /** Absent where the agent is gone. */
  agent: Schema.NullOr(Schema.Struct({
    id: Schema.NullOr(ManagedAgentId),
    name: Schema.NullOr(Schema.String),
    model: Schema.optional(Schema.NullOr(Schema.String)),
    allowedTools: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
    maxDelegationDepth: Schema.optional(Schema.NullOr(Schema.Int))
  })),
  summary: Schema.Struct({
    events: Schema.Int,
    governed: Schema.Int,
    observed: Schema.Int,
    denied: Schema.Int,
    pending: Schema.Int,
    /** Records with at least one violation. */
    anomalies: Schema.Int,
    /** Denials per governed call, from 0. */
    denialRate: Schema.Finite
  }),
  chain: Schema.Struct({
    claimedValid: Schema.Boolean,
    checked: Schema.Int,
    /** The hashes are cut to 16 digits. */
    brokenLinks: Schema.Array(BrokenLink)
  }),
  /** Oldest first. */
  timeline: Schema.Array(SessionRecord),
  controls: Schema.Array(Schema.String),
  exportHash: Schema.optional(Schema.String)
}) {}

/**
 * One record of a session, decided again.
 *
 * **Details**
 *
 * `Match` and `Mismatch` compare decisions; a pending action counts as a match when it would be denied now. `Skipped`
 * records were never decided by a policy. `Failed` could not be replayed; `detail` says why for both.
 *
 * @category models
 * @since 0.1.0
 */
export const ReplayedRecord = Schema.Struct({
  actionId: ActionId,
  tool: Schema.String,
  method: Schema.optional(Schema.String),
  source: Schema.optional(Schema.NullOr(Schema.String)),
  outcome: Schema.Literals(["Match", "Mismatch", "Skipped", "Failed"]),
  original: Schema.optional(ReplayedDecision),
  replayed: Schema.optional(ReplayedDecision),
  detail: Schema.optional(Schema.String)
})

/**
 * The type of {@link ReplayedRecord}.
 *
 * @category models
 * @since 0.1.0
 */
export type ReplayedRecord = typeof ReplayedRecord.Type

/**
 * A session's decisions taken again under today's policy (POST /managed/sessions/{id}/replay).
 *
 * **Details**
 *
 * The gateway's own summary counts skipped records as matches; the lists here keep them apart.
 *
 * @category models
 * @since 0.1.0
 */
export class SessionReplay extends Schema.Class<SessionReplay>("effect-vargate/SessionReplay")({
  sessionId: Schema.String,
  /** In the order of the log. */
  results: Schema.Array(ReplayedRecord)
}) {
  get matched(): ReadonlyArray<ReplayedRecord> {
    return this.results.filter(({ outcome }) => outcome === "Match")
  }
  get mismatched(): ReadonlyArray<ReplayedRecord> {
    return this.results.filter(({ outcome }) => outcome === "Mismatch")
  }
  get skipped(): ReadonlyArray<ReplayedRecord> {
    return this.results.filter(({ outcome }) => outcome === "Skipped")
  }
  get failed(): ReadonlyArray<ReplayedRecord> {
    return this.results.filter(({ outcome }) => outcome === "Failed")
  }
}
