/**
 * Applicants who have asked for a tenant and have not yet confirmed their address.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { monotonicMillis } from "../../internal/elapsed.ts"

/**
 * A mail that the gateway would have sent. The link in it leads to GET /auth/verify-email with the token.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerificationMail {
  readonly to: string
  readonly name: string
  readonly token: Redacted.Redacted
}

/**
 * Remembers who was written to. Tokens are good once, for 24 hours, and only while the gateway runs.
 *
 * **Details**
 *
 * Every client can ask, so what is remembered is bounded: 3 mails to one e-mail address, 50 from one network address,
 * 10,000 in all.
 *
 * @category services
 * @since 0.1.0
 */
export class Signups extends Context.Service<Signups, {
  /** Whether the gateway has a way to send mail. */
  readonly isOpen: boolean
  /** Sends a mail, and says whether it did: false where too many wait to be confirmed. */
  readonly begin: (
    applicant: { readonly email: string; readonly name: string },
    from: string | undefined
  ) => Effect.Effect<boolean>
  /** Whose token it is. Undefined where it is unknown, used or too old. */
  readonly redeem: (
    token: Redacted.Redacted
  ) => Effect.Effect<{ readonly email: string; readonly name: string } | undefined>
}>()("effect-vargate/gateway/Signups") {}

const day = 24 * 60 * 60 * 1000

const capacity = { byEmail: 3, byAddress: 50, all: 10_000 } as const

interface Waiting {
  readonly email: string
  readonly name: string
  readonly from: string | undefined
  readonly until: number
}

/** How many there are of each. */
class Tally {
  private readonly counts = new Map<string, number>()

  of(name: string | undefined): number {
    return name === undefined ? 0 : this.counts.get(name) ?? 0
  }

  add(name: string | undefined, change: 1 | -1): void {
    if (name === undefined) return
    const count = this.of(name) + change
    if (count === 0) this.counts.delete(name)
    else this.counts.set(name, count)
  }
}

/**
 * Signups that are confirmed by mail.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (send: ((mail: VerificationMail) => Effect.Effect<void>) | undefined): Layer.Layer<Signups> =>
  Layer.sync(Signups, () => {
    /** By token, the oldest first. */
    const waiting = new Map<string, Waiting>()
    const byEmail = new Tally()
    const byAddress = new Tally()

    const count = ({ email, from }: Waiting, change: 1 | -1) => {
      byEmail.add(email, change)
      byAddress.add(from, change)
    }

    const take = (token: string): Waiting | undefined => {
      const applicant = waiting.get(token)
      if (applicant === undefined) return undefined
      waiting.delete(token)
      count(applicant, -1)
      return applicant
    }

    const forgetOld = (now: number) => {
      for (const [token, { until }] of waiting) {
        if (until > now) return
        take(token)
      }
    }

    return Signups.of({
      isOpen: send !== undefined,

      begin: Effect.fnUntraced(function*({ email, name }, from) {
        if (send === undefined) return false
        const now = yield* monotonicMillis
        forgetOld(now)
        if (
          waiting.size >= capacity.all || byEmail.of(email) >= capacity.byEmail ||
          byAddress.of(from) >= capacity.byAddress
        ) return false
        const token = randomBytes(32).toString("base64url")
        const applicant = { email, name, from, until: now + day }
        waiting.set(token, applicant)
        count(applicant, 1)
        yield* send({ to: email, name, token: Redacted.make(token) })
        return true
      }),

      redeem: (token) =>
        Effect.map(monotonicMillis, (now) => {
          const applicant = take(Redacted.value(token))
          return applicant !== undefined && applicant.until > now ? applicant : undefined
        })
    })
  })
