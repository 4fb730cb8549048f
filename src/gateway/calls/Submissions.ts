/**
 * The way of one tool call through the gateway: ask the policy, obey the tenant's switches, execute, record, tell.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"
import { PendingAction } from "../../approvals/Approval.ts"
import { inSpan } from "../../internal/spans.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { type Execution, NotExecuted } from "../../model/Execution.ts"
import type { ToolCall } from "../../model/ToolCall.ts"
import { AgentHistory } from "../ledger/AgentHistory.ts"
import { interruptedCallOf } from "../ledger/internal/reviewEntry.ts"
import { type Entry, Ledger } from "../ledger/Ledger.ts"
import { SubjectKeys } from "../ledger/SubjectKeys.ts"
import { CurrentBusinessHours } from "../policy/BusinessHours.ts"
import { documentOf } from "../policy/DecisionDocument.ts"
import * as PersonalData from "../policy/PersonalData.ts"
import { noRevision, PolicyEngine, type PolicyUnavailable, type Ruling } from "../policy/PolicyEngine.ts"
import type { PolicyDecision, PolicyInput } from "../policy/PolicyInput.ts"
import { PolicyOutage } from "../policy/PolicyOutage.ts"
import { CredentialVault } from "../tenants/CredentialVault.ts"
import type { Tenant } from "../tenants/Tenants.ts"
import { GatewayMetrics } from "./GatewayMetrics.ts"
import * as CallsInFlight from "./internal/callsInFlight.ts"
import { beforeEffect, type LedgerUnavailable } from "./LedgerUnavailable.ts"
import { ToolRunner } from "./ToolRunner.ts"
import { WebhookSender } from "./WebhookSender.ts"

/**
 * What became of a tool call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly actionId: ActionId
  readonly decision: "allow" | "deny" | "pending_approval"
  readonly violations: ReadonlyArray<string>
  readonly severity: string
  readonly alertTier: string
  readonly execution: Execution
}

/**
 * A call that keeps the limits of the contract.
 *
 * @category models
 * @since 0.2.0
 */
export type Call = typeof ToolCall.Encoded

/**
 * The session of a managed agent in which a call is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Origin {
  readonly source: "mcp_governed"
  readonly managedSessionId?: string | undefined
}

/**
 * Decides, executes and records tool calls.
 *
 * @category services
 * @since 0.1.0
 */
export class Submissions extends Context.Service<Submissions, {
  /**
   * Fails where the policy engine is away and the tenant fails closed, and where the ledger cannot be written; then nothing
   * was executed or recorded. As measured, a call of a managed agent that needs an approval is recorded as pending and never
   * queued.
   *
   * What the gateway executes itself is on the disk as an intent first, then executed, then recorded. It ends with a
   * defect where the record cannot be written after the execution: the outcome is unknown to the caller, and recorded
   * later.
   */
  readonly submit: (
    tenant: Tenant,
    call: Call,
    origin?: Origin
  ) => Effect.Effect<Outcome, PolicyUnavailable | LedgerUnavailable>
}>()("effect-vargate/gateway/Submissions") {}

/** A call as it comes in. */
interface Asked {
  readonly actionId: ActionId
  readonly now: DateTime.Utc
  /** Calls of the same agent that came before and are not in the ledger yet. */
  readonly inFlight: ReadonlyArray<ActionId>
}

const approvalHours = 1

const notExecuted = new NotExecuted()

const eventNames = { allow: "action.allowed", deny: "action.denied", pending_approval: "action.pending" } as const

const make = Effect.gen(function*() {
  const engine = yield* PolicyEngine
  const outage = yield* PolicyOutage
  const history = yield* AgentHistory
  const ledger = yield* Ledger
  const vault = yield* CredentialVault
  const businessHours = yield* CurrentBusinessHours
  const tools = yield* ToolRunner
  const keys = yield* SubjectKeys
  const metrics = yield* GatewayMetrics
  const webhooks = yield* WebhookSender
  const inFlight = CallsInFlight.make()

  const inputOf = Effect.fnUntraced(function*(
    tenant: Tenant,
    call: Call,
    { actionId, inFlight, now }: Asked
  ): Effect.fn.Return<PolicyInput> {
    return documentOf({
      tenant,
      call,
      actionId,
      now,
      businessHours,
      history: yield* history.of({
        tenantId: tenant.id,
        agentId: call.agentId,
        params: call.params,
        at: now,
        inFlight
      }),
      credentials: yield* vault.tools(tenant.id)
    })
  })

  /** Decides, and keeps what was decided: as a record, or as an intent where the gateway has to execute it yet. */
  const decide = Effect.fnUntraced(function*(
    tenant: Tenant,
    call: Call,
    origin: Origin | undefined,
    asked: Asked
  ) {
    const { actionId, now } = asked
    const input = yield* inputOf(tenant, call, asked)
    const { decision: policy, revision } = yield* Effect.andThen(outage.check, engine.evaluate(input)).pipe(
      Effect.catchTag("PolicyUnavailable", (error) => withoutPolicy(tenant, error))
    )
    const isPreapproved = policy.requires_human && tenant.autoApproveTools.includes(`${call.tool}/${call.method}`)
    const decision = !policy.allow ? "deny" : policy.requires_human && !isPreapproved ? "pending_approval" : "allow"
    const execute = decision === "allow"
      ? yield* tools.prepare({ ...call, tenantId: tenant.id, actionId })
      : undefined

    const isPersonal = input.data.pii_fields.length > 0
    const subjectId = isPersonal ? PersonalData.subjectOf(call) : undefined
    const entry: Entry = {
      tenantId: tenant.id,
      actionId,
      agentId: call.agentId,
      tool: call.tool,
      method: call.method,
      params: subjectId === undefined
        ? call.params
        : yield* keys.encryptFields(tenant.id, subjectId, call.params, input.data.pii_fields),
      requestedAt: now,
      decision,
      violations: isPreapproved ? ["auto_approved"] : policy.violations,
      severity: policy.severity,
      alertTier: policy.alert_tier,
      bundleRevision: revision,
      executionMode: execute === undefined ? "agent_direct" : "vargate_brokered",
      anomalyScore: input.history.anomaly_score,
      containsPii: isPersonal,
      piiFields: input.data.pii_fields,
      piiSubjectId: subjectId,
      input,
      contacts: decision === "allow" ? input.data.recipients : [],
      ...origin
    }
    if (execute !== undefined) yield* ledger.intend(interruptedCallOf(entry))
    else {
      const isHeld = decision === "pending_approval" && origin === undefined
      yield* ledger.append(entry, isHeld ? heldAction(call, actionId, policy, now) : undefined)
    }
    return { entry, execute, requiresHuman: policy.requires_human }
  })

  const submit = Effect.fnUntraced(function*(tenant: Tenant, call: Call, origin?: Origin) {
    // A UUID is an action id: there is nothing to check.
    const actionId = randomUUID() as string as ActionId
    const now = yield* DateTime.now
    const { entry, execute, requiresHuman } = yield* beforeEffect(inFlight.among(
      { tenantId: tenant.id, agentId: call.agentId, actionId },
      (inFlight) => decide(tenant, call, origin, { actionId, inFlight, now })
    ))
    const { alertTier, decision, severity, violations } = entry
    const execution = execute === undefined ? notExecuted : yield* execute
    // The record comes after the execution, as on the measured gateway.
    if (execute !== undefined) yield* ledger.append(entry)
    yield* metrics.decided(tenant.id, decision)
    yield* webhooks.announce(
      tenant,
      eventNames[decision],
      origin === undefined
        ? {
          action_id: actionId,
          agent_id: call.agentId,
          tool: call.tool,
          method: call.method,
          decision,
          violations,
          severity,
          requires_human: requiresHuman
        }
        // As measured, answers about calls of managed agents have fewer fields.
        : { action_id: actionId, tool: call.tool, method: call.method, decision, source: origin.source }
    )
    return { actionId, decision, violations, severity, alertTier, execution } as const
  })

  return Submissions.of({
    submit: (tenant, call, origin) => inSpan("Submissions.submit", () => submit(tenant, call, origin))
  })
})

const heldAction = (call: Call, actionId: ActionId, policy: PolicyDecision, now: DateTime.Utc) =>
  new PendingAction({
    actionId,
    agentId: call.agentId,
    tool: call.tool,
    method: call.method,
    params: call.params,
    violations: policy.violations,
    severity: policy.severity,
    createdAt: now,
    timeoutAt: DateTime.add(now, { hours: approvalHours }),
    policyDecision: policy
  })

/** The tenant's choice for a time without a policy engine. */
const withoutPolicy = (
  tenant: Tenant,
  error: PolicyUnavailable
): Effect.Effect<Ruling, PolicyUnavailable> =>
  tenant.opaFailure === "fail_closed" ? Effect.fail(error) : Effect.succeed({
    decision: {
      allow: true,
      requires_human: tenant.opaFailure === "fail_to_queue",
      violations: [],
      severity: "none",
      alert_tier: "none"
    },
    revision: noRevision
  })

/**
 * Submissions over the gateway's parts.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Submissions,
  never,
  | PolicyEngine
  | PolicyOutage
  | AgentHistory
  | CredentialVault
  | Ledger
  | ToolRunner
  | SubjectKeys
  | GatewayMetrics
  | WebhookSender
> = Layer.effect(Submissions, make)
