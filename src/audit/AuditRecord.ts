/**
 * The audit log: one record per decision, chained by hashes, one chain per tenant.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { RecordHash } from "../model/RecordHash.ts"

/**
 * One record of the audit log (GET /audit/log).
 *
 * **Details**
 *
 * `recordHash` covers action id, agent id, tool, method, params, requestedAt, decision, violations, severity,
 * bundleRevision and prevHash. Everything else can change without a trace: id, alertTier, createdAt, evaluationPass,
 * anomalyScore, containsPii, piiSubjectId, piiFields, erasureStatus, executionMode, source, managedSessionId.
 *
 * `decision` (allow, deny, pending_approval, observed, ...) is an open vocabulary. `prevHash` of the first record is
 * `GENESIS`. Fields that contained personal data read `[ENCRYPTED:key_id:base64]`. Times are cut to milliseconds here,
 * and number tokens and key order of `params` are not kept: hash the response text, not this value.
 *
 * @category models
 * @since 0.1.0
 */
export class AuditRecord extends Schema.Class<AuditRecord>("effect-vargate/AuditRecord")({
  id: Schema.Int,
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  params: Schema.Unknown,
  requestedAt: Schema.DateTimeUtc,
  decision: Schema.String,
  violations: Schema.Array(Schema.String),
  severity: Schema.String,
  alertTier: Schema.optional(Schema.NullOr(Schema.String)),
  bundleRevision: Schema.NullOr(Schema.String),
  prevHash: Schema.String,
  recordHash: RecordHash,
  createdAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)),
  evaluationPass: Schema.optional(Schema.NullOr(Schema.Finite)),
  anomalyScore: Schema.optional(Schema.NullOr(Schema.Finite)),
  containsPii: Schema.optional(Schema.NullOr(Schema.Boolean)),
  piiSubjectId: Schema.optional(Schema.NullOr(Schema.String)),
  piiFields: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  erasureStatus: Schema.optional(Schema.NullOr(Schema.String)),
  executionMode: Schema.optional(Schema.NullOr(Schema.String)),
  source: Schema.optional(Schema.NullOr(Schema.String)),
  managedSessionId: Schema.optional(Schema.NullOr(Schema.String))
}) {}

/**
 * One page of the audit log, newest record first.
 *
 * **Gotchas**
 *
 * Offsets count from the newest record, so pages shift while records are appended: de-duplicate by `id`.
 *
 * @category models
 * @since 0.1.0
 */
export class AuditPage extends Schema.Class<AuditPage>("effect-vargate/AuditPage")({
  records: Schema.Array(AuditRecord),
  offset: Schema.Int,
  total: Schema.Int,
  tenantId: Schema.optional(Schema.String)
}) {}

/**
 * What the gateway says about its own chain (GET /audit/verify): a claim, not a proof.
 *
 * @category models
 * @since 0.1.0
 */
export class ChainStatus extends Schema.Class<ChainStatus>("effect-vargate/ChainStatus")({
  valid: Schema.Boolean,
  /** Absent where the gateway found a break. */
  records: Schema.optional(Schema.Int),
  tenantId: Schema.optional(Schema.String),
  failedAt: Schema.optional(Schema.String),
  reason: Schema.optional(Schema.String)
}) {}
