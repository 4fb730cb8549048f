import { Effect, Schema } from "effect"
import { type Approvals, type AuditLog, Governed, type Shadow, type ToolCalls, type VargateError } from "effect-vargate"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { expect, test } from "tstyche"

type Common = VargateError.SubmitError | VargateError.Denied | VargateError.ToolFailed
type Services = ToolCalls.ToolCalls | Approvals.Approvals | AuditLog.AuditLog

const request = { tool: "t", method: "m" }
declare const action: Effect.Effect<number, "mine", Schema.Schema<string>>

test("waiting is the default, and its failures are the reviewers' answers", () => {
  expect(Governed.run(request, action)).type.toBe<
    Effect.Effect<
      Governed.Done<number>,
      Common | VargateError.ApprovalError | "mine",
      Services | Schema.Schema<string>
    >
  >()
  expect(Governed.run({ ...request, onPending: Governed.wait() }, Effect.void)).type.toBe<
    Effect.Effect<Governed.Done<void>, Common | VargateError.ApprovalError, Services>
  >()
})

test("failing at once adds PendingApproval and nothing else", () => {
  expect(Governed.run({ ...request, onPending: Governed.fail }, Effect.void)).type.toBe<
    Effect.Effect<Governed.Done<void>, Common | VargateError.PendingApproval, Services>
  >()
})

test("detaching adds a handle, which carries the rest", () => {
  expect(Governed.run({ ...request, onPending: Governed.detach }, action)).type.toBe<
    Effect.Effect<
      Governed.Done<number> | Governed.Detached<number, "mine", Schema.Schema<string>>,
      Common | "mine",
      Services | Schema.Schema<string>
    >
  >()
})

test("a call in shadow states who executes, and its result says whether it was in shadow", () => {
  expect(Governed.shadow).type.not.toBeCallableWith(request, Effect.void)
  expect(Governed.shadow).type.not.toBeCallableWith({ ...request, executes: "gateway" }, Effect.void)
  const shadow = Governed.shadow({ ...request, executes: "agent" }, action)
  expect<Effect.Success<typeof shadow>>().type.toBe<
    Governed.Shadowed<number> | (Governed.Done<number> & { readonly isShadow: false })
  >()
  expect<Effect.Services<typeof shadow>>().type.toBe<Services | Shadow.Shadow | Schema.Schema<string>>()
  expect<Extract<Effect.Success<typeof shadow>, { verdict: "denied" }>["answer"]>().type.toBe<VargateError.Denied>()
})

test("a tool takes what its schema decodes to", () => {
  const tool = Governed.tool({
    ...request,
    params: Schema.Struct({ on: Schema.DateTimeUtcFromString }),
    onPending: Governed.fail,
    run: ({ on }) => Effect.succeed(on)
  })
  expect<Parameters<typeof tool>[0]["on"]>().type.toBe<Schema.DateTimeUtcFromString["Type"]>()
  expect(tool).type.not.toBeCallableWith({ on: "2026-01-01" })
})

test("params that cannot be an object do not type-check", () => {
  const define = { ...request, run: () => Effect.void }
  expect(Governed.tool).type.not.toBeCallableWith({ ...define, params: Schema.String })
  expect(Governed.tool).type.not.toBeCallableWith({ ...define, params: Schema.FiniteFromString })
  expect(Governed.tool).type.not.toBeCallableWith({ ...define, params: Schema.Array(Schema.String) })
  expect(Governed.tool).type.not.toBeCallableWith({ ...define, params: Schema.Union([Schema.String, Schema.Null]) })
  expect(Governed.tool).type.toBeCallableWith({ ...define, params: Schema.Struct({}) })
  expect(Governed.tool).type.toBeCallableWith({ ...define, params: Schema.Record(Schema.String, Schema.Unknown) })
  expect(Governed.tool).type.toBeCallableWith({ ...define, params: Schema.Union([Schema.Struct({}), Schema.Null]) })
  expect(Governed.tool).type.toBeCallableWith({ ...define, params: Schema.Unknown })
  expect(Governed.tool).type.toBeCallableWith({ ...define, params: Schema.Json })
  class Refund extends Schema.Class<Refund>("Refund")({ amount: Schema.Finite }) {}
  expect(Governed.tool).type.toBeCallableWith({ ...define, params: Refund })
})

test("nor do they in a workflow", () => {
  const define = { ...request, name: "W", success: Schema.Void, run: () => Effect.void } as const
  expect(GovernedWorkflow.make).type.not.toBeCallableWith({ ...define, params: Schema.String })
  expect(GovernedWorkflow.make).type.not.toBeCallableWith({ ...define, params: Schema.Array(Schema.String) })
  expect(GovernedWorkflow.make).type.toBeCallableWith({ ...define, params: Schema.Struct({ n: Schema.Int }) })
  expect(GovernedWorkflow.make).type.toBeCallableWith({ ...define, params: Schema.Json })
})

test("after catching the table nothing is left", () => {
  const handled = Governed.run(request, Effect.void).pipe(
    Effect.catchTags({
      Denied: () => Effect.void,
      Rejected: () => Effect.void,
      Expired: () => Effect.void,
      ApprovalTimeout: () => Effect.void,
      ToolFailed: () => Effect.void,
      RateLimited: () => Effect.void,
      OpaUnavailable: () => Effect.void,
      OutcomeUnknown: () => Effect.void,
      DuplicateSubmission: () => Effect.void,
      VargateError: () => Effect.void
    })
  )
  expect<Effect.Error<typeof handled>>().type.toBe<never>()
})
