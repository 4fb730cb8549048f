/**
 * What makes a delivery of a webhook good: its size, its signature, its age, and that an event is in it.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { checkObject } from "../../errors/internal/checkInput.ts"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import {
  BodyTooLarge,
  OutsideTolerance,
  UnreadableBody,
  WebhookRefused,
  WrongSignature
} from "../../errors/WebhookError.ts"
import { ownBytes } from "../../internal/ownBytes.ts"
import type { WebhookEvent } from "../WebhookEvent.ts"
import { readEvent, WebhookBody } from "../wire/WebhookBody.ts"
import { readSignature, type Signer } from "./webhookSignature.ts"

/** @internal */
export interface Limits {
  readonly tolerance: Duration.Duration
  readonly maxBodyBytes: number
  readonly remember: number
}

/**
 * Fills the defaults in, and fails where an option is none that one could work with.
 *
 * @internal
 */
export const checkLimits = Effect.fnUntraced(
  function*(
    operation: string,
    options: {
      readonly maxBodyBytes?: number | undefined
      readonly remember?: number | undefined
      readonly tolerance?: Duration.Input | undefined
    }
  ): Effect.fn.Return<Limits, VargateError> {
    const { maxBodyBytes = 64 * 1024, remember = 16_384, tolerance = "5 minutes" } = yield* checkObject(
      operation,
      options
    )
    const invalid = (option: string, message: string) => invalidRequest(operation, [{ path: [option], message }])
    const duration = Duration.fromInput(tolerance)
    // A number that is none would make a duration of nothing.
    if (Option.isNone(duration) || Duration.isNegative(duration.value) || Number.isNaN(tolerance)) {
      return yield* invalid("tolerance", "the tolerance must be a duration, like \"5 minutes\"")
    }
    if (!isCount(maxBodyBytes)) return yield* invalid("maxBodyBytes", "the limit must be a number of bytes")
    if (!isCount(remember)) return yield* invalid("remember", "at least one delivery must be remembered")
    return { tolerance: duration.value, maxBodyBytes, remember }
  }
)

const isCount = (value: number) => Number.isSafeInteger(value) && value > 0

/** @internal */
export const bytesOf = (body: Uint8Array | string): Uint8Array =>
  typeof body === "string" ? new TextEncoder().encode(body) : body

const refused = (reason: WebhookRefused["reason"]) => Effect.fail(new WebhookRefused({ reason }))

/** @internal */
export const verifyWith = ({ matches }: Signer, { maxBodyBytes, tolerance }: Limits) =>
  Effect.fnUntraced(function*(
    rawBody: Uint8Array | string,
    signature: string | null | undefined
  ): Effect.fn.Return<WebhookEvent, WebhookRefused> {
    const body = typeof rawBody === "string" ? rawBody : ownBytes(rawBody)
    if (body === undefined) {
      return yield* refused(
        new UnreadableBody({ detail: "it is neither a text nor bytes; pass it as it came, unparsed" })
      )
    }
    // A text has no fewer bytes than characters, so a far too long one need not even be encoded.
    if (body.length > maxBodyBytes) return yield* refused(new BodyTooLarge({ limit: maxBodyBytes }))
    const bytes = bytesOf(body)
    if (bytes.length > maxBodyBytes) return yield* refused(new BodyTooLarge({ limit: maxBodyBytes }))
    const tag = readSignature(signature)
    if (Result.isFailure(tag)) return yield* refused(tag.failure)
    if (!(yield* matches(tag.success, bytes))) return yield* refused(new WrongSignature())

    const event = yield* readBody(Hex.encode(tag.success), bytes)
    const receivedAt = yield* DateTime.now
    const distance = Duration.abs(DateTime.distance(event.timestamp, receivedAt))
    return Duration.isGreaterThan(distance, tolerance)
      ? yield* refused(new OutsideTolerance({ timestamp: event.timestamp, receivedAt, tolerance }))
      : event
  })

const readBody = (id: string, bytes: Uint8Array): Effect.Effect<WebhookEvent, WebhookRefused> => {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return refused(new UnreadableBody({ detail: "it is not JSON in UTF-8" }))
  }
  return Effect.matchEffect(decodeBody(json), {
    onSuccess: (body) => Effect.succeed(readEvent(id, body)),
    onFailure: ({ issue }) => {
      const issues = fieldIssues(issue, []).map(({ message, path }) => [...path, message].join(": "))
      return refused(new UnreadableBody({ detail: issues.join("; ") }))
    }
  })
}

const decodeBody = Schema.decodeUnknownEffect(WebhookBody)
