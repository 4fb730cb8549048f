/**
 * A policy that is not in force yet, to be asked what it would have decided.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import {
  approval,
  decide,
  type Finding,
  findingsOf,
  programRulesOf,
  type Rule
} from "../gateway/policy/internal/findings.ts"
import type * as PolicyEngine from "../gateway/policy/PolicyEngine.ts"
import type { PolicyDecision, PolicyInput, Severity } from "../gateway/policy/PolicyInput.ts"
import { hasTool, type Parameters, parametersOf, type PolicyTemplate } from "../gateway/policy/PolicyRule.ts"
import * as PolicyTemplates from "../gateway/policy/PolicyTemplates.ts"
import { absentFrom, requiring } from "../gateway/policy/RequiredFields.ts"
import { lackingIn, traced } from "./internal/ruleTrace.ts"
import { Explanation, type FiredRule, type PolicyOutcome, type UnjudgedRule } from "./TrialReport.ts"

/**
 * The outcome of a decision.
 *
 * @category getters
 * @since 0.2.0
 */
export const outcomeOf = ({ allow, requires_human }: PolicyDecision): PolicyOutcome =>
  !allow ? "denied" : requires_human ? "pending" : "allowed"

/**
 * What a candidate says about a document.
 *
 * **Details**
 *
 * `Undecided`: the document lacks fields that may decide, and nothing was guessed. `Failed`: the candidate gave no decision.
 *
 * @category models
 * @since 0.2.0
 */
export type Judgement =
  | {
    readonly _tag: "Decided"
    readonly decision: PolicyDecision
    /** What denied or pending the call, by name. */
    readonly rules: ReadonlyArray<string>
  }
  | { readonly _tag: "Undecided"; readonly lacking: ReadonlyArray<string> }
  | { readonly _tag: "Failed"; readonly detail: string }

/**
 * A document as far as it is known.
 *
 * @category models
 * @since 0.2.0
 */
export interface KnownDocument {
  readonly document: unknown
  /** Paths that are not known, besides those that are absent. Default: none. */
  readonly lacking?: ReadonlyArray<string> | undefined
}

/**
 * A policy to be tried. Make one with {@link builtin} or {@link ofEngine}.
 *
 * @category models
 * @since 0.2.0
 */
export interface PolicyCandidate {
  readonly name: string
  readonly judge: (known: KnownDocument) => Effect.Effect<Judgement>
  /** What the rules saw. A policy in Rego does not tell. */
  readonly explain?: ((known: KnownDocument) => Explanation) | undefined
}

// --- rules in TypeScript ---------------------------------------------------------------------------------------------

/**
 * The built-in engine as a candidate: a template with other parameters, rules of the program, or both.
 *
 * @category options
 * @since 0.2.0
 */
export interface BuiltinOptions extends PolicyEngine.Options {
  /** Instead of the tenant's template. */
  readonly template?: string | undefined
  /** Instead of the tenant's, one by one. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
  /** Default: what it is made of. */
  readonly name?: string | undefined
}

const operation = "PolicyCandidate.builtin"

const checkParameters = (templates: ReadonlyArray<PolicyTemplate>, parameters: Readonly<Record<string, unknown>>) =>
  Object.entries(parameters).flatMap(([name, value]) => {
    const knowing = templates.filter(({ defaults }) => Object.hasOwn(defaults, name))
    if (knowing.length === 0) return [{ path: ["parameters", name], message: "no template has such a parameter" }]
    return knowing.some((template) => parametersOf(template, { [name]: value })[name] === value)
      ? []
      : [{ path: ["parameters", name], message: `it must be like ${JSON.stringify(knowing[0]!.defaults[name])}` }]
  })

interface Found {
  readonly fired: ReadonlyArray<typeof FiredRule.Type>
  readonly findings: ReadonlyArray<Finding>
  readonly unjudged: ReadonlyArray<typeof UnjudgedRule.Type & { readonly denies: boolean }>
}

const typeOf = (severity: Severity) => severity === "none" ? "approval" : "deny"

/**
 * The built-in engine as a candidate. Fails with `InvalidRequest` where the template is unknown, or a parameter is none of
 * its own or of another type: a slip would be tried as if nothing had changed.
 *
 * **Details**
 *
 * Where a document lacks fields, each rule is run as far as it can be. A rule that asks for what is lacking is not judged: the
 * call is denied where another rule denies it, and otherwise undecided.
 *
 * **Example** (A lower limit)
 *
 * ```ts
 * import * as PolicyCandidate from "effect-vargate/policy/PolicyCandidate"
 *
 * const lower = PolicyCandidate.builtin({ template: "financial", parameters: { transaction_limit: 3000 } })
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const builtin = (options: BuiltinOptions = {}): Effect.Effect<PolicyCandidate, VargateError> => {
  const { parameters = {}, requiredFields = [], template: chosen } = options
  const found = PolicyTemplates.all.find(({ id }) => id === chosen)
  const issues = chosen !== undefined && found === undefined
    ? [{ path: ["template"], message: `it must be one of ${PolicyTemplates.all.map(({ id }) => id).join(", ")}` }]
    : checkParameters(found === undefined ? PolicyTemplates.all : [found], parameters)
  if (issues.length > 0) return Effect.fail(invalidRequest(operation, issues))
  const programRules = programRulesOf(options)

  const lackingOf = ({ document, lacking = [] }: KnownDocument) => new Set([...lackingIn(document), ...lacking])

  const rulesFor = (input: PolicyInput): readonly [PolicyTemplate, ReadonlyArray<Rule>] => {
    const template = found ?? PolicyTemplates.byId(input.tenant.policy_template)
    const isConcerned = template.tools === undefined || hasTool(input, ...template.tools)
    return [template, [
      ...(isConcerned ? [...template.rules, approval(template.id, template.approval)] : []),
      ...programRules
    ]]
  }

  /** As the engine decides, from a document that has everything. */
  const findingsIn = (input: PolicyInput): ReadonlyArray<Finding> => {
    const [template, rules] = rulesFor(input)
    const tuned = parametersOf(template, { ...input.tenant.policy_config, ...parameters })
    return rules.flatMap((rule) => findingsOf(rule, input, tuned))
  }

  const follow = (document: object, lacking: ReadonlySet<string>): Found | ReadonlySet<string> => {
    const outer = traced(document, lacking)
    let template: PolicyTemplate
    let rules: ReadonlyArray<Rule>
    let config: Readonly<Record<string, unknown>>
    try {
      const input = outer.value as PolicyInput
      const chosenRules = rulesFor(input)
      template = chosenRules[0]
      rules = chosenRules[1]
      config = lacking.has("tenant.policy_config") ? {} : (document as PolicyInput).tenant.policy_config
    } catch (error) {
      if (outer.missing.size > 0) return outer.missing
      throw error
    }
    const tuned = parametersOf(template, { ...config, ...parameters })
    const untuned = lacking.has("tenant.policy_config")
      ? Object.keys(template.defaults).filter((name) => !Object.hasOwn(parameters, name))
      : []
    const fired: Array<typeof FiredRule.Type> = []
    const findings: Array<Finding> = []
    const unjudged: Array<Found["unjudged"][number]> = []
    for (const rule of rules) {
      const input = traced(document, lacking)
      const values = traced({ policy_config: tuned }, new Set(untuned.map((name) => `policy_config.${name}`)))
      const own = findingsOf(rule, input.value as PolicyInput, values.value.policy_config as Parameters)
      if (input.missing.size + values.missing.size > 0) {
        const parametersMissing = [...values.missing].map((name) => `tenant.${name}`)
        unjudged.push({
          name: rule.name,
          lacking: [...input.missing, ...parametersMissing],
          denies: rule.severity !== "none"
        })
        continue
      }
      findings.push(...own)
      const saw = [...input.seen, ...values.seen].map(([field, value]) => ({ field, value }))
      fired.push(...own.map(({ name, severity }) => ({ name, type: typeOf(severity), severity, saw } as const)))
    }
    return { fired, findings, unjudged }
  }

  const lackedBy = (unjudged: Found["unjudged"]) => [...new Set(unjudged.flatMap(({ lacking }) => lacking))]

  const judge = (known: KnownDocument): Judgement => {
    const lacking = lackingOf(known)
    if (lacking.size === 0) {
      const input = known.document as PolicyInput
      const findings = findingsIn(input)
      const decision = requiring(decide(findings), input, requiredFields)
      return {
        _tag: "Decided",
        decision,
        rules: decision.allow ? findings.map(({ name }) => name) : decision.violations
      }
    }
    if (typeof known.document !== "object" || known.document === null) {
      return { _tag: "Undecided", lacking: [...lacking] }
    }
    const result = follow(known.document, lacking)
    if (!("findings" in result)) return { _tag: "Undecided", lacking: [...result] }
    const { findings, unjudged } = result
    const decision = decide(findings)
    const absent = absentFrom(known.document as PolicyInput, requiredFields)
    const open = [
      ...lackedBy(unjudged.filter(({ denies }) => denies || !decision.requires_human)),
      ...absent
    ]
    return decision.allow && open.length > 0
      ? { _tag: "Undecided", lacking: [...new Set(open)] }
      : {
        _tag: "Decided",
        decision,
        rules: findings.filter(({ severity }) => decision.allow || severity !== "none").map(({ name }) => name)
      }
  }

  const explain = (known: KnownDocument): Explanation => {
    const judgement = judge(known)
    const result = typeof known.document === "object" && known.document !== null
      ? follow(known.document, lackingOf(known))
      : new Set<string>()
    const { fired = [], unjudged = [] } = "findings" in result ? result : {}
    return new Explanation({
      ...judgement._tag === "Decided" ? { outcome: outcomeOf(judgement.decision) } : {},
      violations: judgement._tag === "Decided" ? judgement.decision.violations : [],
      rules: fired,
      unjudged: "findings" in result
        ? unjudged.map(({ lacking, name }) => ({ name, lacking }))
        : [{ name: "*", lacking: [...result] }]
    })
  }

  const name = options.name ??
    ([
      chosen ?? "the tenant's template",
      ...Object.keys(parameters).length === 0 ? [] : [`with ${JSON.stringify(parameters)}`],
      ...programRules.length === 0 ? [] : [`and ${programRules.map(({ name }) => name).join(", ")}`]
    ].join(" "))
  return Effect.succeed({ name, judge: (known) => Effect.sync(() => judge(known)), explain })
}

// --- other engines ---------------------------------------------------------------------------------------------------

/**
 * What is said about an engine.
 *
 * @category options
 * @since 0.2.0
 */
export interface EngineOptions {
  readonly name: string
  /**
   * Paths of the document that its policy reads, such as `action.params`: `RegoPolicy.open` finds them. Default: all.
   */
  readonly reads?: ReadonlyArray<string> | undefined
}

/** Whether one of two paths leads to, or through, the other. */
const touches = (read: string, field: string) =>
  read === "" || read === field || field.startsWith(`${read}.`) || read.startsWith(`${field}.`)

/**
 * Any engine as a candidate: Rego on an OPA server (`OpaEngine.make`) or in this process (`OpaWasmEngine.make`).
 *
 * **Details**
 *
 * Such an engine does not tell what it reads. A document that lacks any field which it may read is undecided, and the engine
 * is not asked about it.
 *
 * @category constructors
 * @since 0.2.0
 */
export const ofEngine = (
  engine: PolicyEngine.PolicyEngine["Service"],
  { name, reads }: EngineOptions
): PolicyCandidate => ({
  name,
  judge: ({ document, lacking = [] }) => {
    const all = [...new Set([...lackingIn(document), ...lacking])]
    const relevant = reads === undefined ? all : all.filter((field) => reads.some((read) => touches(read, field)))
    if (relevant.length > 0) return Effect.succeed({ _tag: "Undecided", lacking: relevant })
    return Effect.match(engine.evaluate(document as PolicyInput), {
      onSuccess: ({ decision }): Judgement => ({
        _tag: "Decided",
        decision,
        rules: decision.allow ? (decision.requires_human ? ["requires_human"] : []) : decision.violations
      }),
      onFailure: ({ detail }): Judgement => ({ _tag: "Failed", detail })
    })
  }
})
