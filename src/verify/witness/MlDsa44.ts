/**
 * Verifies signatures by ML-DSA-44 (FIPS 204), by which witnesses may cosign: where the runtime has it.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/**
 * This runtime has no ML-DSA-44: whether the signature holds is not known.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotSupported extends Data.TaggedError("NotSupported") {
  override get message() {
    return "This runtime cannot verify signatures by ML-DSA-44: Node can from 24.7 on."
  }
}

/**
 * Verifies by a public key of 1312 bytes a signature of 2420, with an empty context.
 *
 * @category models
 * @since 0.2.0
 */
export interface MlDsa44Service {
  readonly verify: (
    publicKey: Uint8Array<ArrayBuffer>,
    signature: Uint8Array<ArrayBuffer>,
    message: Uint8Array<ArrayBuffer>
  ) => Effect.Effect<boolean, NotSupported>
}

/** Each key of the right size is one, so that what cannot be imported is not supported. */
const importKey = (publicKey: Uint8Array<ArrayBuffer>) =>
  Effect.tryPromise({
    // Newer than the types of Web Crypto.
    try: () => crypto.subtle.importKey("raw-public" as "raw", publicKey, "ML-DSA-44", false, ["verify"]),
    catch: () => new NotSupported()
  })

const byWebCrypto: MlDsa44Service = {
  verify: (publicKey, signature, message) =>
    Effect.flatMap(importKey(publicKey), (key) =>
      Effect.tryPromise({
        try: () => crypto.subtle.verify("ML-DSA-44", key, signature, message),
        catch: () => new NotSupported()
      }))
}

/**
 * The verifier in use. Default: Web Crypto's, which Node has from 24.7 on and calls experimental; `effect-vargate/node/NodeMlDsa44`
 * is that of `node:crypto`.
 *
 * @category references
 * @since 0.2.0
 */
export const MlDsa44: Context.Reference<MlDsa44Service> = Context.Reference("effect-vargate/MlDsa44", {
  defaultValue: () => byWebCrypto
})
