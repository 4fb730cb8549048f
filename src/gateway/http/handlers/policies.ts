/**
 * The policies in force, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { hash } from "node:crypto"
import { toCamelCase } from "../../../internal/casing.ts"
import { PolicyTemplate } from "../../../model/PolicyTemplate.ts"
import { PolicyBundle, PolicyRule, PolicyRules } from "../../../operator/PolicyRules.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { PolicyEngine, type RuleBook } from "../../policy/PolicyEngine.ts"
import * as PolicyTemplates from "../../policy/PolicyTemplates.ts"
import { Tenants } from "../../tenants/Tenants.ts"

const templates = PolicyTemplates.all.map(({ defaults, description, id, name }) =>
  new PolicyTemplate({ id, name, description, parameters: Object.keys(defaults).map(toCamelCase) })
)

/**
 * The handlers of this group. The rules are those that the tenant is under: its template's, the program's, and what it
 * has approved in advance.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "policies",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants
    const engine = yield* PolicyEngine
    const startedAt = yield* DateTime.now

    /** An engine that cannot tell its rules has none to show. */
    const bookOf = (template: string): RuleBook => engine.describe?.(template) ?? { revision: unknown, rules: [] }

    return handlers
      .handle("templates", () => Effect.succeed({ templates }))
      .handle(
        "rules",
        Effect.fnUntraced(function*() {
          const { autoApproveTools, policyTemplate } = yield* tenants.current
          const { revision, rules } = bookOf(policyTemplate)
          const approvedInAdvance = autoApproveTools.map((pair) => ({
            name: `auto_approved:${pair}`,
            type: "auto_approved",
            source: "settings",
            tools: [pair]
          }))
          return new PolicyRules({
            revision,
            rules: [...rules, ...approvedInAdvance].map(({ name, source, tools = [], type }) =>
              new PolicyRule({ id: name, description: inWords(name), type, source, tools })
            )
          })
        })
      )
      .handle(
        "bundle",
        Effect.fnUntraced(function*() {
          const { policyTemplate } = yield* tenants.current
          const { revision, rules } = bookOf(policyTemplate)
          return new PolicyBundle({
            revision,
            etag: revision === unknown ? unknown : hash("sha256", revision, "hex").slice(0, 16),
            ruleCount: rules.length,
            updatedAt: startedAt,
            files: [...new Set(rules.map(({ source }) => source))],
            competitorDomains: []
          })
        })
      )
  })
)

/** What the measured gateway writes where it cannot tell. */
const unknown = "unknown"

/** `currency_mismatch` is "Currency mismatch". */
const inWords = (name: string) => {
  const words = name.replaceAll(/[_:]+/g, " ").trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}
