/**
 * The whole HTTP interface of the gateway, stated once: the typed client, the embedded gateway, the test client and the
 * OpenAPI page all derive from it.
 *
 * @since 0.1.0
 */
import * as OpenApi from "effect/http-api/OpenApi"
import { ApprovalsApi } from "./approvals/wire/ApprovalsApi.ts"
import { AuditApi } from "./audit/wire/AuditApi.ts"
import { SubjectsApi } from "./audit/wire/SubjectsApi.ts"
import { McpDoorApi } from "./calls/wire/McpDoorApi.ts"
import { ToolCallsApi } from "./calls/wire/ToolCallsApi.ts"
import { AccountApi } from "./operator/wire/AccountApi.ts"
import { AgentsApi } from "./operator/wire/AgentsApi.ts"
import { AnchorsApi } from "./operator/wire/AnchorsApi.ts"
import { ComplianceApi } from "./operator/wire/ComplianceApi.ts"
import { CredentialsApi } from "./operator/wire/CredentialsApi.ts"
import { ManagedAgentsApi } from "./operator/wire/ManagedAgentsApi.ts"
import { ManagedSessionsApi } from "./operator/wire/ManagedSessionsApi.ts"
import { PoliciesApi } from "./operator/wire/PoliciesApi.ts"
import { SystemApi } from "./operator/wire/SystemApi.ts"
import { TenantApi } from "./operator/wire/TenantApi.ts"
import { TenantsApi } from "./operator/wire/TenantsApi.ts"
import { apiOf } from "./transport/wire/apiOf.ts"
import { MerkleApi } from "./verify/wire/MerkleApi.ts"

/**
 * All groups.
 *
 * @category api
 * @since 0.1.0
 */
export class VargateApi extends apiOf(
  ToolCallsApi,
  McpDoorApi,
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
