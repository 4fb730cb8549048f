/**
 * Events in the Open Cybersecurity Schema Framework, version 1.5.0: a record as API Activity (class 6003, with the profile
 * `security_control` for the decision), a gap, a finding or a refused record as Detection Finding (class 2004).
 *
 * **Details**
 *
 * `metadata.uid` is the event's id, `metadata.tenant_uid` the tenant, `metadata.sequence` the count of records. What OCSF has
 * no field for is in `unmapped`, under the gateway's names.
 *
 * @since 0.2.0
 */
import { version as productVersion } from "../internal/version.ts"
import type { ExportEvent } from "./ExportEvent.ts"
import { nanosOf, payloadOf, textOf } from "./internal/payload.ts"

/**
 * The version of OCSF.
 *
 * @category constants
 * @since 0.2.0
 */
export const version = "1.5.0"

const severities: Readonly<Record<string, number>> = { none: 1, info: 1, low: 2, medium: 3, high: 4, critical: 5 }

/** Of the profile `security_control`: what was done about the activity. */
const actions: Readonly<Record<string, readonly [action: number, disposition: number]>> = {
  allow: [1, 1],
  deny: [2, 2],
  observed: [3, 15],
  pending_approval: [99, 99]
}

const activities: ReadonlyArray<readonly [pattern: RegExp, id: number]> = [
  [/^(?:post|create|add|insert|send|new)/i, 1],
  [/^(?:get|head|read|list|search|fetch|find)/i, 2],
  [/^(?:put|patch|update|set|edit|write)/i, 3],
  [/^(?:delete|remove|drop|cancel)/i, 4]
]

const metadataOf = (event: ExportEvent, profiles: ReadonlyArray<string>) => ({
  version,
  profiles,
  uid: event.id,
  tenant_uid: event.tenantId,
  sequence: event.count,
  log_name: "audit",
  product: { name: "effect-vargate", vendor_name: "Vargate", version: productVersion }
})

const millisOf = (value: unknown): number | undefined => {
  const nanos = nanosOf(value)
  return nanos === undefined ? undefined : Number(nanos / 1_000_000n)
}

/**
 * An event in OCSF. `time` is that of the action; of events that have none, `now`, in milliseconds.
 *
 * @category encoding
 * @since 0.2.0
 */
export const eventOf = (event: ExportEvent, now: number): Readonly<Record<string, unknown>> => {
  if (event._tag !== "Record") return findingOf(event, now)
  const { action_id, agent_id, decision, method, requested_at, severity, tool, violations, ...rest } = event.fields
  const operation = textOf(method)
  const activity = activities.find(([pattern]) => pattern.test(operation))?.[1] ?? 99
  const [action, disposition] = actions[textOf(decision)] ?? [99, 99]
  const agent = textOf(agent_id)
  return {
    class_uid: 6003,
    category_uid: 6,
    activity_id: activity,
    type_uid: 600_300 + activity,
    time: millisOf(requested_at) ?? now,
    severity_id: severities[textOf(severity)] ?? 99,
    severity: textOf(severity),
    // The answer of the tool is not in the record: whether it succeeded is unknown.
    status_id: 0,
    status_detail: Array.isArray(violations) ? violations.map(textOf).join("; ") : textOf(violations),
    action_id: action,
    action: textOf(decision),
    disposition_id: disposition,
    metadata: metadataOf(event, ["security_control"]),
    actor: { app_name: agent, app_uid: agent },
    api: { operation, service: { name: textOf(tool) }, request: { uid: textOf(action_id) } },
    src_endpoint: { name: agent, svc_name: "vargate" },
    unmapped: { ...rest, redacted: event.isRedacted }
  }
}

const findingOf = (event: Exclude<ExportEvent, { readonly _tag: "Record" }>, now: number) => {
  const title = event._tag === "Finding"
    ? event.finding._tag
    : event._tag === "Gap"
    ? "UnreadableRecord"
    : "RefusedRecord"
  return {
    class_uid: 2004,
    category_uid: 2,
    activity_id: 1,
    type_uid: 200_401,
    time: now,
    severity_id: event._tag === "Finding" ? 4 : 2,
    status_id: 1,
    metadata: metadataOf(event, []),
    finding_info: { uid: event.id, title, types: [title] },
    unmapped: payloadOf(event)
  }
}
