import { assert, layer } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, Redacted, Schema } from "effect"
import { type ActionId, Approvals, Reviews } from "effect-vargate"
import * as PublicError from "effect-vargate/http/PublicError"
import * as WorkflowGroup from "effect-vargate/http/WorkflowGroup"
import * as WorkflowHandlers from "effect-vargate/http/WorkflowHandlers"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Journal } from "effect-vargate/workflow/Journal"
import { HttpClient, HttpClientResponse, HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiClient, HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import { TestClock } from "effect/testing"
import type { WorkflowEngine } from "effect/workflow/WorkflowEngine"

class User extends Context.Service<User, string>()("test/User") {}
class Unauthorized extends Schema.TaggedError<Unauthorized>("test/Unauthorized")(
  "Unauthorized",
  {},
  { httpApiStatus: 401 }
) {}
class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: User }>()("test/Authorization", {
  security: { bearer: HttpApiSecurity.bearer },
  error: Unauthorized
}) {}

class BankClosed extends Schema.TaggedError<BankClosed>("test/BankClosed")("BankClosed", { until: Schema.String }) {}

const contract = {
  params: Schema.Struct({ amount: Schema.Finite, at: Schema.optional(Schema.DateTimeUtcFromString) }),
  success: Schema.Struct({ paid: Schema.Finite, at: Schema.optional(Schema.DateTimeUtcFromString) }),
  error: BankClosed
}

const Pay = GovernedWorkflow.make({
  ...contract,
  name: "Pay",
  tool: "bank",
  method: "pay",
  run: ({ amount, at }) => {
    if (amount === 1) return Effect.fail(new BankClosed({ until: "Monday" }))
    if (amount === 2) return Effect.die(new Error("the secret of the bank"))
    return Effect.succeed({ paid: amount, at })
  }
})

const api = HttpApi.make("bank").add(WorkflowGroup.make("payments", { ...contract, authorization: Authorization }))

const authorization = Layer.succeed(Authorization, {
  bearer: (effect, { credential }) => {
    const user = /^token-of-(\w+)$/.exec(Redacted.value(credential))?.[1]
    return user === undefined ? Effect.fail(new Unauthorized()) : Effect.provideService(effect, User, user)
  }
})

const gateway = GatewayMemory.layer({
  tenants: [{ id: "t", apiKey: "a-key-of-the-service", burst: 1e6 }],
  policy: {
    rules: [{ name: "too_much", severity: "high", when: ({ action }) => Number(action.params["amount"]) > 5000 }],
    approvals: [({ action }) => Number(action.params["amount"]) > 1000]
  }
})

/** What the service answers, as far as a test reads it. */
interface Body {
  readonly [name: string]: unknown
  readonly _tag?: string
  readonly message?: string
  readonly actionId: ActionId.ActionId
  readonly error?: { readonly [name: string]: unknown; readonly message?: string }
}

/** The service as a client reaches it: with a token, or without one. */
class Service extends Context.Service<
  Service,
  (method: string, path: string, options?: { readonly user?: string; readonly body?: unknown }) => Effect.Effect<{
    readonly status: number
    readonly body: Body
    readonly text: string
  }>
>()("test/Service") {}

const engine = Pay.layer.pipe(Layer.provideMerge(Engine.layerMemory({ scan: "1 second" })))

const service = Layer.effect(
  Service,
  Effect.gen(function*() {
    const context = yield* Effect.context<WorkflowEngine | Journal>()
    const routes = HttpApiBuilder.layer(api).pipe(
      Layer.provide(WorkflowHandlers.layer(api, "payments", Pay, { owner: User })),
      Layer.provide(authorization),
      Layer.provide(HttpServer.layerServices),
      Layer.provide(Layer.succeedContext(context))
    )
    const { handler } = yield* Effect.acquireRelease(
      Effect.sync(() => HttpRouter.toWebHandler(routes, { disableLogger: true })),
      ({ dispose }) => Effect.promise(dispose)
    )
    return (method, path, { body, user } = {}) =>
      Effect.promise(async () => {
        const headers = {
          "content-type": "application/json",
          ...(user && { authorization: `Bearer token-of-${user}` })
        }
        const init = body === undefined ? {} : { body: JSON.stringify(body) }
        const response = await handler(new Request(`http://service${path}`, { method, headers, ...init }))
        const text = await response.text()
        return { status: response.status, text, body: text === "" ? undefined : JSON.parse(text) }
      })
  })
)

const world = service.pipe(Layer.provideMerge(engine), Layer.provideMerge(gateway))

/** Looks again, while time passes, until the execution is as said. */
const statusOf = Effect.fnUntraced(function*(key: string, user: string, ...tags: ReadonlyArray<string>) {
  const send = yield* Service
  for (let looks = 0; looks < 500; looks++) {
    const answer = yield* send("GET", `/payments/${key}`, { user })
    if (tags.includes(answer.body._tag ?? "")) return answer
    yield* TestClock.adjust("1 second")
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
  }
  return assert.fail(`the execution ${key} is never ${tags.join(" or ")}`)
})

const start = (key: string, amount: unknown, user = "alice", more = {}) =>
  Service.use((send) => send("POST", "/payments", { user, body: { key, params: { amount, ...more } } }))

layer(world)("WorkflowHandlers", (it) => {
  it.effect("starts an execution and says how it ended", () =>
    Effect.gen(function*() {
      const at = "2026-11-30T10:00:00.000Z"
      const started = yield* start("p-1", 20, "alice", { at })
      assert.deepStrictEqual([started.status, started.text], [202, `{"key":"p-1"}`])
      const { body, status } = yield* statusOf("p-1", "alice", "Done")
      assert.strictEqual(status, 200)
      assert.match(body.actionId, /^[0-9a-f-]{36}$/)
      assert.deepInclude(body, { _tag: "Done", executedBy: "agent", result: { paid: 20, at } })
    }))

  it.effect("shows that a reviewer must decide, and what was decided", () =>
    Effect.gen(function*() {
      yield* start("p-2", 2000)
      const { body } = yield* statusOf("p-2", "alice", "Waiting")
      const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
      assert.deepStrictEqual(pending.map(({ actionId }) => actionId as string), [body.actionId])
      yield* Reviews.Reviews.use(({ reject }) => reject(body.actionId, "not today"))
      const failed = yield* statusOf("p-2", "alice", "Failed", "Done")
      assert.deepInclude(failed.body.error ?? {}, { _tag: "ActionRefused", by: "reviewer", actionId: body.actionId })
      assert.match(failed.body.error?.message ?? "", /not today/)
    }))

  it.effect("shows a denial, and an error of the workflow's own", () =>
    Effect.gen(function*() {
      yield* start("p-3", 9000)
      const denied = yield* statusOf("p-3", "alice", "Failed")
      assert.deepInclude(denied.body.error ?? {}, { _tag: "ActionRefused", by: "policy", violations: ["too_much"] })
      yield* start("p-4", 1)
      const closed = yield* statusOf("p-4", "alice", "Failed")
      assert.deepStrictEqual(closed.body.error, { _tag: "BankClosed", until: "Monday" })
    }))

  it.effect("shows nothing of a defect", () =>
    Effect.gen(function*() {
      yield* start("p-5", 2)
      const { body, text } = yield* statusOf("p-5", "alice", "Failed")
      assert.strictEqual(body.error?.["_tag"], "ActionUnknown")
      assert.notInclude(text, "secret")
    }))

  it.effect("shows that an operator ended it", () =>
    Effect.gen(function*() {
      yield* start("p-6", 3000)
      yield* statusOf("p-6", "alice", "Waiting")
      yield* Pay.interrupt(yield* Pay.executionId(JSON.stringify(["alice", "p-6"])))
      assert.strictEqual((yield* statusOf("p-6", "alice", "Interrupted")).text, `{"_tag":"Interrupted"}`)
    }))

  it.effect("shows one that no code can read as one that waits, or runs", () =>
    Effect.gen(function*() {
      const journal = yield* Journal
      yield* start("p-11", 3000)
      const { body } = yield* statusOf("p-11", "alice", "Waiting")
      const executionId = yield* Pay.executionId(JSON.stringify(["alice", "p-11"]))
      const params = JSON.stringify({ amount: 3000 })
      yield* journal.advance(executionId, { state: "blocked", problem: "params.at: Missing key", params })
      const blocked = yield* statusOf("p-11", "alice", "Waiting")
      assert.strictEqual(blocked.body.actionId, body.actionId)
      // Before anything was decided there is no action that it could wait for.
      const other = yield* Pay.executionId(JSON.stringify(["alice", "p-12"]))
      yield* journal.begin({
        executionId: other,
        workflow: "Pay",
        agentId: "bot",
        tool: "bank",
        method: "pay",
        paramsDigest: "d"
      })
      yield* journal.advance(other, { state: "blocked", problem: "params.at: Missing key", params })
      assert.strictEqual((yield* statusOf("p-12", "alice", "Running")).text, `{"_tag":"Running"}`)
    }))

  it.effect("keeps the executions of owners apart", () =>
    Effect.gen(function*() {
      const send = yield* Service
      yield* start("p-7", 20, "alice")
      yield* statusOf("p-7", "alice", "Done")
      const other = yield* send("GET", "/payments/p-7", { user: "bob" })
      assert.strictEqual(other.status, 404)
      assert.strictEqual(other.body._tag, "ActionNotFound")
      assert.strictEqual((yield* start("p-7", 30, "bob")).status, 202)
      assert.deepInclude((yield* statusOf("p-7", "bob", "Done")).body["result"] as object, { paid: 30 })
      assert.deepInclude((yield* statusOf("p-7", "alice", "Done")).body["result"] as object, { paid: 20 })
    }))

  it.effect("starts nothing twice under a key, and refuses other params under it", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      const before = (yield* gateway.records()).length
      assert.strictEqual((yield* start("p-8", 21)).status, 202)
      assert.strictEqual((yield* start("p-8", 21)).status, 202)
      yield* statusOf("p-8", "alice", "Done")
      assert.strictEqual((yield* start("p-8", 21)).status, 202)
      const taken = yield* start("p-8", 22)
      assert.strictEqual(taken.status, 400)
      assert.strictEqual(taken.body._tag, "ActionInvalid")
      assert.match(taken.body.message ?? "", /a new key/)
      assert.strictEqual((yield* gateway.records()).length, before + 1)
    }))

  it.effect("lets nobody in without authorization", () =>
    Effect.gen(function*() {
      const send = yield* Service
      const body = { key: "p-9", params: { amount: 20 } }
      for (const user of [undefined, "", "a b"]) {
        const options = user === undefined ? { body } : { body, user }
        assert.strictEqual((yield* send("POST", "/payments", options)).status, 401)
        assert.strictEqual((yield* send("GET", "/payments/p-8", user === undefined ? {} : { user })).status, 401)
      }
      assert.strictEqual((yield* send("GET", "/payments/p-9", { user: "alice" })).status, 404)
    }))

  it.effect("answers 400 to keys and params that it does not take", () =>
    Effect.gen(function*() {
      const send = yield* Service
      const bad = [
        { key: "", params: { amount: 1 } },
        { key: "a/b", params: { amount: 1 } },
        { key: "..", params: { amount: 1 } },
        { key: "k".repeat(129), params: { amount: 1 } },
        { key: "p-10", params: { amount: "1" } },
        { key: "p-10" },
        "p-10",
        null
      ]
      for (const body of bad) {
        const { status, text } = yield* send("POST", "/payments", { user: "alice", body })
        assert.strictEqual(status, 400, JSON.stringify(body))
        assert.notInclude(text, "effect-vargate")
      }
    }))

  it.effect("is read by the client that the contract makes", () =>
    Effect.gen(function*() {
      const send = yield* Service
      const http = HttpClient.make((request) =>
        Effect.map(
          send(request.method, new URL(request.url).pathname, {
            user: "carol",
            ...(request.body._tag === "Uint8Array" && {
              body: JSON.parse(new TextDecoder().decode(request.body.body))
            })
          }),
          ({ status, text }) =>
            HttpClientResponse.fromWeb(
              request,
              new Response(text, { status, headers: { "content-type": "application/json" } })
            )
        )
      )
      const client = yield* HttpApiClient.make(api, { baseUrl: "http://service" }).pipe(
        Effect.provideService(HttpClient.HttpClient, http)
      )
      const missing = yield* Effect.flip(client.payments.status({ params: { key: "c-1" } }))
      assert.instanceOf(missing, PublicError.ActionNotFound)
      const at = DateTime.makeUnsafe("2026-11-30T10:00:00Z")
      yield* client.payments.start({ payload: { key: "c-1", params: { amount: 9000, at } } })
      yield* statusOf("c-1", "carol", "Failed")
      const failed = yield* client.payments.status({ params: { key: "c-1" } })
      assert(failed._tag === "Failed")
      assert.instanceOf(failed.error, PublicError.ActionRefused)
      yield* client.payments.start({ payload: { key: "c-2", params: { amount: 5, at } } })
      yield* statusOf("c-2", "carol", "Done")
      const done = yield* client.payments.status({ params: { key: "c-2" } })
      assert(done._tag === "Done" && done.executedBy === "agent")
      assert.isTrue(DateTime.isDateTime(done.result.at))
    }))

  it.effect("says in the OpenAPI document that every route wants authorization", () =>
    Effect.sync(() => {
      const { paths } = OpenApi.fromApi(api)
      const routes = [paths["/payments"]?.post, paths["/payments/{key}"]?.get]
      for (const route of routes) {
        assert.deepStrictEqual(route?.security, [{ bearer: [] }])
        assert.property(route?.responses, "401")
      }
      assert.containsAllKeys(routes[0]?.responses, ["202", "400", "403", "409", "410", "424", "429", "503"])
    }))

  it("is not made without an authorization", () => {
    for (const authorization of [undefined, null, {}, () => true, Layer.empty]) {
      assert.throws(() => WorkflowGroup.make("open", { ...contract, authorization } as never), /authorization/)
    }
  })
})
