/** All that waits. Cards come at the end and never change places: what a hand is about to press stays where it is. */
import type { PendingAction, PendingList } from "../../../approvals/Approval.ts"
import type { ActionId } from "../../../model/ActionId.ts"
import { type Card, makeCard, type Outcome, type Verdict } from "./actionCard.ts"
import { element, setText } from "./elements.ts"
import { emptyState } from "./emptyState.ts"

export interface Options {
  readonly onVerdict: (card: Card, verdict: Verdict, note: string | undefined) => void
  readonly onTimeUp: () => void
}

export interface Update {
  readonly added: ReadonlyArray<Card>
  /** Open here and not listed any more: decided elsewhere, expired, or older than what the gateway lists. */
  readonly missing: ReadonlyArray<Card>
}

export interface WaitingList {
  readonly element: HTMLElement
  readonly update: (list: PendingList, now: number) => Update
  readonly settle: (card: Card, outcome: Outcome) => void
  readonly tick: (now: number) => void
  readonly focus: () => void
}

/** Settled cards beyond these are removed, the oldest first, when the list is not in use. */
const keptSettled = 20
/** Milliseconds after which it is worth to ask again what became of a card: it may just be an old one among many. */
const askedAgain = 10_000

export const makeWaitingList = ({ onTimeUp, onVerdict }: Options): WaitingList => {
  /** In the order of the list. */
  const cards = new Map<ActionId, Card>()
  const askedAt = new WeakMap<Card, number>()
  let total = 0

  const heading = element("h2", { id: "waiting", tabindex: "-1" })
  const empty = emptyState()
  const list = element("ul", { class: "cards" })
  const more = element("p", { class: "hint" })

  const inState = (state: ReturnType<Card["state"]>) => [...cards.values()].filter((card) => card.state() === state)

  const describe = () => {
    setText(
      heading,
      `${total === 0 ? "No" : total} pending ${total === 1 ? "action" : "actions"}`
    )
    document.title = total === 0 ? "Approval inbox" : `(${total}) Approval inbox`
    empty.hidden = total > 0 || cards.size > 0
  }

  const remove = (card: Card) => {
    cards.delete(card.action.actionId)
    card.element.parentElement?.remove()
  }

  const clear = (card: Card) => {
    const all = [...cards.values()]
    const place = all.indexOf(card)
    const next = all[place + 1] ?? all[place - 1]
    remove(card)
    describe()
    if (next === undefined) heading.focus()
    else next.focus()
  }

  const makeRoom = () => {
    if (list.matches(":hover, :focus-within")) return
    for (const card of inState("settled").slice(0, -keptSettled)) remove(card)
  }

  const add = (action: PendingAction): Card => {
    const card: Card = makeCard({
      action,
      onTimeUp,
      onVerdict: (verdict, note) => onVerdict(card, verdict, note),
      onClear: () => clear(card)
    })
    cards.set(action.actionId, card)
    list.append(element("li", {}, card.element))
    return card
  }

  return {
    element: element("section", { class: "waiting", "aria-labelledby": heading.id }, heading, empty, list, more),
    update: ({ pending, stats }, now) => {
      const listed = new Set(pending.map(({ actionId }) => actionId))
      const missing = inState("open").filter((card) =>
        !listed.has(card.action.actionId) && now - (askedAt.get(card) ?? -Infinity) > askedAgain
      )
      for (const card of missing) askedAt.set(card, now)
      // The gateway lists the newest first; who has waited longest comes first here.
      const added = pending.toReversed().filter(({ actionId }) => !cards.has(actionId)).map(add)
      for (const card of added) card.tick(now)
      total = stats?.pending ?? pending.length
      setText(
        more,
        total > pending.length
          ? `The gateway shows the newest ${pending.length} of ${total}. Older ones come up as these are decided.`
          : ""
      )
      describe()
      makeRoom()
      return { added, missing }
    },
    settle: (card, outcome) => {
      card.settle(outcome)
      total = Math.max(0, total - 1)
      describe()
    },
    tick: (now) => {
      for (const card of cards.values()) card.tick(now)
    },
    focus: () => heading.focus()
  }
}
