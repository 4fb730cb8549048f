/**
 * Digests of requests, to tell them apart without showing them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { canonicalJson } from "./canonicalJson.ts"

/**
 * Lower-case hex SHA-256 of a value's canonical JSON text.
 *
 * @internal
 */
export const digestOf = (value: unknown): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonicalJson(value)))),
    (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("")
  )
