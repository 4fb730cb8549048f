/**
 * Fills the decision document of a call from what the gateway knows.
 *
 * **Details**
 *
 * What is about trust (`agent.roles`, `agent.jurisdiction`, `agent.deployment`, `agent.enclave_verified`) and about the
 * tenant's data (`data.classification`, `data.residency_required`, `data.destination`) is what the tenant has registered,
 * and absent where it has registered nothing: a caller sends none of it. A policy that reads such a field lists it in its
 * `required_fields`.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type { ActionId } from "../../model/ActionId.ts"
import type { ToolCall } from "../../model/ToolCall.ts"
import type { AgentRegistration, Tenant } from "../tenants/Tenants.ts"
import type { BusinessHours } from "./BusinessHours.ts"
import * as PersonalData from "./PersonalData.ts"
import { contextAt, type PolicyInput, recipients } from "./PolicyInput.ts"
import { parametersOf } from "./PolicyRule.ts"
import { general, isCoolingDown } from "./PolicyTemplates.ts"

/**
 * What a decision depends on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Facts {
  readonly tenant: Tenant
  readonly call: typeof ToolCall.Encoded
  readonly actionId: ActionId
  readonly now: DateTime.Utc
  readonly businessHours: BusinessHours
  readonly history: PolicyInput["history"]
  /** Tools for which the tenant's vault holds a credential. */
  readonly credentials: ReadonlyArray<string>
}

/**
 * The decision document of a call that has just been submitted, before any approval.
 *
 * @category constructors
 * @since 0.1.0
 */
export const documentOf = (
  { actionId, businessHours, call, credentials, history, now, tenant }: Facts
): PolicyInput => {
  const { flagged, ...registered } = registrationOf(tenant, call.agentId)
  const context = contextAt(now, {
    is_business_hours: call.isBusinessHours ?? (businessHours === "always" ? true : undefined)
  })
  const parameters = parametersOf(general, tenant.policyConfig)
  return {
    tenant: {
      id: tenant.id,
      name: tenant.name,
      policy_template: tenant.policyTemplate,
      policy_config: tenant.policyConfig
    },
    agent: { id: call.agentId, type: call.agentType, version: call.agentVersion, ...agentFields(registered) },
    action: {
      id: actionId,
      tool: call.tool,
      method: call.method,
      params: call.params,
      requested_at: context.time_utc
    },
    context: { ...context, approval: { required: false, granted: false, approver: null } },
    data: {
      ...PersonalData.inspect(call.params),
      recipients: recipients(call.params),
      ...dataFields(tenant, call.tool)
    },
    history: {
      ...history,
      flagged: flagged === true || history.anomaly_score > Number(parameters["anomaly_threshold"]),
      cooldown_active: isCoolingDown({ context, history }, Number(parameters["cooldown_violations"]))
    },
    // Whether this gateway has the tool at hand is not said: without it, the agent acts itself.
    vault: { credentials_registered: credentials, brokered_execution: true }
  }
}

/** An agent may be called `constructor`. */
const own = <A>(record: Readonly<Record<string, A>>, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

const registrationOf = ({ agentDefaults, agents = {} }: Tenant, agentId: string): AgentRegistration => ({
  ...agentDefaults,
  ...own(agents, agentId)
})

const agentFields = ({ deployment, enclaveVerified, jurisdiction, roles }: AgentRegistration) => ({
  ...(deployment === undefined ? {} : { deployment }),
  ...(enclaveVerified === undefined ? {} : { enclave_verified: enclaveVerified }),
  ...(roles === undefined ? {} : { roles }),
  ...(jurisdiction === undefined ? {} : { jurisdiction })
})

const dataFields = ({ dataHandling = {} }: Tenant, tool: string) => {
  const { classification, destinations = {}, residencyRequired } = dataHandling
  const destination = own(destinations, tool)
  return {
    ...(classification === undefined ? {} : { classification }),
    ...(residencyRequired === undefined ? {} : { residency_required: residencyRequired }),
    ...(destination === undefined ? {} : { destination })
  }
}
