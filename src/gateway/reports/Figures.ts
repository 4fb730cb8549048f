/**
 * Figures about a log, without personal data.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { type DecisionCounts, Transparency } from "../../operator/Transparency.ts"
import { noRevision } from "../policy/PolicyEngine.ts"

type Counts = typeof DecisionCounts.Type

const none: Counts = { total: 0, allowed: 0, denied: 0 }

const plus = (counts: Counts, { decision }: AuditRecord): Counts => ({
  total: counts.total + 1,
  allowed: counts.allowed + (decision === "allow" ? 1 : 0),
  denied: counts.denied + (decision === "deny" ? 1 : 0)
})

const bump = (tally: Map<string, number>, word: string) => tally.set(word, (tally.get(word) ?? 0) + 1)

const timeOf = (record: AuditRecord) => record.createdAt ?? record.requestedAt

const maxTools = 20
const maxPolicies = 10

/**
 * Figures that grow record by record, in any order, so that a log never stands in memory as a whole.
 *
 * @category models
 * @since 0.1.0
 */
export class Figures {
  private overall = none
  private anomalous = 0
  private readonly periods: ReadonlyArray<{ readonly start: DateTime.Utc; counts: Counts }>
  private readonly denials = new Map<string, number>()
  private readonly severities = new Map<string, number>()
  private readonly tools = new Map<string, Counts>()
  private readonly policies = new Map<string, DateTime.Utc>()
  private newest: AuditRecord | undefined
  private readonly now: DateTime.Utc

  constructor(now: DateTime.Utc) {
    this.now = now
    this.periods = [{ hours: 1 }, { days: 1 }, { weeks: 1 }].map((ago) => ({
      start: DateTime.subtract(now, ago),
      counts: none
    }))
  }

  add(record: AuditRecord): this {
    const { anomalyScore, bundleRevision, decision, severity, tool, violations } = record
    const time = timeOf(record)
    this.overall = plus(this.overall, record)
    this.tools.set(tool, plus(this.tools.get(tool) ?? none, record))
    for (const period of this.periods) {
      if (DateTime.isGreaterThanOrEqualTo(time, period.start)) period.counts = plus(period.counts, record)
    }
    if ((anomalyScore ?? 0) > 0.5) this.anomalous++
    if (decision === "deny") {
      bump(this.severities, severity)
      for (const violation of violations) bump(this.denials, violation)
    }
    if (bundleRevision !== null && bundleRevision !== noRevision) {
      this.policies.set(bundleRevision, DateTime.min(time, this.policies.get(bundleRevision) ?? time))
    }
    if (this.newest === undefined || record.id > this.newest.id) this.newest = record
    return this
  }

  get counts(): Counts {
    return this.overall
  }

  /** How often which rule was a reason to deny. */
  get violations(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.denials)
  }

  /** The figures of one tenant, or of several under no name. */
  transparency(
    tenant?: { readonly id: string; readonly approvals: NonNullable<Transparency["approvals"]> }
  ): Transparency {
    const { newest, overall, periods } = this
    return new Transparency({
      generatedAt: this.now,
      tenantId: tenant?.id ?? null,
      overall: {
        ...overall,
        anomalous: this.anomalous,
        complianceRate: Math.round((overall.allowed / Math.max(overall.total, 1)) * 1000) / 10
      },
      lastHour: periods[0]!.counts,
      lastDay: periods[1]!.counts,
      lastWeek: periods[2]!.counts,
      violations: this.violations,
      severities: Object.fromEntries(this.severities),
      tools: [...this.tools].map(([tool, counts]) => ({ tool, ...counts }))
        .sort((a, b) => b.total - a.total)
        .slice(0, maxTools),
      policies: [...this.policies].map(([revision, firstSeen]) => ({ revision, firstSeen }))
        .sort((a, b) => DateTime.Order(b.firstSeen, a.firstSeen))
        .slice(0, maxPolicies),
      approvals: tenant?.approvals ?? null,
      chain: {
        records: overall.total,
        latestHash: newest === undefined ? null : `${newest.recordHash.slice(0, 16)}...`,
        latestAt: newest === undefined ? null : timeOf(newest)
      }
    })
  }
}

/**
 * The figures of a log as it is at a time.
 *
 * @category counting
 * @since 0.1.0
 */
export const figuresOf = (log: Stream.Stream<AuditRecord>, now: DateTime.Utc): Effect.Effect<Figures> =>
  Stream.runFold(log, () => new Figures(now), (figures, record) => figures.add(record))
