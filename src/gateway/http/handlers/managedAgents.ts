/**
 * Managed agents, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { randomUUID } from "node:crypto"
import { ManagedAgent, ManagedAgentId } from "../../../model/ManagedAgent.ts"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { Conflict409, NotFound404, Unprocessable422 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { ManagedSessions } from "../../managed/ManagedSessions.ts"
import { ManagedStore } from "../../managed/ManagedStore.ts"
import { maxAgentLength, maxAgents } from "../../tenants/internal/bounds.ts"

const defaultModel = "claude-sonnet-4-6"

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "managedAgents",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* ManagedStore
    const sessions = yield* ManagedSessions

    return handlers
      .handle(
        "create",
        Effect.fnUntraced(function*({ payload }) {
          const { id } = yield* CurrentTenant
          const { parent_agent_id: parent = null } = payload
          const parentAgent = parent === null ? undefined : yield* store.agent(id, parent)
          if (parent !== null && parentAgent === undefined) {
            return yield* Effect.fail(NotFound404.make({ detail: "Parent agent config not found" }))
          }
          const agent = new ManagedAgent({
            id: ManagedAgentId.make(`agent-${randomUUID().replaceAll("-", "").slice(0, 12)}`),
            tenantId: id,
            name: payload.name,
            model: payload.anthropic_model ?? defaultModel,
            systemPrompt: payload.system_prompt ?? null,
            allowedTools: payload.allowed_tools ?? null,
            requireHumanApproval: payload.require_human_approval ?? null,
            governanceProfile: payload.governance_profile ?? null,
            maxSessionHours: payload.max_session_hours ?? null,
            maxDailySessions: payload.max_daily_sessions ?? null,
            maxDelegationDepth: payload.max_delegation_depth ?? 1,
            parentId: parentAgent?.id ?? null,
            createdAt: yield* DateTime.now
          })
          if (JSON.stringify(agent).length > maxAgentLength) {
            return yield* Effect.fail(Unprocessable422.make({
              detail: `An agent has at most ${maxAgentLength} characters of JSON, its prompt and its lists included`
            }))
          }
          if (!(yield* store.addAgent(id, agent, maxAgents))) {
            return yield* Effect.fail(Conflict409.make({
              detail: `This tenant has ${maxAgents} managed agents, as many as it may have`
            }))
          }
          return withoutPrompt(agent)
        })
      )
      .handle(
        "list",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          const configs = (yield* store.agents(id)).map(withoutPrompt)
          return { configs, count: configs.length }
        })
      )
      .handle(
        "get",
        Effect.fnUntraced(function*({ params }) {
          const { id } = yield* CurrentTenant
          const agent = yield* store.agent(id, params.id)
          return agent ?? (yield* Effect.fail(NotFound404.make({ detail: "Agent config not found" })))
        })
      )
      .handle(
        "consumers",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          const consumers = yield* sessions.consumers(id)
          return { consumers, count: consumers.length }
        })
      )
  })
)

/** An agent as lists show it. */
const withoutPrompt = (agent: ManagedAgent) => {
  const { governanceProfile: _, requireHumanApproval: __, systemPrompt: ___, ...shown } = agent
  return new ManagedAgent(shown)
}
