/**
 * GET /health, GET /metrics, GET /transparency, GET /transparency/{tenant_id}, GET /dashboard/public/{slug},
 * GET /gtm/stats, POST /backup/trigger
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { TenantId } from "../../model/TenantId.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { NotImplemented501, Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Backup } from "../Backup.ts"
import { Health } from "../Health.ts"
import { OutreachStats } from "../Transparency.ts"
import { MetricsText } from "./MetricsText.ts"
import { PublicDashboardBody, TransparencyBody } from "./TransparencyBodies.ts"

const HealthBody = Schema.Struct(Health.fields).pipe(
  Schema.encodeKeys({
    merkleTrees: "merkle_trees",
    merkleTreeCount: "merkle_tree_count",
    connectedChains: "connected_chains",
    sepoliaMerkle: "sepolia_merkle"
  }),
  Schema.decodeTo(Health)
)

const StatsBody = Schema.Struct(OutreachStats.fields).annotate({ identifier: "OutreachStatsBody" }).pipe(
  Schema.encodeKeys({
    sentToday: "daily_sends",
    dailyCap: "daily_cap",
    remainingToday: "daily_remaining",
    sentEver: "total_sends",
    recipients: "unique_recipients",
    cooldownDays: "cooldown_days"
  }),
  Schema.decodeTo(OutreachStats)
)

const BackupBody = Schema.Struct({
  status: Schema.String,
  backup: Schema.Struct(Backup.fields).pipe(
    Schema.encodeKeys({ sizeBytes: "size_bytes", durationMs: "duration_ms" }),
    Schema.decodeTo(Backup)
  )
}).annotate({ identifier: "BackupBody" })

/**
 * The routes of this group. Only the last two need a key.
 *
 * @category groups
 * @since 0.1.0
 */
export class SystemApi extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("health", "/health", { success: HealthBody, error: Refusals }),
  HttpApiEndpoint.get("metrics", "/metrics", {
    success: MetricsText.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" })),
    error: Refusals
  }),
  HttpApiEndpoint.get("transparency", "/transparency", { success: TransparencyBody, error: Refusals }),
  HttpApiEndpoint.get("transparencyOf", "/transparency/:tenant_id", {
    params: { tenant_id: TenantId },
    success: TransparencyBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("publicDashboard", "/dashboard/public/:slug", {
    params: { slug: TenantId },
    success: PublicDashboardBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("outreach", "/gtm/stats", {
    success: StatsBody,
    error: [...Refusals, NotImplemented501]
  }).middleware(ApiKey),
  HttpApiEndpoint.post("backup", "/backup/trigger", {
    success: BackupBody,
    error: [...Refusals, NotImplemented501]
  }).middleware(ApiKey)
) {}
