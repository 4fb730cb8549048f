/**
 * The body of a webhook, as the gateway sends it to the tenant's `webhook_url`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ActionId } from "../../model/ActionId.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import {
  ActionAllowed,
  ActionDenied,
  ActionPending,
  SessionInterrupted,
  TestPing,
  Unknown,
  type WebhookEvent
} from "../WebhookEvent.ts"

/**
 * The envelope of every event.
 *
 * @category codecs
 * @since 0.1.0
 */
export const WebhookBody = Schema.Struct({
  event: Schema.String,
  timestamp: Timestamp,
  data: Schema.optionalKey(Schema.Unknown)
}).annotate({ identifier: "WebhookBody" })

const optional = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/**
 * `data` of action.allowed, action.denied and action.pending. Through the MCP door only the first four and `source` come.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ActionData = Schema.Struct({
  action_id: ActionId,
  tool: Schema.String,
  method: Schema.String,
  decision: Schema.String,
  agent_id: optional(Schema.String),
  violations: optional(Schema.Array(Schema.String)),
  severity: optional(Schema.String),
  requires_human: optional(Schema.Boolean),
  source: optional(Schema.String)
}).annotate({ identifier: "ActionData" })

/**
 * `data` of test.ping. It has the fields of an action too, which are the same every time.
 *
 * @category codecs
 * @since 0.1.0
 */
export const PingData = Schema.Struct({ message: optional(Schema.String) }).annotate({ identifier: "PingData" })

/**
 * `data` of session.interrupted.
 *
 * @category codecs
 * @since 0.1.0
 */
export const SessionData = Schema.Struct({
  session_id: Schema.String,
  reason: optional(Schema.String),
  auto_triggered: optional(Schema.Boolean),
  anthropic_interrupt_sent: optional(Schema.Boolean)
}).annotate({ identifier: "SessionData" })

type Envelope = Pick<Unknown, "id" | "timestamp">

const action = (Event: typeof ActionAllowed | typeof ActionDenied | typeof ActionPending) => ({
  data: ActionData,
  read: (envelope: Envelope, data: typeof ActionData.Type) =>
    new Event({
      ...envelope,
      actionId: data.action_id,
      tool: data.tool,
      method: data.method,
      decision: data.decision,
      agentId: data.agent_id ?? undefined,
      violations: data.violations ?? undefined,
      severity: data.severity ?? undefined,
      requiresHuman: data.requires_human ?? undefined,
      source: data.source ?? undefined
    })
})

const reader = <A, I>({ data, read }: {
  readonly data: Schema.Codec<A, I>
  readonly read: (envelope: Envelope, data: A) => WebhookEvent
}) => {
  const decode = Schema.decodeUnknownOption(data)
  return (envelope: Envelope, data: unknown) => Option.map(decode(data), (data) => read(envelope, data))
}

const readers = new Map([
  ["action.allowed", reader(action(ActionAllowed))],
  ["action.denied", reader(action(ActionDenied))],
  ["action.pending", reader(action(ActionPending))],
  [
    "test.ping",
    reader({
      data: PingData,
      read: (envelope, { message }) => new TestPing({ ...envelope, message: message ?? undefined })
    })
  ],
  [
    "session.interrupted",
    reader({
      data: SessionData,
      read: (envelope, data) =>
        new SessionInterrupted({
          ...envelope,
          sessionId: data.session_id,
          reason: data.reason ?? undefined,
          autoTriggered: data.auto_triggered ?? undefined,
          interruptSent: data.anthropic_interrupt_sent ?? undefined
        })
    })
  ]
])

/**
 * The event in an envelope. What is not known, by name or by shape, is `Unknown`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const readEvent = (id: string, { data, event, timestamp }: typeof WebhookBody.Type): WebhookEvent =>
  (readers.get(event)?.({ id, timestamp }, data) ?? Option.none()).pipe(
    Option.getOrElse(() => new Unknown({ id, timestamp, event, data }))
  )
