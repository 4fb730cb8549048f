/**
 * Figures about a log, without personal data.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import type { AuditRecord } from "../domain/AuditRecord.ts"
import { type DecisionCounts, Transparency } from "../domain/Transparency.ts"

/**
 * Counts records by their decision.
 *
 * @category counting
 * @since 0.1.0
 */
export const countsOf = (records: ReadonlyArray<AuditRecord>): typeof DecisionCounts.Type => ({
  total: records.length,
  allowed: records.filter(({ decision }) => decision === "allow").length,
  denied: records.filter(isDenied).length
})

const isDenied = ({ decision }: AuditRecord) => decision === "deny"

const tally = (words: ReadonlyArray<string>): Readonly<Record<string, number>> => {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return Object.fromEntries(counts)
}

/**
 * How often which rule was a reason to deny.
 *
 * @category counting
 * @since 0.1.0
 */
export const violationsOf = (records: ReadonlyArray<AuditRecord>) =>
  tally(records.filter(isDenied).flatMap(({ violations }) => violations))

const maxTools = 20
const maxPolicies = 10

const toolsOf = (records: ReadonlyArray<AuditRecord>): Transparency["tools"] =>
  [...Map.groupBy(records, ({ tool }) => tool)]
    .map(([tool, own]) => ({ tool, ...countsOf(own) }))
    .sort((a, b) => b.total - a.total)
    .slice(0, maxTools)

const timeOf = (record: AuditRecord) => record.createdAt ?? record.requestedAt

/** Of some records the one with the latest time; the records of several tenants are not in order. */
const latest = (records: ReadonlyArray<AuditRecord>): AuditRecord | undefined =>
  records.reduce<AuditRecord | undefined>(
    (best, record) => best === undefined || record.id > best.id ? record : best,
    undefined
  )

const policiesOf = (records: ReadonlyArray<AuditRecord>): Transparency["policies"] =>
  [...Map.groupBy(records, ({ bundleRevision }) => bundleRevision)]
    .flatMap(([revision, own]) =>
      revision === null ? [] : [{ revision, firstSeen: own.map(timeOf).reduce((a, b) => DateTime.min(a, b)) }]
    )
    .sort((a, b) => DateTime.Order(b.firstSeen, a.firstSeen))
    .slice(0, maxPolicies)

/**
 * The figures of one tenant, or of several under no name.
 *
 * @category counting
 * @since 0.1.0
 */
export const transparencyOf = (
  records: ReadonlyArray<AuditRecord>,
  now: DateTime.Utc,
  tenant?: { readonly id: string; readonly approvals: NonNullable<Transparency["approvals"]> }
): Transparency => {
  const since = (duration: Partial<DateTime.DateTime.PartsForMath>) => {
    const start = DateTime.subtract(now, duration)
    return countsOf(records.filter((record) => DateTime.isGreaterThanOrEqualTo(timeOf(record), start)))
  }
  const overall = countsOf(records)
  const newest = latest(records)
  return new Transparency({
    generatedAt: now,
    tenantId: tenant?.id ?? null,
    overall: {
      ...overall,
      anomalous: records.filter(({ anomalyScore }) => (anomalyScore ?? 0) > 0.5).length,
      complianceRate: Math.round((overall.allowed / Math.max(overall.total, 1)) * 1000) / 10
    },
    lastHour: since({ hours: 1 }),
    lastDay: since({ days: 1 }),
    lastWeek: since({ weeks: 1 }),
    violations: violationsOf(records),
    severities: tally(records.filter(isDenied).map(({ severity }) => severity)),
    tools: toolsOf(records),
    policies: policiesOf(records),
    approvals: tenant?.approvals ?? null,
    chain: {
      records: records.length,
      latestHash: newest === undefined ? null : `${newest.recordHash.slice(0, 16)}...`,
      latestAt: newest === undefined ? null : timeOf(newest)
    }
  })
}
