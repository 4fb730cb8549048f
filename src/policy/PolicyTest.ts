/**
 * Tests of policies as data: given a tenant and an agent, when a call is made, expect a decision. The same cases run on any
 * engine: the built-in one, an OPA server, or a compiled policy.
 *
 * @since 0.2.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import * as PersonalData from "../gateway/policy/PersonalData.ts"
import { PolicyEngine, type RuleBook } from "../gateway/policy/PolicyEngine.ts"
import { contextAt, type PolicyDecision, PolicyInput, recipients } from "../gateway/policy/PolicyInput.ts"
import { outcomeOf } from "./PolicyCandidate.ts"

/**
 * What is known before the call. What is left out is as quiet as can be: Monday, 23 November 2026, at noon UTC, an agent `agent`
 * without a past, a tenant with the template `general` and no settings of its own.
 *
 * @category models
 * @since 0.2.0
 */
export interface Given {
  readonly template?: string | undefined
  readonly config?: Readonly<Record<string, unknown>> | undefined
  readonly agent?: Partial<PolicyInput["agent"]> | undefined
  /** ISO 8601. */
  readonly at?: string | undefined
  /** Default: what the time says. */
  readonly isBusinessHours?: boolean | undefined
  readonly history?:
    | Partial<Omit<PolicyInput["history"], "last_24h">> & {
      readonly last_24h?: Partial<PolicyInput["history"]["last_24h"]>
    }
    | undefined
  /** Beside what is found in the params. */
  readonly data?: Partial<PolicyInput["data"]> | undefined
  /** Tools for which there is a credential. */
  readonly credentials?: ReadonlyArray<string> | undefined
}

/**
 * The call.
 *
 * @category models
 * @since 0.2.0
 */
export interface When {
  readonly tool: string
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>> | undefined
}

/**
 * The decision: an outcome, or the violations of a denial, all of them and in any order.
 *
 * @category models
 * @since 0.2.0
 */
export type Expected = "allowed" | "pending" | "denied" | { readonly denied: ReadonlyArray<string> }

/**
 * A test of a policy.
 *
 * @category models
 * @since 0.2.0
 */
export interface PolicyCase {
  readonly title: string
  readonly given?: Given | undefined
  readonly when: When
  readonly expect: Expected
}

/**
 * A case that came out otherwise, or for which there was no decision.
 *
 * @category errors
 * @since 0.2.0
 */
export class PolicyCaseFailed extends Schema.TaggedError<PolicyCaseFailed>("effect-vargate/PolicyCaseFailed")(
  "PolicyCaseFailed",
  { title: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `${this.title}: ${this.detail}`
  }
}

/**
 * Fewer rules have fired in some case than was asked for.
 *
 * @category errors
 * @since 0.2.0
 */
export class RulesNotCovered extends Schema.TaggedError<RulesNotCovered>("effect-vargate/RulesNotCovered")(
  "RulesNotCovered",
  { covered: Schema.Int, rules: Schema.Int, uncovered: Schema.Array(Schema.String) }
) {
  override get message() {
    return `${this.covered} of ${this.rules} rules fired in some case. Add cases for: ${this.uncovered.join(", ")}`
  }
}

// --- one case --------------------------------------------------------------------------------------------------------

/**
 * The decision document of a case. Fails where it is none, such as for a history of fractions.
 *
 * @category constructors
 * @since 0.2.0
 */
export const documentOf = (
  { given = {}, title, when: { method, params = {}, tool } }: PolicyCase
): Effect.Effect<PolicyInput, PolicyCaseFailed> => {
  const failed = (detail: string) => new PolicyCaseFailed({ title, detail })
  const at = DateTime.make(given.at ?? "2026-11-23T12:00:00Z")
  if (at._tag === "None") return Effect.fail(failed(`given.at is no time: ${given.at}`))
  const context = contextAt(at.value, { is_business_hours: given.isBusinessHours })
  const { last_24h, ...history } = given.history ?? {}
  const document = {
    tenant: {
      id: "tenant",
      name: "Tenant",
      policy_template: given.template ?? "general",
      policy_config: given.config ?? {}
    },
    agent: { id: "agent", type: "autonomous", version: "1.0.0", ...given.agent },
    action: { id: "action", tool, method, params, requested_at: context.time_utc },
    context: { ...context, approval: { required: false, granted: false, approver: null } },
    data: { ...PersonalData.inspect(params), recipients: recipients(params), ...given.data },
    history: {
      anomaly_score: 0,
      flagged: false,
      cooldown_active: false,
      known_recipient: false,
      last_10min: { action_count: 0, denied_count: 0 },
      ...history,
      last_24h: {
        action_count: 0,
        policy_violations: 0,
        high_value_transactions: 0,
        last_violation_at: null,
        ...last_24h
      }
    },
    vault: { credentials_registered: given.credentials ?? [], brokered_execution: true }
  }
  return Effect.mapError(
    Schema.decodeUnknownEffect(PolicyInput)(document, { onExcessProperty: "error" }),
    ({ issue }) =>
      failed(
        `the document is none: ${
          fieldIssues(issue, []).map(({ message, path }) => `${path.join(".")}: ${message}`).join("; ")
        }`
      )
  )
}

const wordOf = (decision: PolicyDecision): string =>
  decision.allow ? outcomeOf(decision) : `denied by ${decision.violations.join(", ") || "nothing"}`

const isExpected = (decision: PolicyDecision, expected: Expected): boolean =>
  typeof expected === "string"
    ? outcomeOf(decision) === expected
    : !decision.allow && String([...new Set(expected.denied)].sort()) === String([...decision.violations].sort())

const expectedWord = (expected: Expected): string =>
  typeof expected === "string" ? expected : `denied by ${[...expected.denied].sort().join(", ")}`

/**
 * Asks the engine in context about a case, and returns its decision. Fails where that is not the expected one.
 *
 * @category running
 * @since 0.2.0
 */
export const check: (
  policyCase: PolicyCase
) => Effect.Effect<PolicyDecision, PolicyCaseFailed, PolicyEngine> = Effect.fn("PolicyTest.check")(
  function*(policyCase: PolicyCase) {
    const { expect, title } = policyCase
    const engine = yield* PolicyEngine
    const { decision } = yield* Effect.mapError(
      engine.evaluate(yield* documentOf(policyCase)),
      ({ detail }) => new PolicyCaseFailed({ title, detail: `there was no decision: ${detail}` })
    )
    return isExpected(decision, expect) ? decision : yield* new PolicyCaseFailed({
      title,
      detail: `expected ${expectedWord(expect)}, and it was ${wordOf(decision)}`
    })
  }
)

// --- coverage --------------------------------------------------------------------------------------------------------

/**
 * How often each rule fired.
 *
 * @category models
 * @since 0.2.0
 */
export interface Coverage {
  /** By the rule's name; rules that hold a call for a reviewer count together as `requires_human`. */
  readonly fired: ReadonlyMap<string, number>
  readonly uncovered: ReadonlyArray<string>
}

const requiresHuman = "requires_human"

const rulesOf = ({ rules }: RuleBook) => rules.map(({ name, type }) => type === "deny" ? name : requiresHuman)

/** A rule that judges several things is reported once for each, as `{name}_{thing}`. */
const isOf = (violation: string, rule: string) => violation === rule || violation.startsWith(`${rule}_`)

const coverageOf = (rules: ReadonlyArray<string>, decisions: ReadonlyArray<PolicyDecision>): Coverage => {
  const fired = new Map(rules.map((rule) => [rule, 0]))
  for (const { requires_human, violations } of decisions) {
    for (const name of requires_human ? [requiresHuman] : violations) {
      const rule = fired.has(name) ? name : rules.find((rule) => isOf(name, rule)) ?? name
      fired.set(rule, (fired.get(rule) ?? 0) + 1)
    }
  }
  return { fired, uncovered: [...fired].filter(([, times]) => times === 0).map(([rule]) => rule).sort() }
}

/** Of the engine where it tells them, which one of Rego does not. */
const knownRules = (engine: PolicyEngine["Service"], cases: ReadonlyArray<PolicyCase>): ReadonlyArray<string> => {
  const { describe } = engine
  if (describe === undefined) return []
  const templates = new Set(cases.map(({ given }) => given?.template ?? "general"))
  return [...new Set([...templates].flatMap((template) => rulesOf(describe(template))))]
}

/**
 * How the cases of a suite are run.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /**
   * Names of the policy's rules, for coverage: violations, and `requires_human`. Default: those of the built-in engine for
   * the templates of the cases; of another engine, those that fired.
   */
  readonly rules?: ReadonlyArray<string> | undefined
  /** The share of rules that must fire in some case, from 0 to 1. Default: 0. */
  readonly minCoverage?: number | undefined
}

const covered = (coverage: Coverage, minCoverage: number): Effect.Effect<Coverage, RulesNotCovered> => {
  const rules = coverage.fired.size
  const count = rules - coverage.uncovered.length
  return count >= minCoverage * rules
    ? Effect.succeed(coverage)
    : Effect.fail(new RulesNotCovered({ covered: count, rules, uncovered: coverage.uncovered }))
}

/**
 * Runs cases on the engine in context, outside of a test runner: fails with the first case that came out otherwise, and returns
 * the coverage.
 *
 * @category running
 * @since 0.2.0
 */
export const run: (
  cases: ReadonlyArray<PolicyCase>,
  options?: Options
) => Effect.Effect<Coverage, PolicyCaseFailed | RulesNotCovered, PolicyEngine> = Effect.fn("PolicyTest.run")(
  function*(cases: ReadonlyArray<PolicyCase>, { minCoverage = 0, rules }: Options = {}) {
    const engine = yield* PolicyEngine
    const decisions = yield* Effect.forEach(cases, check)
    return yield* covered(coverageOf(rules ?? knownRules(engine, cases), decisions), minCoverage)
  }
)

/**
 * What is used of `it` of `@effect/vitest`.
 *
 * @category models
 * @since 0.2.0
 */
export interface TestRunner {
  readonly effect: (
    name: string,
    run: (
      context: { readonly annotate?: ((message: string) => unknown) | undefined }
    ) => Effect.Effect<void, unknown, PolicyEngine>
  ) => void
}

/**
 * Registers a test for each case, on the engine that `it` provides, and one at the end for coverage: it notes in the report which
 * rules fired, and fails where those are fewer than `minCoverage` says.
 *
 * **Details**
 *
 * Coverage counts what ran: where only some of the cases were chosen, nothing is asked of it.
 *
 * **Example** (The same cases on two engines)
 *
 * ```ts
 * import { layer } from "@effect/vitest"
 * import { Layer } from "effect"
 * import * as OpaEngine from "effect-vargate/gateway/policy/OpaEngine"
 * import * as PolicyEngine from "effect-vargate/gateway/policy/PolicyEngine"
 * import * as PolicyTest from "effect-vargate/policy/PolicyTest"
 * import { FetchHttpClient } from "effect/http"
 *
 * const cases: ReadonlyArray<PolicyTest.PolicyCase> = [{
 *   title: "a large payment",
 *   given: { template: "financial" },
 *   when: { tool: "stripe", method: "charge", params: { amount: 9000 } },
 *   expect: { denied: ["transaction_exceeds_limit"] }
 * }]
 *
 * const opa = Layer.provide(OpaEngine.layer({ url: "http://127.0.0.1:8181" }), FetchHttpClient.layer)
 *
 * layer(PolicyEngine.layer)("the built-in engine", (it) => PolicyTest.cases(it, cases, { minCoverage: 0.1 }))
 * layer(opa)("OPA", (it) => PolicyTest.cases(it, cases))
 * ```
 *
 * @category running
 * @since 0.2.0
 */
export const cases = (
  it: TestRunner,
  all: ReadonlyArray<PolicyCase>,
  { minCoverage = 0, rules }: Options = {}
): void => {
  const decisions: Array<PolicyDecision> = []
  let ran = 0
  for (const policyCase of all) {
    it.effect(policyCase.title, () =>
      Effect.suspend(() => {
        ran++
        return Effect.map(check(policyCase), (decision) => void decisions.push(decision))
      }))
  }
  it.effect("rules that fired", ({ annotate }) =>
    Effect.gen(function*() {
      const engine = yield* PolicyEngine
      const coverage = coverageOf(rules ?? knownRules(engine, all), decisions)
      const { fired, uncovered } = coverage
      annotate?.(
        `${fired.size - uncovered.length} of ${fired.size} rules fired` +
          (uncovered.length === 0 ? "" : `, not: ${uncovered.join(", ")}`)
      )
      if (ran === all.length) yield* covered(coverage, minCoverage)
    }))
}
