/** The error channels, to the letter. */
// @effect-diagnostics floatingEffect:off globalErrorInEffectFailure:off
import { type Cause, Effect, type Layer, type Redacted, Schedule, type Schema, type Stream } from "effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import { expect, test } from "tstyche"
import * as Approvals from "../../src/approvals/Approvals.ts"
import * as Reviews from "../../src/approvals/Reviews.ts"
import type * as AuditLog from "../../src/audit/AuditLog.ts"
import type * as Replay from "../../src/audit/Replay.ts"
import * as ToolCalls from "../../src/calls/ToolCalls.ts"
import type {
  CallError,
  Denied,
  DuplicateSubmission,
  InterruptNotConfirmed,
  NotFound,
  OpaUnavailable,
  OperationError,
  OutcomeUnknown,
  PendingApproval,
  RateLimited,
  RotationUnknown,
  SettingNotApplied,
  SubmitError,
  VargateError,
  Verdict,
  WebhookRefused,
  WebhookUnconsumed
} from "../../src/errors/VargateError.ts"
import type { ActionId } from "../../src/model/ActionId.ts"
import type { Allowed } from "../../src/model/Allowed.ts"
import type { ManagedAgentId } from "../../src/model/ManagedAgent.ts"
import type { InterruptReceipt, ManagedSession, ManagedSessionId } from "../../src/model/ManagedSession.ts"
import type { RecordHash } from "../../src/model/RecordHash.ts"
import type * as Account from "../../src/operator/Account.ts"
import type * as Anchors from "../../src/operator/Anchors.ts"
import type * as Compliance from "../../src/operator/Compliance.ts"
import type * as Credentials from "../../src/operator/Credentials.ts"
import type * as Maintenance from "../../src/operator/Maintenance.ts"
import type * as ManagedAgents from "../../src/operator/ManagedAgents.ts"
import type * as Policies from "../../src/operator/Policies.ts"
import * as System from "../../src/operator/System.ts"
import type * as Tenant from "../../src/operator/Tenant.ts"
import type * as TenantDirectory from "../../src/operator/TenantDirectory.ts"
import type * as KeyProvider from "../../src/transport/KeyProvider.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"
import * as Transport from "../../src/transport/Transport.ts"
import * as Vargate from "../../src/Vargate.ts"
import type * as Merkle from "../../src/verify/Merkle.ts"
import * as Webhooks from "../../src/webhooks/Webhooks.ts"

declare const toolCalls: ToolCalls.ToolCalls["Service"]
declare const approvals: Approvals.Approvals["Service"]
declare const reviews: Reviews.Reviews["Service"]
declare const auditLog: AuditLog.AuditLog["Service"]
declare const replay: Replay.Replay["Service"]
declare const merkle: Merkle.Merkle["Service"]
declare const system: System.System["Service"]
declare const maintenance: Maintenance.Maintenance["Service"]
declare const anchors: Anchors.Anchors["Service"]
declare const compliance: Compliance.Compliance["Service"]
declare const managedAgents: ManagedAgents.ManagedAgents["Service"]
declare const managedAgentId: ManagedAgentId
declare const sessionId: ManagedSessionId
declare const tenant: Tenant.Tenant["Service"]
declare const account: Account.Account["Service"]
declare const credentials: Credentials.Credentials["Service"]
declare const webhooks: Webhooks.Webhooks["Service"]
declare const actionId: ActionId
declare const recordHash: RecordHash

const request = { tool: "slack", method: "post_message" }
const call = toolCalls.call(request)
const decide = toolCalls.decide(request)
const reads = [
  approvals.pending,
  approvals.history,
  approvals.outcome(actionId),
  auditLog.page(),
  auditLog.verify,
  replay.replay(actionId),
  merkle.roots(),
  merkle.proof(recordHash),
  merkle.verify,
  system.health,
  system.metrics,
  system.anomalyScore("a-1"),
  maintenance.clearHistory("a-1"),
  anchors.verify,
  anchors.trigger,
  compliance.export(),
  managedAgents.start(managedAgentId),
  managedAgents.status(sessionId)
] as const

const done = () => Effect.void

test("call fails with six things, and nothing is left when they are caught", () => {
  expect(call).type.toBe<Effect.Effect<Allowed, CallError>>()
  expect<CallError>().type.toBe<
    Denied | PendingApproval | RateLimited | OpaUnavailable | OutcomeUnknown | DuplicateSubmission | VargateError
  >()
  expect(call.pipe(Effect.catchTags({
    Denied: done,
    PendingApproval: done,
    RateLimited: done,
    OpaUnavailable: done,
    OutcomeUnknown: done,
    DuplicateSubmission: done,
    VargateError: done
  }))).type.toBe<Effect.Effect<Allowed | void>>()
})

test("decide has the decisions as values", () => {
  expect(decide).type.toBe<Effect.Effect<Allowed | Denied | PendingApproval, SubmitError>>()
  expect(decide.pipe(Effect.catchTags({
    RateLimited: done,
    OpaUnavailable: done,
    OutcomeUnknown: done,
    DuplicateSubmission: done,
    VargateError: done
  }))).type.toBe<Effect.Effect<Allowed | Denied | PendingApproval | void>>()
  expect<Effect.Error<typeof decide>>().type.not.toBeAssignableFrom<Denied>()
  expect<Effect.Error<typeof decide>>().type.not.toBeAssignableFrom<PendingApproval>()
})

test("the accessors fail like the methods", () => {
  expect(ToolCalls.call(request)).type.toBe<Effect.Effect<Allowed, CallError, ToolCalls.ToolCalls>>()
  expect<Effect.Error<ReturnType<typeof ToolCalls.decide>>>().type.toBe<SubmitError>()
})

test("everything else fails with RateLimited or VargateError", () => {
  expect<OperationError>().type.toBe<RateLimited | VargateError>()
  expect<Effect.Error<(typeof reads)[number]>>().type.toBe<OperationError>()
  expect<Effect.Error<ReturnType<typeof reviews.approve>>>().type.toBe<OperationError>()
  expect<Effect.Error<ReturnType<typeof reviews.reject>>>().type.toBe<OperationError>()
  expect<Stream.Error<ReturnType<typeof reviews.stream>>>().type.toBe<OperationError>()
})

/** The errors of every method and every value of a service. */
type ErrorsOf<Service> = {
  [K in keyof Service]: Service[K] extends (...args: never) => Effect.Effect<unknown, infer E, unknown> ? E
    : Service[K] extends (...args: never) => Stream.Stream<unknown, infer E, unknown> ? E
    : Service[K] extends Effect.Effect<unknown, infer E, unknown> ? E
    : never
}[keyof Service]

type Errors = ErrorsOf<
  & ToolCalls.ToolCalls["Service"]
  & Approvals.Approvals["Service"]
  & Reviews.Reviews["Service"]
  & AuditLog.AuditLog["Service"]
  & Replay.Replay["Service"]
  & Merkle.Merkle["Service"]
  & System.System["Service"]
  & Tenant.Tenant["Service"]
  & TenantDirectory.TenantDirectory["Service"]
  & Policies.Policies["Service"]
  & Credentials.Credentials["Service"]
  & Account.Account["Service"]
>

test("what operators do fails with two things more", () => {
  expect<Effect.Error<ReturnType<typeof tenant.apply>>>().type.toBe<SettingNotApplied | OperationError>()
  expect<Effect.Error<ReturnType<typeof account.rotateKey>>>().type.toBe<RotationUnknown | OperationError>()
  const others = [
    tenant.me,
    tenant.settings,
    tenant.plan({}),
    tenant.testWebhook,
    account.session,
    account.tenants(),
    account.switchTenant("t")
  ] as const
  expect<Effect.Error<(typeof others)[number]>>().type.toBe<OperationError>()
  expect(account.key).type.toBe<Effect.Effect<Redacted.Redacted>>()
})

test("settings are typed to the letter", () => {
  expect(tenant.apply).type.toBeCallableWith(
    {
      policy: { template: "financial", parameters: { transactionLimit: 100, currency: "USD" } },
      failureModes: { opa: "fail_to_queue" },
      autoApproveTools: ["slack/post_message"],
      webhookUrl: null,
      webhookEvents: ["action.denied"]
    } as const
  )
  // @ts-expect-error "nope"
  tenant.apply({ policy: { template: "nope" } })
  // @ts-expect-error currency
  tenant.apply({ policy: { template: "crm", parameters: { currency: "USD" } } })
  // @ts-expect-error "explode"
  tenant.apply({ failureModes: { opa: "explode" } })
  // @ts-expect-error "slack.post_message"
  tenant.apply({ autoApproveTools: ["slack.post_message"] })
  // @ts-expect-error "nope"
  tenant.apply({ webhookEvents: ["nope"] })
  // @ts-expect-error webhookURL
  tenant.apply({ webhookURL: "https://hooks.example" })
})

test("layerOf provides the services that it names, and no others", () => {
  const transport = Transport.layer({ apiKey: "k" })
  expect(Vargate.layerOf(transport, ToolCalls.layer, Approvals.layer)).type.toBe<
    Layer.Layer<
      Transport.Transport | ToolCalls.ToolCalls | Approvals.Approvals,
      VargateError,
      HttpClient.HttpClient
    >
  >()
  expect(Vargate.layerOf(Transport.layerKeyProvider(), System.layer)).type.toBe<
    Layer.Layer<Transport.Transport | System.System, VargateError, HttpClient.HttpClient | KeyProvider.KeyProvider>
  >()
  // A transport alone is no service, and a service is no transport.
  expect(Vargate.layerOf).type.not.toBeCallableWith(transport)
  expect(Vargate.layerOf).type.not.toBeCallableWith(ToolCalls.layer, Approvals.layer)
})

test("a credential that is no Redacted is not taken", () => {
  expect(credentials.register).type.not.toBeCallableWith({ toolId: "stripe", name: "api_key", value: "sk-1" })
})

test("nobody else's errors get through", () => {
  expect<Errors>().type.not.toBe<unknown>()
  expect<0 extends 1 & Errors ? true : false>().type.toBe<false>()
  expect<Extract<Errors, HttpClientError.HttpClientError | Schema.SchemaError | Cause.TimeoutError>>().type
    .toBe<never>()
  expect<Errors["_tag"]>().type.not.toBeAssignableFrom<"HttpClientError">()
  expect<Errors["_tag"]>().type.not.toBeAssignableFrom<"SchemaError">()
})

test("every error says what may have happened", () => {
  expect<Errors>().type.toBeAssignableTo<
    { readonly sideEffect: "none" | "possible"; readonly isRetryable: boolean; readonly message: string }
  >()
})

test("reasons can be caught one by one", () => {
  const caught = system.health.pipe(Effect.catchReason("VargateError", "NotFound", (reason) => Effect.succeed(reason)))
  expect<Effect.Success<typeof caught>>().type.toBeAssignableFrom<NotFound>()
  expect<Effect.Error<typeof caught>>().type.toBe<OperationError>()
  // @ts-expect-error "NoSuchReason"
  system.health.pipe(Effect.catchReason("VargateError", "NoSuchReason", done))
})

test("every policy retries calls and reads", () => {
  const policies = [
    RetryPolicy.none,
    RetryPolicy.rateLimited,
    RetryPolicy.opaUnavailable,
    RetryPolicy.standard,
    RetryPolicy.reads,
    RetryPolicy.make(Schedule.spaced("2 seconds")),
    RetryPolicy.standard.pipe(Schedule.upTo({ times: 2 }))
  ] as const
  expect(Effect.retry(call, policies[0])).type.toBe<typeof call>()
  for (const policy of policies) {
    expect(Effect.retry(call, policy)).type.toBe<Effect.Effect<Allowed, CallError>>()
    expect(Effect.retry(auditLog.verify, policy)).type.toBe<typeof auditLog.verify>()
  }
  expect(Effect.retry(reads[0], RetryPolicy.reads)).type.toBe<(typeof reads)[0]>()
})

test("a policy does not accept errors that say nothing about side effects", () => {
  expect(Effect.retry).type.not.toBeCallableWith(Effect.fail("no"), RetryPolicy.standard)
  expect(Effect.retry).type.not.toBeCallableWith(Effect.fail(new Error("no")), RetryPolicy.standard)
})

test("who approves needs Reviews, and an agent's layer does not give it", () => {
  const approve = Reviews.Reviews.use((reviews) => reviews.approve(actionId))
  const agent = Vargate.layer({ apiKey: "test-key" })
  expect<Effect.Services<typeof approve>>().type.toBe<Reviews.Reviews>()
  expect<Vargate.Services>().type.not.toBeAssignableFrom<Reviews.Reviews>()
  expect<Vargate.Services>().type.not.toBeAssignableFrom<Maintenance.Maintenance>()
  expect<Vargate.Services>().type.not.toBeAssignableFrom<ManagedAgents.ManagedAgents>()
  expect<Vargate.Services>().type.not.toBeAssignableFrom<Anchors.Anchors>()
  expect<Vargate.Services>().type.not.toBeAssignableFrom<Compliance.Compliance>()
  expect<Vargate.OperatorServices>().type.toBeAssignableFrom<Vargate.Services>()

  const asAgent = Effect.provide(approve, agent)
  expect<Effect.Services<typeof asAgent>>().type.toBe<Reviews.Reviews | HttpClient.HttpClient>()
  expect(Effect.runPromise).type.not.toBeCallableWith(approve)

  const asReviewer = Effect.provide(approve, Reviews.layer)
  expect<Effect.Services<typeof asReviewer>>().type.toBe<Transport.Transport>()
})

test("an agent's layer holds none of an operator's powers, and an operator's holds all", () => {
  type Powers =
    | Reviews.Reviews
    | Tenant.Tenant
    | TenantDirectory.TenantDirectory
    | Credentials.Credentials
    | Account.Account
  expect<Extract<Vargate.Services, Powers>>().type.toBe<never>()
  expect<Vargate.OperatorServices>().type.toBeAssignableFrom<Vargate.Services | Powers>()
})

test("the layers need an HttpClient and say how they fail", () => {
  expect<Layer.Services<ReturnType<typeof Vargate.layer>>>().type.toBe<HttpClient.HttpClient>()
  expect<Layer.Error<ReturnType<typeof Vargate.layer>>>().type.toBe<VargateError>()
  expect(Vargate.layer).type.not.toBeCallableWith({})
  expect(Transport.layer).type.not.toBeCallableWith({ url: "https://vargate.ai/api" })
})

test("webhooks fail by being refused, or by their consumer", () => {
  expect(webhooks.receive("", undefined)).type.toBe<
    Effect.Effect<Webhooks.Receipt, WebhookRefused | WebhookUnconsumed>
  >()
  expect<Effect.Error<ReturnType<typeof Webhooks.verify>>>().type.toBe<WebhookRefused | VargateError>()
  expect<WebhookRefused | WebhookUnconsumed>().type.toBeAssignableTo<Verdict>()
  const caught = webhooks.receive("", undefined).pipe(
    Effect.catchReason("WebhookRefused", "OutsideTolerance", ({ tolerance }) => Effect.succeed(tolerance))
  )
  expect<Effect.Error<typeof caught>>().type.toBe<WebhookRefused | WebhookUnconsumed>()
})

test("a layer of webhooks needs what its consumer needs", () => {
  const layer = Webhooks.layer({
    secret: "s",
    handle: () => Reviews.Reviews.use((reviews) => reviews.approve(actionId))
  })
  expect(layer).type.toBe<Layer.Layer<Webhooks.Webhooks, VargateError, Reviews.Reviews>>()
  expect(Webhooks.layer({ secret: "s" })).type.toBe<Layer.Layer<Webhooks.Webhooks, VargateError>>()
  expect(Webhooks.layer).type.not.toBeCallableWith({})
})

test("an interrupt may be unconfirmed, and a watch is a stream of statuses", () => {
  expect(managedAgents.interrupt(sessionId, { reason: "enough" })).type.toBe<
    Effect.Effect<InterruptReceipt, InterruptNotConfirmed | OperationError>
  >()
  expect(managedAgents.watch(sessionId)).type.toBe<Stream.Stream<ManagedSession, OperationError>>()
  expect(compliance.pdf()).type.toBe<Stream.Stream<Uint8Array, OperationError>>()
})
