/**
 * Refuses what a gateway's options say that the gateway does not know: a slip in a name must not switch a rule off.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { invalidRequest } from "../../../errors/internal/invalidRequest.ts"
import type { FieldIssue } from "../../../errors/Reason.ts"
import type { VargateError } from "../../../errors/VargateError.ts"
import { toCamelCase } from "../../../internal/casing.ts"
import type { SignedLog } from "../../ledger/SignedHeads.ts"
import * as PolicyTemplates from "../../policy/PolicyTemplates.ts"
import type { TenantOptions } from "../Tenants.ts"

/** The compiler keeps these complete. */
const tenantOptions: Readonly<Record<keyof TenantOptions, true>> = {
  id: true,
  apiKey: true,
  name: true,
  email: true,
  githubLogin: true,
  slug: true,
  publicDashboard: true,
  anchorChain: true,
  policyTemplate: true,
  policyConfig: true,
  opaFailure: true,
  redisFailure: true,
  blockchainFailure: true,
  autoApproveTools: true,
  webhookUrl: true,
  webhookSecret: true,
  webhookEvents: true,
  keys: true,
  burst: true,
  agentDefaults: true,
  agents: true,
  dataHandling: true
}

const templates: ReadonlyArray<string> = PolicyTemplates.all.map(({ id }) => id)

const listed = (names: ReadonlyArray<string>) => `known are ${names.join(", ")}`

const unknownKeys = (
  path: FieldIssue["path"],
  value: object,
  known: ReadonlyArray<string>
): ReadonlyArray<FieldIssue> =>
  Object.keys(value).filter((key) => !known.includes(key)).map((key) => ({
    path: [...path, key],
    message: `"${key}" is not known; ${listed(known)}`
  }))

const issuesOfTenant = (path: FieldIssue["path"], options: TenantOptions): ReadonlyArray<FieldIssue> => {
  const { policyConfig = {}, policyTemplate = PolicyTemplates.general.id } = options
  const issues = unknownKeys(path, options, Object.keys(tenantOptions))
  if (typeof policyTemplate !== "string") return issues
  if (!templates.includes(policyTemplate)) {
    const message = `"${policyTemplate}" is no template; ${
      listed(templates)
    }. One of another engine is { custom: "name" }`
    return [...issues, { path: [...path, "policyTemplate"], message }]
  }
  const names = Object.keys(PolicyTemplates.byId(policyTemplate).defaults)
  const spellings = [...names, ...names.map(toCamelCase)]
  const unknown = Object.keys(policyConfig).filter((key) => !spellings.includes(key)).map((key) => ({
    path: [...path, "policyConfig", key],
    message: `"${key}" is no parameter of ${policyTemplate}; ${listed(names.map(toCamelCase))}`
  }))
  return [...issues, ...unknown]
}

/** A key tells one story: what it signs is the log of one tenant, and stands as it is. */
const issuesOfLogs = (logs: Readonly<Record<string, SignedLog>>): ReadonlyArray<FieldIssue> => {
  const origins = new Set<string>()
  return Object.entries(logs).flatMap(([tenantId, { key: { verifier } }]) => {
    const path = ["heads", "tenants", tenantId, "key"]
    const isTaken = origins.has(verifier.name)
    origins.add(verifier.name)
    return verifier.kind !== "log"
      ? [{ path, message: "is the key of a witness; a log needs one of its own" }]
      : isTaken
      ? [{ path, message: "has the name of another tenant's: each log needs a key with a name of its own" }]
      : []
  })
}

const refuse = (operation: string, issues: ReadonlyArray<FieldIssue>): Effect.Effect<void, VargateError> =>
  issues.length === 0
    ? Effect.void
    : Effect.fail(invalidRequest(operation, issues))

/** @internal */
export const checkTenant = (operation: string, tenant: TenantOptions): Effect.Effect<void, VargateError> =>
  refuse(operation, issuesOfTenant([], tenant))

/** @internal */
export const checkOptions = (
  operation: string,
  options: object,
  known: ReadonlyArray<string>,
  tenants: ReadonlyArray<TenantOptions>,
  logs: Readonly<Record<string, SignedLog>>
): Effect.Effect<void, VargateError> =>
  refuse(operation, [
    ...unknownKeys([], options, known),
    ...tenants.flatMap((tenant, index) => issuesOfTenant(["tenants", index], tenant)),
    ...issuesOfLogs(logs)
  ])
