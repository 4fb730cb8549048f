/** The screen after the login: what is pending, whether the audit log is valid, what was recorded last. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { PendingList } from "../../../approvals/Approval.ts"
import type { AuditPage } from "../../../audit/AuditRecord.ts"
import * as RetryPolicy from "../../../transport/RetryPolicy.ts"
import type { Card, Verdict } from "./actionCard.ts"
import { makeAnnouncer } from "./announcer.ts"
import { makeChainPanel } from "./chainPanel.ts"
import { makeConnection } from "./connection.ts"
import { carryOut, isKeyRefused, lookUp } from "./decisions.ts"
import { button, element } from "./elements.ts"
import { follow } from "./live.ts"
import { makeRecordList } from "./recordList.ts"
import type { Session } from "./session.ts"
import { visible } from "./visibleNodes.ts"
import { makeWaitingList } from "./waitingList.ts"

/** Why the screen closes. */
export type End = "logged out" | "key refused"

/** What the screen shows, read at one go. */
export interface State {
  readonly pending: PendingList
  readonly page: AuditPage
}

const shownRecords = 20
/** Between two looks, however much happens. */
const pause = "250 millis"
/** A look without an event: an expiry makes none until the action is read. */
const unasked = "30 seconds"

export const read = ({ approvals, auditLog }: Session) =>
  Effect.all({ pending: approvals.pending, page: auditLog.page({ limit: shownRecords }) }, { concurrency: 2 })

const newsOf = (added: ReadonlyArray<Card>): string => {
  const [{ action }] = added as readonly [Card]
  return added.length === 1
    ? `New: ${action.agentId} asks for ${action.tool}/${action.method}.`
    : `${added.length} new actions need a decision.`
}

const listen = (target: EventTarget, type: string, listener: () => unknown) =>
  Effect.acquireRelease(
    Effect.sync(() => target.addEventListener(type, listener)),
    () => Effect.sync(() => target.removeEventListener(type, listener))
  )

/** Shows the screen in the place of whatever stands there, until it ends. */
export const show = Effect.fnUntraced(function*(root: HTMLElement, session: Session, start: State) {
  const end = yield* Deferred.make<End>()
  const fibers = yield* FiberSet.make<unknown, never>()
  const run = yield* FiberSet.runtime(fibers)()
  const wakes = yield* Queue.sliding<void>(1)
  const hurry = yield* Latch.make()
  const verifying = yield* Semaphore.make(1)
  const leave = (reason: End) => void Deferred.doneUnsafe(end, Effect.succeed(reason))
  const wake = () => void Queue.offerUnsafe(wakes, undefined)
  const tryAgain = () => {
    hurry.openUnsafe()
    wake()
  }

  const announcer = makeAnnouncer()
  const connection = makeConnection({ announcer, onRetry: tryAgain })
  const alarm = element("a", { class: "alarm", href: "#chain", hidden: true }, "The audit chain is broken")
  const records = makeRecordList()
  const chain = makeChainPanel({
    verifier: session.verifier,
    onVerify: () => void run(verifying.withPermit(chain.verifyAll)),
    onTurn: (finding) => {
      alarm.hidden = finding === undefined
      announcer.say(finding === undefined ? "The audit chain is unbroken." : `The audit chain is broken. ${finding}`)
    }
  })
  const waiting = makeWaitingList({
    onVerdict: (card, verdict, note) => void run(decide(card, verdict, note)),
    onTimeUp: wake
  })

  const decide = (card: Card, verdict: Verdict, note: string | undefined) => {
    card.sending(verdict)
    return carryOut(session, card.action, verdict, note).pipe(
      Effect.match({
        onSuccess: (outcome) => waiting.settle(card, outcome),
        onFailure: (undecided) => undecided.isKeyRefused ? leave("key refused") : card.failed(undecided.sentence)
      }),
      Effect.tap(() => Effect.sync(wake))
    )
  }

  const findOut = (card: Card) =>
    Effect.map(lookUp(session, card.action), (outcome) => {
      if (outcome === undefined || card.state() !== "open") return
      waiting.settle(card, outcome)
      announcer.say(`${card.action.tool}/${card.action.method}: ${outcome.sentence}`)
    })

  const apply = Effect.fnUntraced(function*({ page, pending }: State) {
    const { added, missing } = waiting.update(pending, Date.now())
    records.update(page)
    if (!document.hidden) run(verifying.withPermitsIfAvailable(1)(Effect.ignore(chain.keepUp(page.total))))
    yield* Effect.forEach(missing, findOut, { discard: true })
    return added
  })

  const look = Effect.retry(read(session), RetryPolicy.reads).pipe(
    Effect.flatMap(apply),
    Effect.match({
      onSuccess: (added) => {
        connection.setFresh(true)
        if (added.length > 0) announcer.say(newsOf(added))
      },
      onFailure: (error) => isKeyRefused(error) ? leave("key refused") : connection.setFresh(false)
    })
  )

  root.replaceChildren(
    element(
      "header",
      { class: "bar" },
      element(
        "div",
        {},
        element("h1", {}, "Approval inbox"),
        element("p", { class: "hint" }, visible(start.page.tenantId ?? ""))
      ),
      connection.element,
      button(["Log out"], () => leave("logged out"), { class: "quiet" }),
      alarm
    ),
    element("main", {}, waiting.element, element("div", { class: "record" }, chain.element, records.element)),
    announcer.element
  )
  yield* apply(start)
  waiting.focus()

  yield* listen(window, "online", tryAgain)
  // A browser knows sooner than a silence does.
  yield* listen(window, "offline", () => connection.setLink("lost"))
  yield* listen(document, "visibilitychange", () => document.hidden || tryAgain())
  run(Effect.forever(Effect.andThen(Queue.take(wakes), Effect.andThen(look, Effect.sleep(pause)))))
  run(Effect.repeat(Effect.sync(() => waiting.tick(Date.now())), Schedule.spaced("1 second")))
  run(Effect.repeat(Effect.sync(wake), Schedule.spaced(unasked)))
  run(
    Effect.andThen(
      follow({ events: session.events, onLink: connection.setLink, onNews: wake, hurry }),
      Effect.sync(() => leave("key refused"))
    )
  )
  // None of these may fail; should one have a fault all the same, the screen must not go on without it.
  return yield* Effect.raceFirst(Deferred.await(end), Effect.andThen(FiberSet.join(fibers), Effect.never))
}, Effect.scoped)
