/**
 * Implements the routes of a panel's page: `ReviewGroup` and what `ReviewPageGroup` adds, on any server.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Approvals } from "../approvals/Approvals.ts"
import { AuditLog } from "../audit/AuditLog.ts"
import { Authenticator } from "../reviews/Authenticator.ts"
import type { Ballot } from "../reviews/Ballots.ts"
import * as LastApproved from "../reviews/internal/lastApproved.ts"
import { ReviewPanel } from "../reviews/ReviewPanel.ts"
import * as GrantHandlers from "./GrantHandlers.ts"
import { ReviewerUnknown, SessionForged } from "./ReviewGroup.ts"
import * as ReviewHandlers from "./ReviewHandlers.ts"
import { ReviewLogin } from "./ReviewLogin.ts"
import {
  type History,
  type HistoryEntry,
  type HistoryHour,
  type PageSession,
  ReviewPageApi
} from "./ReviewPageGroup.ts"
import { cookieName, type ReviewSession, ReviewSessions } from "./ReviewSessions.ts"

/**
 * How cookies are set.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** The path under which browsers see the page. Default: `/`. */
  readonly path?: string | undefined
  /** Whether browsers come by https, and send the cookie by nothing else. Default: true. */
  readonly secure?: boolean | undefined
}

const cookieOptions = ({ path = "/", secure = true }: Options) =>
  ({ path, secure, httpOnly: true, sameSite: "strict" }) as const

/**
 * A response with the cookie of a session.
 *
 * @category cookies
 * @since 0.2.0
 */
export const withSession = (
  response: HttpServerResponse.HttpServerResponse,
  id: Redacted.Redacted,
  options: Options
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setCookieUnsafe(response, cookieName, Redacted.value(id), cookieOptions(options))

// --- the login -------------------------------------------------------------------------------------------------------

const sessionOf = (provider: string | null, session?: ReviewSession): PageSession => ({
  reviewer: session === undefined
    ? null
    : { id: session.reviewer.id, name: session.reviewer.name, groups: session.reviewer.groups },
  csrf: session?.csrf ?? null,
  provider
})

const sessionGroup = (options: Options) =>
  HttpApiBuilder.group(
    ReviewPageApi,
    "session",
    Effect.fnUntraced(function*(handlers) {
      const { authenticate } = yield* Authenticator
      const sessions = yield* ReviewSessions
      const provider = Option.match(yield* Effect.serviceOption(ReviewLogin), {
        onNone: () => null,
        onSome: ({ name }) => name
      })

      const idOf = Effect.map(HttpServerRequest.HttpServerRequest, ({ cookies }) => {
        const value = cookies[cookieName]
        return value === undefined ? undefined : Redacted.make(value)
      })

      const current = Effect.flatMap(idOf, (id) =>
        id === undefined ? Effect.succeed(undefined) : Effect.orElseSucceed(sessions.find(id), () => undefined))

      return handlers
        .handle("current", () =>
          Effect.map(current, (session) => sessionOf(provider, session)))
        .handle("logIn", ({ payload }) =>
          Effect.gen(function*() {
            const token = Redacted.make(payload.token)
            const reviewer = yield* authenticate(token)
            // The browser drops the cookie of a session of before, which may be another reviewer's.
            const before = yield* idOf
            if (before !== undefined) yield* sessions.close(before)
            const { id, session } = yield* sessions.open(reviewer, Effect.suspend(() => authenticate(token)))
            yield* HttpEffect.appendPreResponseHandler((_, response) =>
              Effect.succeed(withSession(response, id, options))
            )
            return sessionOf(provider, session)
          }).pipe(Effect.mapError(({ message }) => new ReviewerUnknown({ message }))))
        .handle("logOut", ({ request }) =>
          Effect.gen(function*() {
            const id = yield* idOf
            if (id === undefined) return
            const session = yield* Effect.option(sessions.find(id))
            if (Option.isSome(session) && !ReviewHandlers.hasCsrf(request, session.value)) {
              return yield* new SessionForged({ message: ReviewHandlers.forged })
            }
            yield* sessions.close(id)
            yield* HttpEffect.appendPreResponseHandler((_, response) =>
              Effect.succeed(
                HttpServerResponse.expireCookieUnsafe(response, cookieName, cookieOptions(options))
              )
            )
          }))
    })
  )

// --- the history -----------------------------------------------------------------------------------------------------

const shownEntries = 30
const readBallots = 500
const hour = 3_600_000

const entryOf = ({ opening, outcome, votes }: Ballot): ReadonlyArray<HistoryEntry> =>
  outcome === null ? [] : [{
    actionId: opening.actionId,
    agentId: opening.agentId,
    tool: opening.tool,
    method: opening.method,
    createdAt: opening.createdAt,
    outcome,
    votes: votes.map(ReviewHandlers.castOf)
  }]

const medianOf = (values: ReadonlyArray<number>): number | null => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  if (sorted.length === 0) return null
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const hoursOf = (entries: ReadonlyArray<HistoryEntry>, now: number): ReadonlyArray<HistoryHour> => {
  const last = Math.floor(now / hour) * hour
  return Array.from({ length: 24 }, (_, index) => {
    const start = last - (23 - index) * hour
    const within = entries.filter(({ outcome: { at } }) => {
      const millis = DateTime.toEpochMillis(at)
      return millis >= start && millis < start + hour
    })
    const of = (...results: ReadonlyArray<string>) => within.filter(({ outcome }) => results.includes(outcome.result))
    const decided = of("approved", "rejected")
    return {
      hour: DateTime.makeUnsafe(start),
      approved: of("approved").length,
      rejected: of("rejected").length,
      other: within.length - decided.length,
      medianWaitMillis: medianOf(
        decided.map(({ createdAt, outcome }) =>
          Math.max(0, DateTime.toEpochMillis(outcome.at) - DateTime.toEpochMillis(createdAt))
        )
      )
    }
  })
}

const historyGroup = HttpApiBuilder.group(
  ReviewPageApi,
  "history",
  Effect.fnUntraced(function*(handlers) {
    const panel = yield* ReviewPanel
    const approvals = yield* Approvals
    const lastApproved = yield* LastApproved.make(yield* AuditLog)

    const latest = yield* Effect.cachedWithTTL(
      Effect.gen(function*() {
        const entries = (yield* panel.list({ ended: true, limit: readBallots })).flatMap(entryOf).toSorted((a, b) =>
          DateTime.toEpochMillis(b.outcome.at) - DateTime.toEpochMillis(a.outcome.at)
        )
        const hours = hoursOf(entries, yield* Clock.currentTimeMillis)
        return { entries: entries.slice(0, shownEntries), hours } satisfies History
      }),
      "2 seconds"
    )

    return handlers
      .handle("latest", () => Effect.mapError(latest, ReviewHandlers.expose))
      .handle("previous", ({ params }) =>
        Effect.gen(function*() {
          const { pending } = yield* approvals.pending
          const action = pending.find(({ actionId }) => actionId === params.id)
          const previous = action === undefined ? undefined : yield* lastApproved(action)
          return { previous: previous ?? null }
        }).pipe(Effect.mapError(ReviewHandlers.expose)))
  })
)

/**
 * All routes of a panel's page, those of `ReviewHandlers` and `GrantHandlers` among them, for a router. Where `ReviewLogin` is in context, its
 * name is the one of the button.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}) =>
  Layer.mergeAll(
    ReviewHandlers.layer,
    GrantHandlers.layer,
    HttpApiBuilder.layer(ReviewPageApi).pipe(
      Layer.provide([sessionGroup(options), historyGroup]),
      Layer.provide(ReviewHandlers.authorization)
    )
  )
