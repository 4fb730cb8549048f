/**
 * The rules that decide, as the gateway describes them.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * One rule. `type` is `deny`, `approval` (a reviewer decides) or `auto_approved` (none does, by the tenant's settings);
 * the vocabulary is open. `tools` names the pairs `tool/method` that it is about; none means any.
 *
 * @category models
 * @since 0.1.0
 */
export class PolicyRule extends Schema.Class<PolicyRule>("effect-vargate/PolicyRule")({
  id: Schema.String,
  description: Schema.String,
  type: Schema.String,
  /** Where the rule stands: the name of a policy file. */
  source: Schema.String,
  tools: Schema.Array(Schema.String)
}) {}

/**
 * The rules of a revision (GET /policy/rules).
 *
 * @category models
 * @since 0.1.0
 */
export class PolicyRules extends Schema.Class<PolicyRules>("effect-vargate/PolicyRules")({
  rules: Schema.Array(PolicyRule),
  /** As in the audit records (`bundleRevision`). */
  revision: Schema.optional(Schema.String)
}) {}

/**
 * The bundle that the policy engine runs (GET /bundles/vargate/status).
 *
 * **Gotchas**
 *
 * While its bundle server is away, a gateway answers with a placeholder: see `isPlaceholder`.
 *
 * @category models
 * @since 0.1.0
 */
export class PolicyBundle extends Schema.Class<PolicyBundle>("effect-vargate/PolicyBundle")({
  /** As in the audit records (`bundleRevision`). */
  revision: Schema.String,
  etag: Schema.optional(Schema.String),
  ruleCount: Schema.optional(Schema.Int),
  updatedAt: Schema.optional(Schema.DateTimeUtc),
  files: Schema.Array(Schema.String),
  competitorDomains: Schema.Array(Schema.String)
}) {
  /** Whether the gateway could not ask for the bundle: then `revision` is not the one that decides. */
  get isPlaceholder(): boolean {
    return this.etag === "unknown"
  }
}
