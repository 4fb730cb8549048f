import { Effect, Schema } from "effect"
import { type Approvals, type AuditLog, Governed, type ToolCalls, type VargateError } from "effect-vargate"
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
