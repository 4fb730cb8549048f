/**
 * POST /mcp/tools/call, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Blocked403, OpaUnreachable502, Pending202 } from "../../../calls/wire/ToolCallsApi.ts"
import { maxParamsLength } from "../../../internal/limits.ts"
import { pythonLength } from "../../../internal/pythonLength.ts"
import { Allowed } from "../../../model/Allowed.ts"
import { ToolCall } from "../../../model/ToolCall.ts"
import { LedgerUnavailable503, Limited429, Unprocessable422 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { CallWindow } from "../../calls/CallWindow.ts"
import { Submissions } from "../../calls/Submissions.ts"
import { reportedRate, Tenants } from "../../tenants/Tenants.ts"

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
    const window = yield* CallWindow
    const submissions = yield* Submissions

    return handlers.handle(
      "call",
      Effect.fnUntraced(function*({ payload }) {
        const tenant = yield* tenants.current
        const params = payload.params ?? {}
        if (pythonLength(params) > maxParamsLength) {
          return yield* Effect.fail(Unprocessable422.make({
            detail: [{
              type: "value_error",
              loc: ["body", "params"],
              msg: "Value error, params payload exceeds 64KB limit"
            }]
          }))
        }
        if (!(yield* window.enter(tenant))) {
          return yield* Effect.fail(Limited429.make({
            detail: {
              error: "rate_limit_exceeded",
              tenant_id: tenant.id,
              rate_limit_rps: reportedRate,
              rate_limit_burst: tenant.burst
            }
          }))
        }
        const outcome = yield* submissions.submit(
          tenant,
          new ToolCall({
            agentId: payload.agent_id,
            agentType: payload.agent_type ?? "unknown",
            agentVersion: payload.agent_version ?? "0.0.0",
            tool: payload.tool,
            method: payload.method,
            params,
            isBusinessHours: payload.context_override?.is_business_hours
          })
        ).pipe(
          Effect.mapError((error) =>
            error._tag === "LedgerUnavailable"
              ? LedgerUnavailable503.make({ detail: `Ledger unavailable: ${error.detail}` })
              : OpaUnreachable502.make({ detail: `OPA unreachable: ${error.detail}` })
          )
        )
        switch (outcome.decision) {
          case "allow":
            return new Allowed({ actionId: outcome.actionId, execution: outcome.execution })
          case "pending_approval":
            return Pending202.make({
              status: "pending_approval",
              action_id: outcome.actionId,
              message: "Action requires human approval. It has been queued for review."
            })
          case "deny":
            return yield* Effect.fail(Blocked403.make({
              detail: {
                status: "blocked",
                action_id: outcome.actionId,
                violations: outcome.violations,
                severity: outcome.severity,
                alert_tier: outcome.alertTier
              }
            }))
        }
      }),
      // A client that disconnects must not leave an executed action without its record.
      { uninterruptible: true }
    )
  })
)
