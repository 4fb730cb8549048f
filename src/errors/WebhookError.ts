/**
 * Failures of receiving webhooks. They belong to the same table as `VargateError`.
 *
 * | reason of `WebhookRefused` | what is wrong with the delivery | status of a route |
 * | --- | --- | --- |
 * | `MissingSignature`, `MalformedSignature`, `WrongSignature` | it is not known to be the gateway's | 401 |
 * | `OutsideTolerance` | the gateway's, but too old, or from the future | 400 |
 * | `UnreadableBody` | the gateway's, but no event | 400 |
 * | `BodyTooLarge` | longer than any event | 413 |
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { Verdict } from "./Reason.ts"

/**
 * The delivery has no signature.
 *
 * @category reasons
 * @since 0.1.0
 */
export class MissingSignature extends Schema.TaggedError<MissingSignature>("effect-vargate/MissingSignature")(
  "MissingSignature",
  {}
) {
  override get message() {
    return "The delivery has no X-Vargate-Signature. Its sender is not the gateway, or a proxy on the way dropped the header."
  }
}

/**
 * The signature is none that the gateway writes: `sha256=` and 64 lower-case hex digits. `detail` says what is wrong.
 *
 * @category reasons
 * @since 0.1.0
 */
export class MalformedSignature extends Schema.TaggedError<MalformedSignature>("effect-vargate/MalformedSignature")(
  "MalformedSignature",
  { detail: Schema.String }
) {
  override get message() {
    return `The signature is not one of the gateway's: ${this.detail}.`
  }
}

/**
 * The signature is not that of this body under any of the secrets.
 *
 * @category reasons
 * @since 0.1.0
 */
export class WrongSignature extends Schema.TaggedError<WrongSignature>("effect-vargate/WrongSignature")(
  "WrongSignature",
  {}
) {
  override get message() {
    return "The signature does not fit the body. Check the secret, and that the body is verified as it came, before anything parses it; otherwise its sender is not the gateway."
  }
}

/**
 * The gateway signed it, but not now: it is older than the tolerance, or comes from further in the future.
 *
 * @category reasons
 * @since 0.1.0
 */
export class OutsideTolerance extends Schema.TaggedError<OutsideTolerance>("effect-vargate/OutsideTolerance")(
  "OutsideTolerance",
  { timestamp: Schema.DateTimeUtc, receivedAt: Schema.DateTimeUtc, tolerance: Schema.Duration }
) {
  override get message() {
    const [timestamp, receivedAt] = [this.timestamp, this.receivedAt].map(DateTime.formatIso)
    return `The delivery was written at ${timestamp} and came at ${receivedAt}: more than ${
      Duration.format(this.tolerance)
    } lie between. It may be a replay; otherwise set this machine's clock right.`
  }
}

/**
 * It may be signed, but it is no event: `detail` says why. Nothing of the body is in it.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnreadableBody extends Schema.TaggedError<UnreadableBody>("effect-vargate/UnreadableBody")(
  "UnreadableBody",
  { detail: Schema.String }
) {
  override get message() {
    return `The body is no event: ${this.detail}.`
  }
}

/**
 * The body is longer than `limit` bytes. Nothing was computed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>("effect-vargate/BodyTooLarge")("BodyTooLarge", {
  limit: Schema.Finite
}) {
  override get message() {
    return `The body is longer than ${this.limit} bytes; no event is. Raise maxBodyBytes if this gateway's are.`
  }
}

/**
 * Why a delivery is refused.
 *
 * @category reasons
 * @since 0.1.0
 */
export const RefusalReason = Schema.Union([
  MissingSignature,
  MalformedSignature,
  WrongSignature,
  OutsideTolerance,
  UnreadableBody,
  BodyTooLarge
])

/**
 * A delivery is not to be trusted, or is none. Handle one reason with
 * `Effect.catchReason("WebhookRefused", "OutsideTolerance", ...)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookRefused extends Schema.TaggedError<WebhookRefused>("effect-vargate/WebhookRefused")(
  "WebhookRefused",
  { reason: RefusalReason }
) implements Verdict {
  override readonly cause = this.reason
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return this.reason.message
  }
  override toJSON() {
    return { _tag: this._tag, reason: this.reason._tag, message: this.message, sideEffect: this.sideEffect }
  }
}

/**
 * The delivery is good, and the program's own consumer failed on it. The event counts as not received: answered with a
 * 5xx, the gateway sends it again, up to four times in all.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookUnconsumed extends Schema.TaggedError<WebhookUnconsumed>("effect-vargate/WebhookUnconsumed")(
  "WebhookUnconsumed",
  { id: Schema.String, cause: Schema.Defect() }
) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The consumer failed on the event ${this.id}: see the cause. The event can be received again.`
  }
  override toJSON() {
    return { _tag: this._tag, id: this.id, message: this.message, sideEffect: this.sideEffect }
  }
}
