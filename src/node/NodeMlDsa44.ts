/**
 * ML-DSA-44 by `node:crypto`, which has it from Node 24.6 on.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createPublicKey, type KeyObject, verify } from "node:crypto"
import { MlDsa44, NotSupported } from "../verify/witness/MlDsa44.ts"

/** What stands before the 1312 bytes of a key in SubjectPublicKeyInfo. */
const spki = Buffer.from("30820532300b06096086480165030403110382052100", "hex")

const keyOf = (publicKey: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([spki, publicKey]), format: "der", type: "spki" })

/**
 * Verifies in this process, without the warning that Web Crypto's way prints.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<never> = Layer.succeed(MlDsa44, {
  verify: (publicKey, signature, message) =>
    Effect.try({
      try: () => verify(null, message, keyOf(publicKey), signature),
      catch: () => new NotSupported()
    })
})
