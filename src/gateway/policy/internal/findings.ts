/**
 * What rules find about a call, and the decision that follows.
 *
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import { type PolicyDecision, type PolicyInput, Severity } from "../PolicyInput.ts"
import type { ApprovalRule, Parameters, PolicyRule } from "../PolicyRule.ts"

/**
 * A rule of severity `none` violates nothing: it holds the call.
 *
 * @category models
 * @since 0.2.0
 */
export interface Rule extends Omit<PolicyRule, "severity"> {
  readonly severity: Severity
}

/**
 * A rule that has fired.
 *
 * @category models
 * @since 0.2.0
 */
export interface Finding {
  readonly name: string
  readonly severity: Severity
  readonly cause?: Cause.Cause<never>
}

/**
 * An approval rule among others.
 *
 * @category constructors
 * @since 0.2.0
 */
export const approval = (name: string, when: ApprovalRule): Rule => ({ name, severity: "none", when })

/**
 * The rules of a program, with approvals by the names of their functions, or `approval_{n}`, counted from 1.
 *
 * @category constructors
 * @since 0.2.0
 */
export const programRulesOf = ({ approvals = [], rules = [] }: {
  readonly rules?: ReadonlyArray<PolicyRule> | undefined
  readonly approvals?: ReadonlyArray<ApprovalRule> | undefined
}): ReadonlyArray<Rule> => [
  ...rules,
  ...approvals.map((when, index) => approval(when.name || `approval_${index + 1}`, when))
]

/**
 * What a rule finds. One that throws has found that it failed.
 *
 * @category evaluation
 * @since 0.2.0
 */
export const findingsOf = (rule: Rule, input: PolicyInput, parameters: Parameters): ReadonlyArray<Finding> => {
  try {
    const fired = rule.when(input, parameters)
    const names = typeof fired === "boolean"
      ? (fired ? [rule.name] : [])
      : fired.map((thing) => `${rule.name}_${thing}`)
    return names.map((name) => ({ name, severity: rule.severity }))
  } catch (error) {
    return [{ name: `policy_rule_failed_${rule.name}`, severity: "high", cause: Cause.die(error) }]
  }
}

const alertTiers: Record<Severity, string> = {
  none: "none",
  low: "none",
  medium: "slack_alert",
  high: "soc_ticket",
  critical: "soc_page"
}

const worst = (findings: ReadonlyArray<Finding>): Severity =>
  Severity.literals.findLast((severity) => findings.some((finding) => finding.severity === severity)) ?? "none"

/**
 * The decision that follows from findings: any violation denies, and without one an approval holds.
 *
 * @category evaluation
 * @since 0.2.0
 */
export const decide = (findings: ReadonlyArray<Finding>): PolicyDecision => {
  const severity = worst(findings)
  const violations = findings.filter((finding) => finding.severity !== "none").map(({ name }) => name)
  return {
    allow: violations.length === 0,
    requires_human: violations.length === 0 && findings.length > 0,
    violations: [...new Set(violations)].sort(),
    severity,
    alert_tier: alertTiers[severity]
  }
}
