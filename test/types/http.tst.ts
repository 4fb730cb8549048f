import { Context, type Effect, Layer, Schema } from "effect"
import type { Governed, VargateError } from "effect-vargate"
import * as PublicError from "effect-vargate/http/PublicError"
import * as WorkflowGroup from "effect-vargate/http/WorkflowGroup"
import * as WorkflowHandlers from "effect-vargate/http/WorkflowHandlers"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import type { Journal } from "effect-vargate/workflow/Journal"
import type { HttpRouter } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import type { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import { describe, expect, test } from "tstyche"

class User extends Context.Service<User, string>()("test/User") {}
class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: User }>()("test/Authorization") {}

const contract = { params: Schema.Struct({ n: Schema.Int }), success: Schema.String }
const workflow = <P>(params: Schema.Codec<P, unknown>) =>
  GovernedWorkflow.make({
    name: "Pay",
    tool: "bank",
    method: "pay",
    params,
    success: Schema.String,
    run: () => ({}) as Effect.Effect<string>
  })
const api = HttpApi.make("api").add(WorkflowGroup.make("payments", { ...contract, authorization: Authorization }))

describe("PublicError.expose", () => {
  test("replaces our errors and no others", () => {
    class Own extends Schema.TaggedError<Own>("test/Own")("Own", {}) {}
    type E = VargateError.Denied | VargateError.PendingApproval | VargateError.RateLimited | Own
    expect(PublicError.expose({} as Effect.Effect<Governed.Done<string>, E>)).type.toBe<
      Effect.Effect<
        Governed.Done<string>,
        PublicError.ActionRefused | PublicError.ActionPending | PublicError.ActionLimited | Own
      >
    >()
  })
})

describe("WorkflowGroup.make", () => {
  test("wants an authorization", () => {
    expect(WorkflowGroup.make).type.not.toBeCallableWith("payments", contract)
    expect(WorkflowGroup.make).type.not.toBeCallableWith("payments", { ...contract, authorization: User })
    expect(WorkflowGroup.make).type.toBeCallableWith("payments", { ...contract, authorization: Authorization })
  })
})

describe("WorkflowHandlers.layer", () => {
  test("requires the middleware, an engine and a journal", () => {
    const routes = Layer.provide(
      HttpApiBuilder.layer(api),
      WorkflowHandlers.layer(api, "payments", workflow(contract.params), { owner: User })
    )
    expect<Exclude<Layer.Services<typeof routes>, HttpRouter.HttpRouter>>().type.toBeAssignableFrom<
      Authorization | WorkflowEngine | Journal
    >()
    expect<User>().type.not.toBeAssignableTo<Layer.Services<typeof routes>>()
  })

  test("takes only a workflow with the params of the group, and wants an owner", () => {
    expect(WorkflowHandlers.layer).type.not.toBeCallableWith(
      api,
      "payments",
      workflow(Schema.Struct({ m: Schema.String })),
      { owner: User }
    )
    expect(WorkflowHandlers.layer).type.not.toBeCallableWith(api, "payments", workflow(contract.params), {})
    expect(WorkflowHandlers.layer).type.not.toBeCallableWith(api, "refunds", workflow(contract.params), { owner: User })
  })
})
