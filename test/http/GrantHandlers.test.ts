/** Standing approvals over HTTP: made by a vote, listed and revoked. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Approvals, Authenticator, Ballots, Grants, ReviewPanel, ReviewRules, ToolCalls } from "effect-vargate"
import * as GrantHandlers from "effect-vargate/http/GrantHandlers"
import * as ReviewHandlers from "effect-vargate/http/ReviewHandlers"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { HttpRouter, HttpServer } from "effect/http"
import { signer } from "../reviews/ballots.ts"

const tokenOf = (id: string) => `a long random token of ${id}'s`

const reviewers = Authenticator.layerTokens(["ann", "bob", "cid"].map((id) => ({
  id,
  name: id.toUpperCase(),
  groups: id === "cid" ? ["legal"] : ["finance"],
  tokenHashes: [Authenticator.hashToken(Redacted.make(tokenOf(id)))]
})))

const rules = ReviewRules.make({ otherwise: ReviewRules.anyOf("finance") })

const panel = Layer.effect(ReviewPanel.ReviewPanel, ReviewPanel.make({ rules }))

const gateway = GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "a-key-of-the-panel", burst: 1000 }] })

const withoutGrants = Layer.mergeAll(panel, reviewers).pipe(
  Layer.provideMerge(Layer.merge(Ballots.layerMemory, signer)),
  Layer.provideMerge(gateway)
)

const withGrants = Layer.mergeAll(panel, reviewers).pipe(
  Layer.provideMerge(Layer.provideMerge(Grants.layerMemory, Layer.merge(Ballots.layerMemory, signer))),
  Layer.provideMerge(gateway)
)

/** All that an answer may have. */
interface Body {
  readonly _tag: string
  readonly id: string
  readonly digest: string
  readonly outcome: { readonly result: string }
  readonly offered: boolean
  readonly grants: ReadonlyArray<Body>
  readonly createdAt: string
  readonly expiresAt: string
  readonly revokedBy: string
}

interface Answer {
  readonly status: number
  readonly body: Body
}

/** Sends requests to the routes of the panel in context, as a reviewer. */
const routes = Effect.gen(function*() {
  const services = yield* Effect.context<Layer.Success<typeof withoutGrants>>()
  const { dispose, handler } = HttpRouter.toWebHandler(
    Layer.merge(ReviewHandlers.layer, GrantHandlers.layer).pipe(
      Layer.provide(Layer.succeedContext(services)),
      Layer.provideMerge(HttpServer.layerServices)
    ),
    { disableLogger: true }
  )
  yield* Effect.addFinalizer(() => Effect.promise(dispose))
  return (id: string | undefined, method: string, path: string, body?: unknown): Effect.Effect<Answer> =>
    Effect.promise(async () => {
      const headers = {
        "content-type": "application/json",
        ...id === undefined ? {} : { authorization: `Bearer ${tokenOf(id)}` }
      }
      const response = await handler(
        new Request(`http://panel${path}`, {
          method,
          headers,
          ...body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }
        })
      )
      const text = await response.text()
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) }
    })
})

const hold = Effect.fnUntraced(function*(params: Readonly<Record<string, unknown>>) {
  const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "drop", params, allowDuplicate: true })
  yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
  return actionId
})

const outcomeOf = (actionId: Effect.Success<ReturnType<typeof hold>>) =>
  Effect.map(Approvals.Approvals.use(({ outcome }) => outcome(actionId)), ({ _tag }) => _tag)

const test = (title: string, body: Effect.Effect<void, unknown, Layer.Success<typeof withGrants>>) =>
  it.effect(title, () => Effect.provide(body, Layer.fresh(withGrants)))

const always = {
  params: { table: { _tag: "OneOf", values: ["users", "orders"] }, rows: { _tag: "Range", min: 0, max: 50 } },
  count: 3,
  budgets: [{ sum: "rows", per: "day", max: 60 }],
  expiresInSeconds: 3600,
  note: "housekeeping"
}

describe("a vote that says always", () => {
  test(
    "approves the action, and from then on what its scope covers",
    Effect.scoped(Effect.gen(function*() {
      const send = yield* routes
      const first = yield* hold({ table: "users", rows: 20 })
      const { body: { digest } } = yield* send("ann", "GET", `/reviews/${first}`)
      const { body, status } = yield* send("ann", "POST", `/reviews/${first}/votes`, {
        digest,
        choice: "approve",
        always
      })
      assert.deepStrictEqual([status, body.outcome.result], [200, "approved"])
      const covered = [yield* hold({ table: "orders", rows: 40 })]
      const others = [
        // The budget of the day has 20 left.
        yield* hold({ table: "orders", rows: 21 }),
        yield* hold({ table: "items", rows: 1 }),
        yield* hold({ table: "users", rows: "1" }),
        yield* hold({ table: "users", rows: 1, force: true })
      ]
      yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
      for (const id of covered) assert.strictEqual(yield* outcomeOf(id), "Approved")
      for (const id of others) assert.strictEqual(yield* outcomeOf(id), "Waiting")

      const listed = yield* send("bob", "GET", "/grants")
      assert.deepStrictEqual([listed.status, listed.body.offered, listed.body.grants.length], [200, true, 1])
      const grant = listed.body.grants[0]!
      const { budgets, count, note, params } = always
      const { id } = grant
      assert.deepInclude(grant as object, {
        params,
        count,
        budgets,
        note,
        tool: "db",
        method: "drop",
        reviewerId: "ann",
        uses: 1
      })
      assert.notProperty(grant, "seal")
      assert.strictEqual(Date.parse(grant.expiresAt) - Date.parse(grant.createdAt), 3600_000)

      const revoked = yield* send("cid", "DELETE", `/grants/${id}`)
      assert.deepStrictEqual([revoked.status, revoked.body.revokedBy, revoked.body.id], [200, "cid", id])
      assert.deepStrictEqual((yield* send("cid", "DELETE", `/grants/${id}`)).status, 404)
      assert.deepStrictEqual((yield* send("ann", "GET", "/grants")).body.grants, [])
      const late = yield* hold({ table: "users", rows: 1 })
      yield* ReviewPanel.ReviewPanel.use(({ sweep }) => sweep)
      assert.strictEqual(yield* outcomeOf(late), "Waiting")
    }))
  )

  test(
    "is refused where its scope is none, does not cover the action, or is not an approval of one's own",
    Effect.scoped(Effect.gen(function*() {
      const send = yield* routes
      const id = yield* hold({ table: "users", rows: 20 })
      const { body: { digest } } = yield* send("ann", "GET", `/reviews/${id}`)
      let deep: unknown = { _tag: "Any" }
      for (let i = 0; i < 20; i++) deep = { _tag: "Fields", fields: { a: deep } }
      const scopes: ReadonlyArray<unknown> = [
        {},
        { ...always, params: {} },
        { ...always, params: { table: { _tag: "Any" } } },
        { ...always, params: { ...always.params, rows: { _tag: "Range", min: 0, max: 19 } } },
        { ...always, params: { ...always.params, rows: { _tag: "Range", min: 50, max: 0 } } },
        { ...always, params: { ...always.params, rows: { _tag: "Equals", value: "20" } } },
        { ...always, params: { ...always.params, rows: 20 } },
        { ...always, params: { ...always.params, rows: { _tag: "OneOf", values: [] } } },
        { ...always, params: { ...always.params, rows: deep } },
        { ...always, expiresInSeconds: undefined },
        { ...always, expiresInSeconds: 0 },
        { ...always, expiresInSeconds: 367 * 86_400 },
        { ...always, count: 0 },
        { ...always, budgets: [{ sum: "amount", per: "day", max: 1 }] },
        { ...always, budgets: Array.from({ length: 11 }, () => always.budgets[0]) }
      ]
      for (const scope of scopes) {
        const { status } = yield* send("ann", "POST", `/reviews/${id}/votes`, {
          digest,
          choice: "approve",
          always: scope
        })
        assert.strictEqual(status, 400, JSON.stringify(scope))
      }
      for (const more of [{ choice: "reject" }, { choice: "approve", onBehalfOf: "bob" }]) {
        const { status } = yield* send("ann", "POST", `/reviews/${id}/votes`, { digest, always, ...more })
        assert.strictEqual(status, 400)
      }
      // One who is not asked grants nothing either.
      const { status } = yield* send("cid", "POST", `/reviews/${id}/votes`, { digest, choice: "approve", always })
      assert.strictEqual(status, 403)
      assert.deepStrictEqual((yield* send("ann", "GET", "/grants")).body.grants, [])
      assert.strictEqual(yield* outcomeOf(id), "Waiting")
    }))
  )

  test(
    "has a bounded cost, however deep its values nest",
    Effect.scoped(Effect.gen(function*() {
      const send = yield* routes
      const id = yield* hold({ table: "users", rows: 20 })
      const { body: { digest } } = yield* send("ann", "GET", `/reviews/${id}`)
      const nested = (depth: number, open: string, close: string) => open.repeat(depth) + "1" + close.repeat(depth)
      for (
        const constraint of [
          `{"_tag":"Equals","value":${nested(5_000, "[", "]")}}`,
          `{"_tag":"Equals","value":${nested(5_000, "{\"a\":", "}")}}`,
          nested(2_000, "{\"_tag\":\"Fields\",\"fields\":{\"a\":", "}}")
        ]
      ) {
        const body = `{"digest":"${digest}","choice":"approve","always":{"expiresInSeconds":60,"params":{` +
          `"table":{"_tag":"Any"},"rows":${constraint}}}}`
        const { status } = yield* send("ann", "POST", `/reviews/${id}/votes`, body)
        assert.strictEqual(status, 400)
      }
    }))
  )
})

describe("the routes of grants", () => {
  test(
    "open nothing without a token of a reviewer's own",
    Effect.scoped(Effect.gen(function*() {
      const send = yield* routes
      for (const id of [undefined, "eve"]) {
        for (const [method, path] of [["GET", "/grants"], ["DELETE", "/grants/some"]] as const) {
          const { body, status } = yield* send(id, method, path)
          assert.deepStrictEqual([status, body._tag], [401, "ReviewerUnknown"])
        }
      }
      assert.strictEqual((yield* send("ann", "DELETE", "/grants/none")).status, 404)
    }))
  )

  it.effect("say so where the panel has none", () =>
    Effect.gen(function*() {
      const send = yield* routes
      assert.deepStrictEqual((yield* send("ann", "GET", "/grants")).body as object, { offered: false, grants: [] })
      assert.strictEqual((yield* send("ann", "DELETE", "/grants/some")).status, 404)
      const id = yield* hold({ table: "users", rows: 20 })
      const { body: { digest } } = yield* send("ann", "GET", `/reviews/${id}`)
      const { status } = yield* send("ann", "POST", `/reviews/${id}/votes`, { digest, choice: "approve", always })
      assert.strictEqual(status, 400)
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(withoutGrants))))
})
