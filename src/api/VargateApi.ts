/**
 * The whole HTTP interface of the gateway, stated once: the typed client, the embedded gateway, the test client and the
 * OpenAPI page all derive from it.
 *
 * @since 0.1.0
 */
import * as OpenApi from "effect/http-api/OpenApi"
import { AccountApi } from "./AccountApi.ts"
import { AgentsApi } from "./AgentsApi.ts"
import { AnchorsApi } from "./AnchorsApi.ts"
import { apiOf } from "./apiOf.ts"
import { ApprovalsApi } from "./ApprovalsApi.ts"
import { AuditApi } from "./AuditApi.ts"
import { ComplianceApi } from "./ComplianceApi.ts"
import { CredentialsApi } from "./CredentialsApi.ts"
import { ManagedAgentsApi } from "./ManagedAgentsApi.ts"
import { ManagedSessionsApi } from "./ManagedSessionsApi.ts"
import { MerkleApi } from "./MerkleApi.ts"
import { PoliciesApi } from "./PoliciesApi.ts"
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
export class VargateApi extends apiOf(
  ToolCallsApi,
  ApprovalsApi,
  AuditApi,
  MerkleApi,
  SubjectsApi,
  SystemApi,
  AgentsApi,
  AnchorsApi,
  ComplianceApi,
  ManagedAgentsApi,
  ManagedSessionsApi,
  TenantApi,
  TenantsApi,
  PoliciesApi,
  CredentialsApi,
  AccountApi
)
  .annotateMerge(OpenApi.annotations({
    title: "Vargate",
    description: "A supervision proxy for AI agents: governed tool calls, approvals, a verifiable audit log."
  }))
{}
