/**
 * An OpenID Connect issuer: its metadata, its keys, and whether a token is one of its own.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as jose from "jose"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { isLoopback } from "../../internal/loopback.ts"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"
import { Reviewer } from "../../reviews/Reviewer.ts"
import { NotAuthenticated } from "../../reviews/ReviewError.ts"

/** @internal */
export const Algorithm = Schema.Literals([
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519"
])

/** @internal */
export interface Options {
  readonly issuer: string
  readonly audience: string
  readonly algorithms?: ReadonlyArray<typeof Algorithm.Type> | undefined
  readonly idClaim?: string | undefined
  readonly nameClaim?: string | undefined
  readonly groupsClaim?: string | undefined
  readonly clockTolerance?: Duration.Input | undefined
}

/** What of an issuer's metadata is needed. */
const Metadata = Schema.Struct({
  issuer: Schema.String,
  jwks_uri: Schema.String,
  authorization_endpoint: Schema.optionalKey(Schema.String),
  token_endpoint: Schema.optionalKey(Schema.String),
  userinfo_endpoint: Schema.optionalKey(Schema.String),
  code_challenge_methods_supported: Schema.optionalKey(Schema.Array(Schema.String)),
  token_endpoint_auth_methods_supported: Schema.optionalKey(Schema.Array(Schema.String)),
  authorization_response_iss_parameter_supported: Schema.optionalKey(Schema.Boolean)
})

/** @internal */
export type Metadata = typeof Metadata.Type

const KeySet = Schema.Struct({ keys: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) })

/** A key that is not known is looked for once in so long: tokens with invented keys must not load the issuer. */
const cooldown = 30_000

/** Keys that were withdrawn count no longer than this. */
const maxAge = 600_000

/** @internal */
export const patience = "10 seconds"

/** @internal */
export const isSecure = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)))
}

/** @internal */
export const refused = (detail: string) => new NotAuthenticated({ detail })

/** What is wrong with a token, in words that hold nothing of it. */
const detailOf = (error: unknown): string => {
  if (error instanceof jose.errors.JWTExpired) return "the token has expired"
  if (error instanceof jose.errors.JWTClaimValidationFailed) return `the token's claim ${error.claim} is not accepted`
  if (error instanceof jose.errors.JOSEAlgNotAllowed) return "the token's algorithm is not accepted"
  if (error instanceof jose.errors.JWKSNoMatchingKey) return "the issuer has no such key"
  return "the token is not signed by the issuer"
}

const decodeReviewer = Schema.decodeUnknownEffect(Reviewer)

/** @internal */
export interface Issuer {
  /** As it is now, or was within the last ten minutes. */
  readonly metadata: Effect.Effect<Metadata, NotAuthenticated>
  /** What a token of this issuer for this audience says. */
  readonly verify: (token: string) => Effect.Effect<jose.JWTPayload, NotAuthenticated>
  /** The reviewer whom these claims name. */
  readonly reviewerOf: (claims: Readonly<Record<string, unknown>>) => Effect.Effect<Reviewer, NotAuthenticated>
  readonly idClaim: string
  readonly nameClaim: string
  readonly groupsClaim: string
}

/**
 * Fails with `InvalidRequest` where an option is not usable. `operation` is named in errors.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function*(
  operation: string,
  options: Options
): Effect.fn.Return<Issuer, VargateError, HttpClient.HttpClient> {
  const { audience, groupsClaim = "groups", idClaim = "sub", issuer, nameClaim = "name" } = options
  const algorithms = options.algorithms ?? Algorithm.literals
  const invalid = (path: string, message: string) => invalidRequest(operation, [{ path: [path], message }])
  if (!isSecure(issuer)) return yield* invalid("issuer", "Expected an https URL, or http on this machine")
  if (audience === "") return yield* invalid("audience", "Expected the client's id")
  if (algorithms.length === 0 || !algorithms.every((algorithm) => Schema.is(Algorithm)(algorithm))) {
    return yield* invalid("algorithms", "Expected algorithms with public keys, like RS256")
  }
  const clockTolerance = Duration.toSeconds(Duration.fromInputUnsafe(options.clockTolerance ?? "30 seconds"))
  const http = yield* HttpClient.HttpClient
  const oneAtATime = yield* Semaphore.make(1)
  let known:
    | { readonly metadata: Metadata; readonly keys: ReturnType<typeof jose.createLocalJWKSet>; readonly at: number }
    | undefined

  const read = <A>(url: string, schema: Schema.Codec<A, unknown>) =>
    http.get(url).pipe(
      Effect.flatMap(HttpClientResponse.filterStatusOk),
      Effect.flatMap(HttpClientResponse.schemaBodyJson(schema)),
      Effect.timeout(patience),
      Effect.mapError(() => refused("the issuer's keys cannot be read now"))
    )

  const fetchKeys = Effect.gen(function*() {
    const metadata = yield* read(`${withoutTrailingSlashes(issuer)}/.well-known/openid-configuration`, Metadata)
    if (metadata.issuer !== issuer) return yield* refused("the issuer calls itself by another name")
    if (!isSecure(metadata.jwks_uri)) return yield* refused("the issuer's keys are not at an https URL")
    const keySet = yield* read(metadata.jwks_uri, KeySet)
    const keys = yield* Effect.try({
      try: () => jose.createLocalJWKSet(keySet as unknown as jose.JSONWebKeySet),
      catch: () => refused("the issuer's keys cannot be used")
    })
    const fresh = { metadata, keys, at: yield* Clock.currentTimeMillis }
    known = fresh
    return fresh
  })

  /** What is not older than so many milliseconds. */
  const within = (age: number) =>
    oneAtATime.withPermit(
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        known !== undefined && now - known.at < age ? Effect.succeed(known) : fetchKeys)
    )

  const check = (token: string, keys: ReturnType<typeof jose.createLocalJWKSet>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.tryPromise({
        try: () =>
          jose.jwtVerify(token, keys, {
            issuer,
            audience,
            algorithms: [...algorithms],
            clockTolerance,
            currentDate: new Date(now),
            requiredClaims: ["exp", idClaim]
          }),
        catch: (error) => error
      }))

  const verify = Effect.fnUntraced(function*(token: string) {
    const first = yield* within(maxAge)
    const { payload } = yield* check(token, first.keys).pipe(
      Effect.catchIf(
        (error) => error instanceof jose.errors.JWKSNoMatchingKey,
        (error) =>
          Effect.flatMap(
            within(cooldown),
            ({ keys }) => keys === first.keys ? Effect.fail(error) : check(token, keys)
          )
      ),
      Effect.mapError((error) => error instanceof NotAuthenticated ? error : refused(detailOf(error)))
    )
    return payload
  })

  return {
    metadata: Effect.map(within(maxAge), ({ metadata }) => metadata),
    verify,
    reviewerOf: (claims) => {
      const id = claims[idClaim]
      return decodeReviewer({ id, name: claims[nameClaim] ?? id, groups: claims[groupsClaim] ?? [] }).pipe(
        Effect.mapError(() => refused("the token's claims name no reviewer"))
      )
    },
    idClaim,
    nameClaim,
    groupsClaim
  }
})
