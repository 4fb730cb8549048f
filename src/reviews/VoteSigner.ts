/**
 * Signs votes with a key of the panel's (Ed25519), so that a vote that was not cast at the panel is told from one that was.
 *
 * @since 0.2.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { sha256 } from "../internal/sha256.ts"

/**
 * Signs texts. The public key is for those who verify.
 *
 * @category services
 * @since 0.2.0
 */
export class VoteSigner extends Context.Service<VoteSigner, {
  /** The first 16 digits of the SHA-256 of the public key. */
  readonly keyId: string
  /** 32 bytes, in base64url. */
  readonly publicKey: string
  /** The signature of a text's UTF-8 bytes, in base64url. */
  readonly sign: (text: string) => Effect.Effect<string>
}>()("effect-vargate/VoteSigner") {}

/**
 * The id of a public key.
 *
 * @category keys
 * @since 0.2.0
 */
export const keyIdOf = (publicKey: string): string => sha256(publicKey).slice(0, 16)

/**
 * A new private key: 32 random bytes, as 64 hexadecimal digits. Every process of a panel has the same one.
 *
 * @category keys
 * @since 0.2.0
 */
export const makeKey: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(Hex.encode(crypto.getRandomValues(new Uint8Array(32))))
)

/** What stands before the 32 bytes of a private key in PKCS #8 (RFC 8410), which is how Web Crypto takes it. */
const pkcs8 = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

const invalid = (message: string) => invalidRequest("VoteSigner.layer", [{ path: ["key"], message }])

/**
 * A signer with a private key of 64 hexadecimal digits, as {@link makeKey} makes it. Fails with `InvalidRequest` where the
 * key is none, or this runtime has no Ed25519.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (key: Redacted.Redacted): Layer.Layer<VoteSigner, VargateError> =>
  Layer.effect(
    VoteSigner,
    Effect.gen(function*() {
      const text = Redacted.value(key)
      if (!/^[0-9a-fA-F]{64}$/.test(text)) return yield* invalid("Expected 64 hexadecimal digits")
      const seed = Result.getOrThrow(Hex.decode(text))
      const { privateKey, publicKey } = yield* Effect.tryPromise({
        try: async () => {
          const bytes = Uint8Array.from([...pkcs8, ...seed])
          const key = await crypto.subtle.importKey("pkcs8", bytes, "Ed25519", true, ["sign"])
          const { x } = await crypto.subtle.exportKey("jwk", key)
          return { privateKey: key, publicKey: x! }
        },
        catch: () => invalid("This runtime has no Ed25519 in Web Crypto: use Node 22.19 or newer, Bun or Deno")
      })
      return VoteSigner.of({
        keyId: keyIdOf(publicKey),
        publicKey,
        sign: (text) =>
          Effect.promise(async () =>
            Base64Url.encode(new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, bytesOf(text))))
          )
      })
    })
  )

/**
 * A signer with the key of `VARGATE_REVIEWS_KEY`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerConfig: Layer.Layer<VoteSigner, VargateError | Config.ConfigError> = Layer.unwrap(
  Effect.map(Config.Redacted("VARGATE_REVIEWS_KEY"), layer)
)

/**
 * Whether a signature is a text's, by this public key. False for whatever is no signature or no key.
 *
 * @category verifying
 * @since 0.2.0
 */
export const verify = (publicKey: string, text: string, signature: string): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    const key = Base64Url.decode(publicKey)
    const bytes = Base64Url.decode(signature)
    if (Result.isFailure(key) || Result.isFailure(bytes)) return false
    try {
      const imported = await crypto.subtle.importKey("raw", Uint8Array.from(key.success), "Ed25519", false, ["verify"])
      return await crypto.subtle.verify("Ed25519", imported, Uint8Array.from(bytes.success), bytesOf(text))
    } catch {
      return false
    }
  })
