/**
 * Decides whether a tool call may happen: allowed, pending until a reviewer decides, or denied.
 *
 * The engine built in here runs the tenant's template and the rules of the program beside it. An engine elsewhere, such as
 * an OPA server, is another layer of the same service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { inSpan } from "../../internal/spans.ts"
import { approval, decide, findingsOf, programRulesOf, type Rule } from "./internal/findings.ts"
import type { PolicyDecision, PolicyInput } from "./PolicyInput.ts"
import { type ApprovalRule, hasTool, parametersOf, type PolicyRule } from "./PolicyRule.ts"
import * as PolicyTemplates from "./PolicyTemplates.ts"
import { requiring } from "./RequiredFields.ts"

/**
 * The policy engine could not be reached or had no decision, so nothing was decided. What follows is the tenant's choice
 * (`failure_config.opa`): fail closed, fail open, or queue the call for a reviewer. The built-in engine never fails so.
 *
 * @category errors
 * @since 0.1.0
 */
export class PolicyUnavailable
  extends Schema.TaggedError<PolicyUnavailable>("effect-vargate/gateway/PolicyUnavailable")("PolicyUnavailable", {
    detail: Schema.String
  })
{
  override get message() {
    return `The policy engine gave no decision (${this.detail}). Nothing was decided: ask again when it is back.`
  }
}

/**
 * A decision, and the rules that took it.
 *
 * **Details**
 *
 * `revision` is recorded with the decision (`bundle_revision`): it changes when the rules do, and the same document under
 * the same revision gets the same decision. It is {@link noRevision} where the engine cannot tell.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ruling {
  readonly decision: PolicyDecision
  readonly revision: string
}

/**
 * The revision of decisions that no known rules took: a reviewer's, a switch's while the engine was away, or those of an
 * engine that cannot tell its rules. They cannot be replayed.
 *
 * @category constants
 * @since 0.1.0
 */
export const noRevision = "none"

/**
 * Evaluates decision documents.
 *
 * @category services
 * @since 0.1.0
 */
export class PolicyEngine extends Context.Service<PolicyEngine, {
  readonly evaluate: (input: PolicyInput) => Effect.Effect<Ruling, PolicyUnavailable>
  /** What a tenant with this template is under. An engine that cannot tell leaves it out. */
  readonly describe?: ((template: string) => RuleBook) | undefined
}>()("effect-vargate/gateway/PolicyEngine") {}

/**
 * The rules of an engine, to read.
 *
 * @category models
 * @since 0.1.0
 */
export interface RuleBook {
  readonly revision: string
  readonly rules: ReadonlyArray<{
    readonly name: string
    readonly type: string
    /** The template that it belongs to, or `program`. */
    readonly source: string
    /** Pairs `tool/method`. None means any. */
    readonly tools?: ReadonlyArray<string> | undefined
  }>
}

/**
 * The rules of the program, which the built-in engine applies to every tenant beside the tenant's own template.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly rules?: ReadonlyArray<PolicyRule> | undefined
  readonly approvals?: ReadonlyArray<ApprovalRule> | undefined
  /**
   * Fields of the decision document that the rules read, such as `agent.roles`. Where one is absent, the call is denied with
   * the violation `required_field_absent_{field}`, of severity high.
   */
  readonly requiredFields?: ReadonlyArray<string> | undefined
}

/**
 * Makes the built-in engine.
 *
 * **Details**
 *
 * Covered are the fields, methods and tools that the tenant's template names, in every spelling (`PolicyTemplates`), and what
 * the program's rules read. A field that no rule reads is not governed, and neither is what a tool does besides its params.
 *
 * Any violation denies, with the severity of the worst. Without one, an approval rule that fires holds the call. A rule of
 * the program that throws fails closed: the call gains the violation `policy_rule_failed_{name}`, of severity high, and
 * the cause is logged. An approval rule has the name of its function, or `approval_{n}`, counted from 1.
 *
 * **Gotchas**
 *
 * The revision covers the program's rules by name, severity and number, and the required fields. Give a rule another name
 * (`refund_limit_v2`) when its meaning changes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): PolicyEngine["Service"] => {
  const programRules = programRulesOf(options)
  const requiredFields = options.requiredFields ?? []
  const revision = revisionOf(programRules, requiredFields)

  const evaluate = Effect.fnUntraced(function*(input: PolicyInput) {
    const template = PolicyTemplates.byId(input.tenant.policy_template)
    const isConcerned = template.tools === undefined || hasTool(input, ...template.tools)
    const templateRules = isConcerned ? [...template.rules, approval(template.id, template.approval)] : []
    const parameters = parametersOf(template, input.tenant.policy_config)
    const findings = [...templateRules, ...programRules].flatMap((rule) => findingsOf(rule, input, parameters))
    for (const { cause, name } of findings) {
      if (cause !== undefined) yield* Effect.logError(`A policy rule threw, so the call is denied: ${name}`, cause)
    }
    return { decision: requiring(decide(findings), input, requiredFields), revision }
  })

  const describe = (templateId: string): RuleBook => {
    const { approval: when, id, rules } = PolicyTemplates.byId(templateId)
    const book = (source: string, rules: ReadonlyArray<Rule>) =>
      rules.map(({ name, severity }) =>
        severity === "none"
          ? { name: `requires_human_approval:${name}`, type: "approval", source }
          : { name, type: "deny", source }
      )
    return {
      revision,
      rules: [...book(`templates/${id}`, [...rules, approval(id, when)]), ...book("program", programRules)]
    }
  }

  return PolicyEngine.of({
    evaluate: (input) => inSpan("PolicyEngine.evaluate", () => evaluate(input)),
    describe
  })
}

/**
 * Any engine, with fields of the decision document without which it denies.
 *
 * **Example** (No agent acts without a registered jurisdiction)
 *
 * ```ts
 * import * as PolicyEngine from "effect-vargate/gateway/policy/PolicyEngine"
 *
 * const engine = PolicyEngine.requireFields(PolicyEngine.make(), ["agent.jurisdiction"])
 * ```
 *
 * **Gotchas**
 *
 * The revision stays that of the engine, so decisions from before are replayed with these fields required.
 *
 * @category combinators
 * @since 0.1.0
 */
export const requireFields = (
  engine: PolicyEngine["Service"],
  fields: ReadonlyArray<string>
): PolicyEngine["Service"] =>
  PolicyEngine.of({
    ...engine,
    evaluate: (input) =>
      Effect.map(engine.evaluate(input), ({ decision, revision }) => ({
        decision: requiring(decision, input, fields),
        revision
      }))
  })

/**
 * The built-in engine with the five templates.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<PolicyEngine> = Layer.sync(PolicyEngine, () => make())

/**
 * The built-in engine with rules of the program's own beside the templates. See {@link make}.
 *
 * **Example** (Deny refunds to other currencies)
 *
 * ```ts
 * import * as PolicyEngine from "effect-vargate/gateway/policy/PolicyEngine"
 *
 * const engine = PolicyEngine.layerWith({
 *   rules: [{
 *     name: "refund_in_foreign_currency",
 *     severity: "high",
 *     when: ({ action }) => action.method === "refund" && action.params.currency !== "EUR"
 *   }]
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<PolicyEngine> => Layer.sync(PolicyEngine, () => make(options))

const revisionOf = (programRules: ReadonlyArray<Rule>, requiredFields: ReadonlyArray<string>): string => {
  if (programRules.length === 0 && requiredFields.length === 0) return builtinRevision
  const names = [
    ...programRules.map(({ name, severity }) => JSON.stringify([name, severity])),
    ...requiredFields.map((field) => JSON.stringify({ field }))
  ].sort()
  return `${builtinRevision}+${fnv1a(names.join())}`
}

/** To be raised whenever a template decides something differently. */
const builtinRevision = "builtin-2"

/** Written out here because revisions are stored in audit records: they must outlive any change of a library's hash. */
const fnv1a = (text: string): string => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, "0")
}
