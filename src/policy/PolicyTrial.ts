/**
 * Tries a policy on the past: which calls would be denied, pending or allowed by it that were not.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import type { PastDecision, PastDecisions } from "./PastDecisions.ts"
import { outcomeOf, type PolicyCandidate } from "./PolicyCandidate.ts"
import {
  type ChangedCall,
  type ChangesFor,
  type Excess,
  type NotCompared,
  type PolicyOutcome,
  TrialReport
} from "./TrialReport.ts"

/**
 * How a trial is reported.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** How many changed calls are shown. Default: 10. */
  readonly examples?: number | undefined
  /** How many are judged at a time: an OPA server may judge several. Default: 4. */
  readonly concurrency?: number | undefined
}

class Tally {
  private readonly counts = new Map<string, { denied: number; pending: number; allowed: number }>()

  add(name: string, to: PolicyOutcome): void {
    const found = this.counts.get(name) ?? { denied: 0, pending: 0, allowed: 0 }
    found[to]++
    this.counts.set(name, found)
  }

  /** The largest first. */
  get all(): ReadonlyArray<typeof ChangesFor.Type> {
    const sum = ({ allowed, denied, pending }: Omit<typeof ChangesFor.Type, "name">) => allowed + denied + pending
    return Array.from(this.counts, ([name, changes]) => ({ name, ...changes })).sort((a, b) =>
      sum(b) - sum(a) || (a.name < b.name ? -1 : 1)
    )
  }
}

const countOf = (names: Iterable<string>): ReadonlyArray<readonly [string, number]> => {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
}

const fieldsOf = (names: Iterable<string>) => countOf(names).map(([field, documents]) => ({ field, documents }))

/**
 * Tries a candidate on decisions of the past.
 *
 * **Details**
 *
 * A decision has changed when its outcome has: a call that is denied by another rule than before is the same. What a document
 * lacks is never guessed: where it may decide, the call is undecided, and the report names the fields.
 *
 * By rule, a call counts once for each rule that denies or holds it; a call that would be allowed counts for those that denied
 * it, or `requires_human`.
 *
 * **Gotchas**
 *
 * Each document has the history of its time: calls that the candidate would have denied count in it as they did. Limits per day
 * and cool-downs follow from what was decided then.
 *
 * **Example** (What a lower limit would change)
 *
 * ```ts
 * import { Effect } from "effect"
 * import * as PastDecisions from "effect-vargate/policy/PastDecisions"
 * import * as PolicyCandidate from "effect-vargate/policy/PolicyCandidate"
 * import * as PolicyTrial from "effect-vargate/policy/PolicyTrial"
 *
 * const trial = Effect.gen(function*() {
 *   const candidate = yield* PolicyCandidate.builtin({ parameters: { transaction_limit: 3000 } })
 *   const report = yield* PolicyTrial.run(candidate, yield* PastDecisions.fromReplays(1000))
 *   return report.newly.denied
 * })
 * ```
 *
 * @category running
 * @since 0.2.0
 */
export const run: (
  candidate: PolicyCandidate,
  past: PastDecisions,
  options?: Options
) => Effect.Effect<TrialReport> = Effect.fn("PolicyTrial.run")(function*(
  candidate: PolicyCandidate,
  past: PastDecisions,
  { concurrency = 4, examples: most = 10 }: Options = {}
) {
  const judged = yield* Effect.forEach(
    past.decisions,
    (decision) => Effect.map(candidate.judge(decision), (judgement) => ({ decision, judgement })),
    { concurrency }
  )
  const newly = { denied: 0, pending: 0, allowed: 0 }
  const rules = new Tally()
  const agents = new Tally()
  const tools = new Tally()
  const examples: Array<typeof ChangedCall.Type> = []
  const lacking: Array<string> = []
  const failures: Array<string> = []
  let same = 0
  let undecided = 0

  for (const { decision, judgement } of judged) {
    if (judgement._tag === "Undecided") {
      undecided++
      lacking.push(...judgement.lacking)
      continue
    }
    if (judgement._tag === "Failed") {
      failures.push(judgement.detail)
      continue
    }
    const to = outcomeOf(judgement.decision)
    const { outcome: from } = decision
    if (from === to) {
      same++
      continue
    }
    const causes = causesOf(decision, to, judgement.rules)
    newly[to]++
    for (const rule of causes) rules.add(rule, to)
    agents.add(decision.agentId, to)
    tools.add(`${decision.tool}/${decision.method}`, to)
    if (examples.length < most) {
      const { actionId, agentId, method, tool } = decision
      examples.push({ actionId, agentId, tool, method, from, to, rules: causes })
    }
  }

  return new TrialReport({
    candidate: candidate.name,
    tried: judged.length,
    same,
    newly,
    undecided,
    failed: failures.length,
    byRule: rules.all,
    byAgent: agents.all,
    byTool: tools.all,
    examples,
    lacking: fieldsOf(lacking),
    derived: fieldsOf(past.decisions.flatMap(({ derived = [] }) => derived)),
    failures: countOf(failures).slice(0, 10).map(([detail, documents]) => ({ detail, documents })),
    leftOut: countOf(past.leftOut.map(({ reason }) => reason)).map(([reason, records]) => ({
      reason: reason as typeof NotCompared.Type,
      records
    }))
  })
})

const causesOf = (
  { violations }: PastDecision,
  to: PolicyOutcome,
  rules: ReadonlyArray<string>
): ReadonlyArray<string> => to !== "allowed" ? rules : violations.length > 0 ? violations : ["requires_human"]

// --- budgets ---------------------------------------------------------------------------------------------------------

/**
 * How much a candidate may change: a number of calls, or a share of those that were tried, like `"1%"`. What is not named is
 * not limited.
 *
 * @category models
 * @since 0.2.0
 */
export interface Budget {
  readonly denied?: number | string | undefined
  readonly pending?: number | string | undefined
  readonly allowed?: number | string | undefined
  readonly undecided?: number | string | undefined
}

const names = ["denied", "pending", "allowed", "undecided"] as const

const limitOf = (limit: number | string, tried: number): number | undefined => {
  if (typeof limit === "number") return Number.isFinite(limit) && limit >= 0 ? limit : undefined
  const share = /^(\d{1,3}(?:\.\d{1,6})?)(%?)$/.exec(limit)
  if (share === null) return undefined
  return share[2] === "%" ? Number((Number(share[1]) * tried / 100).toFixed(6)) : Number(share[1])
}

/**
 * Which limits of a budget a trial exceeds. Fails with `InvalidRequest` where a limit is none.
 *
 * **Details**
 *
 * A candidate that gave no decision for a call, or a trial without any decided call, exceeds every budget: nothing was shown.
 *
 * @category budgets
 * @since 0.2.0
 */
export const exceeding = (
  report: TrialReport,
  budget: Budget
): Effect.Effect<ReadonlyArray<typeof Excess.Type>, VargateError> => {
  const limits = names.flatMap((what) => {
    const limit = budget[what]
    return limit === undefined ? [] : [{ what, limit: limitOf(limit, report.tried), given: limit }]
  })
  const issues = limits.filter(({ limit }) => limit === undefined).map(({ given, what }) => ({
    path: [what],
    message: `${JSON.stringify(given)} is neither a number of calls nor a share like "1%"`
  }))
  if (issues.length > 0) return Effect.fail(invalidRequest("PolicyTrial.exceeding", issues))
  const found = { ...report.newly, undecided: report.undecided }
  const decided = report.same + report.changed
  return Effect.succeed([
    ...limits.filter(({ limit, what }) => found[what] > limit!).map(({ limit, what }) => ({
      what,
      found: found[what],
      limit: limit!
    })),
    ...(report.failed > 0 ? [{ what: "failed" as const, found: report.failed, limit: 0 }] : []),
    ...(decided === 0 ? [{ what: "tried" as const, found: decided, limit: 1 }] : [])
  ])
}
