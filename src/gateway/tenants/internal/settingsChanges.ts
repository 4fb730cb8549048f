/**
 * What a PATCH of settings changes of a tenant, or why it is refused: with the measured gateway's words.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { FailureMode } from "../../../model/TenantSettings.ts"
import type { SettingsBody } from "../../../operator/wire/TenantApi.ts"
import * as PolicyTemplates from "../../policy/PolicyTemplates.ts"
import type { Tenant, TenantChanges } from "../Tenants.ts"
import { maxListed, maxListedLength, maxNameLength, maxPolicyConfigLength, maxUrlLength } from "./bounds.ts"

/** Chains that a tenant can be set to; there is none behind an embedded gateway. */
const chains: ReadonlyArray<unknown> = ["polygon", "ethereum", "sepolia"]

const templates: ReadonlyArray<unknown> = PolicyTemplates.all.map(({ id }) => id)

const dependencies = { opa: "opaFailure", redis: "redisFailure", blockchain: "blockchainFailure" } as const

const isFailureMode = Schema.is(FailureMode)

const isString = (value: unknown): value is string => typeof value === "string"

const inWords = (value: unknown) => (isString(value) ? value : JSON.stringify(value)).slice(0, maxListedLength)

const quoted = (words: ReadonlyArray<string>) => `{${words.map((word) => `'${word}'`).join(", ")}}`

/** What is too much to remember. These checks come first, so that no other one reads what is too long. */
const wrongWithSizes = (body: typeof SettingsBody.Type): ReadonlyArray<string> => {
  const atMost = (name: string, size: number, limit: number, unit: string) =>
    size > limit ? [`${name} is too long: at most ${limit} ${unit}`] : []
  const list = (name: string, values: ReadonlyArray<unknown> | null | undefined) => [
    ...atMost(name, values?.length ?? 0, maxListed, "entries"),
    ...(values ?? []).slice(0, maxListed).flatMap((value) =>
      atMost(`an entry of ${name}`, isString(value) ? value.length : 0, maxListedLength, "characters")
    )
  ]
  return [
    ...atMost("name", body.name?.length ?? 0, maxNameLength, "characters"),
    ...atMost("webhook_url", body.webhook_url?.length ?? 0, maxUrlLength, "characters"),
    ...atMost(
      "policy_config",
      body.policy_config == null ? 0 : JSON.stringify(body.policy_config).length,
      maxPolicyConfigLength,
      "characters of JSON"
    ),
    ...atMost("failure_config", Object.keys(body.failure_config ?? {}).length, maxListed, "entries"),
    ...list("webhook_events", body.webhook_events),
    ...list("auto_approve_tools", body.auto_approve_tools)
  ]
}

const wrongWithWebhook = (url: string | null | undefined) =>
  url && !url.startsWith("https://") ? ["Webhook URL must use HTTPS"] : []

const wrongWithFailures = (config: Readonly<Record<string, unknown>>) =>
  Object.entries(config).flatMap(([dependency, mode]) => {
    if (!Object.hasOwn(dependencies, dependency)) {
      return [`Invalid dependency: ${dependency}. Valid: ${quoted(Object.keys(dependencies))}`]
    }
    return isFailureMode(mode) ? [] : [`Invalid mode: ${inWords(mode)}. Valid: ${quoted(FailureMode.literals)}`]
  })

const wrongWithPairs = (pairs: ReadonlyArray<unknown>) =>
  pairs.filter((pair) => !isString(pair) || !/^[^/].*\/[^/]+$/.test(pair)).map((pair) =>
    `Invalid auto_approve entry: ${inWords(pair)}. Must be 'tool/method'.`
  )

/**
 * Reads a PATCH. Null is absent; an unknown chain or template is ignored, as the measured gateway does; an empty URL is
 * none.
 *
 * @category getters
 * @since 0.1.0
 */
export const settingsChanges = (
  body: typeof SettingsBody.Type
): Result.Result<(tenant: Tenant) => TenantChanges, string> => {
  const [tooMuch] = wrongWithSizes(body)
  if (tooMuch !== undefined) return Result.fail(tooMuch)
  const failures = body.failure_config ?? {}
  const pairs = body.auto_approve_tools ?? []
  const [problem] = [
    ...wrongWithWebhook(body.webhook_url),
    ...wrongWithFailures(failures),
    ...wrongWithPairs(pairs)
  ]
  if (problem !== undefined) return Result.fail(problem)
  return Result.succeed((tenant) => ({
    name: body.name ?? tenant.name,
    publicDashboard: body.public_dashboard ?? tenant.publicDashboard,
    anchorChain: chains.includes(body.anchor_chain) ? body.anchor_chain! : tenant.anchorChain,
    policyTemplate: templates.includes(body.policy_template) ? body.policy_template! : tenant.policyTemplate,
    policyConfig: body.policy_config ?? tenant.policyConfig,
    webhookUrl: body.webhook_url === "" ? null : body.webhook_url ?? tenant.webhookUrl,
    webhookEvents: body.webhook_events?.filter(isString) ?? tenant.webhookEvents,
    autoApproveTools: body.auto_approve_tools?.filter(isString) ?? tenant.autoApproveTools,
    ...Object.fromEntries(
      Object.entries(failures).map(([dependency, mode]) => [Reflect.get(dependencies, dependency), mode])
    )
  }))
}
