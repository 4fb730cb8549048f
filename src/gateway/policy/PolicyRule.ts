/**
 * The vocabulary of policies: rules that deny, rules that hold, and templates that bundle them with tunable parameters.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import { readsLike, type Shape, unexpectedIn } from "./GovernedFields.ts"
import type { PolicyInput, Severity } from "./PolicyInput.ts"

/**
 * What a template can be tuned with, by name: limits, switches, words and lists of words.
 *
 * @category models
 * @since 0.1.0
 */
export type Parameters = Readonly<Record<string, number | boolean | string | ReadonlyArray<string>>>

/**
 * A rule that denies a call when it fires.
 *
 * **Details**
 *
 * `when` sees the decision document and the parameters of the tenant's template, and may depend on nothing else: a replay
 * must decide the same. A rule that judges several things at once answers with those that offend, and is reported once
 * for each as `{name}_{thing}`; an empty list does not fire.
 *
 * **Gotchas**
 *
 * `params` may be any JSON, and `params.amount` alone misses `Amount`, `{ payment: { amount } }` and `"9000"`. Read fields
 * with `GovernedFields`, add {@link unexpectedShape} for them, and compare methods with {@link hasMethod}.
 *
 * A rule that throws denies the call, with the violation `policy_rule_failed_{name}`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PolicyRule<P extends Parameters = Parameters> {
  readonly name: string
  readonly severity: Exclude<Severity, "none">
  readonly when: (input: PolicyInput, parameters: P) => boolean | ReadonlyArray<string>
}

/**
 * A rule that makes a call wait for a reviewer, provided that no {@link PolicyRule} denies it.
 *
 * @category models
 * @since 0.1.0
 */
export type ApprovalRule<P extends Parameters = Parameters> = (input: PolicyInput, parameters: P) => boolean

/**
 * A rule that denies a call in which a governed field has a value of an unexpected shape, under any spelling of its name
 * and at any depth. It is reported as `unexpected_shape_{field}`.
 *
 * **When to use**
 *
 * Beside every rule that compares params: a limit is no limit for `{ amount: ["9000"] }`.
 *
 * **Example** (No refund above 100)
 *
 * ```ts
 * import { numbersOf } from "effect-vargate/gateway/policy/GovernedFields"
 * import * as PolicyEngine from "effect-vargate/gateway/policy/PolicyEngine"
 * import { hasMethod, unexpectedShape } from "effect-vargate/gateway/policy/PolicyRule"
 *
 * const engine = PolicyEngine.layerWith({
 *   rules: [
 *     unexpectedShape({ amount: "quantity" }),
 *     {
 *       name: "refund_too_high",
 *       severity: "high",
 *       when: (input) =>
 *         hasMethod(input, "refund") && numbersOf(input.action.params, "amount").some((amount) => amount > 100)
 *     }
 *   ]
 * })
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const unexpectedShape = (fields: Readonly<Record<string, Shape>>): PolicyRule => ({
  name: "unexpected_shape",
  severity: "high",
  when: ({ action: { params } }) => unexpectedIn(params, fields)
})

/**
 * Whether the call's method is one of these, in any spelling that reads like it: `Delete`, `delete.`, `DELETE `.
 *
 * @category combinators
 * @since 0.1.0
 */
export const hasMethod = ({ action }: PolicyInput, ...methods: ReadonlyArray<string>): boolean =>
  methods.some((method) => readsLike(action.method, method))

/**
 * Whether the call is to one of these tools, in any spelling that reads like it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const hasTool = ({ action }: PolicyInput, ...tools: ReadonlyArray<string>): boolean =>
  tools.some((tool) => readsLike(action.tool, tool))

/**
 * A named set of rules and the default of each parameter that they read.
 *
 * @category models
 * @since 0.1.0
 */
export interface PolicyTemplate<P extends Parameters = Parameters> {
  readonly id: string
  readonly name: string
  readonly description: string
  /** The tools that the rules are about: every tool, when absent. */
  readonly tools?: ReadonlyArray<string> | undefined
  readonly defaults: P
  readonly rules: ReadonlyArray<PolicyRule<P>>
  readonly approval: ApprovalRule<P>
}

/**
 * Makes a template whose rules know their parameters by name and type.
 *
 * @category constructors
 * @since 0.1.0
 */
export const template = <P extends Parameters>(definition: PolicyTemplate<P>): PolicyTemplate =>
  // sound because rules are only ever given what parametersOf makes, which has the names and types of the defaults
  definition as unknown as PolicyTemplate

/**
 * The parameters that a tenant's rules see: the template's defaults, replaced one by one from `policy_config`.
 *
 * **Details**
 *
 * A value of another type than the default (`"500"` for a limit, a list that holds anything but texts) is ignored and the
 * default stays: a slip in a configuration must not switch a rule off. Keys that the template does not know are ignored
 * as well.
 *
 * @category getters
 * @since 0.1.0
 */
export const parametersOf = (template: PolicyTemplate, config: Readonly<Record<string, unknown>>): Parameters => {
  const known = parametersBy.get(config)?.get(template)
  if (known !== undefined) return known
  const parameters = Object.fromEntries(
    Object.entries(template.defaults).map(([name, standard]) => {
      const value = config[name]
      return [name, isLike(standard, value) ? value : standard]
    })
  )
  if (!parametersBy.has(config)) parametersBy.set(config, new Map())
  parametersBy.get(config)!.set(template, parameters)
  return parameters
}

/** By a tenant's configuration, which is never changed but replaced, and asked about with every call. */
const parametersBy = new WeakMap<object, Map<PolicyTemplate, Parameters>>()

const isLike = <A extends Parameters[string]>(standard: A, value: unknown): value is A =>
  Array.isArray(standard)
    ? Array.isArray(value) && value.every(Predicate.isString)
    : typeof standard === "number"
    ? Number.isFinite(value)
    : typeof value === typeof standard
