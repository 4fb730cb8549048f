/**
 * The API key of a transport, which may be replaced while requests are under way.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import { KeyUnavailable } from "../../errors/VargateError.ts"
import { spellings } from "../../internal/redact.ts"

/**
 * What is wrong with a key, if anything.
 *
 * @internal
 */
export const keyIssue = (key: Redacted.Redacted): string | undefined => {
  const text: unknown = Redacted.value(key)
  if (typeof text !== "string" || text.trim() === "") {
    return `an API key is required (VARGATE_API_KEY): without one the gateway acts for its default tenant. ${keySources}`
  }
  if (!/^[\x21-\x7e]+$/.test(text)) return "the API key holds white space or characters that a header cannot carry"
  return text.length < shortestKey
    ? `the API key has fewer than ${shortestKey} characters: keys are redacted in every text, and one so short would take \
ordinary words with it. Check VARGATE_API_KEY`
    : undefined
}

/**
 * Where a key comes from.
 *
 * @internal
 */
export const keySources =
  "The dashboard of the hosted gateway shows yours; `npx effect-vargate dev` starts a gateway on this machine and prints a key for it"

/** Keys of gateways have far more. */
const shortestKey = 8

/**
 * The key that a request is sent with, and what was known when it was.
 *
 * @internal
 */
export interface Ticket {
  readonly key: Redacted.Redacted
  /** How often the provider had been asked. */
  readonly reads: number
  /** One request has the provider asked at most once. */
  readonly mayRead: boolean
}

/** Requests that belong to the replacement of the key must not wait for it. */
const InReplacement = Context.Reference<boolean>("effect-vargate/internal/keyRing/InReplacement", {
  defaultValue: () => false
})

/** Late answers may still echo a key that was replaced some time ago. */
const remembered = 16

/** @internal */
export class KeyRing {
  private readonly provider: Effect.Effect<Redacted.Redacted, KeyUnavailable> | undefined
  private readonly replacements = Semaphore.makeUnsafe(1)
  /** The present one, then those before it. */
  private keys: readonly [Redacted.Redacted, ...ReadonlyArray<Redacted.Redacted>]
  /** Every spelling of this key and of those before it. */
  secrets: ReadonlyArray<string>
  private gate: Deferred.Deferred<void> | undefined
  private reads = 0
  private lastRead: Deferred.Deferred<void, KeyUnavailable> | undefined

  constructor(key: Redacted.Redacted, provider?: Effect.Effect<Redacted.Redacted, KeyUnavailable>) {
    this.keys = [key]
    this.secrets = spellings(this.keys)
    this.provider = provider
  }

  get key(): Redacted.Redacted {
    return this.keys[0]
  }

  get ticket(): Ticket {
    return { key: this.key, reads: this.reads, mayRead: true }
  }

  get isHeld(): boolean {
    return this.gate !== undefined
  }

  /** Waits while the key is being replaced. */
  settled(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { gate } = this
      if (gate === undefined) return Effect.void
      return Effect.flatMap(
        InReplacement,
        (isExempt) => isExempt ? Effect.void : Effect.andThen(Deferred.await(gate), this.settled())
      )
    })
  }

  /** Holds requests back until `replacement` has given the key that all of them will carry. It cannot be interrupted. */
  replace<A extends { readonly apiKey: Redacted.Redacted }, E, R>(
    replacement: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    return this.replacements.withPermit(Effect.uninterruptible(Effect.suspend(() => {
      const gate = Deferred.makeUnsafe<void>()
      this.gate = gate
      return replacement.pipe(
        Effect.provideService(InReplacement, true),
        Effect.tap(({ apiKey }) => Effect.sync(() => this.install(apiKey))),
        Effect.ensuring(Effect.suspend(() => {
          this.gate = undefined
          return Deferred.succeed(gate, undefined)
        }))
      )
    })))
  }

  /**
   * What to send a request with that was refused for its key: the key that came after it, or what the provider says now.
   * Undefined where there is no other.
   */
  after(refused: Ticket): Effect.Effect<Ticket | undefined, KeyUnavailable> {
    return Effect.andThen(
      this.settled(),
      Effect.suspend(() => {
        if (!isSame(this.key, refused.key)) return Effect.succeed({ ...this.ticket, mayRead: refused.mayRead })
        if (this.provider === undefined || !refused.mayRead) return Effect.undefined
        return Effect.map(
          this.read(this.provider, refused),
          () => isSame(this.key, refused.key) ? undefined : { ...this.ticket, mayRead: false }
        )
      })
    )
  }

  /** All requests that were refused with the same key share one question to the provider. */
  private read(
    provider: Effect.Effect<Redacted.Redacted, KeyUnavailable>,
    refused: Ticket
  ): Effect.Effect<void, KeyUnavailable> {
    const ask = Effect.suspend(() => {
      // Asked since this request was sent: the answer, which may be on its way, holds for this request too.
      if (this.lastRead !== undefined && this.reads > refused.reads) return Effect.succeed(this.lastRead)
      const answer = Deferred.makeUnsafe<void, KeyUnavailable>()
      this.reads++
      this.lastRead = answer
      const reading = Effect.map(provider, (key) => {
        // Meanwhile a replacement may have given a newer one.
        if (isSame(this.key, refused.key)) this.install(key)
      })
      // On a fiber of its own: it must not end with the first of those who wait for it.
      return Effect.as(
        Effect.forkDetach(Effect.flatMap(Effect.exit(reading), (exit) => Deferred.done(answer, exit))),
        answer
      )
    })
    return Effect.flatMap(Effect.uninterruptible(ask), Deferred.await)
  }

  private install(key: Redacted.Redacted): void {
    if (isSame(this.key, key)) return
    this.keys = [key, ...this.keys.slice(0, remembered)]
    this.secrets = spellings(this.keys)
  }
}

const isSame = (a: Redacted.Redacted, b: Redacted.Redacted) => Redacted.value(a) === Redacted.value(b)

/**
 * The key of a provider, checked. A provider that hangs or ends with a defect has no key.
 *
 * @internal
 */
export const usable = (
  read: Effect.Effect<Redacted.Redacted, KeyUnavailable>,
  timeout: Duration.Duration
): Effect.Effect<Redacted.Redacted, KeyUnavailable> =>
  read.pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(new KeyUnavailable({ detail: "the key provider did not answer in time" }))
    }),
    Effect.catchCauseIf(
      Cause.hasDies,
      () => Effect.fail(new KeyUnavailable({ detail: "the key provider ended with a defect" }))
    ),
    Effect.filterOrFail(
      (key) => keyIssue(key) === undefined,
      (key) => new KeyUnavailable({ detail: keyIssue(key)! })
    )
  )
