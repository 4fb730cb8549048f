/**
 * POST /tenants, GET /tenants, GET /tenants/{tenant_id}
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { TenantId } from "../../model/TenantId.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { NewTenant, TenantEntry } from "../TenantEntry.ts"
import { NewKey } from "./AccountApi.ts"

const names = {
  tenantId: "tenant_id",
  createdAt: "created_at",
  rateLimit: "rate_limit_rps",
  burst: "rate_limit_burst"
} as const

const EntryRow = Schema.Struct({
  ...TenantEntry.fields,
  createdAt: Schema.optional(Timestamp)
}).annotate({ identifier: "TenantRow" }).pipe(
  Schema.encodeKeys({ ...names, keyPrefix: "api_key_prefix" }),
  Schema.decodeTo(TenantEntry)
)

const CreatedBody = Schema.Struct({
  ...NewTenant.fields,
  apiKey: NewKey,
  createdAt: Schema.optional(Timestamp)
}).annotate({ identifier: "TenantCreated" }).pipe(
  Schema.encodeKeys({ ...names, apiKey: "api_key" }),
  Schema.decodeTo(NewTenant)
)

const CreateBody = Schema.Struct({
  tenant_id: Schema.String,
  name: Schema.String,
  rate_limit_rps: Schema.optionalKey(Schema.Int),
  rate_limit_burst: Schema.optionalKey(Schema.Int)
}).annotate({ identifier: "CreateTenantBody" })

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class TenantsApi extends HttpApiGroup.make("tenants").add(
  HttpApiEndpoint.post("create", "/tenants", { payload: CreateBody, success: CreatedBody, error: Refusals }),
  HttpApiEndpoint.get("list", "/tenants", {
    success: Schema.Struct({ tenants: Schema.Array(EntryRow) }).annotate({ identifier: "TenantsBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.get("get", "/tenants/:tenant_id", {
    params: { tenant_id: TenantId },
    success: EntryRow,
    error: Refusals
  })
).middleware(ApiKey) {}
