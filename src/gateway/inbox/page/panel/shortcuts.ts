/**
 * Keys for those who review a lot. None of them decides: they move to a card or to a button, and Enter presses it.
 */
import { button, element, setText } from "../elements.ts"

export interface Options {
  readonly onMove: (step: 1 | -1) => void
  readonly onReach: (control: "approve" | "reject" | "note") => void
  readonly onFilter: () => void
}

export interface Shortcuts {
  /** The button that shows the keys, and what it shows. */
  readonly button: HTMLElement
  readonly dialog: HTMLElement
  readonly handle: (event: KeyboardEvent) => void
}

const keys = [
  ["j", "the next action"],
  ["k", "the action before"],
  ["a", "to its Approve button; Enter presses it"],
  ["r", "to its Reject button; Enter presses it"],
  ["n", "to its note"],
  ["f", "to the filters"],
  ["?", "this list"]
] as const

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && target.closest("input, textarea, select, dialog") !== null

export const makeShortcuts = ({ onFilter, onMove, onReach }: Options): Shortcuts => {
  let isOn = true
  const toggle = button(["Turn them off"], () => {
    isOn = !isOn
    setText(toggle, isOn ? "Turn them off" : "Turn them on")
    setText(state, isOn ? "They work while no field has the focus." : "They are off.")
  })
  const state = element("p", { class: "hint" }, "They work while no field has the focus.")
  const close = button(["Close"], () => dialog.close(), { class: "primary" })
  const dialog = element(
    "dialog",
    { class: "panel", "aria-labelledby": "shortcuts" },
    element("h2", { id: "shortcuts" }, "Keyboard shortcuts"),
    element(
      "dl",
      {},
      ...keys.flatMap(([key, what]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, what)])
    ),
    state,
    element("div", { class: "buttons" }, close, toggle)
  )
  const actions: Readonly<Record<string, () => void>> = {
    j: () => onMove(1),
    k: () => onMove(-1),
    a: () => onReach("approve"),
    r: () => onReach("reject"),
    n: () => onReach("note"),
    f: onFilter
  }
  return {
    button: button(["Shortcuts"], () => dialog.showModal(), { class: "quiet shortcuts", "aria-haspopup": "dialog" }),
    dialog,
    handle: (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      if (event.key === "?") {
        event.preventDefault()
        return dialog.showModal()
      }
      const action = isOn && Object.hasOwn(actions, event.key) ? actions[event.key] : undefined
      if (action === undefined) return
      event.preventDefault()
      action()
    }
  }
}
