import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, References, Schema } from "effect"
import { ActionId, ToolCalls, VargateError as Errors } from "effect-vargate"
import * as PublicError from "effect-vargate/http/PublicError"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"

const actionId = ActionId.ActionId.make("a-1")
const secret = "vg-key-0123456789"

const failed = (reason: Errors.Reason) => new Errors.VargateError({ operation: "ToolCalls.call", reason })

/** Every failure, with a secret wherever the gateway, a reviewer or the caller could have written one. */
const failures: ReadonlyArray<readonly [error: PublicError.Failure, form: PublicError.PublicError["_tag"]]> = [
  [new Errors.Denied({ actionId, violations: ["too_much"], severity: "high", alertTier: secret }), "ActionRefused"],
  [new Errors.Rejected({ actionId, reviewer: secret, note: "ask me first" }), "ActionRefused"],
  [new Errors.PendingApproval({ actionId, message: secret }), "ActionPending"],
  [
    new Errors.ApprovalTimeout({
      actionId,
      waited: Duration.minutes(1),
      lastFailure: secret
    }),
    "ActionPending"
  ],
  [new Errors.NeverQueued({ actionId }), "ActionPending"],
  [new Errors.Expired({ actionId, timeoutAt: null }), "ActionExpired"],
  [new Errors.ShadowRefused({ actionId, tool: secret }), "ActionPending"],
  [new Errors.ToolFailed({ actionId, error: { secret } }), "ActionFailed"],
  [new Errors.ResultUnusable({ actionId, detail: secret }), "ActionFailed"],
  [
    new Errors.OutcomeUnknown({
      request: new ToolCalls.ToolCall({
        agentId: "a",
        agentType: "b",
        agentVersion: "1.0.0",
        tool: "t",
        method: "m",
        params: { secret }
      }),
      sentAt: DateTime.makeUnsafe(0),
      cause: new Errors.ConnectionLost({ detail: secret, sideEffect: "possible" })
    }),
    "ActionUnknown"
  ],
  [
    new Errors.DuplicateSubmission({
      agentId: secret,
      tool: secret,
      method: secret,
      first: "pending",
      sentAt: DateTime.makeUnsafe(0),
      actionId
    }),
    "ActionPending"
  ],
  [
    new Errors.DuplicateSubmission({
      agentId: secret,
      tool: secret,
      method: secret,
      first: "unknown",
      sentAt: DateTime.makeUnsafe(0)
    }),
    "ActionUnknown"
  ],
  [new Errors.RateLimited({ tenantId: secret, retryAfter: Duration.millis(1500) }), "ActionLimited"],
  [new Errors.OpaUnavailable({ detail: secret }), "ActionUnavailable"],
  [new Errors.StorageFailed({ operation: "Journal.begin", detail: secret }), "ActionUnavailable"],
  [failed(new Errors.InvalidRequest({ issues: [{ path: ["params"], message: "Expected it" }] })), "ActionInvalid"],
  [failed(new Errors.PayloadTooLarge({ detail: secret })), "ActionInvalid"],
  [failed(new Errors.NotFound({ detail: secret })), "ActionNotFound"],
  [failed(new Errors.Conflict({ detail: secret })), "ActionConflict"],
  [failed(new Errors.QuotaExceeded({ detail: secret })), "ActionLimited"],
  [failed(new Errors.Unauthenticated({ detail: secret })), "ActionUnavailable"],
  [failed(new Errors.Forbidden({ detail: secret })), "ActionUnavailable"],
  [failed(new Errors.KeyUnavailable({ detail: secret })), "ActionUnavailable"],
  [failed(new Errors.NotSupported({ detail: secret })), "ActionUnavailable"],
  [failed(new Errors.Unreachable({ detail: secret })), "ActionUnavailable"],
  [failed(new Errors.Timeout({ after: Duration.seconds(1), sideEffect: "none" })), "ActionUnavailable"],
  [failed(new Errors.Timeout({ after: Duration.seconds(1), sideEffect: "possible" })), "ActionUnknown"],
  [failed(new Errors.ReportedFailure({ detail: secret, sideEffect: "none" })), "ActionUnavailable"],
  [failed(new Errors.ConnectionLost({ detail: secret, sideEffect: "possible" })), "ActionUnknown"],
  [failed(new Errors.GatewayFault({ status: 500, detail: secret, sideEffect: "possible" })), "ActionUnknown"],
  [
    failed(
      new Errors.UnexpectedResponse({
        status: 200,
        contentType: secret,
        excerpt: secret,
        detail: secret,
        sideEffect: "possible"
      })
    ),
    "ActionUnknown"
  ],
  [failed(new Errors.WebhookUndelivered({ origin: secret, detail: secret })), "ActionUnknown"],
  [failed(new Errors.Joined({ actionId, outcome: "pending" })), "ActionPending"],
  [failed(new Errors.Joined({ actionId, outcome: "approved" })), "ActionPending"],
  [failed(new Errors.Joined({ actionId, outcome: "performed", result: secret })), "ActionConflict"],
  [failed(new Errors.Joined({ actionId, outcome: "failed" })), "ActionFailed"],
  [failed(new Errors.Joined({ actionId, outcome: "rejected", note: "no" })), "ActionRefused"],
  [failed(new Errors.Joined({ actionId, outcome: "expired" })), "ActionExpired"],
  [
    failed(
      new Errors.Suspended({ scope: secret, note: secret, since: DateTime.makeUnsafe(0), sideEffect: "none" })
    ),
    "ActionUnavailable"
  ],
  [
    failed(
      new Errors.Suspended({
        scope: secret,
        note: secret,
        since: DateTime.makeUnsafe(0),
        sideEffect: "possible",
        actionId
      })
    ),
    "ActionPending"
  ],
  [
    failed(new Errors.OverBudget({ budget: secret, max: 1, problem: "exceeded", detail: secret })),
    "ActionLimited"
  ],
  [failed(new Errors.GuardUnavailable({ guard: "budgets", detail: secret })), "ActionUnavailable"],
  [
    failed(new Errors.RefusedAgain({ actionId, note: "no", until: DateTime.makeUnsafe(0) })),
    "ActionRefused"
  ]
]

const endpoint = HttpApiEndpoint.post("act", "/act", { error: PublicError.schemas })
const document = OpenApi.fromApi(HttpApi.make("api").add(HttpApiGroup.make("group").add(endpoint)))

/** The status of each form, as the contract says it. */
const statuses = new Map(
  PublicError.schemas.map((schema) => [schema.ast.annotations?.["httpApiStatus"], schema] as const)
    .map(([status, schema]) => [schema, status as number])
)
const statusOf = (error: PublicError.PublicError) =>
  [...statuses].find(([schema]) => error instanceof schema)?.[1] ?? assert.fail(error._tag)

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

describe("PublicError", () => {
  it("has a form for every failure and every reason", () => {
    const reasons = failures.flatMap(([error]) => error._tag === "VargateError" ? [error.reason._tag] : [])
    assert.includeMembers(reasons, Errors.Reason.members.map((reason) => reason.fields._tag.schema.literal))
    for (const [error, form] of failures) assert.strictEqual(PublicError.of(error)._tag, form, error.message)
  })

  it("shows a client no key, no detail of the gateway, no params and no reviewer", () => {
    for (const [error] of failures) {
      const form = PublicError.of(error)
      const json = JSON.stringify(Schema.encodeUnknownSync(Schema.toCodecJson(Schema.Union(PublicError.schemas)))(form))
      assert.notInclude(json + String(form.stack), secret, error._tag)
      assert.include(json, form._tag)
      assert.notMatch(form.message, /VARGATE_/)
    }
  })

  it("never answers with a status that clients repeat by themselves, where there may have been an effect", () => {
    for (const [error] of failures) {
      const status = statusOf(PublicError.of(error))
      if (error.sideEffect === "possible") assert.isTrue([409, 424].includes(status), `${error._tag}: ${status}`)
      assert.isAbove(status, 399)
    }
    assert.sameMembers(
      Object.keys(document.paths["/act"]?.post?.responses ?? {}).filter((status) => status >= "401"),
      [...new Set([...statuses.values()].map(String))].filter((status) => status >= "401")
    )
  })

  it("names the action, the policy's rules, the note of a reviewer, and how long to wait", () => {
    const forms = failures.map(([error]) => PublicError.of(error))
    assert.deepInclude(forms[0], { actionId, by: "policy", violations: ["too_much"] })
    assert.include(forms[1]?.message, "ask me first")
    assert.deepInclude(forms.find(({ _tag }) => _tag === "ActionLimited"), { retryAfterSeconds: 2 })
  })

  it.effect("leaves other errors alone, also one with the tag of ours", () =>
    Effect.gen(function*() {
      class Denied extends Schema.TaggedError<Denied>("test/Denied")("Denied", {}) {}
      const own = new Denied()
      assert.strictEqual(yield* Effect.flip(PublicError.expose(Effect.fail(own))), own)
      assert.strictEqual(yield* Effect.flip(PublicError.expose(Effect.fail("text" as const))), "text")
      assert.strictEqual(yield* PublicError.expose(Effect.succeed(7)), 7)
      const form: PublicError.ActionRefused | "text" = yield* PublicError.expose(
        Effect.fail(failures[0]![0] as Errors.Denied)
      ).pipe(Effect.flip)
      assert.strictEqual(form._tag, "ActionRefused")
    }).pipe(quietly))
})
