/**
 * The directory of tenants, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Schema from "effect/Schema"
import { TenantId } from "../../../model/TenantId.ts"
import { NewTenant, TenantEntry } from "../../../operator/TenantEntry.ts"
import { Conflict409, NotFound404, TooManyRequests429, Unprocessable422 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { keyPrefix, newKey } from "../../tenants/internal/apiKeys.ts"
import { maxBurst, maxNameLength, maxTenants } from "../../tenants/internal/bounds.ts"
import { isOfOnePerson, reportedRate, type Tenant, Tenants } from "../../tenants/Tenants.ts"

/**
 * The handlers of this group. A tenant sees itself and those of the same account; what it makes belongs to that account
 * too.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "tenants",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants

    return handlers
      .handle(
        "create",
        Effect.fnUntraced(function*({ payload: { name, rate_limit_burst: burst, tenant_id: id } }) {
          const wrong = wrongWith(id, name, burst)
          if (wrong !== undefined) return yield* Effect.fail(Unprocessable422.make({ detail: [wrong] }))
          if ((yield* tenants.count) >= maxTenants) {
            return yield* Effect.fail(TooManyRequests429.make({
              detail: `This gateway has ${maxTenants} tenants, and makes no more by request`
            }))
          }
          const { githubLogin } = yield* tenants.current
          const apiKey = newKey()
          const added = yield* tenants.add({ id, name, burst, apiKey, githubLogin: githubLogin ?? undefined })
          return added === undefined
            ? yield* Effect.fail(Conflict409.make({ detail: `Tenant already exists: ${id}` }))
            : new NewTenant({
              tenantId: id,
              name,
              apiKey,
              createdAt: added.createdAt,
              rateLimit: reportedRate,
              burst: added.burst
            })
        })
      )
      .handle(
        "list",
        Effect.fnUntraced(function*() {
          const current = yield* tenants.current
          const shown = (yield* tenants.all).filter((tenant) => isOfOnePerson(tenant, current))
          return { tenants: shown.map(entryOf) }
        })
      )
      .handle(
        "get",
        Effect.fnUntraced(function*({ params: { tenant_id: id } }) {
          const current = yield* tenants.current
          const tenant = yield* tenants.byId(id)
          return tenant !== undefined && isOfOnePerson(tenant, current)
            ? entryOf(tenant)
            : yield* Effect.fail(NotFound404.make({ detail: `Tenant not found: ${id}` }))
        })
      )
  })
)

const isTenantId = Schema.is(TenantId)

const wrongWith = (id: string, name: string, burst: number | undefined) => {
  const issue = (field: string, msg: string) => ({ type: "value_error", loc: ["body", field], msg })
  if (!isTenantId(id)) return issue("tenant_id", "Expected 1 to 256 characters without a slash")
  if (name === "" || name.length > maxNameLength) return issue("name", `Expected 1 to ${maxNameLength} characters`)
  return burst !== undefined && (burst < 0 || burst > maxBurst)
    ? issue("rate_limit_burst", `Expected 0 to ${maxBurst} calls`)
    : undefined
}

const entryOf = ({ apiKey, burst, createdAt, id, name }: Tenant) =>
  new TenantEntry({ tenantId: id, name, keyPrefix: keyPrefix(apiKey), createdAt, rateLimit: reportedRate, burst })
