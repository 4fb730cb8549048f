/**
 * Receives what a gateway tells by webhook: only what it signed, only what is new, and each event once.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { checkInput } from "../errors/internal/checkInput.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { type WebhookRefused, WebhookUnconsumed } from "../errors/WebhookError.ts"
import { ownBytes } from "../internal/ownBytes.ts"
import * as OnceEach from "./internal/onceEach.ts"
import { bytesOf, checkLimits, verifyWith } from "./internal/webhookDelivery.ts"
import { makeSigner } from "./internal/webhookSignature.ts"
import type { WebhookEvent } from "./WebhookEvent.ts"

/**
 * The `webhook_secret` that came with the answer when the webhook's URL was set (PATCH /dashboard/settings).
 *
 * @category models
 * @since 0.1.0
 */
export type Secret = Redacted.Redacted | string

/**
 * What became of a delivery.
 *
 * @category models
 * @since 0.1.0
 */
export interface Receipt {
  readonly event: WebhookEvent
  /** It had come before, and was consumed then. */
  readonly isDuplicate: boolean
}

/**
 * Receives deliveries. `WebhookRoute` puts it on the network.
 *
 * **Details**
 *
 * The gateway tries up to four times, at 0, 2, 6 and 14 seconds, with the same body and the same signature, and waits
 * 10 seconds for each answer. A further attempt that comes while the consumer is still at work waits for that work.
 *
 * @category services
 * @since 0.1.0
 */
export class Webhooks extends Context.Service<Webhooks, {
  /** Verifies a delivery, and passes its event to the consumer and to `events`, unless that has happened before. */
  readonly receive: (
    rawBody: Uint8Array | string,
    signature: string | null | undefined
  ) => Effect.Effect<Receipt, WebhookRefused | WebhookUnconsumed>
  /**
   * The events from now on, each once, after the consumer is done with it. A subscriber that is more than 1,024 events
   * behind loses the oldest of them, so that no subscriber delays the gateway: what must not be lost belongs in
   * `handle`.
   */
  readonly events: Stream.Stream<WebhookEvent>
  /** The longest body that is looked at, in bytes. */
  readonly maxBodyBytes: number
}>()("effect-vargate/Webhooks") {}

/**
 * What a delivery must be like.
 *
 * @category options
 * @since 0.1.0
 */
export interface VerifyOptions {
  /** How far the body's timestamp may lie from now, in both directions. Default: 5 minutes. */
  readonly tolerance?: Duration.Input | undefined
  /** The longest body that is looked at, in bytes. Default: 64 KiB; the gateway's events have less than one. */
  readonly maxBodyBytes?: number | undefined
}

/**
 * How webhooks are received.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<R = never> extends VerifyOptions {
  /** What deliveries are signed with. While secrets are rotated, both. */
  readonly secret: Secret | ReadonlyArray<Secret>
  /**
   * Consumes an event, with a scope of its own. A delivery whose consumer fails counts as not received: the gateway
   * sends it again. It is not interrupted when the gateway hangs up.
   */
  readonly handle?: ((event: WebhookEvent) => Effect.Effect<unknown, unknown, R>) | undefined
  /**
   * How many deliveries are remembered, to tell a duplicate: the latest ones. Default: 16,384, which is 27 a second for the
   * time in which a delivery may be repeated.
   *
   * **Gotchas**
   *
   * Processes do not share this memory. Where several receive, let the consumer look at the event's `id`.
   */
  readonly remember?: number | undefined
}

/**
 * The X-Vargate-Signature that a gateway would send with this body: for tests. Of several secrets the first one signs.
 *
 * @category signatures
 * @since 0.1.0
 */
export const sign = (
  rawBody: Uint8Array | string,
  secret: Secret | ReadonlyArray<Secret>
): Effect.Effect<string, VargateError> =>
  Effect.gen(function*() {
    const body = yield* checkBody("Webhooks.sign", ownBytes(rawBody) ?? rawBody)
    const { sign } = yield* makeSigner("Webhooks.sign", secret)
    return yield* sign(bytesOf(body))
  })

const checkBody = checkInput("rawBody", Schema.Union([Schema.String, Schema.Uint8Array]))

/**
 * Verifies one delivery: size, signature, age. Duplicates it cannot know; `Webhooks.receive` does. Fails with
 * `VargateError` only where secret or options are unusable.
 *
 * **Details**
 *
 * The signature covers the raw body and nothing else, so it must come as it was sent, before anything parses it. The
 * event's name is read from the body: the X-Vargate-Event header is not signed.
 *
 * @category signatures
 * @since 0.1.0
 */
export const verify = (
  rawBody: Uint8Array | string,
  signature: string | null | undefined,
  secret: Secret | ReadonlyArray<Secret>,
  options: VerifyOptions = {}
): Effect.Effect<WebhookEvent, WebhookRefused | VargateError> =>
  Effect.gen(function*() {
    const limits = yield* checkLimits("Webhooks.verify", options)
    return yield* verifyWith(yield* makeSigner("Webhooks.verify", secret), limits)(rawBody, signature)
  })

/**
 * Builds the service. Consumers run in its scope. Fails with `InvalidRequest` where secret or options are unusable.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*<R = never>(
  options: Options<R>
): Effect.fn.Return<Webhooks["Service"], VargateError, R | Scope.Scope> {
  const limits = yield* checkLimits("Webhooks.make", options)
  const verify = verifyWith(yield* makeSigner("Webhooks.make", options.secret), limits)
  // Without the span around the layer: what a consumer does belongs to the delivery.
  const context = Context.omit(Tracer.ParentSpan)(yield* Effect.context<R>()) as Context.Context<R>
  const pubsub = yield* Effect.acquireRelease(PubSub.sliding<WebhookEvent>(1024), PubSub.shutdown)
  const once = OnceEach.make<WebhookUnconsumed>(limits.remember, yield* Effect.scope)

  const consume = (event: WebhookEvent): Effect.Effect<void, WebhookUnconsumed> =>
    Effect.suspend(() => options.handle?.(event) ?? Effect.void).pipe(
      Effect.scoped,
      Effect.provideContext(context),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.fail(new WebhookUnconsumed({ id: event.id, cause: Cause.squash(cause) }))
      ),
      Effect.andThen(PubSub.publish(pubsub, event)),
      Effect.asVoid
    )

  const receive = Effect.fn("Webhooks.receive")(function*(
    rawBody: Uint8Array | string,
    signature: string | null | undefined
  ) {
    const event = yield* verify(rawBody, signature)
    const isFirst = yield* once(event.id, consume(event))
    return { event, isDuplicate: !isFirst }
  })

  return Webhooks.of({ receive, events: Stream.fromPubSub(pubsub), maxBodyBytes: limits.maxBodyBytes })
})

/**
 * The service with the given secret, or secrets.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(options: Options<R>): Layer.Layer<Webhooks, VargateError, Exclude<R, Scope.Scope>> =>
  Layer.effect(Webhooks, make(options))

/**
 * The service configured by `VARGATE_WEBHOOK_SECRET` (required): one secret, or several with commas between them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <R = never>(
  options?: Omit<Options<R>, "secret">
): Layer.Layer<Webhooks, VargateError | Config.ConfigError, Exclude<R, Scope.Scope>> =>
  Layer.effect(
    Webhooks,
    Effect.flatMap(Config.Redacted("VARGATE_WEBHOOK_SECRET"), (secrets) =>
      make({
        ...options,
        secret: Redacted.value(secrets).split(",").map((secret) => Redacted.make(secret.trim()))
      }))
  )

/**
 * The events of the service in context, from now on: `Approvals.nudgedBy(Webhooks.events)`.
 *
 * @category accessors
 * @since 0.1.0
 */
export const events: Stream.Stream<WebhookEvent, never, Webhooks> = Stream.unwrap(
  Effect.map(Webhooks, ({ events }) => events)
)
