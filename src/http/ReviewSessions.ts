/**
 * The sessions of reviewers who are logged in at a panel's page, kept on the server: a browser has a cookie with a random
 * id and no token.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { sha256 } from "../internal/sha256.ts"
import type { Reviewer } from "../reviews/Reviewer.ts"
import { NotAuthenticated } from "../reviews/ReviewError.ts"

/**
 * The name of the cookie.
 *
 * @category constants
 * @since 0.2.0
 */
export const cookieName = "vargate_review_session"

/**
 * The header in which a request that changes something repeats {@link ReviewSession.csrf}. A page of another site can make
 * a browser send the cookie, and cannot read this.
 *
 * @category constants
 * @since 0.2.0
 */
export const csrfHeader = "x-vargate-csrf"

/**
 * A reviewer who is logged in.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReviewSession {
  readonly reviewer: Reviewer
  readonly csrf: string
  /** In epoch milliseconds. */
  readonly expiresAt: number
}

/**
 * Sessions by the ids in cookies.
 *
 * @category services
 * @since 0.2.0
 */
export class ReviewSessions extends Context.Service<ReviewSessions, {
  /**
   * Opens a session, and returns the cookie's value. `recheck` is asked at every request: a token that was withdrawn ends
   * its sessions.
   */
  readonly open: (
    reviewer: Reviewer,
    recheck?: Effect.Effect<Reviewer, NotAuthenticated>
  ) => Effect.Effect<{ readonly id: Redacted.Redacted; readonly session: ReviewSession }>
  /** The session of a cookie. Fails where there is none, or it has ended. */
  readonly find: (id: Redacted.Redacted) => Effect.Effect<ReviewSession, NotAuthenticated>
  /** Ends a session; one that is not known has ended. */
  readonly close: (id: Redacted.Redacted) => Effect.Effect<void>
}>()("effect-vargate/http/ReviewSessions") {}

/**
 * How long sessions last.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** From the login on. Default: 8 hours. */
  readonly lasts?: Duration.Input | undefined
  /** Without a request. Default: an hour. */
  readonly idle?: Duration.Input | undefined
}

/** Sessions at a time; of one reviewer, and of all. The oldest is ended where another one begins. */
const perReviewer = 20
const inAll = 10_000

interface Entry {
  readonly session: ReviewSession
  readonly recheck: Effect.Effect<Reviewer, NotAuthenticated> | undefined
  seenAt: number
}

/** 256 bits, in base64url. */
const randomText = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32)))).replace(
    /[+/=]/g,
    (c) => c === "+" ? "-" : c === "/" ? "_" : ""
  )

const unknown = new NotAuthenticated({ detail: "there is no such session, or it has ended" })

/**
 * Sessions in the memory of this process: a restart ends them, and of several processes each has its own.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<ReviewSessions> =>
  Layer.sync(ReviewSessions, () => {
    const lasts = Duration.toMillis(Duration.fromInputUnsafe(options.lasts ?? "8 hours"))
    const idle = Duration.toMillis(Duration.fromInputUnsafe(options.idle ?? "1 hour"))
    /** By the hash of the id: what is looked up is not the secret. In the order in which they were opened. */
    const entries = new Map<string, Entry>()
    const keyOf = (id: Redacted.Redacted) => sha256(Redacted.value(id))

    const hasEnded = ({ seenAt, session }: Entry, now: number) => now >= session.expiresAt || now - seenAt >= idle

    const makeRoom = (reviewerId: string, now: number) => {
      for (const [key, entry] of entries) if (hasEnded(entry, now)) entries.delete(key)
      const own = [...entries].filter(([, { session }]) => session.reviewer.id === reviewerId)
      const [first] = own.length >= perReviewer ? own : entries.size >= inAll ? entries : []
      if (first !== undefined) entries.delete(first[0])
    }

    return ReviewSessions.of({
      open: (reviewer, recheck) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          makeRoom(reviewer.id, now)
          const id = Redacted.make(randomText())
          const session = { reviewer, csrf: randomText(), expiresAt: now + lasts }
          entries.set(keyOf(id), { session, recheck, seenAt: now })
          return { id, session }
        }),
      find: Effect.fnUntraced(function*(id) {
        const key = keyOf(id)
        const entry = entries.get(key)
        const now = yield* Clock.currentTimeMillis
        if (entry === undefined) return yield* unknown
        if (hasEnded(entry, now)) {
          entries.delete(key)
          return yield* unknown
        }
        entry.seenAt = now
        if (entry.recheck === undefined) return entry.session
        // Also what the operator has changed of the reviewer's groups since.
        return { ...entry.session, reviewer: yield* entry.recheck }
      }),
      close: (id) => Effect.sync(() => void entries.delete(keyOf(id)))
    })
  })
