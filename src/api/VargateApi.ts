/**
 * The whole HTTP interface of the gateway, stated once: the typed client, the embedded gateway, the test client and the
 * OpenAPI page all derive from it.
 *
 * @since 0.1.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { AccountApi } from "./AccountApi.ts"
import { AgentsApi } from "./AgentsApi.ts"
import { AnchorsApi } from "./AnchorsApi.ts"
import { ApprovalsApi } from "./ApprovalsApi.ts"
import { AuditApi } from "./AuditApi.ts"
import { ComplianceApi } from "./ComplianceApi.ts"
import { CredentialsApi } from "./CredentialsApi.ts"
import { ManagedAgentsApi } from "./ManagedAgentsApi.ts"
import { ManagedSessionsApi } from "./ManagedSessionsApi.ts"
import { MerkleApi } from "./MerkleApi.ts"
import { PoliciesApi } from "./PoliciesApi.ts"
import { RequestValidation } from "./RequestValidation.ts"
import { SubjectsApi } from "./SubjectsApi.ts"
import { SystemApi } from "./SystemApi.ts"
import { TenantApi } from "./TenantApi.ts"
import { TenantsApi } from "./TenantsApi.ts"
import { ToolCallsApi } from "./ToolCallsApi.ts"

/**
 * All groups.
 *
 * @category api
 * @since 0.1.0
 */
export class VargateApi extends HttpApi.make("vargate")
  .add(ToolCallsApi)
  .add(ApprovalsApi)
  .add(AuditApi)
  .add(MerkleApi)
  .add(SubjectsApi)
  .add(SystemApi)
  .add(AgentsApi)
  .add(AnchorsApi)
  .add(ComplianceApi)
  .add(ManagedAgentsApi)
  .add(ManagedSessionsApi)
  .add(TenantApi)
  .add(TenantsApi)
  .add(PoliciesApi)
  .add(CredentialsApi)
  .add(AccountApi)
  .middleware(RequestValidation)
  .annotate(HttpApi.PayloadParseOptions, { errors: "all" })
  .annotateMerge(OpenApi.annotations({
    title: "Vargate",
    description: "A supervision proxy for AI agents: governed tool calls, approvals, a verifiable audit log."
  }))
{}
