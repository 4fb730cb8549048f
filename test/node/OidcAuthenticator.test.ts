import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Authenticator } from "effect-vargate"
import * as OidcAuthenticator from "effect-vargate/node/OidcAuthenticator"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as jose from "jose"

const issuer = "https://login.example.com"
const audience = "panel"

const keyPair = (kid: string) =>
  Effect.map(Effect.promise(() => jose.generateKeyPair("ES256", { extractable: true })), (pair) => ({ ...pair, kid }))

type Pair = Effect.Success<ReturnType<typeof keyPair>>

/** An issuer that can rotate its keys, be away, and name other things than itself. */
const makeIssuer = Effect.gen(function*() {
  const pair = yield* keyPair("k1")
  const state = {
    pairs: [pair] as ReadonlyArray<Pair>,
    name: issuer,
    jwksUri: `${issuer}/keys`,
    isAway: false,
    reads: 0
  }
  const client = HttpClient.make((request) =>
    Effect.promise(async () => {
      const path = new URL(request.url).pathname
      const answer = state.isAway
        ? new Response("away", { status: 503 })
        : path === "/.well-known/openid-configuration"
        ? Response.json({ issuer: state.name, jwks_uri: state.jwksUri })
        : Response.json({
          keys: await Promise.all(
            state.pairs.map(async ({ kid, publicKey }) => ({ ...await jose.exportJWK(publicKey), kid, alg: "ES256" }))
          )
        })
      if (path === "/keys") state.reads++
      return HttpClientResponse.fromWeb(request, answer)
    })
  )
  const authenticator = (options: Partial<OidcAuthenticator.Options> = {}) =>
    Effect.map(
      Layer.build(Layer.fresh(OidcAuthenticator.layer({ issuer, audience, ...options }))).pipe(
        Effect.provideService(HttpClient.HttpClient, client)
      ),
      (context) => Effect.runSync(Effect.provide(Authenticator.Authenticator, context))
    )
  return { state, pair, authenticator }
})

/** A token for Ann, from the clock's first moment on, for an hour. */
const tokenOf = (
  { kid, privateKey }: Pair,
  claims: Record<string, unknown> = {},
  header: Partial<jose.JWTHeaderParameters> = {}
) =>
  Effect.promise(() =>
    new jose.SignJWT({
      iss: issuer,
      aud: audience,
      sub: "ann",
      name: "Ann",
      groups: ["finance"],
      exp: 3600,
      ...claims
    }).setProtectedHeader({ alg: "ES256", kid, ...header }).sign(privateKey)
  )

const detail = (result: Effect.Effect<unknown, { readonly _tag: string; readonly detail: string }>) =>
  Effect.map(Effect.flip(result), (error) => {
    assert.strictEqual(error._tag, "NotAuthenticated")
    return error.detail
  })

const test = (title: string, effect: Effect.Effect<void, unknown, never>) => it.effect(title, () => effect)

describe("OidcAuthenticator", () => {
  test(
    "knows a reviewer by a token of the issuer, and reads its keys once",
    Effect.gen(function*() {
      const { authenticator, pair, state } = yield* makeIssuer
      const { authenticate } = yield* authenticator()
      for (let n = 0; n < 3; n++) {
        const { groups, id, name } = yield* authenticate(Redacted.make(yield* tokenOf(pair)))
        assert.deepStrictEqual([id, name, groups], ["ann", "Ann", ["finance"]])
      }
      assert.strictEqual(state.reads, 1)
      const other = yield* authenticator({ idClaim: "email", nameClaim: "nick", groupsClaim: "roles" })
      const token = yield* tokenOf(pair, { email: "ann@example.com", roles: ["board"] })
      const { groups, id, name } = yield* other.authenticate(Redacted.make(token))
      assert.deepStrictEqual([id, name, groups], ["ann@example.com", "ann@example.com", ["board"]])
    }).pipe(Effect.scoped)
  )

  test(
    "refuses tokens of others, for others, expired, unsigned, or signed with what is public",
    Effect.gen(function*() {
      const { authenticator, pair } = yield* makeIssuer
      const { authenticate } = yield* authenticator()
      const stranger = { ...(yield* keyPair("k1")), kid: "k1" }
      const publicText = JSON.stringify(yield* Effect.promise(() => jose.exportJWK(pair.publicKey)))
      const hmac = yield* Effect.promise(() =>
        new jose.SignJWT({ iss: issuer, aud: audience, sub: "ann", exp: 3600 }).setProtectedHeader({
          alg: "HS256",
          kid: "k1"
        }).sign(new TextEncoder().encode(publicText))
      )
      const none = new jose.UnsecuredJWT({ iss: issuer, aud: audience, sub: "ann", exp: 3600 }).encode()
      const [head, , signature] = (yield* tokenOf(pair)).split(".")
      const forgedBody = Buffer.from(JSON.stringify({ iss: issuer, aud: audience, sub: "eve", exp: 3600 })).toString(
        "base64url"
      )
      const cases: ReadonlyArray<readonly [token: string, detail: RegExp]> = [
        [yield* tokenOf(pair, { iss: "https://evil.example.com" }), /claim iss/],
        [yield* tokenOf(pair, { aud: "another" }), /claim aud/],
        [yield* tokenOf(pair, { aud: undefined }), /claim aud/],
        [yield* tokenOf(pair, { exp: undefined }), /claim exp/],
        [yield* tokenOf(pair, { nbf: 3000 }), /claim nbf/],
        [yield* tokenOf(pair, { sub: undefined }), /claim sub/],
        [yield* tokenOf(pair, { sub: "ann\nbob" }), /name no reviewer/],
        [yield* tokenOf(pair, { groups: "finance" }), /name no reviewer/],
        [yield* tokenOf(stranger), /not signed by the issuer/],
        [`${head}.${forgedBody}.${signature}`, /not signed by the issuer/],
        [hmac, /algorithm is not accepted/],
        [none, /./],
        ["", /not signed/],
        ["ann", /not signed/]
      ]
      for (const [token, expected] of cases) {
        const text = yield* detail(authenticate(Redacted.make(token)))
        assert.match(text, expected)
        if (token !== "") assert.notInclude(text, token)
      }
      const token = Redacted.make(yield* tokenOf(pair))
      yield* TestClock.adjust("61 minutes")
      assert.strictEqual(yield* detail(authenticate(token)), "the token has expired")
      const strict = yield* authenticator({ algorithms: ["RS256"] })
      assert.match(yield* detail(strict.authenticate(Redacted.make(yield* tokenOf(pair, { exp: 9000 })))), /algorithm/)
    }).pipe(Effect.scoped)
  )

  test(
    "finds a new key after a rotation, forgets the old one, and does not let invented keys load the issuer",
    Effect.gen(function*() {
      const { authenticator, pair, state } = yield* makeIssuer
      const { authenticate } = yield* authenticator()
      const old = Redacted.make(yield* tokenOf(pair))
      yield* authenticate(old)
      const next = yield* keyPair("k2")
      state.pairs = [next]
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual((yield* authenticate(Redacted.make(yield* tokenOf(next)))).id, "ann")
      assert.strictEqual(state.reads, 2)
      assert.match(yield* detail(authenticate(old)), /no such key/)
      for (let n = 0; n < 50; n++) {
        const invented = yield* tokenOf(pair, {}, { kid: `invented-${n}` })
        assert.match(yield* detail(authenticate(Redacted.make(invented))), /no such key/)
      }
      assert.strictEqual(state.reads, 2)
      // A key that was withdrawn is not accepted for longer than ten minutes.
      const third = yield* keyPair("k3")
      state.pairs = [third]
      yield* TestClock.adjust("10 minutes")
      assert.match(yield* detail(authenticate(Redacted.make(yield* tokenOf(next)))), /no such key/)
    }).pipe(Effect.scoped)
  )

  test(
    "refuses while the issuer is away or is not what it should be, and knows it again afterwards",
    Effect.gen(function*() {
      const { authenticator, pair, state } = yield* makeIssuer
      const { authenticate } = yield* authenticator()
      const token = Redacted.make(yield* tokenOf(pair))
      state.isAway = true
      assert.match(yield* detail(authenticate(token)), /cannot be read now/)
      state.isAway = false
      state.name = "https://evil.example.com"
      assert.match(yield* detail(authenticate(token)), /another name/)
      state.name = issuer
      state.jwksUri = "http://login.example.com/keys"
      assert.match(yield* detail(authenticate(token)), /not at an https URL/)
      state.jwksUri = `${issuer}/keys`
      assert.strictEqual((yield* authenticate(token)).id, "ann")
    }).pipe(Effect.scoped)
  )

  test(
    "is not built with options that would accept too much",
    Effect.gen(function*() {
      const { authenticator } = yield* makeIssuer
      const bad: ReadonlyArray<Partial<OidcAuthenticator.Options>> = [
        { issuer: "http://login.example.com" },
        { issuer: "login" },
        { audience: "" },
        { algorithms: [] },
        { algorithms: ["HS256" as "RS256"] },
        { algorithms: ["none" as "RS256"] }
      ]
      for (const options of bad) {
        assert.strictEqual((yield* Effect.flip(authenticator(options))).reason._tag, "InvalidRequest")
      }
    }).pipe(Effect.scoped)
  )
})
