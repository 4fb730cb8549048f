import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { Approvals, Authenticator, Ballots, ReviewPanel, ReviewRules, Reviews, ToolCalls } from "effect-vargate"
import * as ReviewPage from "effect-vargate/node/ReviewPage"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { HttpServer } from "effect/http"
import * as NetAddress from "effect/net/NetAddress"
import { TestClock } from "effect/testing"
import { signer } from "../reviews/ballots.ts"
import { browse, entryOf, reviewers } from "./reviewPageClient.ts"

const gatewayKey = "a-key-of-the-panel"

const rules = ReviewRules.make({
  otherwise: ReviewRules.quorum(2, "finance"),
  requesters: () => ["rob"]
})

/** Without sweeps of its own: the tests say when. */
const panel = Layer.effect(ReviewPanel.ReviewPanel, ReviewPanel.make({ rules }))

const world = (authenticator = reviewers) =>
  Layer.merge(panel, authenticator).pipe(
    Layer.provide([Ballots.layerMemory, signer]),
    Layer.provideMerge(GatewayMemory.layer({ tenants: [{ id: "t", apiKey: gatewayKey, burst: 1000 }] }))
  )

/** A server that is never reached. */
const nowhere = Layer.succeed(
  HttpServer.HttpServer,
  HttpServer.make({
    address: NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, 1),
    serve: () => Effect.die("no page may be served")
  })
)

type World = Layer.Success<ReturnType<typeof world>>

const hold = Effect.fnUntraced(function*(params: Readonly<Record<string, unknown>> = { table: "users" }) {
  const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "drop", params, allowDuplicate: true })
  yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
  return actionId
})

const digestOf = (actionId: string) =>
  Effect.map(
    Approvals.Approvals.use(({ pending }) => pending),
    ({ pending }) => ReviewPanel.digest(pending.find((action) => action.actionId === actionId)!)
  )

const test = (title: string, effect: Effect.Effect<void, unknown, World | Scope.Scope>) =>
  it.effect(title, () => Effect.provide(Effect.scoped(effect), world()))

/** Files are read while no test clock is waited for. */
const live = (title: string, effect: Effect.Effect<void, unknown, World | Scope.Scope>) =>
  it.live(title, () => Effect.provide(Effect.scoped(effect), world()))

describe("ReviewPage", () => {
  test(
    "opens a session for a token, in a cookie that scripts and other sites do not get",
    Effect.gen(function*() {
      const { logIn, send, state } = yield* browse({ url: "https://ops.example.com/gov/" }, "https://ops.example.com")
      const before = yield* send("GET", "/panel/session")
      assert.deepStrictEqual(before.body, { reviewer: null, csrf: null, provider: null })
      const { body, status } = yield* logIn("ann")
      assert.deepStrictEqual([status, body.reviewer], [200, { id: "ann", name: "ANN", groups: ["finance"] }])
      const attributes = state.setCookie.split("; ").slice(1).sort()
      assert.deepStrictEqual(attributes, ["HttpOnly", "Path=/gov/", "SameSite=Strict", "Secure"])
      assert.deepStrictEqual((yield* send("GET", "/panel/session")).body, body)
      assert.strictEqual((yield* send("GET", "/reviews")).status, 200)
      const refused = yield* send("POST", "/panel/session", { body: { token: "a long random token of eve's" } })
      assert.deepStrictEqual([refused.status, refused.body._tag], [401, "ReviewerUnknown"])
    })
  )

  test(
    "shows a reviewer what they can do, what made it pending, and what the agent was allowed before",
    Effect.gen(function*() {
      const ann = yield* browse()
      yield* ann.logIn("ann")
      const earlier = yield* hold({ table: "logs", rows: 3 })
      yield* Reviews.Reviews.use(({ approve }) => approve(earlier))
      yield* TestClock.adjust("10 seconds")
      const actionId = yield* hold({ table: "users", rows: 3 })
      const { body } = yield* ann.send("GET", "/reviews")
      const review = body.reviews.find((review: { actionId: string }) => review.actionId === actionId)
      assert.deepStrictEqual(review.you, [{ onBehalfOf: null, approve: null, reject: null, change: "NoChanges" }])
      assert.isArray(review.reasons)
      assert.isString(review.severity)
      assert.strictEqual(body.total, 1)
      const { body: { previous } } = yield* ann.send("GET", `/panel/previous/${actionId}`)
      assert.deepStrictEqual([previous.actionId, previous.params], [earlier, { table: "logs", rows: 3 }])
      const rob = yield* browse()
      yield* rob.logIn("rob")
      const own = (yield* rob.send("GET", `/reviews/${actionId}`)).body
      assert.deepStrictEqual(own.you, [{
        onBehalfOf: null,
        approve: "Requester",
        reject: "Requester",
        change: "Requester"
      }])
      const cid = yield* browse()
      yield* cid.logIn("cid")
      assert.strictEqual((yield* cid.send("GET", `/reviews/${actionId}`)).body.you[0].approve, "NotAsked")
    })
  )

  test(
    "says what is wrong with a vote that does not fit, and counts nothing",
    Effect.gen(function*() {
      const actionId = yield* hold()
      const digest = yield* digestOf(actionId)
      const ann = yield* browse()
      yield* ann.logIn("ann")
      const path = `/reviews/${actionId}/votes`
      const always = { params: { table: "secret-value" }, expiresInSeconds: 60 }
      const attempts: ReadonlyArray<readonly [body: object, place: RegExp]> = [
        [{ choice: "approve" }, /body\.digest: /],
        [{ digest, choice: "secret-value" }, /body\.choice: /],
        [{ digest, choice: "approve", always }, /body\.always\.params\.table: /]
      ]
      for (const [body, place] of attempts) {
        const { body: answer, status } = yield* ann.send("POST", path, { body })
        assert.deepStrictEqual([status, answer._tag], [400, "ActionInvalid"])
        assert.match(answer.message, place)
        assert.notInclude(answer.message, "secret-value")
      }
      assert.deepStrictEqual((yield* ann.send("GET", `/reviews/${actionId}`)).body.votes, [])
    })
  )

  test(
    "counts votes of sessions, each under its own name, and none that another page could have sent",
    Effect.gen(function*() {
      const actionId = yield* hold()
      const digest = yield* digestOf(actionId)
      const [ann, bob, rob] = [yield* browse(), yield* browse(), yield* browse()]
      yield* ann.logIn("ann")
      yield* bob.logIn("bob")
      yield* rob.logIn("rob")
      const path = `/reviews/${actionId}/votes`
      const body = { digest, choice: "approve" }
      const forged = [
        yield* ann.send("POST", path, { body, headers: { "x-vargate-csrf": "" } }),
        yield* ann.send("POST", path, { body, headers: { "x-vargate-csrf": bob.state.csrf } }),
        yield* ann.send("POST", path, { body, headers: { origin: "https://evil.example" } }),
        yield* ann.send("POST", path, { body, headers: { "sec-fetch-site": "cross-site" } }),
        yield* ann.send("GET", "/reviews", { headers: { host: "rebound.example" } }),
        yield* ann.send("DELETE", "/panel/session", { headers: { "x-vargate-csrf": "" } }),
        yield* rob.send("POST", path, { body })
      ]
      assert.deepStrictEqual(forged.map(({ status }) => status), [403, 403, 403, 403, 403, 403, 403])
      assert.deepStrictEqual([forged[0]!.body._tag, forged[6]!.body.refusal], ["SessionForged", "Requester"])
      const first = yield* ann.send("POST", path, { body: { ...body, note: "known" } })
      assert.deepStrictEqual([first.status, first.body.state, first.body.votes[0].reviewerId], [200, "open", "ann"])
      assert.deepStrictEqual(first.body.you, [{
        onBehalfOf: null,
        approve: "AlreadyVoted",
        reject: null,
        change: "NoChanges"
      }])
      const last = yield* bob.send("POST", path, { body })
      assert.deepStrictEqual([last.body.state, last.body.outcome.result], ["ended", "approved"])
      const { body: { entries, hours } } = yield* ann.send("GET", "/panel/history")
      assert.deepStrictEqual(entries.map((entry: { actionId: string }) => entry.actionId), [actionId])
      assert.strictEqual(hours.length, 24)
      assert.deepInclude(hours[23], { approved: 1, rejected: 0, other: 0, medianWaitMillis: 0 })
      for (const { state } of [ann, bob, rob]) {
        for (const text of state.texts) {
          for (const secret of [gatewayKey, "a long random token"]) assert.notInclude(text, secret)
        }
      }
    })
  )

  test(
    "ends a session by logging out, by time, and with the token",
    Effect.gen(function*() {
      const page = yield* browse({ session: { lasts: "2 hours", idle: "30 minutes" } })
      const isOpen = Effect.map(page.send("GET", "/reviews"), ({ status }) => status === 200)
      yield* page.logIn("ann")
      const kept = { ...page.state }
      assert.strictEqual((yield* page.send("DELETE", "/panel/session")).status, 204)
      assert.include(page.state.setCookie, "Max-Age=0")
      Object.assign(page.state, { cookie: kept.cookie })
      assert.isFalse(yield* isOpen)
      yield* page.logIn("ann")
      yield* TestClock.adjust("29 minutes")
      assert.isTrue(yield* isOpen)
      yield* TestClock.adjust("30 minutes")
      assert.isFalse(yield* isOpen)
      yield* page.logIn("ann")
      for (let n = 0; n < 5; n++) {
        yield* TestClock.adjust("20 minutes")
        assert.isTrue(yield* isOpen)
      }
      yield* TestClock.adjust("20 minutes")
      assert.isFalse(yield* isOpen)
    })
  )

  it.effect("ends the sessions of a token that was withdrawn, and follows what the operator changes", () => {
    const table = new Map([["ann", ["finance"]]])
    const changing = Layer.succeed(Authenticator.Authenticator, {
      authenticate: (token) =>
        Effect.flatMap(
          Layer.build(Authenticator.layerTokens([...table].map(([id, groups]) => ({ ...entryOf(id), groups })))),
          (context) =>
            Effect.flatMap(Authenticator.Authenticator, ({ authenticate }) => authenticate(token)).pipe(
              Effect.provideContext(context)
            )
        ).pipe(Effect.scoped, Effect.catchTag("VargateError", Effect.die))
    })
    return Effect.gen(function*() {
      const page = yield* browse()
      yield* page.logIn("ann")
      const groups = Effect.map(page.send("GET", "/panel/session"), ({ body }) => body.reviewer?.groups)
      assert.deepStrictEqual(yield* groups, ["finance"])
      table.set("ann", ["legal"])
      assert.deepStrictEqual(yield* groups, ["legal"])
      table.delete("ann")
      assert.deepStrictEqual(yield* groups, undefined)
      assert.strictEqual((yield* page.send("GET", "/reviews")).status, 401)
    }).pipe(Effect.scoped, Effect.provide(world(changing)))
  })

  live(
    "works under a path, whether a proxy keeps it or removes it, under a strict policy",
    Effect.gen(function*() {
      const { logIn, send } = yield* browse({ url: "https://ops.example.com/gov" }, "https://ops.example.com")
      yield* logIn("ann")
      for (const prefix of ["/gov", ""]) {
        const page = yield* send("GET", `${prefix}/`)
        assert.strictEqual(page.status, 200)
        assert.include(page.headers.get("content-security-policy"), "default-src 'none'")
        assert.include(page.headers.get("content-security-policy"), "require-trusted-types-for 'script'")
        for (const file of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
          assert.strictEqual((yield* send("GET", `${prefix}/${file[1]}`)).status, 200, file[1])
        }
        assert.strictEqual((yield* send("GET", `${prefix}/reviews`)).status, 200)
        assert.strictEqual((yield* send("GET", `${prefix}/panel/session`)).headers.get("cache-control"), "no-store")
      }
      for (const path of ["/inbox/app.js", "/inbox/..%2f..%2fpackage.json", "/governor/", "/panel/login"]) {
        assert.strictEqual((yield* send("GET", path)).status, 404, path)
      }
    })
  )

  test(
    "refuses addresses that browsers could not use safely",
    Effect.gen(function*() {
      for (
        const url of [
          "http://ops.example.com/",
          "ops.example.com",
          "https://a:b@ops.example.com/",
          "https://ops.example.com/?a"
        ]
      ) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(
          ReviewPage.serve({ url }).pipe(Layer.provide(nowhere))
        )))
        assert.strictEqual(error._tag, "VargateError", url)
      }
    })
  )
})
