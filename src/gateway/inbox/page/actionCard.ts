/** One pending action: which agent asks for what, why it needs an approval, and the two decisions. */
import * as DateTime from "effect/DateTime"
import type { PendingAction } from "../../../approvals/Approval.ts"
import { button, element, setText, unseen } from "./elements.ts"
import { jsonText } from "./jsonText.ts"
import { summaryOf } from "./summary.ts"
import { clockTime, timeLeft } from "./times.ts"
import { visible, visibleLines } from "./visibleNodes.ts"

export type Verdict = "approve" | "reject"

export interface Outcome {
  readonly kind: "approved" | "failed" | "rejected" | "expired" | "gone"
  readonly sentence: string
}

export interface Options {
  readonly action: PendingAction
  readonly onVerdict: (verdict: Verdict, note: string | undefined) => void
  readonly onClear: () => void
  readonly onTimeUp: () => void
}

export interface Card {
  readonly element: HTMLElement
  readonly action: PendingAction
  readonly state: () => "open" | "sending" | "settled"
  readonly tick: (now: number) => void
  /** While a decision is on its way, neither button does anything. */
  readonly sending: (verdict: Verdict) => void
  /** The decision did not arrive, and may be taken again. */
  readonly failed: (sentence: string) => void
  /** Puts what became of the action in the place of the buttons. Nothing else moves. */
  readonly settle: (outcome: Outcome) => void
  readonly focus: () => void
}

const severities = new Set(["low", "medium", "high", "critical"])
const longNote = 2000
const manyLines = 14

const words = {
  approve: { label: "Approve", sending: "Sending your approval …" },
  reject: { label: "Reject", sending: "Sending your rejection …" }
} as const

const reasons = ({ severity, violations }: PendingAction): ReadonlyArray<Node> => {
  const marks = violations.map((violation) => element("li", {}, visible(violation)))
  if (severities.has(severity)) {
    marks.unshift(element("li", { class: `severity ${severity}` }, `${severity} severity`))
  }
  return marks.length === 0
    ? []
    : [element("ul", { class: "reasons", "aria-label": "Why it needs an approval" }, ...marks)]
}

const summaryList = (params: unknown): ReadonlyArray<Node> => {
  const summary = summaryOf(params)
  if (summary === undefined) return []
  const { more, values } = summary
  return [
    element(
      "dl",
      { class: "summary", "aria-label": "Summary" },
      ...values.flatMap(([name, value]) => [
        element("dt", {}, visible(name)),
        element("dd", {}, element("code", {}, visible(value)))
      ])
    ),
    ...more === 0 ? [] : [element("p", { class: "hint" }, `And ${more.toLocaleString()} more fields.`)]
  ]
}

/** Params as text, whole; where they are long, a summary comes first. */
export const paramsOf = (params: unknown, name: string): ReadonlyArray<Node> => {
  const text = jsonText(params)
  if (text === "{}") return [element("p", { class: "hint" }, "No parameters.")]
  const box = element(
    "pre",
    { class: "params", tabindex: "0", role: "region", "aria-label": `Parameters of ${name}`, dir: "ltr" },
    visibleLines(text)
  )
  const lines = text.split("\n").length
  if (lines <= manyLines && text.length < 1000) return [box]
  const size = `${lines.toLocaleString()} lines, ${text.length.toLocaleString()} characters`
  const toggle = button(["Show all of it"], () => {
    const isWhole = box.classList.toggle("whole")
    toggle.setAttribute("aria-expanded", String(isWhole))
    setText(toggle, isWhole ? "Show less" : "Show all of it")
  }, { class: "quiet", "aria-expanded": "false" })
  return [...summaryList(params), box, element("p", { class: "hint" }, `${size}. `, toggle)]
}

/** Which call it is. */
export const headingOf = ({ method, tool }: Pick<PendingAction, "tool" | "method">, id: string): HTMLHeadingElement =>
  element(
    "h3",
    { id, tabindex: "-1" },
    element("code", {}, visible(tool), element("span", { class: "slash" }, "/"), visible(method))
  )

const soon = 5 * 60_000

/** How long an action still waits. `tick` shows it, and says whether its time is up. */
export const countdownTo = (timeoutAt: DateTime.Utc | undefined) => {
  const shown = element("time", { class: "countdown" })
  if (timeoutAt !== undefined) {
    shown.dateTime = DateTime.formatIso(timeoutAt)
    shown.title = `Expires at ${clockTime(DateTime.toDateUtc(timeoutAt))}`
  }
  const tick = (now: number): boolean => {
    if (timeoutAt === undefined) return false
    const left = DateTime.toEpochMillis(timeoutAt) - now
    setText(shown, timeLeft(left))
    shown.classList.toggle("soon", left < soon)
    return left <= 0
  }
  return { element: shown, tick }
}

export const makeCard = ({ action, onClear, onTimeUp, onVerdict }: Options): Card => {
  const { actionId, agentId, createdAt, method, timeoutAt, tool } = action
  const name = `${tool}/${method}`
  const id = (part: string) => `${part}-${actionId}`
  let state: ReturnType<Card["state"]> = "open"

  const countdown = countdownTo(timeoutAt)
  const heading = headingOf(action, id("name"))
  const note = element("textarea", { id: id("note"), rows: "1", maxlength: String(longNote) })
  const status = element("p", { class: "message", role: "status" })
  const decide = (verdict: Verdict) => {
    if (state === "open") onVerdict(verdict, note.value.trim() === "" ? undefined : note.value.trim())
  }
  const buttons = (["approve", "reject"] as const).map((verdict) =>
    button([words[verdict].label, unseen(` ${name}, asked by ${agentId}`)], () => decide(verdict), { class: verdict })
  )
  const decision = element(
    "div",
    { class: "decision" },
    element(
      "label",
      { for: note.id },
      "Note ",
      element("span", { class: "hint" }, "(optional, kept in the audit log)"),
      unseen(` on ${name}`)
    ),
    note,
    element("div", { class: "buttons" }, ...buttons, status)
  )
  const corner = element("div", { class: "corner" }, countdown.element)

  const card = element(
    "article",
    { class: "card", "aria-labelledby": heading.id, "data-state": "open" },
    element("header", {}, heading, corner),
    element(
      "p",
      { class: "asked" },
      "asked by ",
      element("strong", {}, visible(agentId)),
      ` at ${clockTime(DateTime.toDateUtc(createdAt))}`
    ),
    ...reasons(action),
    ...paramsOf(action.params, name),
    decision
  )
  if (severities.has(action.severity)) card.classList.add(action.severity)

  const enter = (next: typeof state) => {
    state = next
    card.dataset["state"] = next
    for (const one of buttons) {
      if (next === "open") one.removeAttribute("aria-disabled")
      else one.setAttribute("aria-disabled", "true")
    }
    note.readOnly = next !== "open"
  }

  return {
    element: card,
    action,
    state: () => state,
    tick: (now) => {
      if (state !== "settled" && countdown.tick(now)) onTimeUp()
    },
    sending: (verdict) => {
      enter("sending")
      status.textContent = words[verdict].sending
    },
    failed: (sentence) => {
      enter("open")
      status.textContent = sentence
    },
    settle: ({ kind, sentence }) => {
      const hadFocus = card.contains(document.activeElement)
      const noted = state === "sending" ? note.value.trim() : ""
      enter("settled")
      const outcome = element(
        "div",
        { class: `outcome ${kind}`, tabindex: "-1" },
        element("p", {}, visible(sentence)),
        ...(noted === "" ? [] : [element("p", { class: "noted" }, "Your note: ", element("q", {}, visible(noted)))])
      )
      // Keeps its height, so that no other button slides under a pointer that is about to press.
      decision.style.minHeight = `${decision.offsetHeight}px`
      decision.replaceChildren(outcome)
      corner.replaceChildren(button(["Clear", unseen(` ${name} from the list`)], onClear, { class: "quiet" }))
      if (hadFocus) outcome.focus()
    },
    focus: () => heading.focus()
  }
}
