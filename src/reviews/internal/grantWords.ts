/**
 * The scope of a grant in words.
 *
 * @internal
 */
import type { Constraint, Grant, GrantBudget } from "../Grant.ts"

const wordsOf = (constraint: Constraint): string => {
  switch (constraint._tag) {
    case "Any":
      return "anything"
    case "Equals":
      return JSON.stringify(constraint.value)
    case "OneOf":
      return `one of ${constraint.values.map((value) => JSON.stringify(value)).join(", ")}`
    case "Range":
      return `${constraint.min} to ${constraint.max}`
    case "Fields":
      return `{ ${scopeWords(constraint.fields)} }`
  }
}

/**
 * What each field of the params may be; empty where there are none.
 *
 * @internal
 */
export const scopeWords = (fields: Grant["params"]): string =>
  Object.entries(fields).map(([name, constraint]) => `${name}: ${wordsOf(constraint)}`).join(", ")

/** @internal */
export const budgetWords = ({ max, per, sum }: GrantBudget): string =>
  `${max} of ${sum} ${per === "grant" ? "in all" : `per ${per}`}`
