import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Approvals, Authenticator, Ballots, ReviewPanel, ReviewRules, ToolCalls } from "effect-vargate"
import * as ReviewHandlers from "effect-vargate/http/ReviewHandlers"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { HttpRouter, HttpServer } from "effect/http"
import { signer } from "../reviews/ballots.ts"

const tokenOf = (id: string) => `a long random token of ${id}'s`

const reviewers = Authenticator.layerTokens(["ann", "bob", "cid", "rob"].map((id) => ({
  id,
  name: id.toUpperCase(),
  groups: id === "cid" ? ["legal"] : ["finance"],
  tokenHashes: [Authenticator.hashToken(Redacted.make(tokenOf(id)))]
})))

const rules = ReviewRules.make({ otherwise: ReviewRules.quorum(2, "finance"), requesters: () => ["rob"] })

/** Without sweeps of its own: the tests say when. */
const panel = Layer.effect(ReviewPanel.ReviewPanel, ReviewPanel.make({ rules }))

/** All that an answer may have. */
interface Body {
  readonly _tag: string
  readonly reviews: ReadonlyArray<Body>
  readonly actionId: string
  readonly digest: string
  readonly state: string
  readonly needs: ReadonlyArray<string>
  readonly votes: ReadonlyArray<object>
  readonly outcome: { readonly result: string }
  readonly refusal: string
}

interface Answer {
  readonly status: number
  readonly body: Body
}

class Service extends Context.Service<
  Service,
  (
    method: string,
    path: string,
    options?: { readonly token?: string; readonly body?: unknown }
  ) => Effect.Effect<Answer>
>()("test/Service") {}

const service = Layer.effect(
  Service,
  Effect.gen(function*() {
    const services = yield* Effect.context<
      ReviewPanel.ReviewPanel | Approvals.Approvals | Authenticator.Authenticator
    >()
    const routes = ReviewHandlers.layer.pipe(
      Layer.provide(Layer.succeedContext(services)),
      Layer.provideMerge(HttpServer.layerServices)
    )
    const { dispose, handler } = HttpRouter.toWebHandler(routes, { disableLogger: true })
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    return (method, path, { body, token } = {}) =>
      Effect.promise(async () => {
        const headers = {
          "content-type": "application/json",
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` })
        }
        const init = body === undefined ? {} : { body: JSON.stringify(body) }
        const response = await handler(new Request(`http://panel${path}`, { method, headers, ...init }))
        const text = await response.text()
        return { status: response.status, body: text === "" ? undefined : JSON.parse(text) }
      })
  })
)

const world = service.pipe(
  Layer.provideMerge(Layer.merge(panel, reviewers)),
  Layer.provide([Ballots.layerMemory, signer]),
  Layer.provideMerge(GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "a-key-of-the-panel", burst: 1000 }] }))
)

const hold = Effect.gen(function*() {
  const { actionId } = yield* ToolCalls.decide({
    tool: "db",
    method: "drop",
    params: { table: "users" },
    allowDuplicate: true
  })
  yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
  return actionId
})

const as = (id: string) => ({ token: tokenOf(id) })

layer(world)("ReviewHandlers", (it) => {
  it.effect("shows what is pending, with params, digest and what is needed", () =>
    Effect.gen(function*() {
      const actionId = yield* hold
      const send = yield* Service
      const { body, status } = yield* send("GET", "/reviews", as("ann"))
      assert.strictEqual(status, 200)
      const review = body.reviews.find((review) => review.actionId === actionId)!
      assert.deepInclude(review as object, {
        tool: "db",
        method: "drop",
        params: { table: "users" },
        state: "open",
        votes: []
      })
      assert.match(review.needs[0]!, /Needs 2 of finance/)
      const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
      assert.strictEqual(review.digest, ReviewPanel.digest(pending.find((action) => action.actionId === actionId)!))
      assert.strictEqual((yield* send("GET", "/reviews/unknown-id", as("ann"))).status, 404)
    }))

  it.effect("counts votes of authenticated reviewers until the rule is met", () =>
    Effect.gen(function*() {
      const actionId = yield* hold
      const send = yield* Service
      const { body: { digest } } = yield* send("GET", `/reviews/${actionId}`, as("ann"))
      const vote = (id: string, more = {}) =>
        send("POST", `/reviews/${actionId}/votes`, { ...as(id), body: { digest, choice: "approve", ...more } })
      const first = yield* vote("ann", { note: "known customer" })
      assert.deepStrictEqual([first.status, first.body.state], [200, "open"])
      assert.deepInclude(first.body.votes[0]!, { reviewerId: "ann", reviewerName: "ANN", note: "known customer" })
      const refusals = [
        yield* vote("rob"),
        yield* vote("cid"),
        yield* vote("bob", { onBehalfOf: "ann" }),
        yield* vote("ann"),
        yield* vote("bob", { digest: "0".repeat(64) })
      ]
      assert.deepStrictEqual(refusals.map(({ body, status }) => [status, body.refusal]), [
        [403, "Requester"],
        [403, "NotAsked"],
        [403, "NoDelegation"],
        [409, "AlreadyVoted"],
        [409, "Changed"]
      ])
      const last = yield* vote("bob")
      assert.deepStrictEqual([last.status, last.body.state, last.body.outcome.result], [200, "ended", "approved"])
      assert.deepStrictEqual((yield* vote("bob")).status, 409)
      const ended = yield* send("GET", `/reviews/${actionId}`, as("cid"))
      assert.deepStrictEqual([ended.body.state, ended.body.votes.length, "params" in ended.body], ["ended", 2, false])
    }))

  it.effect("opens nothing without a token of its own", () =>
    Effect.gen(function*() {
      const actionId = yield* hold
      const send = yield* Service
      const { body: { digest } } = yield* send("GET", `/reviews/${actionId}`, as("ann"))
      for (const token of [undefined, "", "ann", "a-key-of-the-panel", tokenOf("eve")]) {
        const options = token === undefined ? {} : { token }
        const answers = [
          yield* send("GET", "/reviews", options),
          yield* send("GET", `/reviews/${actionId}`, options),
          yield* send("POST", `/reviews/${actionId}/votes`, {
            ...options,
            body: { digest, choice: "approve", reviewerId: "ann", groups: ["finance"] }
          })
        ]
        for (const { body, status } of answers) {
          assert.deepStrictEqual([status, body._tag], [401, "ReviewerUnknown"])
        }
      }
      assert.deepStrictEqual((yield* send("GET", `/reviews/${actionId}`, as("ann"))).body.votes, [])
    }))

  it.effect("refuses votes that are none", () =>
    Effect.gen(function*() {
      const actionId = yield* hold
      const send = yield* Service
      for (const body of [{}, { digest: "x", choice: "approve" }, { digest: "0".repeat(64), choice: "maybe" }, []]) {
        assert.strictEqual((yield* send("POST", `/reviews/${actionId}/votes`, { ...as("ann"), body })).status, 400)
      }
    }))
})
