/**
 * Accounts, sessions and keys, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { randomUUID } from "node:crypto"
import { KeyScope } from "../../../model/KeyScope.ts"
import { Membership, RotatedKey, SignupReceipt } from "../../../operator/Session.ts"
import { type Bond, CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import {
  BadGateway502,
  BadRequest400,
  Conflict409,
  Forbidden403,
  TooManyRequests429,
  Unauthorized401,
  Unprocessable422
} from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { hashOfKey, newKey } from "../../tenants/internal/apiKeys.ts"
import { maxNameLength, maxTenants } from "../../tenants/internal/bounds.ts"
import { emailDomain } from "../../tenants/internal/emailAddress.ts"
import { ScopedKeys } from "../../tenants/ScopedKeys.ts"
import { Sessions } from "../../tenants/Sessions.ts"
import { Signups } from "../../tenants/Signups.ts"
import { isOfOnePerson, type Tenant, Tenants } from "../../tenants/Tenants.ts"
import { clientAddress, holderOf, TrustedProxies } from "../clientAddress.ts"

const disposable = new Set(["mailinator.com", "guerrillamail.com", "10minutemail.com", "tempmail.com", "yopmail.com"])

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "account",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants
    const scopedKeys = yield* ScopedKeys
    const sessions = yield* Sessions
    const signups = yield* Signups
    const isTrustedProxy = yield* TrustedProxies

    return handlers
      .handle(
        "session",
        Effect.fnUntraced(function*() {
          const { apiKey, bonds, scopes } = yield* CurrentTenant
          const tenant = yield* tenants.current
          return apiKey === undefined
            ? yield* Effect.fail(Unprocessable422.make({
              detail: [{ type: "missing", loc: ["header", "x-api-key"], msg: "Field required" }]
            }))
            : { session_token: yield* sessions.open(tenant, scopes, bonds), tenant_id: tenant.id }
        })
      )
      .handle(
        "rotateKey",
        Effect.fnUntraced(function*() {
          const current = yield* CurrentTenant
          const tenant = yield* tenants.current
          const apiKey = newKey()
          if (current.keyName !== undefined) {
            yield* scopedKeys.put(tenant.id, { name: current.keyName, scopes: current.scopes, apiKey })
            return new RotatedKey({ tenantId: tenant.id, apiKey, rotatedAt: yield* DateTime.now })
          }
          // Another request may rotate at the same moment, and then the key of this request is no longer valid.
          return (yield* tenants.rotateKey(tenant.id, current.apiKey ?? tenant.apiKey, apiKey))
            ? new RotatedKey({ tenantId: tenant.id, apiKey, rotatedAt: yield* DateTime.now })
            : yield* Effect.fail(Unauthorized401.make({ detail: "Invalid API key" }))
        })
      )
      .handle(
        "tenants",
        Effect.fnUntraced(function*() {
          const current = yield* tenants.current
          const mine = (yield* tenants.all).filter((tenant) => isOfOnePerson(tenant, current))
          return {
            tenants: mine.map(({ id, name }) => new Membership({ tenantId: id, name, current: id === current.id }))
          }
        })
      )
      .handle(
        "switchTenant",
        Effect.fnUntraced(function*({ payload: { tenant_id: id } }) {
          if (id === undefined || id === "") {
            return yield* Effect.fail(BadRequest400.make({ detail: "tenant_id required" }))
          }
          const { bonds, scopes } = yield* CurrentTenant
          const current = yield* tenants.current
          if (current.githubLogin === null) {
            return yield* Effect.fail(
              Forbidden403.make({ detail: "Cannot switch tenants without GitHub authentication" })
            )
          }
          const target = yield* tenants.byId(id)
          return target !== undefined && isOfOnePerson(target, current)
            ? {
              session_token: yield* sessions.open(target, scopes, [bondOf(target), ...bonds]),
              tenant_id: target.id
            }
            : yield* Effect.fail(Forbidden403.make({ detail: "No access to this tenant" }))
        })
      )
      .handle(
        "signup",
        Effect.fnUntraced(function*({ payload: { email, name }, request }) {
          // Without a way to send mail no sign-up is read.
          if (!signups.isOpen) {
            return yield* Effect.fail(BadGateway502.make({ detail: "This gateway has no way to send mail" }))
          }
          const domain = emailDomain(email)
          if (domain === undefined) return yield* Effect.fail(BadRequest400.make({ detail: "Invalid email format" }))
          if (disposable.has(domain.toLowerCase())) {
            return yield* Effect.fail(BadRequest400.make({ detail: "Disposable email addresses are not allowed" }))
          }
          if (name.length > maxNameLength) {
            return yield* Effect.fail(
              BadRequest400.make({ detail: `The name is too long: at most ${maxNameLength} characters` })
            )
          }
          if ((yield* tenants.byEmail(email)) !== undefined) {
            return yield* Effect.fail(Conflict409.make({ detail: "Email already registered" }))
          }
          const from = holderOf(clientAddress(request, isTrustedProxy))
          return (yield* signups.begin({ email, name }, from))
            ? new SignupReceipt({ status: "verification_sent", email })
            : yield* Effect.fail(TooManyRequests429.make({
              detail: "Too many sign-ups wait to be confirmed. Look for the mail, or try again tomorrow."
            }))
        })
      )
      .handle(
        "verifyEmail",
        Effect.fnUntraced(function*({ query: { token } }) {
          const applicant = yield* signups.redeem(token)
          const tenant = applicant && (yield* open(tenants, applicant))
          return tenant === undefined
            ? yield* Effect.fail(BadRequest400.make({ detail: "Invalid or expired verification token" }))
            : {
              status: "verified",
              tenant_id: tenant.id,
              api_key: tenant.apiKey,
              session_token: yield* sessions.open(tenant, KeyScope.literals, [bondOf(tenant)]),
              dashboard_url: `/dashboard/${tenant.slug}`
            }
        })
      )
  })
)

/** What opens a session by the tenant's first key ends with it. */
const bondOf = ({ apiKey, id }: Tenant): Bond => ({ tenantId: id, name: null, hash: hashOfKey(apiKey) })

/** Undefined where the address has a tenant by now. */
const open = Effect.fnUntraced(function*(
  tenants: Tenants["Service"],
  { email, name }: { readonly email: string; readonly name: string }
) {
  if ((yield* tenants.count) >= maxTenants) return undefined
  const slug = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "") || "tenant"
  for (let attempt = 1;; attempt++) {
    // A name that many have had before is told apart by chance, since counting up would take longer every time.
    const suffix = attempt > 20 ? randomUUID().slice(0, 8) : attempt
    const id = attempt === 1 ? slug : `${slug}-${suffix}`
    const added = yield* tenants.add({ id, slug: id, name, email, apiKey: newKey() })
    if (added !== undefined || (yield* tenants.byEmail(email)) !== undefined) return added
  }
})
