/**
 * People who have asked for a tenant and have not yet shown that their address is theirs.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"

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
 * @category services
 * @since 0.1.0
 */
export class Signups extends Context.Service<Signups, {
  /** False where the gateway has no way to send mail. */
  readonly begin: (person: { readonly email: string; readonly name: string }) => Effect.Effect<boolean>
  /** Whose token it is. Undefined where it is unknown, used or too old. */
  readonly redeem: (
    token: Redacted.Redacted
  ) => Effect.Effect<{ readonly email: string; readonly name: string } | undefined>
}>()("effect-vargate/gateway/Signups") {}

const day = 24 * 60 * 60 * 1000

/**
 * Signups that are confirmed by mail.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (send: ((mail: VerificationMail) => Effect.Effect<void>) | undefined): Layer.Layer<Signups> =>
  Layer.sync(Signups, () => {
    const waiting = new Map<string, { readonly email: string; readonly name: string; readonly until: number }>()

    return Signups.of({
      begin: Effect.fnUntraced(function*({ email, name }) {
        if (send === undefined) return false
        const now = yield* Clock.currentTimeMillis
        for (const [token, { until }] of waiting) if (until <= now) waiting.delete(token)
        const token = randomBytes(32).toString("base64url")
        waiting.set(token, { email, name, until: now + day })
        yield* send({ to: email, name, token: Redacted.make(token) })
        return true
      }),

      redeem: (token) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const person = waiting.get(Redacted.value(token))
          waiting.delete(Redacted.value(token))
          return person !== undefined && person.until > now ? person : undefined
        })
    })
  })
