/**
 * Audit records on the screen.
 *
 * @internal
 */
import type * as DateTime from "effect/DateTime"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { withValue } from "../core/outcome.ts"
import type { Column, Row } from "../screen/table.ts"
import { bold, dim, type Line, spansOf } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

/** @internal */
export const columns: ReadonlyArray<Column> = [
  { title: "ID", align: "right" },
  { title: "UTC", align: "right" },
  { title: "DECISION", min: 8 },
  { title: "AGENT", min: 8 },
  { title: "ACTION", min: 14 },
  { title: "WHY", min: 8 }
]

/** @internal */
export const rowOf = (record: AuditRecord, now: DateTime.Utc): Row => [
  String(record.id),
  dim(Words.stamp(record.requestedAt, now)),
  Words.decision(record.decision),
  record.agentId,
  `${record.tool}/${record.method}`,
  why(record)
]

const why = ({ severity, violations }: AuditRecord): Line =>
  violations.length === 0 ? "" : Words.severe(severity, violations.join(", "))

/** @internal */
export const details = (record: AuditRecord, width: number | undefined): ReadonlyArray<Line> =>
  withValue(
    [
      ["Record", [bold(String(record.id)), dim(`  ${record.actionId}`)]],
      ["Action", bold(`${record.tool}/${record.method}`)],
      ["Agent", record.agentId],
      ["Decision", [
        ...spansOf(Words.decision(record.decision)),
        record.violations.length === 0 ? "" : `: ${record.violations.join(", ")}`
      ]],
      record.severity === "none" ? undefined : ["Severity", [
        Words.severe(record.severity),
        record.alertTier == null || record.alertTier === "none" ? "" : dim(`, alert ${record.alertTier}`)
      ]],
      ["Requested", Words.fullStamp(record.requestedAt)],
      record.executionMode == null || record.decision !== "allow"
        ? undefined
        : ["Executed by", executors[record.executionMode] ?? record.executionMode],
      record.bundleRevision === null ? undefined : ["Policy", dim(record.bundleRevision)],
      record.containsPii !== true ? undefined : [
        "Personal",
        `data of ${record.piiSubjectId ?? "a subject"} (${record.erasureStatus ?? "active"})`
      ],
      ["Hash", dim(record.recordHash)],
      ["Follows", dim(record.prevHash)]
    ],
    "Params",
    record.params,
    width
  )

const executors: Readonly<Record<string, string>> = {
  agent_direct: "the agent",
  vargate_brokered: "the gateway"
}
