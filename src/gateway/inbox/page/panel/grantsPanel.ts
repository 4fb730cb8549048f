/** The standing approvals in force: what they cover, whose they are, and a button that ends each. */
import * as DateTime from "effect/DateTime"
import type { GrantList, StandingGrant } from "../../../../http/GrantGroup.ts"
import { budgetWords, scopeWords } from "../../../../reviews/internal/grantWords.ts"
import { button, element, setText, unseen } from "../elements.ts"
import { visible } from "../visibleNodes.ts"
import { momentOf } from "./words.ts"

export interface GrantsPanel {
  readonly element: HTMLElement
  readonly update: (list: GrantList) => void
  /** What became of a revocation. */
  readonly say: (sentence: string, isProblem?: boolean) => void
}

const longestScope = 600

const cut = (text: string) =>
  text.length <= longestScope
    ? text
    : `${text.slice(0, longestScope).replace(/[\ud800-\udbff]$/, "")}… (all of it: effect-vargate grants show)`

const usesOf = ({ count, uses }: StandingGrant) =>
  `used ${count === null ? `${uses} ${uses === 1 ? "time" : "times"}` : `${uses} of ${count} times`}`

export const makeGrantsPanel = (onRevoke: (grant: StandingGrant) => void): GrantsPanel => {
  const heading = element("h2", { id: "grants", tabindex: "-1" }, "Standing approvals")
  const empty = element("p", { class: "hint" }, "None is in force.")
  const list = element("ul", { class: "records" })
  const status = element("p", { class: "message", role: "status" })
  let shown = ""

  const rowOf = (grant: StandingGrant) => {
    const { agentId, budgets, expiresAt, method, note, params, reviewerName, tool } = grant
    const name = `${tool}/${method}`
    const revoke = button(["Revoke", unseen(` ${name} for ${agentId}, by ${reviewerName}`)], () => {
      // The list is made anew when it is gone, and the focus has to be somewhere.
      heading.focus()
      onRevoke(grant)
    }, { class: "quiet" })
    const scope = scopeWords(params)
    return element(
      "li",
      {},
      element(
        "span",
        { class: "what" },
        element("code", {}, visible(name)),
        " for ",
        visible(agentId),
        element("span", { class: "because" }, visible(cut(scope === "" ? "without params" : scope))),
        ...budgets.map((budget) => element("span", { class: "because" }, "at most ", visible(budgetWords(budget)))),
        element(
          "span",
          { class: "because" },
          "by ",
          visible(reviewerName),
          `, ${usesOf(grant)}, until ${momentOf(DateTime.toDateUtc(expiresAt))}`
        ),
        ...note === null ? [] : [element("q", { class: "because" }, visible(note))]
      ),
      revoke
    )
  }

  const panel = element(
    "section",
    { class: "panel grants", "aria-labelledby": heading.id, hidden: true },
    heading,
    empty,
    status,
    list
  )
  return {
    element: panel,
    update: ({ grants, offered }) => {
      panel.hidden = !offered
      const next = JSON.stringify(grants.map(({ id, uses }) => [id, uses]))
      if (next === shown) return
      shown = next
      empty.hidden = grants.length > 0
      const hadFocus = list.contains(document.activeElement)
      list.replaceChildren(...grants.map(rowOf))
      if (hadFocus) heading.focus()
    },
    say: (sentence, isProblem = false) => {
      status.classList.toggle("problem", isProblem)
      setText(status, sentence)
    }
  }
}
