/** The screen of a reviewer who is logged in: what needs them, what else is pending, what was decided. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { GrantList, StandingGrant } from "../../../../http/GrantGroup.ts"
import type { Review } from "../../../../http/ReviewGroup.ts"
import type { History, PageSession } from "../../../../http/ReviewPageGroup.ts"
import { makeAnnouncer } from "../announcer.ts"
import { makeConnection } from "../connection.ts"
import { button, element, setText } from "../elements.ts"
import { visible } from "../visibleNodes.ts"
import { makeFilters } from "./filters.ts"
import { makeGrantsPanel } from "./grantsPanel.ts"
import { makeHistoryPanel } from "./historyPanel.ts"
import { type Ballot, type Card, makeCard } from "./reviewCard.ts"
import { isEnded, type Session } from "./session.ts"
import { makeShortcuts } from "./shortcuts.ts"
import { needs, outcomeOf, pastOf } from "./words.ts"

/** Why the screen closes. */
export type End = "logged out" | "session ended"

type LoggedIn = NonNullable<PageSession["reviewer"]>

interface State {
  readonly reviews: ReadonlyArray<Review>
  readonly total: number
  readonly history: History
  readonly grants: GrantList
}

/** Between two looks. The panel asks the gateway once for all pages. */
const rhythm = "3 seconds"
const longestLook = "20 seconds"
/** Settled cards beyond these are removed, the oldest first, when the list is not in use. */
const keptSettled = 20

const keyOf = ({ actionId, digest }: Review) => `${actionId} ${digest}`

const isUnknown = (error: { readonly _tag: string }) =>
  !["VoteForbidden", "VoteNotTaken", "ActionInvalid", "ActionLimited", "ActionNotFound", "SessionForged"].includes(
    error._tag
  )

const listen = <Event extends keyof DocumentEventMap>(
  target: EventTarget,
  type: Event | "online" | "offline",
  listener: (event: DocumentEventMap[Event]) => unknown
) =>
  Effect.acquireRelease(
    Effect.sync(() => target.addEventListener(type, listener as EventListener)),
    () => Effect.sync(() => target.removeEventListener(type, listener as EventListener))
  )

const read = ({ grants, history, reviews }: Session) =>
  Effect.all({ list: reviews.list(), history: history.latest(), grants: grants.list() }, { concurrency: 3 }).pipe(
    Effect.timeout(longestLook),
    Effect.map(({ grants, history, list }): State => ({
      grants,
      reviews: list.reviews,
      total: Math.max(list.total ?? 0, list.reviews.length),
      history
    }))
  )

const newsOf = (added: ReadonlyArray<Review>): string => {
  const [first] = added
  return added.length === 1 && first !== undefined
    ? `New: ${first.agentId} asks for ${first.tool}/${first.method}.`
    : `${added.length} new actions need you.`
}

/** Shows the screen in the place of whatever stands there, until it ends. */
export const show = Effect.fnUntraced(function*(root: HTMLElement, session: Session, reviewer: LoggedIn) {
  const end = yield* Deferred.make<End>()
  const fibers = yield* FiberSet.make<unknown, never>()
  const run = yield* FiberSet.runtime(fibers)()
  const wakes = yield* Queue.sliding<void>(1)
  const leave = (reason: End) => void Deferred.doneUnsafe(end, Effect.succeed(reason))
  const wake = () => void Queue.offerUnsafe(wakes, undefined)

  /** In the order of the list: what comes is added at its end, so that nothing moves under a hand. */
  const cards = new Map<string, Card>()
  let total = 0
  let isFirst = true
  let offersAlways = false

  const announcer = makeAnnouncer()
  const connection = makeConnection({ announcer, onRetry: wake })
  const history = makeHistoryPanel()
  const grants = makeGrantsPanel((grant) => void run(revoke(grant)))
  const heading = element("h2", { id: "waiting", tabindex: "-1" })
  const count = element("p", { class: "hint" })
  const empty = element("p", { class: "empty panel" })
  const list = element("ul", { class: "cards" })
  const filters = makeFilters(() => arrange())

  const open = () => [...cards.values()].filter((card) => card.state() !== "settled")
  const visibleCards = () => [...cards.values()].filter(({ element }) => element.parentElement?.hidden === false)

  const describe = () => {
    const own = open().filter((card) => needs(card.review())).length
    const word = own === 1 ? "1 action needs you" : own === 0 ? "Nothing needs you" : `${own} actions need you`
    setText(heading, word)
    document.title = own === 0 ? "Review panel" : `(${own}) Review panel`
    const listed = open().length
    setText(
      count,
      total > listed
        ? `${total} pending in all; the gateway lists the newest 50. Older ones come up as these are decided.`
        : listed === 0
        ? ""
        : `${listed} pending in all.`
    )
    const isHiding = cards.size > 0 && visibleCards().length === 0
    empty.hidden = !(cards.size === 0 || isHiding)
    setText(
      empty,
      isHiding
        ? "The filters hide all that is pending."
        : "When a policy asks for an approval, the action appears here by itself."
    )
  }

  const arrange = () => {
    const now = Date.now()
    const isOn = filters.isOn()
    for (const card of cards.values()) {
      const item = card.element.parentElement
      // Not taken from under a reviewer who is at it.
      const isBusy = card.state() === "sending" || card.element.contains(document.activeElement)
      if (item !== null) item.hidden = isOn && !isBusy && !filters.matches(card.review(), now)
    }
    describe()
  }

  const remove = (card: Card) => {
    cards.delete(keyOf(card.review()))
    card.element.parentElement?.remove()
  }

  const clear = (card: Card) => {
    const shown = visibleCards()
    const place = shown.indexOf(card)
    const next = shown[place + 1] ?? shown[place - 1]
    remove(card)
    arrange()
    if (next === undefined) heading.focus()
    else next.focus()
  }

  // --- votes ---

  const vote = (card: Card, { always, changes, choice, note, onBehalfOf }: Ballot) => {
    const { actionId, digest, method, tool } = card.review()
    card.sending(choice)
    return session.reviews.vote({
      params: { id: actionId },
      payload: {
        digest,
        choice,
        ...always === undefined ? {} : { always },
        ...changes === undefined ? {} : { changes },
        ...note === undefined ? {} : { note },
        ...onBehalfOf === null ? {} : { onBehalfOf }
      }
    }).pipe(
      Effect.match({
        onSuccess: (review) => {
          card.update(review)
          const outcome = outcomeOf(review)
          if (outcome !== undefined) return card.settle(outcome)
          card.voted(
            review.state === "deciding"
              ? "The rule is met. The gateway is being told."
              : `You ${pastOf(choice)}: your vote is recorded${
                always === undefined ? "" : ", and your standing approval"
              }.`
          )
          announcer.say(`${tool}/${method}: you ${pastOf(choice)}.`)
        },
        onFailure: (error) => {
          if (isEnded(error)) return leave("session ended")
          card.failed(
            isUnknown(error)
              ? "No answer arrived, so it is unknown whether your vote was recorded. Look at the votes above; a vote counts once."
              : error.message
          )
        }
      }),
      Effect.tap(() =>
        Effect.sync(() => {
          arrange()
          wake()
        })
      )
    )
  }

  // --- standing approvals ---

  const revoke = ({ id, method, tool }: StandingGrant) =>
    session.grants.revoke({ params: { id } }).pipe(
      Effect.match({
        onSuccess: () => grants.say(`Revoked: ${tool}/${method} is asked again.`),
        onFailure: (error) => {
          if (isEnded(error)) return leave("session ended")
          grants.say(
            error._tag === "ActionNotFound"
              ? "It was not in force any more."
              : "No answer arrived, so it is unknown whether it was revoked. Look at the list.",
            true
          )
        }
      }),
      Effect.tap(() => Effect.sync(wake))
    )

  // --- looks ---

  const compare = (card: Card) =>
    session.history.previous({ params: { id: card.review().actionId } }).pipe(
      Effect.match({
        onSuccess: ({ previous }) => card.compare(previous),
        // It is shown without a comparison.
        onFailure: () => undefined
      })
    )

  const add = (review: Review): Card => {
    const card: Card = makeCard({
      review,
      reviewerId: reviewer.id,
      offersAlways: () => offersAlways,
      onVote: (ballot) => void run(vote(card, ballot)),
      onClear: () => clear(card),
      onTimeUp: wake
    })
    cards.set(keyOf(review), card)
    list.append(element("li", {}, card.element))
    if (review.params !== undefined) run(compare(card))
    return card
  }

  /** A card that is listed no more: how it ended. */
  const findOut = (card: Card) =>
    session.reviews.get({ params: { id: card.review().actionId } }).pipe(
      Effect.match({
        onSuccess: (review) => {
          if (card.state() !== "open") return
          const outcome = review.digest === card.review().digest
            ? outcomeOf(review)
            : {
              kind: "gone" as const,
              sentence: "Other params are pending under this id now, with a ballot of their own."
            }
          if (outcome === undefined) return
          card.update(review.digest === card.review().digest ? review : card.review())
          card.settle(outcome)
          announcer.say(`${review.tool}/${review.method}: ${outcome.sentence}`)
        },
        onFailure: (error) => isEnded(error) ? leave("session ended") : undefined
      })
    )

  const makeRoom = () => {
    if (list.matches(":hover, :focus-within")) return
    const settled = [...cards.values()].filter((card) => card.state() === "settled")
    for (const card of settled.slice(0, -keptSettled)) remove(card)
  }

  const apply = Effect.fnUntraced(function*(state: State) {
    total = state.total
    offersAlways = state.grants.offered
    const listed = new Set(state.reviews.map(keyOf))
    // The gateway lists the newest first; who has waited longest comes first here, and what needs the reviewer before all.
    const oldestFirst = state.reviews.toReversed()
    const ordered = isFirst ? [...oldestFirst.filter(needs), ...oldestFirst.filter((one) => !needs(one))] : oldestFirst
    const added: Array<Review> = []
    for (const review of ordered) {
      const card = cards.get(keyOf(review))
      if (card !== undefined) card.update(review)
      else {
        add(review).tick(Date.now())
        if (needs(review)) added.push(review)
      }
    }
    const missing = [...cards.values()].filter((card) => card.state() === "open" && !listed.has(keyOf(card.review())))
    yield* Effect.forEach(missing, findOut, { discard: true })
    filters.offer(open().map((card) => card.review()))
    grants.update(state.grants)
    history.update(state.history)
    makeRoom()
    arrange()
    if (!isFirst && added.length > 0) announcer.say(newsOf(added))
    isFirst = false
  })

  const look = Effect.flatMap(read(session), apply).pipe(
    Effect.match({
      onSuccess: () => {
        connection.setFresh(true)
        connection.setLink("live")
      },
      onFailure: (error) => isEnded(error) ? leave("session ended") : connection.setFresh(false)
    })
  )

  // --- the screen ---

  const move = (step: 1 | -1) => {
    const shown = visibleCards()
    const place = shown.findIndex(({ element }) => element.contains(document.activeElement))
    const next = place < 0 ? shown[step > 0 ? 0 : shown.length - 1] : shown[place + step]
    next?.focus()
    next?.element.scrollIntoView({ block: "nearest" })
  }
  const shortcuts = makeShortcuts({
    onMove: move,
    onReach: (control) =>
      visibleCards().find(({ element }) => element.contains(document.activeElement))?.reach(control),
    onFilter: () => filters.focus()
  })
  const logOut = Effect.andThen(Effect.ignore(session.logOut), Effect.sync(() => leave("logged out")))

  root.replaceChildren(
    element(
      "header",
      { class: "bar" },
      element(
        "div",
        {},
        element("h1", {}, "Review panel"),
        element(
          "p",
          { class: "hint" },
          visible(reviewer.name),
          ...reviewer.groups.length === 0 ? [] : [" · ", visible(reviewer.groups.join(", "))]
        )
      ),
      connection.element,
      shortcuts.button,
      button(["Log out"], () => void run(logOut), { class: "quiet" })
    ),
    element(
      "main",
      {},
      element(
        "section",
        { class: "waiting", "aria-labelledby": heading.id },
        element("div", {}, heading, count),
        filters.element,
        empty,
        list
      ),
      element("div", { class: "record" }, grants.element, history.element)
    ),
    shortcuts.dialog,
    announcer.element
  )
  setText(heading, "Looking …")
  empty.hidden = true
  yield* look
  heading.focus()

  yield* listen(window, "online", wake)
  // A browser knows sooner than a silence does.
  yield* listen(window, "offline", () => connection.setLink("lost"))
  yield* listen(document, "visibilitychange", () => document.hidden || wake())
  yield* listen(document, "keydown", shortcuts.handle)
  // A page that is not looked at asks for nothing.
  const beat = Effect.sync(() => document.hidden || wake())
  run(Effect.forever(Effect.andThen(Queue.take(wakes), look)))
  run(Effect.repeat(beat, Schedule.spaced(rhythm)))
  run(
    Effect.repeat(
      Effect.sync(() => {
        for (const card of cards.values()) card.tick(Date.now())
      }),
      Schedule.spaced("1 second")
    )
  )
  // None of these may fail; should one have a fault all the same, the screen must not go on without it.
  return yield* Effect.raceFirst(Deferred.await(end), Effect.andThen(FiberSet.join(fibers), Effect.never))
}, Effect.scoped)
