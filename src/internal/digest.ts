/**
 * Digests of requests, to tell them apart without showing them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { canonicalJson } from "./canonicalJson.ts"
import { sha256 } from "./sha256.ts"

/**
 * Lower-case hex SHA-256 of a value's canonical JSON text.
 *
 * @internal
 */
export const digestOf = (value: unknown): Effect.Effect<string> => Effect.sync(() => sha256(canonicalJson(value)))
