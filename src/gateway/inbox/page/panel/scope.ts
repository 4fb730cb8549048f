/** What a field of the params may be in a standing approval, from what a reviewer fills in. */
import type { Always } from "../../../../http/ReviewGroup.ts"
import { isSealed } from "./changes.ts"

export type Constraint = Always["params"][string]

export type Kind = "exactly" | "between" | "one of" | "anything"

/** More fields than these are no form. */
export const mostFields = 20

const longestText = 200

/** The fields of the params: undefined where there are too many, or none. The reference of a call is no argument. */
export const fieldsOf = (params: unknown): ReadonlyArray<readonly [name: string, value: unknown]> | undefined => {
  if (typeof params !== "object" || params === null || Array.isArray(params)) return undefined
  const fields = Object.entries(params).filter(([name]) => name !== "vargate_reference")
  return fields.length > mostFields ? undefined : fields
}

/** Whether something in a value is kept from readers: what it is cannot be compared. */
const hides = (value: unknown): boolean =>
  typeof value === "string"
    ? isSealed(value)
    : typeof value === "object" && value !== null && Object.values(value).some(hides)

/** What can be said of a value, the narrowest first. */
export const kindsOf = (value: unknown): ReadonlyArray<Kind> =>
  hides(value)
    ? ["anything"]
    : typeof value === "number"
    ? ["exactly", "between", "anything"]
    : typeof value === "string" && value.length <= longestText && !value.includes("\n")
    ? ["exactly", "one of", "anything"]
    : ["exactly", "anything"]

/** What a reviewer has filled in. */
export interface Filled {
  readonly kind: Kind
  readonly from: string
  readonly to: string
  /** One a line. */
  readonly list: string
}

/** A number as it is typed; undefined where it is none. */
export const numberOf = (text: string): number | undefined => {
  const number = Number(text)
  return text.trim() === "" || !Number.isFinite(number) ? undefined : number
}

/** A constraint, or what is wrong with it. */
export const constraintOf = (value: unknown, { from, kind, list, to }: Filled): Constraint | string => {
  switch (kind) {
    case "exactly":
      return { _tag: "Equals", value }
    case "anything":
      return { _tag: "Any" }
    case "between": {
      const [min, max] = [numberOf(from), numberOf(to)]
      if (min === undefined || max === undefined || min > max) return "a smallest and a largest number"
      const isWithin = typeof value === "number" && value >= min && value <= max
      return isWithin ? { _tag: "Range", min, max } : "numbers between which this action's own is"
    }
    case "one of": {
      const values = [...new Set(list.split("\n").filter((line) => line !== ""))]
      return values.includes(String(value)) ? { _tag: "OneOf", values } : "this action's own value among them"
    }
  }
}
