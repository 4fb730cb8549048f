/**
 * The login of reviewers at an OpenID Connect provider, for a panel's page: the authorization code flow with PKCE (S256),
 * state and nonce. It needs the package `jose`, an optional peer.
 *
 * **Example** (Log in at the company's provider)
 *
 * ```ts
 * import { Layer, Redacted } from "effect"
 * import * as OidcLogin from "effect-vargate/node/OidcLogin"
 * import { FetchHttpClient } from "effect/http"
 *
 * export const login = OidcLogin.layer({
 *   issuer: "https://login.example.com",
 *   clientId: "review-panel",
 *   clientSecret: Redacted.make("of this client"),
 *   groupsClaim: "roles"
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { ReviewLogin } from "../http/ReviewLogin.ts"
import { sha256 } from "../internal/sha256.ts"
import type { NotAuthenticated } from "../reviews/ReviewError.ts"
import { isSecure, type Issuer, make as makeIssuer, type Metadata, patience, refused } from "./internal/oidcIssuer.ts"
import type { Algorithm } from "./OidcAuthenticator.ts"

/**
 * Where reviewers log in, and as which client of it.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** As it stands in tokens (`iss`), like `https://login.example.com`. https, or http on this machine. */
  readonly issuer: string
  /** The id of the panel at the provider. The redirect URI there is the page's address with `panel/callback`. */
  readonly clientId: string
  /** Without one the panel is a public client. */
  readonly clientSecret?: Redacted.Redacted | undefined
  /** As the button names the provider. Default: the issuer's host. */
  readonly name?: string | undefined
  /** Default: `openid` and `profile`. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** Default: every `OidcAuthenticator.Algorithm`. */
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

/** A login that was begun and not ended. */
interface Begun {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  readonly redirectUri: string
  readonly expiresAt: number
}

const lasts = 600_000
const mostBegun = 1_000

const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (c) => c === "+" ? "-" : c === "/" ? "_" : "")

const randomText = () => base64url(crypto.getRandomValues(new Uint8Array(32)))

const challengeOf = (verifier: string) =>
  Effect.promise(async () =>
    base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))))
  )

const Tokens = Schema.Struct({ id_token: Schema.String, access_token: Schema.optionalKey(Schema.String) })
const Claims = Schema.Record(Schema.String, Schema.Unknown)

/** The endpoints that a login needs. */
const endpointsOf = (metadata: Metadata) => {
  const { authorization_endpoint: authorization, code_challenge_methods_supported: methods, token_endpoint: token } =
    metadata
  if (authorization === undefined || token === undefined || !isSecure(authorization) || !isSecure(token)) {
    return Effect.fail(refused("the provider has no endpoints for a login"))
  }
  // A provider that says nothing of it may well have it: it then answers an error where it has not.
  if (methods !== undefined && !methods.includes("S256")) {
    return Effect.fail(refused("the provider does not support PKCE with S256"))
  }
  return Effect.succeed({ authorization, token })
}

/**
 * Who is meant by the claims of an ID token, and of the provider's user info where the token lacks name or groups.
 */
const withUserInfo = Effect.fnUntraced(function*(
  http: HttpClient.HttpClient,
  { groupsClaim, nameClaim }: Issuer,
  { userinfo_endpoint: endpoint }: Metadata,
  claims: Readonly<Record<string, unknown>>,
  accessToken: string | undefined
): Effect.fn.Return<Readonly<Record<string, unknown>>, NotAuthenticated> {
  const isWhole = claims[nameClaim] !== undefined && claims[groupsClaim] !== undefined
  if (isWhole || endpoint === undefined || accessToken === undefined || !isSecure(endpoint)) return claims
  const info = yield* http.execute(
    HttpClientRequest.get(endpoint).pipe(HttpClientRequest.bearerToken(accessToken), HttpClientRequest.acceptJson)
  ).pipe(
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Claims)),
    Effect.timeout(patience),
    Effect.mapError(() => refused("the provider does not say who this is"))
  )
  // What is said of another one is not said of this one.
  if (typeof claims["sub"] !== "string" || info["sub"] !== claims["sub"]) {
    return yield* refused("the provider's user info is about another one")
  }
  return { ...info, ...claims }
})

const formOf = (values: Readonly<Record<string, string>>) => HttpClientRequest.bodyUrlParams(values)

/** The name and secret of a client as RFC 6749 has them in HTTP Basic. */
const formEncoded = (text: string) => new URLSearchParams({ "": text }).toString().slice(1)

/**
 * Reviewers who log in at a provider.
 *
 * **Details**
 *
 * The ID token is checked as `OidcAuthenticator` checks tokens: signed by one of the provider's keys, made for this client,
 * not expired, and for this login by its nonce. Groups and names that are not in it are read from the provider's user info. A
 * login is to be ended within ten minutes, by the browser that began it, and once. Fails with `InvalidRequest` where an
 * option is not usable.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<ReviewLogin, VargateError, HttpClient.HttpClient> =>
  Layer.effect(
    ReviewLogin,
    Effect.gen(function*() {
      const { clientId, clientSecret, scopes = ["openid", "profile"] } = options
      const operation = "OidcLogin.layer"
      if (clientId === "") {
        return yield* invalidRequest(operation, [{ path: ["clientId"], message: "Expected the client's id" }])
      }
      if (!scopes.includes("openid")) {
        return yield* invalidRequest(operation, [{ path: ["scopes"], message: "Expected openid among the scopes" }])
      }
      const issuer = yield* makeIssuer(operation, { ...options, audience: clientId })
      const http = yield* HttpClient.HttpClient
      const name = options.name ?? URL.parse(options.issuer)?.host ?? "the provider"
      /** By the hash of the cookie, in the order in which they were begun. */
      const begun = new Map<string, Begun>()

      const keep = (cookie: string, login: Begun, now: number) => {
        for (const [key, { expiresAt }] of begun) {
          if (now < expiresAt && begun.size < mostBegun) break
          begun.delete(key)
        }
        begun.set(sha256(cookie), login)
      }

      const begin = Effect.fn("OidcLogin.begin")(function*(redirectUri: string) {
        const { authorization } = yield* Effect.flatMap(issuer.metadata, endpointsOf)
        const now = yield* Clock.currentTimeMillis
        const cookie = randomText()
        const login = {
          state: randomText(),
          nonce: randomText(),
          verifier: randomText(),
          redirectUri,
          expiresAt: now + lasts
        }
        keep(cookie, login, now)
        const url = new URL(authorization)
        const values = {
          response_type: "code",
          client_id: clientId,
          redirect_uri: redirectUri,
          scope: scopes.join(" "),
          state: login.state,
          nonce: login.nonce,
          code_challenge: yield* challengeOf(login.verifier),
          code_challenge_method: "S256"
        }
        for (const [key, value] of Object.entries(values)) url.searchParams.set(key, value)
        return { url: url.href, cookie: Redacted.make(cookie) }
      })

      /** The login of a cookie, which cannot be ended a second time. */
      const take = Effect.fnUntraced(function*(cookie: Redacted.Redacted) {
        const key = sha256(Redacted.value(cookie))
        const login = begun.get(key)
        begun.delete(key)
        if (login === undefined || (yield* Clock.currentTimeMillis) >= login.expiresAt) {
          return yield* refused("no such login was begun here, or it took too long")
        }
        return login
      })

      const redeem = Effect.fnUntraced(function*(code: string, login: Begun, metadata: Metadata) {
        const { token } = yield* endpointsOf(metadata)
        const methods = metadata.token_endpoint_auth_methods_supported ?? ["client_secret_basic"]
        const values = {
          grant_type: "authorization_code",
          code,
          redirect_uri: login.redirectUri,
          code_verifier: login.verifier
        }
        const secret = clientSecret && Redacted.value(clientSecret)
        const request = HttpClientRequest.post(token).pipe(HttpClientRequest.acceptJson)
        const signed = secret === undefined
          ? formOf({ ...values, client_id: clientId })(request)
          : methods.includes("client_secret_basic")
          ? HttpClientRequest.basicAuth(formEncoded(clientId), formEncoded(secret))(formOf(values)(request))
          : formOf({ ...values, client_id: clientId, client_secret: secret })(request)
        return yield* http.execute(signed).pipe(
          Effect.flatMap(HttpClientResponse.filterStatusOk),
          Effect.flatMap(HttpClientResponse.schemaBodyJson(Tokens)),
          Effect.timeout(patience),
          Effect.mapError(() => refused("the provider did not accept the login"))
        )
      })

      const complete = Effect.fn("OidcLogin.complete")(function*(cookie: Redacted.Redacted, callback: URL) {
        const login = yield* take(cookie)
        const metadata = yield* issuer.metadata
        const given = (name: string) => {
          const values = callback.searchParams.getAll(name)
          return values.length === 1 ? values[0] : undefined
        }
        if (given("state") !== login.state) return yield* refused("the login comes back with another state")
        const from = given("iss")
        const isFromIssuer = from === undefined
          ? metadata.authorization_response_iss_parameter_supported !== true
          : from === options.issuer
        if (!isFromIssuer) return yield* refused("the login comes back from another issuer")
        const code = given("code")
        if (code === undefined) return yield* refused("the provider did not accept the login")
        const tokens = yield* redeem(code, login, metadata)
        const claims = yield* issuer.verify(tokens.id_token)
        if (claims["nonce"] !== login.nonce) return yield* refused("the token's claim nonce is not accepted")
        const isForOthers = Array.isArray(claims.aud) && claims.aud.length > 1
        const azp = claims["azp"]
        if ((isForOthers || azp !== undefined) && azp !== clientId) {
          return yield* refused("the token's claim azp is not accepted")
        }
        return yield* Effect.flatMap(
          withUserInfo(http, issuer, metadata, claims, tokens.access_token),
          issuer.reviewerOf
        )
      })

      return ReviewLogin.of({ name, begin, complete })
    })
  )
