/** Approving an action, and those like it from now on: what each field may be, how often, how much, and until when. */
import type { Always } from "../../../../http/ReviewGroup.ts"
import { element, unseen } from "../elements.ts"
import { briefly } from "../summary.ts"
import { visible } from "../visibleNodes.ts"
import { type Constraint, constraintOf, fieldsOf, type Kind, kindsOf, numberOf } from "./scope.ts"

export interface AlwaysForm {
  readonly element: HTMLElement
  /** What is filled in, or what is wrong with it. */
  readonly read: () => Always | string
  readonly focus: () => void
}

const spans = [["1 hour", 3600], ["1 day", 86_400], ["7 days", 604_800], ["30 days", 2_592_000]] as const

const periods = [["an hour", "hour"], ["a day", "day"], ["in all", "grant"]] as const

const select = (id: string, options: ReadonlyArray<readonly [word: string, value: string]>) =>
  element("select", { id }, ...options.map(([word, value]) => element("option", { value }, word)))

const number = (label: string, attributes: Readonly<Record<string, string>> = {}) =>
  element("input", { type: "number", step: "any", inputmode: "decimal", "aria-label": label, ...attributes })

const kindWord = (kind: Kind, value: unknown) => kind === "exactly" ? `exactly ${briefly(value)}` : kind

/** One field of the params: what it may be. */
const rowOf = (name: string, value: unknown, id: string) => {
  const kind = select(id, kindsOf(value).map((kind) => [kindWord(kind, value), kind]))
  const from = number(`${name}, from`, { value: String(Math.min(0, Number(value) || 0)) })
  const to = number(`${name}, to`, { value: String(value) })
  const list = element("textarea", { rows: "2", "aria-label": `${name}, one of these, each on a line` })
  list.value = typeof value === "string" ? value : ""
  const bounds = element("span", { class: "bounds", hidden: true }, from, "to", to)
  list.hidden = true
  kind.addEventListener("change", () => {
    bounds.hidden = kind.value !== "between"
    list.hidden = kind.value !== "one of"
  })
  return {
    element: element(
      "li",
      {},
      element("label", { for: id }, element("code", {}, visible(name)), unseen(" may be")),
      kind,
      bounds,
      list
    ),
    read: () => constraintOf(value, { kind: kind.value as Kind, from: from.value, to: to.value, list: list.value })
  }
}

/** How large a sum may become. */
const budgetOf = (names: ReadonlyArray<string>, id: string) => {
  const field = select(id, [["of nothing", ""], ...names.map((name) => [`of ${name}`, name] as const)])
  const max = number("Largest sum", { min: "0" })
  const per = element(
    "select",
    { "aria-label": "Largest sum in" },
    ...periods.map(([word, value]) => element("option", { value }, word))
  )
  per.value = "day"
  const rest = element("span", { class: "bounds", hidden: true }, max, per)
  field.addEventListener("change", () => {
    rest.hidden = field.value === ""
  })
  return {
    element: element("div", {}, element("label", { for: id }, "Limit the sum"), field, rest),
    read: (): Always["budgets"] | string => {
      if (field.value === "") return []
      const amount = numberOf(max.value)
      return amount === undefined || amount < 0
        ? "The largest sum has to be a number. Nothing was sent."
        : [{ sum: field.value, per: per.value as "hour" | "day" | "grant", max: amount }]
    }
  }
}

/** Undefined where params have more fields than a form can show. `id` makes ids that are not those of another card. */
export const makeAlwaysForm = (params: unknown, id: (part: string) => string): AlwaysForm | undefined => {
  const fields = fieldsOf(params)
  if (fields === undefined) return undefined
  const rows = fields.map(([name, value], index) => [name, rowOf(name, value, id(`field-${index}`))] as const)
  const sums = fields.flatMap(([name, value]) => typeof value === "number" && !name.includes(".") ? [name] : [])
  const budget = budgetOf(sums, id("sum"))
  const count = element("input", { id: id("count"), type: "number", min: "1", step: "1", inputmode: "numeric" })
  const expiry = select(id("expiry"), spans.map(([word, seconds]) => [word, String(seconds)]))
  expiry.value = "86400"
  return {
    element: element(
      "fieldset",
      { class: "always" },
      element("legend", {}, "Approve this and, from now on, calls like it by this agent"),
      element(
        "p",
        { class: "hint" },
        "A call with any other field is asked again. So is everything once you revoke it."
      ),
      rows.length === 0
        ? element("p", { class: "hint" }, "Calls without params alone.")
        : element("ul", { class: "fields" }, ...rows.map(([, row]) => row.element)),
      element(
        "div",
        { class: "limits" },
        element(
          "div",
          {},
          element("label", { for: count.id }, "How often at most ", element("span", { class: "hint" }, "(optional)")),
          count
        ),
        ...sums.length === 0 ? [] : [budget.element],
        element("div", {}, element("label", { for: expiry.id }, "It ends after"), expiry)
      )
    ),
    read: () => {
      const constraints: Array<readonly [string, Constraint]> = []
      for (const [name, row] of rows) {
        const constraint = row.read()
        if (typeof constraint === "string") return `${name} needs ${constraint}. Nothing was sent.`
        constraints.push([name, constraint])
      }
      const times = count.value === "" ? undefined : Number(count.value)
      if (times !== undefined && !(Number.isInteger(times) && times > 0) || count.validity.badInput) {
        return "How often has to be a whole number, from 1 on. Nothing was sent."
      }
      const budgets = budget.read()
      if (typeof budgets === "string") return budgets
      return {
        params: Object.fromEntries(constraints),
        ...times === undefined ? {} : { count: times },
        ...budgets === undefined || budgets.length === 0 ? {} : { budgets },
        expiresInSeconds: Number(expiry.value)
      }
    },
    focus: () => (rows.length === 0 ? count : document.getElementById(id("field-0")))?.focus()
  }
}
