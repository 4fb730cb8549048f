/** All that waits. Cards come at the end and never change places: what a hand is about to press stays where it is. */
import type { ActionId } from "../../domain/ActionId.ts"
import type { PendingList } from "../../domain/Approval.ts"
import { type Card, makeCard, type Outcome, type Verdict } from "./actionCard.ts"
import { element, setText } from "./elements.ts"
import { emptyState } from "./emptyState.ts"

export interface Options {
  readonly onVerdict: (card: Card, verdict: Verdict, note: string | undefined) => void
  readonly onTimeUp: () => void
}

export interface WaitingList {
  readonly element: HTMLElement
  /** Adds what is new, and gives the new cards and those that are open here and wait no more. */
  readonly update: (list: PendingList) => { readonly added: ReadonlyArray<Card>; readonly missing: ReadonlyArray<Card> }
  readonly settle: (card: Card, outcome: Outcome) => void
  readonly tick: (now: number) => void
  readonly focus: () => void
}

/** Settled cards beyond these make room, the oldest first, when nobody is at the list. */
const keptSettled = 20

export const makeWaitingList = ({ onTimeUp, onVerdict }: Options): WaitingList => {
  const cards = new Map<ActionId, Card>()
  const list = element("ul", { class: "cards" })
  const items = new Map<Card, HTMLElement>()
  const heading = element("h2", { id: "waiting", tabindex: "-1" }, "Waiting for you")
  const more = element("p", { class: "hint" })
  const empty = emptyState()
  const section = element("section", { class: "waiting", "aria-labelledby": heading.id }, heading, empty, list, more)

  const inState = (state: ReturnType<Card["state"]>) => [...cards.values()].filter((card) => card.state() === state)

  const describe = (waiting: number) => {
    setText(
      heading,
      `${waiting === 0 ? "Nothing waits" : waiting === 1 ? "1 action waits" : `${waiting} actions wait`} for you`
    )
    document.title = waiting === 0 ? "Approval inbox" : `(${waiting}) Approval inbox`
    empty.hidden = waiting > 0 || cards.size > 0
  }

  const remove = (card: Card) => {
    cards.delete(card.action.actionId)
    items.get(card)?.remove()
    items.delete(card)
  }

  const clear = (card: Card) => {
    const next = items.get(card)?.nextElementSibling ?? items.get(card)?.previousElementSibling
    const neighbour = [...items].find(([, item]) => item === next)?.[0]
    remove(card)
    describe(inState("open").length + inState("sending").length)
    if (neighbour === undefined) heading.focus()
    else neighbour.focus()
  }

  const makeRoom = () => {
    if (list.matches(":hover, :focus-within")) return
    for (const card of inState("settled").slice(0, -keptSettled)) remove(card)
  }

  const add = (action: PendingList["pending"][number]): Card => {
    const card: Card = makeCard({
      action,
      onTimeUp,
      onVerdict: (verdict, note) => onVerdict(card, verdict, note),
      onClear: () => clear(card)
    })
    cards.set(action.actionId, card)
    const item = element("li", {}, card.element)
    items.set(card, item)
    list.append(item)
    card.tick(Date.now())
    return card
  }

  let total = 0

  return {
    element: section,
    update: ({ pending, stats }) => {
      const listed = new Set(pending.map(({ actionId }) => actionId))
      const missing = inState("open").filter(({ action }) => !listed.has(action.actionId))
      // The gateway lists the newest first; who has waited longest comes first here.
      const added = pending.toReversed().filter(({ actionId }) => !cards.has(actionId)).map(add)
      total = stats?.pending ?? pending.length
      setText(
        more,
        total > pending.length
          ? `The gateway shows the newest ${pending.length} of ${total}. Older ones come up as these are decided.`
          : ""
      )
      describe(total)
      makeRoom()
      return { added, missing }
    },
    settle: (card, outcome) => {
      card.settle(outcome)
      total = Math.max(0, total - 1)
      describe(total)
    },
    tick: (now) => {
      for (const card of cards.values()) card.tick(now)
    },
    focus: () => heading.focus()
  }
}
