/**
 * POST /mcp/tools/call, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import {
  type AllowedBody,
  type Blocked403,
  type OpaUnreachable502,
  type Pending202,
  type ToolCallBody,
  writeAllowed
} from "../../../calls/wire/ToolCallsApi.ts"
import { maxParamsLength } from "../../../internal/limits.ts"
import { pythonLength } from "../../../internal/pythonLength.ts"
import type { LedgerUnavailable503, Limited429, Unprocessable422 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { CallWindow } from "../../calls/CallWindow.ts"
import { type Outcome, Submissions } from "../../calls/Submissions.ts"
import { reportedRate, type Tenant, Tenants } from "../../tenants/Tenants.ts"

/**
 * What a call is answered: a status of the contract, and the body that belongs to it.
 *
 * @category models
 * @since 0.2.0
 */
export type Reply =
  | { readonly status: 200; readonly body: typeof AllowedBody.Encoded }
  | { readonly status: 202; readonly body: typeof Pending202.Encoded }
  | { readonly status: 403; readonly body: typeof Blocked403.Encoded }
  | { readonly status: 422; readonly body: typeof Unprocessable422.Encoded }
  | { readonly status: 429; readonly body: typeof Limited429.Encoded }
  | { readonly status: 502; readonly body: typeof OpaUnreachable502.Encoded }
  | { readonly status: 503; readonly body: typeof LedgerUnavailable503.Encoded }

/**
 * Answers tool calls whose body is what the contract says. The contract's own route and the one beside it
 * (`toolCallRoute`) both ask here, so that their answers are the same.
 *
 * @category services
 * @since 0.2.0
 */
export class ToolCallReplies extends Context.Service<ToolCallReplies, {
  /** A body that is known to be short need not be measured. */
  readonly reply: (tenant: Tenant, payload: typeof ToolCallBody.Type, isShort?: boolean) => Effect.Effect<Reply>
}>()("effect-vargate/gateway/ToolCallReplies") {}

const tooLong: Reply = {
  status: 422,
  body: {
    detail: [{
      type: "value_error",
      loc: ["body", "params"],
      msg: "Value error, params payload exceeds 64KB limit"
    }]
  }
}

const limited = (tenant: Tenant): Reply => ({
  status: 429,
  body: {
    detail: {
      error: "rate_limit_exceeded",
      tenant_id: tenant.id,
      rate_limit_rps: reportedRate,
      rate_limit_burst: tenant.burst
    }
  }
})

const replyOf = (outcome: Outcome): Reply => {
  const { actionId } = outcome
  switch (outcome.decision) {
    case "allow":
      return { status: 200, body: writeAllowed(outcome) }
    case "pending_approval":
      return {
        status: 202,
        body: {
          status: "pending_approval",
          action_id: actionId,
          message: "Action requires human approval. It has been queued for review."
        }
      }
    case "deny":
      return {
        status: 403,
        body: {
          detail: {
            status: "blocked",
            action_id: actionId,
            violations: outcome.violations,
            severity: outcome.severity,
            alert_tier: outcome.alertTier
          }
        }
      }
  }
}

const makeReplies = Effect.gen(function*() {
  const window = yield* CallWindow
  const submissions = yield* Submissions

  return ToolCallReplies.of({
    reply: Effect.fnUntraced(function*(tenant, payload, isShort = false): Effect.fn.Return<Reply> {
      const params = payload.params ?? {}
      if (!isShort && pythonLength(params) > maxParamsLength) return tooLong
      if (!(yield* window.enter(tenant))) return limited(tenant)
      const submitted = submissions.submit(tenant, {
        agentId: payload.agent_id,
        agentType: payload.agent_type ?? "unknown",
        agentVersion: payload.agent_version ?? "0.0.0",
        tool: payload.tool,
        method: payload.method,
        params,
        isBusinessHours: payload.context_override?.is_business_hours
      })
      return yield* Effect.match(submitted, {
        onSuccess: replyOf,
        onFailure: ({ _tag, detail }): Reply =>
          _tag === "LedgerUnavailable"
            ? { status: 503, body: { detail: `Ledger unavailable: ${detail}` } }
            : { status: 502, body: { detail: `OPA unreachable: ${detail}` } }
      })
    })
  })
})

/**
 * Replies over the gateway's parts.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerReplies: Layer.Layer<ToolCallReplies, never, CallWindow | Submissions> = Layer.effect(
  ToolCallReplies,
  makeReplies
)

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "toolCalls",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants
    const { reply } = yield* ToolCallReplies

    return handlers.handle(
      "call",
      Effect.fnUntraced(function*({ payload }) {
        const { body, status } = yield* reply(yield* tenants.current, payload)
        return HttpServerResponse.jsonUnsafe(body, { status })
      }),
      // A client that disconnects must not leave an executed action without its record.
      { uninterruptible: true }
    )
  })
)
