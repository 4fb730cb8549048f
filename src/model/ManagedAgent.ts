/**
 * Agents that are run elsewhere on a tenant's behalf, and governed by the gateway.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Id of a managed agent, as the gateway assigns it: `agent-9860de81b9f8`.
 *
 * **Details**
 *
 * The pattern admits what can stand safely in a URL path.
 *
 * @category ids
 * @since 0.1.0
 */
export const ManagedAgentId = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,255}$/, { expected: "the id of a managed agent" })
).pipe(Schema.brand("effect-vargate/ManagedAgentId"))

/**
 * The type of {@link ManagedAgentId}.
 *
 * @category ids
 * @since 0.1.0
 */
export type ManagedAgentId = typeof ManagedAgentId.Type

/**
 * What a managed agent may do (GET /managed/agents).
 *
 * **Details**
 *
 * `null` means no limit of its own: the tenant's then holds. What a route does not return is undefined: the system
 * prompt, the governance profile and the tools that need an approval come only from GET /managed/agents/{id}.
 *
 * **Gotchas**
 *
 * On a measured gateway `requireHumanApproval` is a sentence in the agent's prompt and not a rule. Calls that need an
 * approval belong into the policy.
 *
 * @category models
 * @since 0.1.0
 */
export class ManagedAgent extends Schema.Class<ManagedAgent>("effect-vargate/ManagedAgent")({
  id: ManagedAgentId,
  name: Schema.String,
  /** The model that plays the agent. */
  model: Schema.optional(Schema.String),
  tenantId: Schema.optional(Schema.String),
  systemPrompt: Schema.optional(Schema.NullOr(Schema.String)),
  /** Names of tools as the gateway's MCP door lists them. */
  allowedTools: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  requireHumanApproval: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  governanceProfile: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))),
  maxSessionHours: Schema.optional(Schema.NullOr(Schema.Finite)),
  maxDailySessions: Schema.optional(Schema.NullOr(Schema.Int)),
  maxDelegationDepth: Schema.optional(Schema.Int),
  /** The agent on whose behalf this one acts. */
  parentId: Schema.optional(Schema.NullOr(ManagedAgentId)),
  createdAt: Schema.optional(Schema.DateTimeUtc)
}) {}
