/**
 * Reviewers by the tokens of an OpenID Connect issuer: a JWT is checked against the issuer's keys, with the package
 * `jose`, an optional peer.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { VargateError } from "../errors/VargateError.ts"
import { Authenticator } from "../reviews/Authenticator.ts"
import * as Issuer from "./internal/oidcIssuer.ts"

/**
 * The algorithms that may sign: all of them with a public key. A shared secret, or none, is never accepted.
 *
 * @category models
 * @since 0.2.0
 */
export const Algorithm = Issuer.Algorithm

/**
 * The type of {@link Algorithm}.
 *
 * @category models
 * @since 0.2.0
 */
export type Algorithm = typeof Algorithm.Type

/**
 * Whose tokens, and what in them says who a reviewer is.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** As it stands in tokens (`iss`), like `https://login.example.com`. https, or http on this machine. */
  readonly issuer: string
  /** For whom tokens must be made (`aud`): the client's id. */
  readonly audience: string
  /** Default: every {@link Algorithm}. */
  readonly algorithms?: ReadonlyArray<Algorithm> | undefined
  /** The claim with the reviewer's id. Default: `sub`. Choose none that users can change. */
  readonly idClaim?: string | undefined
  /** The claim with the reviewer's name. Default: `name`; without one, the id. */
  readonly nameClaim?: string | undefined
  /** The claim with the reviewer's groups, a list of texts. Default: `groups`; without one, none. */
  readonly groupsClaim?: string | undefined
  /** How far clocks may differ. Default: 30 seconds. */
  readonly clockTolerance?: Duration.Input | undefined
}

/**
 * Reviewers by the tokens of an issuer.
 *
 * **Details**
 *
 * A token must be signed by one of the issuer's keys, made for this audience, and not expired. The keys are read from
 * `{issuer}/.well-known/openid-configuration` when the first token comes, and again where a token names a key that is not
 * among them (at most every 30 seconds) or ten minutes have passed. Fails with `InvalidRequest` where an option is not
 * usable.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<Authenticator, VargateError, HttpClient.HttpClient> =>
  Layer.effect(
    Authenticator,
    Effect.map(Issuer.make("OidcAuthenticator.layer", options), ({ reviewerOf, verify }) =>
      Authenticator.of({
        authenticate: (credential) => Effect.flatMap(verify(Redacted.value(credential)), reviewerOf)
      }))
  )
