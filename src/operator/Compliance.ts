/**
 * The package that the gateway puts together for an auditor.
 *
 * **Example** (Writing the report of a quarter)
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { DateTime, Effect } from "effect"
 * import { Compliance } from "effect-vargate"
 *
 * const report = Compliance.writePdf("report.pdf", {
 *   from: DateTime.makeUnsafe("2026-07-01"),
 *   to: DateTime.makeUnsafe("2026-09-30")
 * }).pipe(Effect.provide(NodeFileSystem.layer))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { AuditApi } from "../audit/wire/AuditApi.ts"
import { checkInput } from "../errors/internal/checkInput.ts"
import { type OperationError, UnexpectedResponse, VargateError } from "../errors/VargateError.ts"
import { whileInUse } from "../internal/whileInUse.ts"
import { byteStream } from "../transport/internal/byteStream.ts"
import * as Transport from "../transport/Transport.ts"
import type { ComplianceExport } from "./ComplianceExport.ts"
import { ComplianceApi } from "./wire/ComplianceApi.ts"

/**
 * What to export. The days are those of UTC, and both are included; the first must not be after the last.
 *
 * @category options
 * @since 0.1.0
 */
export interface ExportOptions {
  /** Default: the key's tenant, which is asked for first (GET /audit/log). A gateway exports no other. */
  readonly tenantId?: string | undefined
  /** Default: 2020-01-01. */
  readonly from?: DateTime.DateTime | undefined
  /** Default: today. */
  readonly to?: DateTime.DateTime | undefined
}

/**
 * Exports a tenant's log with what the gateway says about it.
 *
 * **When to use**
 *
 * Where a report in the gateway's own words is asked for. It proves nothing: to hand over something that others can
 * verify, see `Evidence`.
 *
 * @category services
 * @since 0.1.0
 */
export class Compliance extends Context.Service<Compliance, {
  /** As values (GET /compliance/export/{tenant_id}). `Forbidden` for another tenant. */
  readonly export: (options?: ExportOptions) => Effect.Effect<ComplianceExport, OperationError>
  /**
   * As the bytes of a PDF, while they arrive (`format=pdf`). `NotSupported` on a gateway that cannot print. The
   * transport's deadline holds for each piece, and its limit for all of them.
   */
  readonly pdf: (options?: ExportOptions) => Stream.Stream<Uint8Array, OperationError>
}>()("effect-vargate/Compliance") {}

const dayOf = DateTime.formatIsoDateUtc

const Day = Schema.optional(Schema.Union([Schema.DateTimeUtc, Schema.DateTimeZoned]))

const checkOptions = checkInput(
  "options",
  Schema.Struct({ tenantId: Schema.optional(Schema.String), from: Day, to: Day }).check(
    // A gateway would export nothing, as if there were nothing.
    Schema.makeFilter(({ from, to }) => from === undefined || to === undefined || dayOf(from) <= dayOf(to), {
      expected: "a first day that is not after the last"
    })
  )
)

const mediaType = "application/pdf"

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(ComplianceApi)

  const requestFor = Effect.fnUntraced(function*(
    operation: Transport.Operation,
    options: ExportOptions,
    format: "json" | "pdf"
  ) {
    const { from, tenantId, to } = yield* checkOptions(operation.name, options)
    const tenant_id = tenantId ?? (yield* ownTenant(transport, operation))
    return {
      params: { tenant_id },
      query: {
        format,
        ...(from === undefined ? {} : { from: dayOf(from) }),
        ...(to === undefined ? {} : { to: dayOf(to) })
      }
    }
  })

  const exportJson = Effect.fn("Compliance.export")(function*(options: ExportOptions = {}) {
    const operation = { name: "Compliance.export", sideEffect: "none" } as const
    const request = yield* requestFor(operation, options, "json")
    const answer = yield* transport.request(operation, client.compliance.export(request))
    return Stream.isStream(answer) ? yield* unexpected(operation, mediaType) : answer
  })

  const openPdf = Effect.fnUntraced(function*(options: ExportOptions) {
    const operation = { name: "Compliance.pdf", sideEffect: "none", leaveOpen: mediaType } as const
    const request = yield* requestFor(operation, options, "pdf")
    return byteStream(
      transport,
      operation,
      Effect.gen(function*() {
        const answer = yield* client.compliance.export(request)
        return Stream.isStream(answer) ? answer : yield* unexpected(operation, "application/json")
      })
    )
  })

  const pdf = (options: ExportOptions = {}) => Stream.unwrap(openPdf(options)).pipe(Stream.withSpan("Compliance.pdf"))

  return Compliance.of({ export: exportJson, pdf })
})

const ownTenant = Effect.fnUntraced(
  function*(transport: Transport.Transport["Service"], operation: Transport.Operation) {
    const { tenantId } = yield* transport.request(
      operation,
      transport.client(AuditApi).audit.log({ query: { limit: 0 } })
    )
    return tenantId ?? (yield* new VargateError({
      operation: operation.name,
      reason: new UnexpectedResponse({
        status: 200,
        contentType: "application/json",
        excerpt: "",
        detail: "the audit log does not say whose it is; give the tenantId",
        sideEffect: "none"
      })
    }))
  }
)

const unexpected = ({ name }: Transport.Operation, contentType: string) =>
  new VargateError({
    operation: name,
    reason: new UnexpectedResponse({
      status: 200,
      contentType,
      excerpt: "",
      detail: "the export has another format than was asked for",
      sideEffect: "none"
    })
  })

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Compliance, never, Transport.Transport> = Layer.effect(Compliance, make)

/**
 * Writes the export as a PDF to a file. The file comes into being, or changes, only when all of it has arrived: until
 * then it is written beside its place, under another name. A link stays a link.
 *
 * @category exporting
 * @since 0.1.0
 */
export const writePdf = (
  path: string,
  options?: ExportOptions
): Effect.Effect<void, OperationError | PlatformError.PlatformError, Compliance | FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const compliance = yield* Compliance
    const files = yield* FileSystem.FileSystem
    const place = yield* Effect.orElseSucceed(files.realPath(path), () => path)
    // Two exports to the same place must not write into one another.
    const draft = `${place}.${(yield* Random.next).toString(36).slice(2)}.part`
    const write = Effect.gen(function*() {
      const file = yield* files.open(draft, { flag: "wx", mode: 0o600 })
      yield* Stream.runForEach(compliance.pdf(options), (piece) => file.writeAll(piece))
      yield* file.sync
    }).pipe(Effect.scoped)
    yield* Effect.andThen(write, whileInUse(files.rename(draft, place))).pipe(
      Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : Effect.ignore(files.remove(draft, { force: true })))
    )
  })
