/**
 * What a policy needs to know of a call: fields of the decision document without which the call is denied.
 *
 * A comparison with something absent does not hold, in Rego as in TypeScript, so a rule about an absent field never fires.
 * A policy that lists the field turns that silence into a denial.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import { type PolicyDecision, type PolicyInput, Severity } from "./PolicyInput.ts"

/**
 * Those of the fields that a document does not have. A field is a path with dots, such as `agent.roles` or
 * `history.last_10min.denied_count`; null is a value.
 *
 * @category getters
 * @since 0.1.0
 */
export const absentFrom = (input: PolicyInput, fields: ReadonlyArray<string>): ReadonlyArray<string> =>
  fields.filter((field) => valueAt(input, field.split(".")) === undefined)

const valueAt = (document: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (value, step) =>
      Predicate.isObjectOrArray(value) && Object.hasOwn(value, step) ? Reflect.get(value, step) : undefined,
    document
  )

/**
 * A decision as it is where the document has all of the fields. Otherwise a denial of severity high or worse, with a
 * violation `required_field_absent_{field}` for each that is absent.
 *
 * @category combinators
 * @since 0.1.0
 */
export const requiring = (
  decision: PolicyDecision,
  input: PolicyInput,
  fields: ReadonlyArray<string>
): PolicyDecision => {
  const absent = absentFrom(input, fields)
  if (absent.length === 0) return decision
  const isWorse = rank(decision.severity) > rank("high")
  return {
    allow: false,
    requires_human: false,
    violations: [...new Set([...decision.violations, ...absent.map((field) => `required_field_absent_${field}`)])]
      .sort(),
    severity: isWorse ? decision.severity : "high",
    alert_tier: isWorse || decision.severity === "high" ? decision.alert_tier : "soc_ticket"
  }
}

const rank = (severity: Severity): number => Severity.literals.indexOf(severity)
