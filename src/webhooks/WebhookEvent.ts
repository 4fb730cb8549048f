/**
 * What a gateway tells by webhook.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"

const common = {
  /**
   * Names the delivery: the hex digits of its signature, which all attempts to deliver it share. The gateway assigns no
   * other id.
   */
  id: Schema.String,
  /** When the gateway wrote it, by the gateway's clock. */
  timestamp: Schema.DateTimeUtc
}

/** What came through the MCP door names no agent, no violations and no severity, and a `source` instead. */
const action = {
  ...common,
  actionId: ActionId,
  tool: Schema.String,
  method: Schema.String,
  decision: Schema.String,
  agentId: Schema.optional(Schema.String),
  violations: Schema.optional(Schema.Array(Schema.String)),
  severity: Schema.optional(Schema.String),
  requiresHuman: Schema.optional(Schema.Boolean),
  source: Schema.optional(Schema.String)
}

/**
 * A call was allowed (`action.allowed`). Where the gateway executes it, that has happened; whether it went well, the
 * event does not say.
 *
 * @category models
 * @since 0.1.0
 */
export class ActionAllowed extends Schema.TaggedClass<ActionAllowed>("effect-vargate/WebhookEvent/ActionAllowed")(
  "ActionAllowed",
  action
) {}

/**
 * A call was denied (`action.denied`).
 *
 * @category models
 * @since 0.1.0
 */
export class ActionDenied extends Schema.TaggedClass<ActionDenied>("effect-vargate/WebhookEvent/ActionDenied")(
  "ActionDenied",
  action
) {}

/**
 * A call needs an approval (`action.pending`). No event says what the reviewer decided.
 *
 * @category models
 * @since 0.1.0
 */
export class ActionPending extends Schema.TaggedClass<ActionPending>("effect-vargate/WebhookEvent/ActionPending")(
  "ActionPending",
  action
) {}

/**
 * A test was requested (`test.ping`, by POST /webhooks/test). It comes whatever events the tenant has chosen.
 *
 * @category models
 * @since 0.1.0
 */
export class TestPing extends Schema.TaggedClass<TestPing>("effect-vargate/WebhookEvent/TestPing")("TestPing", {
  ...common,
  message: Schema.optional(Schema.String)
}) {}

/**
 * A managed agent's session was interrupted (`session.interrupted`).
 *
 * **Gotchas**
 *
 * The session has stopped only where `interruptSent` is true.
 *
 * @category models
 * @since 0.1.0
 */
export class SessionInterrupted
  extends Schema.TaggedClass<SessionInterrupted>("effect-vargate/WebhookEvent/SessionInterrupted")(
    "SessionInterrupted",
    {
      ...common,
      sessionId: Schema.String,
      reason: Schema.optional(Schema.String),
      /** The gateway itself interrupted it, not an operator. */
      autoTriggered: Schema.optional(Schema.Boolean),
      interruptSent: Schema.optional(Schema.Boolean)
    }
  )
{}

/**
 * An event of another name, or a known one whose data have another shape: `chain.anchored` and `anomaly.detected` are
 * declared by the gateway, and it may learn more. It is signed like any other.
 *
 * @category models
 * @since 0.1.0
 */
export class Unknown extends Schema.TaggedClass<Unknown>("effect-vargate/WebhookEvent/Unknown")("Unknown", {
  ...common,
  /** The gateway's name for it. */
  event: Schema.String,
  data: Schema.Unknown
}) {}

/**
 * One event.
 *
 * @category models
 * @since 0.1.0
 */
export const WebhookEvent = Schema.Union([
  ActionAllowed,
  ActionDenied,
  ActionPending,
  TestPing,
  SessionInterrupted,
  Unknown
])

/**
 * The type of {@link WebhookEvent}.
 *
 * @category models
 * @since 0.1.0
 */
export type WebhookEvent = typeof WebhookEvent.Type
