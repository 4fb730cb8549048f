/**
 * The signatures of webhooks: `sha256=` and the hex HMAC-SHA256 of the raw body, with the secret's text as the key.
 *
 * @internal
 */
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { MalformedSignature, MissingSignature } from "../../errors/WebhookError.ts"

/** @internal */
export type Secret = Redacted.Redacted | string

/** @internal */
export interface Signer {
  /** The whole header. */
  readonly sign: (body: Uint8Array) => Effect.Effect<string>
  /** Whether the tag is that of the body under any of the secrets. Takes the same time for every wrong tag. */
  readonly matches: (tag: Uint8Array, body: Uint8Array) => Effect.Effect<boolean>
}

/**
 * The header's name, in lower case.
 *
 * @internal
 */
export const signatureHeader = "x-vargate-signature"

const prefix = "sha256="

/**
 * Signs with the first of the secrets, and accepts all of them. Fails where there is none, or one is empty, or the runtime
 * has no Web Crypto.
 *
 * @internal
 */
export const makeSigner = Effect.fnUntraced(
  function*(
    operation: string,
    secrets: Secret | ReadonlyArray<Secret>
  ): Effect.fn.Return<Signer, VargateError, Mac.Mac> {
    const invalid = (message: string) => invalidRequest(operation, [{ path: ["secret"], message }])

    const texts = (Array.isArray(secrets) ? secrets : [secrets]).map((secret) =>
      Redacted.isRedacted(secret) ? Redacted.value(secret) : secret
    )
    if (texts.length === 0 || !texts.every((text) => typeof text === "string" && text.trim() !== "")) {
      return yield* invalid("a secret is required: the webhook_secret that came when the webhook's URL was set")
    }
    const crypto: { readonly subtle?: unknown } | undefined = yield* WebCrypto
    if (crypto?.subtle === undefined) {
      return yield* invalid(
        "this runtime has no Web Crypto to use it with: a page needs https, an old runtime an update"
      )
    }
    const mac = yield* Mac.Mac
    const keys = yield* Effect.orDie(
      Effect.forEach(texts, (text) => Mac.key(Mac.hmacSha256, new TextEncoder().encode(text)))
    )
    return {
      sign: (body) => Effect.orDie(Effect.map(mac.sign(keys[0]!, body), (tag) => prefix + Hex.encode(tag))),
      matches: (tag, body) =>
        Effect.orDie(Effect.map(
          Effect.forEach(keys, (key) => mac.verify(key, tag, body)),
          (verdicts) => verdicts.includes(true)
        ))
    }
  },
  Effect.provide(Layer.provide(Mac.layerWebCrypto, SecureRandom.layerWebCrypto))
)

/**
 * The tag in a header, which has exactly one spelling: a second one would get a delivery past de-duplication.
 *
 * @internal
 */
export const readSignature = (
  header: string | null | undefined
): Result.Result<Uint8Array, MissingSignature | MalformedSignature> => {
  if (header === undefined || header === null || header === "") return Result.fail(new MissingSignature())
  const malformed = (detail: string) => Result.fail(new MalformedSignature({ detail }))
  if (typeof header !== "string") return malformed("it is not one text")
  if (!header.startsWith(prefix)) return malformed(`it does not begin with ${prefix}`)
  const digits = header.slice(prefix.length)
  if (digits.length !== 64) return malformed(`after ${prefix} it has ${digits.length} characters instead of 64`)
  if (/[A-F]/.test(digits)) return malformed("it has upper-case hex digits, and the gateway writes lower-case ones")
  return Result.mapError(
    Hex.decode(digits),
    () => new MalformedSignature({ detail: "it holds characters that are no hex digits" })
  )
}
