import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { PolicyBundle } from "../../src/operator/PolicyRules.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { profile, run } from "../support/operations.ts"
import { hasCaptures, reason, routes, time } from "./captures.ts"
import { type Raw, rows, suite } from "./suite.ts"

const profileOf = (body: Raw) => ({
  tenantId: body["tenant_id"],
  name: body["name"],
  email: body["email"] ?? null,
  githubLogin: body["github_login"] ?? null,
  keyPrefix: body["api_key_prefix"],
  slug: body["slug"] ?? null,
  publicDashboard: body["public_dashboard"],
  anchorChain: body["anchor_chain"],
  autoApproveTools: body["auto_approve_tools"],
  createdAt: time(body["created_at"]),
  activated: body["activated"],
  stats: body["stats"] && {
    totalActions: body["stats"]["total_actions"],
    allowed: body["stats"]["allowed"],
    denied: body["stats"]["denied"]
  }
})

suite({ route: "GET /dashboard/me", operation: "Tenant.me", expected: profileOf })

suite({
  route: "PATCH /dashboard/settings",
  operation: "Tenant.apply",
  expected: (body) => ({
    profile: profileOf(profile as unknown as Raw),
    confirmed: ["name"],
    unconfirmed: [],
    webhookSecret: body["webhook_secret"] && { redacted: body["webhook_secret"] }
  })
})

const isUndelivered = ({ status }: { readonly status: number }) => status === 502

suite({
  route: "POST /webhooks/test",
  operation: "Tenant.testWebhook",
  expected: (body) => body["webhook_url"],
  isFailure: isUndelivered
})

describe.skipIf(!hasCaptures)(`POST /webhooks/test (${reason})`, () => {
  it.effect.each(routes["POST /webhooks/test"].filter(isUndelivered))(
    "was not delivered $file",
    ({ status, text }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(run("Tenant.testWebhook", ScriptedTransport.text(status, text)))
        assert(error._tag === "VargateError" && error.reason._tag === "WebhookUndelivered")
        const { message, webhook_url } = JSON.parse(text)
        assert.strictEqual(error.reason.detail, message)
        assert.strictEqual(error.reason.origin, new URL(webhook_url).origin)
        assert.notInclude(JSON.stringify(error), new URL(webhook_url).pathname)
      })
  )
})

const entry = (row: Raw) => ({
  tenantId: row["tenant_id"],
  name: row["name"],
  keyPrefix: row["api_key_prefix"],
  createdAt: time(row["created_at"]),
  rateLimit: row["rate_limit_rps"],
  burst: row["rate_limit_burst"]
})

suite({
  route: "POST /tenants",
  operation: "TenantDirectory.create",
  expected: (body) => ({ ...entry(body), apiKey: { redacted: body["api_key"] } })
})

suite({
  route: "GET /tenants",
  operation: "TenantDirectory.list",
  expected: (body) => rows(body, "tenants").map(entry)
})

suite({ route: "GET /tenants/{tenant_id}", operation: "TenantDirectory.get", expected: entry })

// --- policies --------------------------------------------------------------------------------------------------------

const camel = (name: string) =>
  name.split("_").map((word, i) => i ? word[0]!.toUpperCase() + word.slice(1) : word).join("")

suite({
  route: "GET /policy/templates",
  operation: "Policies.templates",
  expected: (body) =>
    rows(body, "templates").map(({ config_keys, ...template }) => ({
      ...template,
      parameters: (config_keys as unknown as ReadonlyArray<string>).map(camel)
    }))
})

suite({ route: "GET /policy/rules", operation: "Policies.rules", expected: (body) => body })

describe.skipIf(!hasCaptures)(`GET /bundles/vargate/status (${reason})`, () => {
  it.effect.each(routes["GET /bundles/vargate/status"])(
    "tells a placeholder $file",
    ({ file, status, text }) =>
      Effect.gen(function*() {
        const bundle = yield* run("Policies.bundle", ScriptedTransport.text(status, text))
        assert.strictEqual((bundle as PolicyBundle).isPlaceholder, file.includes("down"))
      })
  )
})

suite({
  route: "GET /bundles/vargate/status",
  operation: "Policies.bundle",
  expected: (body) => ({
    revision: body["revision"],
    etag: body["etag"],
    ruleCount: body["rule_count"],
    updatedAt: time(body["last_updated"]),
    files: body["files"] ?? [],
    competitorDomains: body["competitor_domains"] ?? []
  })
})
