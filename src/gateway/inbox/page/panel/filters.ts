/** Which of the pending actions are shown. A filter hides; it never takes a card away. */
import * as DateTime from "effect/DateTime"
import type { Review } from "../../../../http/ReviewGroup.ts"
import { button, element, setText } from "../elements.ts"
import { needs } from "./words.ts"

export interface Filters {
  readonly element: HTMLElement
  /** The agents and tools to choose from. */
  readonly offer: (reviews: ReadonlyArray<Review>) => void
  readonly matches: (review: Review, now: number) => boolean
  readonly isOn: () => boolean
  readonly focus: () => void
}

const minute = 60_000

const ages = [0, 5, 15, 30].map((minutes) =>
  [minutes === 0 ? "any age" : `older than ${minutes} min`, minutes * minute] as const
)

/** Longer names are cut in the list of choices; what is chosen is the whole one. */
const longest = 60

const select = (id: string, label: string, onChange: () => void) => {
  const box = element("select", { id })
  box.addEventListener("change", onChange)
  return { box, line: element("div", {}, element("label", { for: id }, label), box) }
}

const choices = (box: HTMLSelectElement, all: string, names: ReadonlySet<string>) => {
  const chosen = box.value
  const values = [...names].sort()
  const shown = JSON.stringify(values)
  if (box.dataset["shown"] === shown) return
  box.dataset["shown"] = shown
  // The one that is chosen stays while nothing of it is pending.
  if (chosen !== "" && !names.has(chosen)) values.push(chosen)
  box.replaceChildren(
    element("option", { value: "" }, all),
    ...values.map((value) =>
      element("option", { value }, value.length > longest ? `${value.slice(0, longest)}…` : value)
    )
  )
  box.value = chosen
}

export const makeFilters = (onChange: () => void): Filters => {
  const whose = select("filter-whose", "Show", onChange)
  const agent = select("filter-agent", "Agent", onChange)
  const tool = select("filter-tool", "Tool", onChange)
  const age = select("filter-age", "Age", onChange)
  whose.box.append(
    element("option", { value: "" }, "all pending"),
    element("option", { value: "yours" }, "what needs me")
  )
  age.box.append(...ages.map(([word, millis]) => element("option", { value: String(millis) }, word)))
  choices(agent.box, "any agent", new Set())
  choices(tool.box, "any tool", new Set())
  const clear = button(["Clear filters"], () => {
    for (const { box } of [whose, agent, tool, age]) box.selectedIndex = 0
    onChange()
  }, { class: "quiet" })
  const isOn = () => [whose, agent, tool, age].some(({ box }) => box.selectedIndex > 0)
  const bar = element(
    "div",
    { class: "filters", role: "group", "aria-label": "Filters" },
    whose.line,
    agent.line,
    tool.line,
    age.line,
    clear
  )
  return {
    element: bar,
    offer: (reviews) => {
      choices(agent.box, "any agent", new Set(reviews.map(({ agentId }) => agentId)))
      choices(tool.box, "any tool", new Set(reviews.map(({ tool }) => tool)))
    },
    matches: (review, now) =>
      (whose.box.value === "" || needs(review)) &&
      (agent.box.value === "" || agent.box.value === review.agentId) &&
      (tool.box.value === "" || tool.box.value === review.tool) &&
      now - DateTime.toEpochMillis(review.createdAt) >= Number(age.box.value),
    isOn: () => {
      clear.hidden = !isOn()
      setText(clear, "Clear filters")
      return isOn()
    },
    focus: () => whose.box.focus()
  }
}
