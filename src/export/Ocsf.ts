/**
 * Events in the Open Cybersecurity Schema Framework, version 1.5.0: a record as API Activity (class 6003, with the profile
 * `security_control` for the decision), a gap, a finding or a refused record as Detection Finding (class 2004).
 *
 * **Details**
 *
 * `metadata.uid` is the event's id, `metadata.tenant_uid` the tenant, `metadata.sequence` the count of records. What OCSF has
 * no field for is in `unmapped`, under the gateway's names.
 *
 * Where an id is 99 (other), the gateway's word stands beside it.
 *
 * @since 0.2.0
 */
import { isRecord } from "../internal/isRecord.ts"
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

const apiActivity = 6003
const detectionFinding = 2004

/** Maps, since the gateway's words are their keys: `constructor` is one too. */
const severities: ReadonlyMap<string, number> = new Map(
  Object.entries({ none: 1, info: 1, low: 2, medium: 3, high: 4, critical: 5 })
)

/** Of the profile `security_control`: what was done about the activity. */
const actions: ReadonlyMap<string, readonly [action: number, disposition: number]> = new Map([
  ["allow", [1, 1]],
  ["deny", [2, 2]],
  ["observed", [3, 15]],
  ["pending_approval", [99, 99]]
])
const other = 99

const activityNames = ["Create", "Read", "Update", "Delete"]

/** What the first word of a method says: create, read, update or delete. */
const activities: ReadonlyMap<string, number> = new Map(
  ([
    [1, "post create add insert send new"],
    [2, "get head read list search fetch find"],
    [3, "put patch update set edit write"],
    [4, "delete remove drop cancel"]
  ] as const).flatMap(([id, words]) => words.split(" ").map((word) => [word, id] as const))
)

/** `GET`, `get_charge`, `getCharge` and `GetCharge` begin with the same word, `getaway` does not. */
const activityOf = (operation: string): number => {
  const word = /^(?:[A-Z]+(?![a-z])|[A-Za-z][a-z]*)/.exec(operation)?.[0] ?? ""
  return activities.get(word.toLowerCase()) ?? other
}

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
  const activity = activityOf(operation)
  const [action, disposition] = actions.get(textOf(decision)) ?? [other, other]
  const agent = textOf(agent_id)
  return {
    class_uid: apiActivity,
    category_uid: 6,
    activity_id: activity,
    activity_name: activityNames[activity - 1] ?? operation,
    type_uid: 100 * apiActivity + activity,
    time: millisOf(requested_at) ?? now,
    severity_id: severities.get(textOf(severity)) ?? other,
    severity: textOf(severity),
    // The answer of the tool is not in the record: whether it succeeded is unknown.
    status_id: 0,
    status_detail: Array.isArray(violations) ? violations.map(textOf).join("; ") : textOf(violations),
    action_id: action,
    action: textOf(decision),
    disposition_id: disposition,
    disposition: textOf(decision),
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
    class_uid: detectionFinding,
    category_uid: 2,
    activity_id: 1,
    type_uid: 100 * detectionFinding + 1,
    time: now,
    severity_id: event._tag === "Finding" ? 4 : 2,
    status_id: 1,
    metadata: metadataOf(event, []),
    finding_info: { uid: event.id, title, types: [title] },
    unmapped: payloadOf(event)
  }
}

/**
 * Which event it was that {@link eventOf} made this of: what is needed to continue behind it. Undefined where it is no such
 * event.
 *
 * @category decoding
 * @since 0.2.0
 */
export const keyOf = (
  value: Readonly<Record<string, unknown>>
): { readonly id: string; readonly tenant: string; readonly count: number; readonly isRecord: boolean } | undefined => {
  const { class_uid, metadata } = value
  if ((class_uid !== apiActivity && class_uid !== detectionFinding) || !isRecord(metadata)) return undefined
  const { sequence: count, tenant_uid: tenant, uid: id } = metadata
  return typeof id === "string" && typeof tenant === "string" && typeof count === "number"
    ? { id, tenant, count, isRecord: class_uid === apiActivity }
    : undefined
}
