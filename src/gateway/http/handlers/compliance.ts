/**
 * Compliance exports, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { ExportedRecord } from "../../../operator/ComplianceExport.ts"
import { Forbidden403, NotImplemented501 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { Ledger } from "../../ledger/Ledger.ts"
import { MerkleTrees } from "../../ledger/MerkleTrees.ts"
import { type Days, reportOf, sampled, within } from "../../reports/complianceReport.ts"
import { gathered } from "../../reports/gathered.ts"
import { PdfPrinter } from "../../reports/PdfPrinter.ts"
import { type Tenant, Tenants } from "../../tenants/Tenants.ts"

const firstDay = "2020-01-01"

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "compliance",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants
    const ledger = yield* Ledger
    const merkle = yield* MerkleTrees
    const print = yield* PdfPrinter
    // Each holds all of its records, so there is one at a time.
    const making = yield* Semaphore.make(1)

    const gather = Effect.fnUntraced(function*(tenant: Tenant, days: Days, now: DateTime.Utc) {
      const isWithin = within(days)
      const records = yield* ledger.stream(tenant.id).pipe(
        Stream.filter(({ requestedAt }) => isWithin(requestedAt)),
        Stream.map((record) => new ExportedRecord(record)),
        (records) => gathered(records, "Choose fewer days with from and to, or read the audit log")
      )
      const trees = (yield* merkle.trees(tenant.id)).filter(({ periodEnd, periodStart }) =>
        isWithin(periodStart) && isWithin(periodEnd)
      )
      const proofs = yield* merkle.proofs(tenant.id, sampled(records))
      return reportOf({ tenant, days, now, records, trees, proofs })
    }, making.withPermits(1))

    return handlers.handle(
      "export",
      Effect.fnUntraced(function*({ params, query }) {
        const tenant = yield* tenants.current
        if (params.tenant_id !== tenant.id) {
          return yield* Effect.fail(Forbidden403.make({ detail: "You can only export your own tenant's data" }))
        }
        const now = yield* DateTime.now
        const days = { from: query.from ?? firstDay, to: query.to ?? DateTime.formatIsoDateUtc(now) }
        if (query.format !== "pdf") return yield* gather(tenant, days, now)
        if (print === undefined) {
          return yield* Effect.fail(NotImplemented501.make({
            detail: "PDF generation requires a printer: give the gateway the option printPdf, or export as JSON"
          }))
        }
        return Stream.succeed(yield* Effect.orDie(print(yield* gather(tenant, days, now))))
      })
    )
  })
)
