/**
 * SHA-256 for everything that is verified here. By default Web Crypto computes it, so that verification runs wherever
 * JavaScript does; on Node, `NodeHasher` is several times faster and computes the same.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"

/**
 * A way to compute SHA-256.
 *
 * @category models
 * @since 0.1.0
 */
export interface HasherService {
  /** The lower-case hex SHA-256 of each text of bytes, in order. */
  readonly hashAll: (texts: ReadonlyArray<Uint8Array<ArrayBuffer>>) => Effect.Effect<ReadonlyArray<string>>
  /** The same for one, at once, where the platform can. Verification takes this way when it is there. */
  readonly hash?: ((text: Uint8Array) => string) | undefined
  /**
   * Writes the 32 bytes of the hash of one to a place in `target`, at once, which may be where the text is: for the
   * nodes of Merkle trees. Left out, `hashAll` does it.
   */
  readonly hashInto?: ((target: Uint8Array, offset: number, text: Uint8Array) => void) | undefined
}

const webCrypto: HasherService = {
  hashAll: (texts) =>
    Effect.promise(async () => {
      const digests = await Promise.all(texts.map((text) => crypto.subtle.digest("SHA-256", text)))
      return digests.map((digest) => Hex.encode(new Uint8Array(digest)))
    })
}

/**
 * The hasher of the current fiber. Default: Web Crypto, in batches.
 *
 * **When to use**
 *
 * On Node, provide `NodeHasher.layer` from `effect-vargate/node/NodeHasher` around whatever verifies.
 *
 * @category references
 * @since 0.1.0
 */
export const Hasher = Context.Reference<HasherService>("effect-vargate/Hasher", { defaultValue: () => webCrypto })
