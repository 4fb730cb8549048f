/** The login at a real provider (`oidc-provider`), and what is refused of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import * as OidcLogin from "effect-vargate/node/OidcLogin"
import { FetchHttpClient } from "effect/http"
import * as jose from "jose"
import { ReviewLogin } from "../../src/http/ReviewLogin.ts"
import { act, needs } from "../gateway/inbox/page/browser.ts"
import { hold } from "../gateway/suite/cases.ts"
import { overSocket } from "../gateway/suite/doors.ts"
import { timeMachine } from "../support/worlds.ts"
import { clientId, clientSecret, type Key, makeProvider, newKey, type Tampering } from "./oidcProvider.ts"
import { PanelAddress, panelLayer, proxied, reviewer } from "./reviewPagePerson.ts"

const redirectUri = "http://127.0.0.1:9/gov/panel/callback"

const login = (issuer: string, options: Partial<OidcLogin.Options> = {}) =>
  Layer.build(Layer.fresh(
    OidcLogin.layer({
      issuer,
      clientId,
      clientSecret: Redacted.make(clientSecret),
      name: "the company",
      ...options
    }).pipe(Layer.provide(FetchHttpClient.layer))
  )).pipe(
    Effect.flatMap((context) => Effect.provide(ReviewLogin, context))
  )

const refusal = <A>(effect: Effect.Effect<A, { readonly _tag: string; readonly detail: string }>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.strictEqual(error._tag, "NotAuthenticated")
    return error.detail
  })

const test = (title: string, body: () => Effect.fn.Return<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.scoped(Effect.gen(body)))

/** The claims of the provider's own token, changed and signed anew. */
const signing =
  (key: Key, change: (claims: jose.JWTPayload) => jose.JWTPayload, header = {}): Tampering => async (path, body) => {
    if (path !== "/token" || typeof body["id_token"] !== "string") return body
    const claims = change(jose.decodeJwt(body["id_token"]))
    const id_token = await new jose.SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: key.kid, ...header }).sign(
      key.privateKey
    )
    return { ...body, id_token }
  }

const without = (claims: jose.JWTPayload, name: string): jose.JWTPayload =>
  Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))

const replacing = (make: (claims: jose.JWTPayload) => Promise<string> | string): Tampering => async (path, body) =>
  path === "/token" && typeof body["id_token"] === "string"
    ? { ...body, id_token: await make(jose.decodeJwt(body["id_token"])) }
    : body

describe("OidcLogin", () => {
  test("logs a reviewer in by code and PKCE, with name and groups of the provider's user info", function*() {
    const { issuer, state, walk } = yield* makeProvider([redirectUri])
    const { begin, complete, name } = yield* login(issuer)
    assert.strictEqual(name, "the company")
    const { cookie, url } = yield* begin(redirectUri)
    const asked = Object.fromEntries(new URL(url).searchParams)
    assert.deepInclude(asked, { response_type: "code", client_id: clientId, code_challenge_method: "S256" })
    for (const secret of [asked["state"], asked["nonce"], asked["code_challenge"]]) assert.match(secret!, /^[\w-]{43}$/)
    const { groups, id, name: reviewerName } = yield* complete(cookie, yield* walk(url))
    assert.deepStrictEqual([id, reviewerName, groups], ["sub-ann", "Ann Archer", ["finance"]])
    const redeemed = new URLSearchParams(state.redeemed[0])
    assert.match(redeemed.get("code_verifier")!, /^[\w-]{43}$/)
    assert.isNull(redeemed.get("client_secret"))
    for (const secret of [clientSecret, redeemed.get("code_verifier")!]) assert.notInclude(url, secret)
  })

  test("refuses tokens for others, of others, expired, unsigned, or of another login", function*() {
    const { issuer, state, walk } = yield* makeProvider([redirectUri])
    const { begin, complete } = yield* login(issuer)
    const stranger = yield* newKey("k1")
    const hmac = (claims: jose.JWTPayload) =>
      new jose.SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(clientSecret))
    const own = state.key
    const cases: ReadonlyArray<readonly [title: string, tampering: Tampering, detail: RegExp]> = [
      ["audience", signing(own, (claims) => ({ ...claims, aud: "another" })), /claim aud/],
      ["audiences", signing(own, (claims) => ({ ...claims, aud: [clientId, "another"] })), /claim azp/],
      ["azp", signing(own, (claims) => ({ ...claims, azp: "another" })), /claim azp/],
      ["issuer", signing(own, (claims) => ({ ...claims, iss: "https://evil.example" })), /claim iss/],
      ["expired", signing(own, (claims) => ({ ...claims, exp: claims.iat! - 3600 })), /has expired/],
      ["without exp", signing(own, (claims) => without(claims, "exp")), /claim exp/],
      ["nonce", signing(own, (claims) => ({ ...claims, nonce: "of another login" })), /claim nonce/],
      ["without nonce", signing(own, (claims) => without(claims, "nonce")), /claim nonce/],
      ["stranger", signing(stranger, (claims) => claims), /not signed by the issuer/],
      ["no such key", signing(own, (claims) => claims, { kid: "k9" }), /no such key/],
      ["alg none", replacing((claims) => new jose.UnsecuredJWT(claims).encode()), /not signed|algorithm/],
      ["HS256 with the secret", replacing(hmac), /algorithm/],
      ["cut", replacing(() => "e30.e30.x"), /not signed|algorithm/],
      [
        "user info of another",
        async (path, body) => path === "/me" ? { ...body, sub: "sub-bob" } : body,
        /about another/
      ]
    ]
    for (const [title, tampering, detail] of cases) {
      const { cookie, url } = yield* begin(redirectUri)
      const back = yield* walk(url)
      state.tamper = tampering
      assert.match(yield* refusal(complete(cookie, back)), detail, title)
      state.tamper = undefined
    }
    const { cookie, url } = yield* begin(redirectUri)
    assert.strictEqual((yield* complete(cookie, yield* walk(url))).id, "sub-ann")
  })

  test("lets a login be ended once, by the browser that began it, with what it began", function*() {
    const { issuer, walk } = yield* makeProvider([redirectUri])
    const { begin, complete } = yield* login(issuer)
    const attempt = Effect.fnUntraced(
      function*(change: (back: URL, cookie: Redacted.Redacted) => [Redacted.Redacted, URL]) {
        const { cookie, url } = yield* begin(redirectUri)
        return yield* refusal(complete(...change(yield* walk(url), cookie)))
      }
    )
    const other = yield* begin(redirectUri)
    assert.match(yield* attempt((back) => [Redacted.make("of no login"), back]), /no such login/)
    assert.match(yield* attempt((back) => [other.cookie, back]), /another state/)
    const lacking = (name: string) => (back: URL, cookie: Redacted.Redacted): [Redacted.Redacted, URL] => {
      back.searchParams.delete(name)
      return [cookie, back]
    }
    const withOther =
      (name: string, value: string) => (back: URL, cookie: Redacted.Redacted): [Redacted.Redacted, URL] => {
        back.searchParams.set(name, value)
        return [cookie, back]
      }
    assert.match(yield* attempt(lacking("state")), /another state/)
    assert.match(yield* attempt(withOther("state", "x")), /another state/)
    assert.match(yield* attempt(lacking("iss")), /another issuer/)
    assert.match(yield* attempt(withOther("iss", "https://evil.example")), /another issuer/)
    assert.match(yield* attempt(lacking("code")), /did not accept/)
    assert.match(yield* attempt(withOther("code", "guessed")), /did not accept/)
    const { cookie, url } = yield* begin(redirectUri)
    const back = yield* walk(url)
    yield* complete(cookie, back)
    assert.match(yield* refusal(complete(cookie, back)), /no such login/)
  })

  test("is nothing without PKCE: the provider takes no request and no code without it, and must support S256", function*() {
    const { issuer, state, walk } = yield* makeProvider([redirectUri])
    const { begin, complete } = yield* login(issuer)
    const bare = new URL((yield* begin(redirectUri)).url)
    bare.searchParams.delete("code_challenge")
    bare.searchParams.delete("code_challenge_method")
    const refused = yield* walk(bare.href)
    assert.deepStrictEqual([refused.searchParams.get("error"), refused.searchParams.get("code")], [
      "invalid_request",
      null
    ])
    // Who has seen the code on its way cannot redeem it, even with the client's secret.
    const { cookie, url } = yield* begin(redirectUri)
    const back = yield* walk(url)
    const redeem = (more: Readonly<Record<string, string>>) =>
      act(async () => {
        const answer = await fetch(`${issuer}/token`, {
          method: "POST",
          headers: {
            authorization: `Basic ${
              btoa(`${clientId}:${encodeURIComponent(clientSecret).replaceAll("%20", "+").replaceAll("'", "%27")}`)
            }`
          },
          body: new URLSearchParams({
            grant_type: "authorization_code",
            code: back.searchParams.get("code")!,
            redirect_uri: redirectUri,
            ...more
          })
        })
        return [answer.status, (await answer.json()).error]
      })
    assert.deepStrictEqual(yield* redeem({}), [400, "invalid_grant"])
    assert.deepStrictEqual(yield* redeem({ code_verifier: "x".repeat(43) }), [400, "invalid_grant"])
    assert.strictEqual((yield* complete(cookie, back)).id, "sub-ann")
    state.tamper = async (path, body) =>
      path.endsWith("openid-configuration") ? { ...body, code_challenge_methods_supported: ["plain"] } : body
    assert.match(yield* refusal((yield* login(issuer)).begin(redirectUri)), /PKCE with S256/)
  })

  test("follows a rotation of keys, and refuses what a withdrawn key signs", function*() {
    const { issuer, start, state, walk } = yield* makeProvider([redirectUri])
    const old = state.key
    const next = yield* newKey("k2")
    const before = yield* login(issuer)
    const first = yield* before.begin(redirectUri)
    yield* before.complete(first.cookie, yield* walk(first.url))
    // New keys are published before they sign, as providers do it.
    start(old, next)
    const { begin, complete } = yield* login(issuer)
    const second = yield* begin(redirectUri)
    yield* complete(second.cookie, yield* walk(second.url))
    start(next, old)
    const third = yield* begin(redirectUri)
    assert.strictEqual((yield* complete(third.cookie, yield* walk(third.url))).id, "sub-ann")
    start(next)
    const after = yield* login(issuer)
    const fourth = yield* after.begin(redirectUri)
    const back = yield* walk(fourth.url)
    state.tamper = signing(old, (claims) => claims)
    assert.match(yield* refusal(after.complete(fourth.cookie, back)), /no such key/)
  })

  test("refuses another secret, another redirect, options that are none, and a provider that is away", function*() {
    const { issuer, walk } = yield* makeProvider([redirectUri])
    const wrong = yield* login(issuer, { clientSecret: Redacted.make("another secret") })
    const { cookie, url } = yield* wrong.begin(redirectUri)
    const detail = yield* refusal(wrong.complete(cookie, yield* walk(url)))
    assert.match(detail, /did not accept/)
    assert.notInclude(detail, "another secret")
    const { url: elsewhere } = yield* wrong.begin("http://127.0.0.1:9/evil")
    assert.match((yield* walk(elsewhere)).href, /stopped\?status=400/)
    for (const options of [{ issuer: "http://login.example.com" }, { clientId: "" }, { scopes: ["profile"] }]) {
      const error = yield* Effect.flip(login(issuer, options))
      assert.strictEqual(error._tag, "VargateError")
    }
    const away = yield* login("http://127.0.0.1:9")
    assert.match(yield* refusal(away.begin(redirectUri)), /cannot be read now/)
  })
})

describe(`the page's login${needs}`, () => {
  it.live.skipIf(needs !== "")("takes a reviewer to the provider and back, under a path", () =>
    Effect.gen(function*() {
      let panel = "http://127.0.0.1:9"
      const url = yield* proxied(() => panel, "/gov/", false)
      const { issuer, state } = yield* makeProvider([`${url}panel/callback`])
      const provided = OidcLogin.layer({
        issuer,
        clientId,
        clientSecret: Redacted.make(clientSecret),
        name: "the company"
      }).pipe(Layer.provide(FetchHttpClient.layer), Layer.orDie)
      const built = yield* Layer.build(panelLayer({ url }).pipe(Layer.provide(provided)))
      panel = yield* Effect.provide(PanelAddress, built)
      yield* hold({ tool: "files", method: "delete" })
      const { card, page } = yield* reviewer(url)
      // The provider's own are on the same host.
      const own = async () =>
        (await page.context().cookies(url)).map(({ name }) => name).filter((name) => name.startsWith("vargate"))
      yield* act(async () => {
        await page.goto(url)
        await page.getByRole("link", { name: "Log in with the company" }).click()
        await page.locator("[data-link=live]").waitFor()
        await page.getByText("Ann Archer · finance").waitFor()
        assert.strictEqual(page.url(), url)
        await card("files/delete").getByRole("button", { name: "Approve" }).click()
        await card("files/delete").getByText("Ann Archer approved").waitFor()
        assert.deepStrictEqual(await own(), ["vargate_review_session"])
        await page.getByRole("button", { name: "Log out" }).click()
        await page.getByText("You are logged out.").waitFor()
      })
      state.tamper = signing(state.key, (claims) => ({ ...claims, aud: "another" }))
      yield* act(async () => {
        await page.getByRole("link", { name: "Log in with the company" }).click()
        await page.getByText("The login was not accepted.").waitFor()
        assert.strictEqual(page.url(), url)
        assert.deepStrictEqual(await own(), [])
      })
    }).pipe(
      Effect.scoped,
      Effect.provide(overSocket.layer({}).pipe(Layer.provideMerge(timeMachine)))
    ))
})
