/**
 * The gateway itself: health, metrics and what the public may see, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Health } from "../../../operator/Health.ts"
import { PublicDashboard } from "../../../operator/Transparency.ts"
import { Forbidden403, NotFound404, NotImplemented501 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { GatewayMetrics } from "../../calls/GatewayMetrics.ts"
import { Ledger } from "../../ledger/Ledger.ts"
import { figuresOf } from "../../reports/Figures.ts"
import { Tenants } from "../../tenants/Tenants.ts"
import { ChainVerdicts } from "../ChainVerdicts.ts"

const recentActions = 20

/**
 * The handlers of this group.
 *
 * **Details**
 *
 * On the measured gateway GET /transparency counts the records of every tenant. Here it counts those of tenants whose
 * page is public.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "system",
  Effect.fnUntraced(function*(handlers) {
    const ledger = yield* Ledger
    const tenants = yield* Tenants
    const metrics = yield* GatewayMetrics

    // Without a key: each request waits for the others, since each answer takes all of a log.
    const counting = yield* Semaphore.make(1)
    const verdicts = yield* ChainVerdicts

    const publicTenants = Effect.map(tenants.all, (all) => all.filter(({ publicDashboard }) => publicDashboard))

    return handlers
      .handle("health", () =>
        Effect.succeed(
          new Health({
            status: "ok",
            service: "effect-vargate",
            redis: false,
            blockchain: false,
            connectedChains: [],
            merkleTrees: true,
            sepoliaMerkle: false
          })
        ))
      .handle(
        "metrics",
        Effect.fnUntraced(function*() {
          const lengths = yield* Effect.forEach(
            yield* tenants.all,
            ({ id }) => Effect.map(ledger.page(id, 0, 0), ({ total }) => [id, total] as const)
          )
          return HttpServerResponse.text(yield* metrics.text(new Map(lengths)), {
            contentType: "text/plain; version=0.0.4; charset=utf-8"
          })
        })
      )
      .handle(
        "transparency",
        Effect.fnUntraced(function*() {
          const logs = Stream.flatMap(Stream.fromIterable(yield* publicTenants), ({ id }) => ledger.stream(id))
          const figures = yield* figuresOf(logs, yield* DateTime.now)
          return figures.transparency()
        }, counting.withPermits(1))
      )
      .handle(
        "transparencyOf",
        Effect.fnUntraced(function*({ params }) {
          const tenant = yield* tenants.byId(params.tenant_id)
          if (tenant === undefined) return yield* Effect.fail(NotFound404.make({ detail: "Tenant not found" }))
          if (!tenant.publicDashboard) {
            return yield* Effect.fail(
              Forbidden403.make({ detail: "Transparency data not public for this tenant" })
            )
          }
          const approvals = yield* ledger.approvalStats(tenant.id)
          const figures = yield* figuresOf(ledger.stream(tenant.id), yield* DateTime.now)
          return figures.transparency({ id: tenant.id, approvals })
        }, counting.withPermits(1))
      )
      .handle(
        "publicDashboard",
        Effect.fnUntraced(function*({ params }) {
          const tenant = (yield* publicTenants).find(({ slug }) => slug === params.slug)
          if (tenant === undefined) return yield* Effect.fail(NotFound404.make({ detail: "Dashboard not found" }))
          const figures = yield* figuresOf(ledger.stream(tenant.id), yield* DateTime.now)
          const { records } = yield* ledger.page(tenant.id, recentActions, 0)
          return new PublicDashboard({
            tenantName: tenant.name,
            slug: params.slug,
            stats: figures.counts,
            chain: yield* verdicts.verify(tenant.id),
            violations: figures.violations,
            recent: records.map((record) => ({ ...record, createdAt: record.createdAt ?? record.requestedAt }))
          })
        }, counting.withPermits(1))
      )
      .handle(
        "outreach",
        () => Effect.fail(NotImplemented501.make({ detail: "This gateway has no limits on sales messages" }))
      )
      .handle("backup", () =>
        Effect.fail(
          NotImplemented501.make({
            detail: "This gateway makes no backups by HTTP: effect-vargate backup copies its ledger"
          })
        ))
  })
)
