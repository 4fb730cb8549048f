/**
 * Which records are wanted. The gateway has no filters, so all of them are looked at here.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import type * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { moment } from "../core/flags.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

/** @internal */
export const flags = {
  agent: text("agent", "<id>", "Only of this agent"),
  tool: text("tool", "<tool>", "Only of this tool"),
  method: text("method", "<method>", "Only of this method"),
  decision: text("decision", "<word>", "Only allow, deny, pending_approval, ..."),
  violation: text("violation", "<name>", "Only with this violation"),
  since: moment("since").pipe(Flag.withDescription("Only requested since, like 2h or 2026-11-23"), Flag.optional),
  until: moment("until").pipe(Flag.withDescription("Only requested before"), Flag.optional)
}

/** @internal */
export interface Filter {
  readonly agent: Option.Option<string>
  readonly tool: Option.Option<string>
  readonly method: Option.Option<string>
  readonly decision: Option.Option<string>
  readonly violation: Option.Option<string>
  readonly since: Option.Option<DateTime.Utc>
  readonly until: Option.Option<DateTime.Utc>
}

/** @internal */
export const matches = (filter: Filter, record: AuditRecord): boolean => {
  const is = (wanted: Option.Option<string>, found: string) => Option.isNone(wanted) || wanted.value === found
  const at = record.requestedAt.epochMilliseconds
  return is(filter.agent, record.agentId) && is(filter.tool, record.tool) && is(filter.method, record.method) &&
    is(filter.decision, record.decision) &&
    (Option.isNone(filter.violation) || record.violations.includes(filter.violation.value)) &&
    (Option.isNone(filter.since) || at >= filter.since.value.epochMilliseconds) &&
    (Option.isNone(filter.until) || at < filter.until.value.epochMilliseconds)
}

/** Records are in the order of their ids, which is that of recording; a long execution delays its own by so much. */
const longestExecution = 3_600_000

/**
 * Whether older records can still match, so that not the whole log is read for the last two hours.
 *
 * @internal
 */
export const goesOn = ({ since }: Filter, record: AuditRecord): boolean =>
  Option.isNone(since) || record.requestedAt.epochMilliseconds >= since.value.epochMilliseconds - longestExecution
