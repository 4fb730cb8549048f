/**
 * Sessions of managed agents.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "./ActionId.ts"
import { ManagedAgentId } from "./ManagedAgent.ts"
import { RecordHash } from "./RecordHash.ts"

/**
 * Id of a session, as the gateway assigns it: `vs-e2ee29f4e160443b`.
 *
 * **Details**
 *
 * The pattern admits what can stand safely in a URL path.
 *
 * @category ids
 * @since 0.1.0
 */
export const ManagedSessionId = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,255}$/, { expected: "the id of a managed session" })
).pipe(Schema.brand("effect-vargate/ManagedSessionId"))

/**
 * The type of {@link ManagedSessionId}.
 *
 * @category ids
 * @since 0.1.0
 */
export type ManagedSessionId = typeof ManagedSessionId.Type

/**
 * How many calls a session has made: through the gateway (`governed`), past it (`observed`), and how many of all its
 * records are denied or pending.
 *
 * @category models
 * @since 0.1.0
 */
export const SessionCalls = Schema.Struct({
  governed: Schema.Int,
  observed: Schema.Int,
  denied: Schema.Int,
  pending: Schema.Int
})

/**
 * The type of {@link SessionCalls}.
 *
 * @category models
 * @since 0.1.0
 */
export type SessionCalls = typeof SessionCalls.Type

/**
 * A session of a managed agent.
 *
 * **Details**
 *
 * `status` (active, interrupted, completed, failed) is an open vocabulary. `calls` is counted anew by
 * GET /managed/sessions/{id}/status; in the list of sessions it is a stored number that may lag behind. `consumer`
 * tells whether the gateway follows the session's events; only a status has it.
 *
 * @category models
 * @since 0.1.0
 */
export class ManagedSession extends Schema.Class<ManagedSession>("effect-vargate/ManagedSession")({
  id: ManagedSessionId,
  agentId: ManagedAgentId,
  status: Schema.String,
  /** The session's name where the agent runs; `sim-` before it means that nothing runs. */
  anthropicSessionId: Schema.optional(Schema.NullOr(Schema.String)),
  tenantId: Schema.optional(Schema.String),
  createdAt: Schema.DateTimeUtc,
  endedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)),
  /** SHA-256 of the prompt that the agent was given, in lower-case hex. */
  systemPromptHash: Schema.optional(Schema.NullOr(Schema.String)),
  /** Where the agent finds its governed tools. */
  mcpServerUrl: Schema.optional(Schema.String),
  calls: Schema.optional(SessionCalls),
  consumer: Schema.optional(Schema.Struct({
    active: Schema.Boolean,
    events: Schema.optional(Schema.Int),
    anomalies: Schema.optional(Schema.Int)
  }))
}) {
  get isActive(): boolean {
    return this.status === "active"
  }
  /** Whether the gateway only pretends: it has no key for the place where agents run. */
  get isSimulated(): boolean {
    return this.anthropicSessionId?.startsWith("sim-") ?? false
  }
}

/**
 * A record of the audit log that belongs to a session (GET /managed/sessions/{id}/audit).
 *
 * **Details**
 *
 * `source` is `mcp_governed` for calls that the gateway decided, `mcp_observed` for what it only saw, `control_plane`
 * for operations on the session itself. Only the compliance report has the hashes and the bundle.
 *
 * @category models
 * @since 0.1.0
 */
export class SessionRecord extends Schema.Class<SessionRecord>("effect-vargate/SessionRecord")({
  id: Schema.Int,
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  decision: Schema.String,
  violations: Schema.Array(Schema.String),
  severity: Schema.String,
  source: Schema.optional(Schema.NullOr(Schema.String)),
  createdAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)),
  executionMode: Schema.optional(Schema.NullOr(Schema.String)),
  recordHash: Schema.optional(RecordHash),
  prevHash: Schema.optional(Schema.String),
  bundleRevision: Schema.optional(Schema.NullOr(Schema.String))
}) {}

/**
 * The gateway's word that an agent was told to stop (POST /managed/sessions/{id}/interrupt).
 *
 * @category models
 * @since 0.1.0
 */
export class InterruptReceipt extends Schema.Class<InterruptReceipt>("effect-vargate/InterruptReceipt")({
  sessionId: ManagedSessionId,
  status: Schema.String,
  reason: Schema.optional(Schema.String),
  /** Whether the gateway says that the interrupt was sent to where the agent runs. */
  isSent: Schema.Boolean,
  endedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc))
}) {}

/**
 * The gateway's listener to the events of one session (GET /managed/consumers).
 *
 * @category models
 * @since 0.1.0
 */
export class EventConsumer extends Schema.Class<EventConsumer>("effect-vargate/EventConsumer")({
  sessionId: ManagedSessionId,
  agentId: Schema.optional(Schema.String),
  tenantId: Schema.optional(Schema.String),
  running: Schema.optional(Schema.Boolean),
  events: Schema.optional(Schema.Int),
  /** Tool calls that did not go through the gateway. */
  observed: Schema.optional(Schema.Int),
  anomalies: Schema.optional(Schema.Int)
}) {}
