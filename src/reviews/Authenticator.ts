/**
 * Makes a reviewer of what a request carries. A name in a request is never believed.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { sha256 } from "../internal/sha256.ts"
import { Reviewer } from "./Reviewer.ts"
import { NotAuthenticated } from "./ReviewError.ts"

/**
 * Knows reviewers by their credentials.
 *
 * @category services
 * @since 0.2.0
 */
export class Authenticator extends Context.Service<Authenticator, {
  /** The reviewer to whom a credential belongs: a token, a JWT, whatever the layer understands. */
  readonly authenticate: (credential: Redacted.Redacted) => Effect.Effect<Reviewer, NotAuthenticated>
}>()("effect-vargate/Authenticator") {}

/** Shorter ones can be guessed. */
const minTokenLength = 20

/**
 * A token as a table keeps it: SHA-256, as lower-case hexadecimal digits. Enough for random tokens, not for passwords.
 *
 * @category tokens
 * @since 0.2.0
 */
export const hashToken = (token: Redacted.Redacted): string => sha256(Redacted.value(token))

/**
 * A new random token of 256 bits, to be handed to a reviewer. The table gets its {@link hashToken}.
 *
 * @category tokens
 * @since 0.2.0
 */
export const makeToken: Effect.Effect<Redacted.Redacted> = Effect.sync(() => {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return Redacted.make(
    `vr_${btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (c) => c === "+" ? "-" : c === "/" ? "_" : "")}`
  )
})

/**
 * A reviewer of a table, with the hash of each of its tokens.
 *
 * @category models
 * @since 0.2.0
 */
export const TokenEntry = Schema.Struct({
  ...Reviewer.fields,
  /** Several, so that a new one can be handed out before the old one is withdrawn. */
  tokenHashes: Schema.Array(
    Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "a SHA-256 in lower-case hexadecimal digits" }))
  )
})

/**
 * The type of {@link TokenEntry}.
 *
 * @category models
 * @since 0.2.0
 */
export type TokenEntry = typeof TokenEntry.Type

const unknown = new NotAuthenticated({ detail: "the token is not in the table" })

/**
 * A table of reviewers with hashed tokens, for small teams.
 *
 * **Details**
 *
 * Fails with `InvalidRequest` where the table is not valid, where two entries have the same id, and where two have the
 * same token. Tokens of fewer than 20 characters are refused.
 *
 * **Example** (Two reviewers)
 *
 * ```ts
 * import { Effect, Layer, Redacted } from "effect"
 * import { Authenticator } from "effect-vargate"
 *
 * const tokenOfAnn = Redacted.make("a long random token of Ann's")
 *
 * const reviewers = Authenticator.layerTokens([
 *   { id: "ann", name: "Ann", groups: ["finance"], tokenHashes: [Authenticator.hashToken(tokenOfAnn)] }
 * ])
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerTokens = (entries: ReadonlyArray<TokenEntry>): Layer.Layer<Authenticator, VargateError> =>
  Layer.effect(
    Authenticator,
    Effect.gen(function*() {
      const operation = "Authenticator.layerTokens"
      const decoded = Schema.decodeUnknownResult(Schema.Array(TokenEntry))(entries)
      if (Result.isFailure(decoded)) {
        return yield* invalidRequest(operation, fieldIssues(decoded.failure.issue, []))
      }
      const byHash = new Map<string, Reviewer>()
      const ids = new Set<string>()
      for (const [index, { groups, id, name, tokenHashes }] of decoded.success.entries()) {
        if (ids.has(id)) {
          return yield* invalidRequest(operation, [{ path: [index, "id"], message: "Another entry has the same id" }])
        }
        ids.add(id)
        for (const hash of tokenHashes) {
          if (byHash.has(hash)) {
            return yield* invalidRequest(operation, [{
              path: [index, "tokenHashes"],
              message: "Another token of the table is the same"
            }])
          }
          byHash.set(hash, new Reviewer({ id, name, groups }))
        }
      }
      return Authenticator.of({
        authenticate: (credential) =>
          Effect.suspend(() => {
            const reviewer = Redacted.value(credential).length < minTokenLength
              ? undefined
              : byHash.get(hashToken(credential))
            return reviewer === undefined ? Effect.fail(unknown) : Effect.succeed(reviewer)
          })
      })
    })
  )
