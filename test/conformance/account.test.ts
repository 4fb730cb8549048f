import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { run } from "../support/operations.ts"
import { hasCaptures, reason, routes, time } from "./captures.ts"
import { rows, suite } from "./suite.ts"

const redacted = (text: unknown) => ({ redacted: text })

suite({
  route: "POST /auth/session",
  operation: "Account.session",
  expected: (body) => ({ token: redacted(body["session_token"]), tenantId: body["tenant_id"] })
})

suite({
  route: "POST /api-keys/rotate",
  operation: "Account.rotateKey",
  expected: (body) => ({
    tenantId: body["tenant_id"],
    apiKey: redacted(body["api_key"]),
    rotatedAt: time(body["rotated_at"])
  })
})

suite({
  route: "GET /auth/my-tenants",
  operation: "Account.tenants",
  expected: (body) =>
    rows(body, "tenants").map((row) => ({ tenantId: row["tenant_id"], name: row["name"], current: row["current"] }))
})

suite({
  route: "POST /auth/switch-tenant",
  operation: "Account.switchTenant",
  expected: () => assert.fail("none was captured")
})

const isTooMany = ({ status }: { readonly status: number }) => status === 429

suite({
  route: "POST /auth/signup",
  operation: "Account.signup",
  expected: (body) => ({ status: body["status"], email: body["email"] }),
  isFailure: isTooMany
})

describe.skipIf(!hasCaptures)(`POST /auth/signup (${reason})`, () => {
  it.effect.each(routes["POST /auth/signup"].filter(isTooMany))(
    "came too often $file",
    ({ status, text }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(run("Account.signup", ScriptedTransport.text(status, text)))
        assert(error._tag === "RateLimited")
        assert.isAtLeast(Duration.toSeconds(error.retryAfter), 1)
      })
  )
})

suite({
  route: "GET /auth/verify-email",
  operation: "Account.verifyEmail",
  expected: (body) => ({
    tenantId: body["tenant_id"],
    apiKey: redacted(body["api_key"]),
    session: { token: redacted(body["session_token"]), tenantId: body["tenant_id"] },
    dashboardUrl: body["dashboard_url"]
  })
})
