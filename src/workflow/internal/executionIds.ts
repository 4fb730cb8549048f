/**
 * The digests of execution ids, at once. Effect computes them by Web Crypto, which answers from another thread: a program
 * that starts an execution would leave the clock of its test.
 *
 * @internal
 */
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import { sha256 } from "../../internal/sha256.ts"

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** What is digested is the text of an id. */
const digest = (data: BufferSource): Promise<ArrayBuffer> =>
  Promise.resolve(Result.getOrThrow(Hex.decode(sha256(decoder.decode(data)))).slice().buffer)

const crypto = { subtle: { digest: (_: AlgorithmIdentifier, data: BufferSource) => digest(data) } } as Crypto

/**
 * Computes the ids within an effect at once. What runs in it should get its own `WebCrypto` back.
 *
 * @internal
 */
export const atOnce = Effect.provideService(WebCrypto, crypto)
