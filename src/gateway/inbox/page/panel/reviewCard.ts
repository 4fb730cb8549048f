/** One pending action with its ballot: what is asked for, what is new in it, who voted, and the reviewer's own vote. */
import * as DateTime from "effect/DateTime"
import type { Always, Review } from "../../../../http/ReviewGroup.ts"
import type { ApprovedCall } from "../../../../http/ReviewPageGroup.ts"
import { countdownTo, headingOf, type Outcome, paramsOf } from "../actionCard.ts"
import { button, element, setText, unseen } from "../elements.ts"
import { jsonText } from "../jsonText.ts"
import { briefly } from "../summary.ts"
import { clockTime } from "../times.ts"
import { visible } from "../visibleNodes.ts"
import { type AlwaysForm, makeAlwaysForm } from "./alwaysForm.ts"
import { changesBetween } from "./changes.ts"
import {
  type Choice,
  isOwn,
  lastVoteOf,
  markOf,
  needs,
  openSeats,
  pastOf,
  type Seat,
  seatsOf,
  sentenceOf,
  withClockTimes
} from "./words.ts"

export interface Ballot {
  readonly choice: Choice
  readonly note: string | undefined
  readonly onBehalfOf: string | null
  /** With a rejection: the params that the reviewer would approve instead. */
  readonly changes?: Readonly<Record<string, unknown>>
  /** With an approval: what the reviewer approves from now on as well. */
  readonly always?: Always
}

export interface Options {
  readonly review: Review
  readonly reviewerId: string
  /** Whether the panel has standing approvals. */
  readonly offersAlways: () => boolean
  readonly onVote: (ballot: Ballot) => void
  readonly onClear: () => void
  readonly onTimeUp: () => void
}

export interface Card {
  readonly element: HTMLElement
  readonly review: () => Review
  readonly state: () => "open" | "sending" | "settled"
  /** Brings votes and what is needed up to date. Nothing else moves, and a note that is being written stays. */
  readonly update: (review: Review) => void
  /** The agent's last approved call of this kind, or that there is none. */
  readonly compare: (previous: ApprovedCall | null) => void
  readonly tick: (now: number) => void
  readonly sending: (choice: Choice) => void
  readonly voted: (sentence: string) => void
  readonly failed: (sentence: string) => void
  readonly settle: (outcome: Outcome) => void
  readonly focus: () => void
  /** Moves to a control of the decision, where it is there. Nothing is pressed. */
  readonly reach: (control: Choice | "note") => void
}

const longNote = 2000
const severities = new Set(["low", "medium", "high", "critical"])

const labels = { approve: "Approve", reject: "Reject" } as const
const sendings = { approve: "Sending your approval …", reject: "Sending your rejection …" } as const

const reasonsOf = ({ because, reasons, severity }: Review): ReadonlyArray<Node> => {
  const marks = (reasons ?? []).map((reason) => element("li", {}, visible(reason)))
  if (severity !== undefined && severities.has(severity)) {
    marks.unshift(element("li", { class: `severity ${severity}` }, `${severity} severity`))
  }
  if (because !== undefined) marks.push(element("li", { class: "rule" }, "rule for ", visible(because)))
  return marks.length === 0
    ? []
    : [element("ul", { class: "reasons", "aria-label": "Why it needs an approval" }, ...marks)]
}

const valueOf = (value: unknown) => element("code", {}, visible(briefly(value)))

const comparison = (review: Review, previous: ApprovedCall | null): Node => {
  if (previous === null) {
    return element("p", { class: "hint" }, "No earlier call of this kind by this agent is among the latest approvals.")
  }
  const { changes, more, sealed } = changesBetween(previous.params, review.params)
  const when = clockTime(DateTime.toDateUtc(previous.approvedAt))
  const uncompared = sealed.length === 0 ? [] : [
    element(
      "p",
      { class: "hint" },
      "Not compared, since the log keeps it encrypted: ",
      element("code", {}, visible(sealed.join(", ")))
    )
  ]
  if (changes.length === 0) {
    return element(
      "div",
      {},
      element("p", { class: "hint" }, `The same params as in its last approved call, at ${when}.`),
      ...uncompared
    )
  }
  const rows = changes.map((change) => {
    const kind = !("before" in change) ? "added" : !("after" in change) ? "removed" : "changed"
    return element(
      "li",
      { class: kind },
      element("code", { class: "path" }, visible(change.path === "" ? "params" : change.path)),
      " ",
      ...kind === "added"
        ? [element("span", { class: "hint" }, "new: "), valueOf(change.after)]
        : kind === "removed"
        ? [element("span", { class: "hint" }, "gone, was "), element("del", {}, valueOf(change.before))]
        : [
          element("del", {}, valueOf(change.before)),
          unseen(" is now "),
          " → ",
          element("ins", {}, valueOf(change.after))
        ]
    )
  })
  return element(
    "div",
    {},
    element("h4", {}, "New since its last approved call", element("span", { class: "hint" }, ` at ${when}`)),
    element("ul", {}, ...rows),
    ...more > 0 ? [element("p", { class: "hint" }, `And ${more.toLocaleString()} more.`)] : [],
    ...uncompared
  )
}

const votesOf = ({ votes }: Review): ReadonlyArray<Node> =>
  votes.map(({ at, choice, note, onBehalfOf, proposal, reviewerName }) =>
    element(
      "li",
      { class: choice },
      element("strong", {}, visible(reviewerName)),
      ...onBehalfOf === null ? [] : [" for ", visible(onBehalfOf)],
      ` ${proposal === undefined ? pastOf(choice) : "proposed other params"} at ${clockTime(DateTime.toDateUtc(at))}`,
      ...note === null ? [] : [" ", element("q", {}, visible(note))]
    )
  )

const objectOf = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Readonly<Record<string, unknown>>
      : undefined
  } catch {
    return undefined
  }
}

export const makeCard = (options: Options): Card => {
  const { offersAlways, onClear, onTimeUp, onVote, reviewerId } = options
  let review = options.review
  const { actionId, agentId, createdAt, digest, method, timeoutAt, tool } = review
  const name = `${tool}/${method}`
  const id = (part: string) => `${part}-${actionId}-${digest.slice(0, 8)}`
  let state: ReturnType<Card["state"]> = "open"

  const countdown = countdownTo(timeoutAt ?? undefined)
  const heading = headingOf(review, id("name"))
  const mark = element("span", { class: "mark" })
  const corner = element("div", { class: "corner" }, mark, countdown.element)
  const changes = element("div", { class: "changes", hidden: true })
  const votes = element("ol", { class: "votes", "aria-label": "Votes" })
  const needed = element("ul", { class: "needed" })

  // --- the decision ---

  const note = element("textarea", { id: id("note"), rows: "1", maxlength: String(longNote) })
  const status = element("p", { class: "message", role: "status" })
  const buttons = {
    approve: button([labels.approve, unseen(` ${name}, asked by ${agentId}`)], () => decide("approve"), {
      class: "approve"
    }),
    reject: button([labels.reject, unseen(` ${name}, asked by ${agentId}`)], () => decide("reject"), {
      class: "reject"
    })
  }
  const editor = element("textarea", {
    id: id("changes"),
    class: "editor",
    rows: "10",
    spellcheck: "false",
    autocapitalize: "off",
    dir: "ltr"
  })
  const propose = button(["Reject, and propose these", unseen(` instead of ${name}`)], () => proposeChanges(), {
    class: "reject"
  })
  const editing = element(
    "div",
    { class: "editing", hidden: true },
    element("label", { for: editor.id }, "Params, as you would approve them"),
    element(
      "p",
      { class: "hint" },
      "The action is rejected. The agent submits the changed one, which is decided anew; you alone do not approve it."
    ),
    editor,
    element("div", { class: "buttons" }, propose)
  )
  const edit = button(["Change the params", unseen(` of ${name}`)], () => {
    editing.hidden = !editing.hidden
    edit.setAttribute("aria-expanded", String(!editing.hidden))
    if (editing.hidden) return
    if (editor.value === "") editor.value = jsonText(review.params)
    editor.focus()
  }, { class: "quiet", "aria-expanded": "false" })
  const grantAlways = button(["Approve, and always approve these", unseen(` of ${name}`)], () => approveAlways(), {
    class: "approve"
  })
  const always = element("div", { class: "editing", hidden: true })
  let form: AlwaysForm | undefined
  const openAlways = button(["Always …", unseen(` for ${name}`)], () => {
    always.hidden = !always.hidden
    openAlways.setAttribute("aria-expanded", String(!always.hidden))
    if (always.hidden) return
    form ??= makeAlwaysForm(review.params, id)
    if (always.childElementCount === 0) {
      always.replaceChildren(
        ...form === undefined
          ? [
            element(
              "p",
              { class: "hint" },
              "These params have too many fields for this form: a program can make a grant."
            )
          ]
          : [form.element, element("div", { class: "buttons" }, grantAlways)]
      )
    }
    form?.focus()
  }, { class: "quiet", "aria-expanded": "false" })
  const choice = element("select", { id: id("seat") })
  const seatLine = element("p", { class: "seat" }, element("label", { for: choice.id }, "Vote as "), choice)
  const reason = element("p", { class: "hint" })
  const decision = element("div", { class: "decision" })
  let shownSeats: string | undefined

  const seats = () => openSeats(review)
  const seat = (): Seat | undefined => seats()[Math.max(0, choice.selectedIndex)] ?? seats()[0]

  const decide = (chosen: Choice) => {
    const own = seat()
    if (state !== "open" || own === undefined || own[chosen] !== null) return
    onVote({
      choice: chosen,
      note: note.value.trim() === "" ? undefined : note.value.trim(),
      onBehalfOf: own.onBehalfOf
    })
  }

  const proposeChanges = () => {
    const own = seat()
    if (state !== "open" || own?.change !== null) return
    const changes = objectOf(editor.value)
    if (changes === undefined) {
      status.classList.add("problem")
      status.textContent = "These params are no JSON object. Nothing was sent."
      return editor.focus()
    }
    onVote({
      choice: "reject",
      changes,
      note: note.value.trim() === "" ? undefined : note.value.trim(),
      onBehalfOf: own.onBehalfOf
    })
  }

  const approveAlways = () => {
    const own = seat()
    if (state !== "open" || own?.approve !== null || own.onBehalfOf !== null || form === undefined) return
    const scope = form.read()
    if (typeof scope === "string") {
      status.classList.add("problem")
      status.textContent = scope
      return
    }
    const noted = note.value.trim()
    onVote({
      choice: "approve",
      always: { ...scope, ...noted === "" ? {} : { note: noted } },
      note: noted === "" ? undefined : noted,
      onBehalfOf: null
    })
  }

  const showButtons = () => {
    const own = seat()
    openAlways.hidden = !offersAlways() || own?.approve !== null || own.onBehalfOf !== null ||
      review.params === undefined
    if (openAlways.hidden) always.hidden = true
    edit.hidden = own?.change !== null || review.params === undefined
    if (edit.hidden) editing.hidden = true
    for (const one of ["approve", "reject"] as const) buttons[one].hidden = own === undefined || own[one] !== null
  }

  const showDecision = () => {
    const open = seats()
    const key = JSON.stringify([seatsOf(review), lastVoteOf(review, reviewerId)?.choice])
    if (key === shownSeats) return
    shownSeats = key
    const refusal = seatsOf(review)[0]?.approve ?? null
    const why = open.length > 0 && !isOwn(review) || refusal === null ? "" : sentenceOf(refusal)
    setText(reason, why)
    reason.hidden = why === ""
    if (open.length === 0) return decision.replaceChildren(reason, status)
    choice.replaceChildren(
      ...open.map(({ onBehalfOf }) => element("option", {}, onBehalfOf === null ? "yourself" : `for ${onBehalfOf}`))
    )
    seatLine.hidden = open.length === 1 && open[0]!.onBehalfOf === null
    showButtons()
    if (decision.contains(note)) return
    decision.replaceChildren(
      reason,
      seatLine,
      element(
        "label",
        { for: note.id },
        "Note ",
        element("span", { class: "hint" }, "(optional, kept with your vote)"),
        unseen(` on ${name}`)
      ),
      note,
      element("div", { class: "buttons" }, buttons.approve, buttons.reject, edit, openAlways, status),
      editing,
      always
    )
  }
  choice.addEventListener("change", showButtons)

  // --- the card ---

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
    ...reasonsOf(review),
    changes,
    ...review.params === undefined
      ? [element("p", { class: "hint" }, "The gateway lists only its newest 50: these params cannot be shown now.")]
      : paramsOf(review.params, name),
    element("div", { class: "ballot" }, votes, needed),
    decision
  )
  if (review.severity !== undefined && severities.has(review.severity)) card.classList.add(review.severity)

  const showVotes = () => {
    const key = review.votes.map(({ at, reviewerId }) => `${reviewerId} ${DateTime.toEpochMillis(at)}`).join()
    if (votes.dataset["shown"] === key) return
    votes.dataset["shown"] = key
    votes.replaceChildren(...votesOf(review))
    votes.hidden = review.votes.length === 0
  }

  const show = () => {
    const { kind, word } = markOf(review, reviewerId)
    setText(mark, word)
    mark.className = `mark ${kind}`
    card.classList.toggle("yours", needs(review))
    showVotes()
    const text = review.needs.join("\n")
    if (needed.dataset["shown"] !== text) {
      needed.dataset["shown"] = text
      needed.replaceChildren(...review.needs.map((sentence) => element("li", {}, visible(withClockTimes(sentence)))))
    }
    if (state === "open") showDecision()
  }

  const enter = (next: typeof state) => {
    state = next
    card.dataset["state"] = next
    for (const one of [buttons.approve, buttons.reject, propose, grantAlways]) {
      if (next === "open") one.removeAttribute("aria-disabled")
      else one.setAttribute("aria-disabled", "true")
    }
    note.readOnly = next !== "open"
    editor.readOnly = next !== "open"
    if (form !== undefined) form.element.toggleAttribute("disabled", next !== "open")
    choice.disabled = next !== "open"
  }

  show()

  return {
    element: card,
    review: () => review,
    state: () => state,
    update: (next) => {
      if (state === "settled") return
      // A vote's answer does not repeat the params.
      review = { ...review, ...next }
      show()
    },
    compare: (previous) => {
      if (review.params === undefined) return
      changes.replaceChildren(comparison(review, previous))
      changes.hidden = false
    },
    tick: (now) => {
      if (state !== "settled" && countdown.tick(now)) onTimeUp()
    },
    sending: (chosen) => {
      enter("sending")
      status.classList.remove("problem")
      status.textContent = sendings[chosen]
    },
    voted: (sentence) => {
      const hadFocus = decision.contains(document.activeElement)
      enter("open")
      note.value = ""
      status.textContent = sentence
      showDecision()
      if (hadFocus && !decision.contains(document.activeElement)) heading.focus()
    },
    failed: (sentence) => {
      enter("open")
      status.classList.add("problem")
      status.textContent = sentence
      showDecision()
    },
    settle: ({ kind, sentence }) => {
      const hadFocus = card.contains(document.activeElement)
      enter("settled")
      card.classList.remove("yours")
      mark.hidden = true
      const outcome = element(
        "div",
        { class: `outcome ${kind}`, tabindex: "-1" },
        element("p", {}, visible(sentence))
      )
      // Keeps its height, so that no other button slides under a pointer that is about to press.
      decision.style.minHeight = `${decision.offsetHeight}px`
      decision.replaceChildren(outcome)
      needed.replaceChildren()
      showVotes()
      corner.replaceChildren(button(["Clear", unseen(` ${name} from the list`)], onClear, { class: "quiet" }))
      if (hadFocus) outcome.focus()
    },
    focus: () => heading.focus(),
    reach: (control) => {
      const target = control === "note" ? note : buttons[control]
      if (decision.contains(target) && !target.hidden) target.focus()
    }
  }
}
