/**
 * The audit log: what was decided, in a chain of hashes.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { AuditPage, ChainStatus } from "./domain/AuditRecord.ts"
import * as Transport from "./Transport.ts"
import type { OperationError } from "./VargateError.ts"

/**
 * Which page of the log: `limit` records (the gateway's default is 200, at most 1000), leaving out the `offset` newest.
 *
 * @category options
 * @since 0.1.0
 */
export interface PageOptions {
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

/**
 * Reads the audit log of the key's tenant.
 *
 * @category services
 * @since 0.1.0
 */
export class AuditLog extends Context.Service<AuditLog, {
  /** One page, newest record first (GET /audit/log). Pages shift while records are appended: de-duplicate by id. */
  readonly page: (options?: PageOptions) => Effect.Effect<AuditPage, OperationError>
  /** What the gateway says about its own chain (GET /audit/verify): a claim, not a proof. */
  readonly verify: Effect.Effect<ChainStatus, OperationError>
}>()("effect-vargate/AuditLog") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport

  const page = Effect.fn("AuditLog.page")(({ limit, offset }: PageOptions = {}) =>
    transport.request({ name: "AuditLog.page", sideEffect: "none" }, (client) =>
      client.audit.log({
        query: { ...(limit === undefined ? {} : { limit }), ...(offset === undefined ? {} : { offset }) }
      }))
  )

  const verify = transport.request(
    { name: "AuditLog.verify", sideEffect: "none" },
    (client) => client.audit.verify({})
  ).pipe(Effect.withSpan("AuditLog.verify"))

  return AuditLog.of({ page, verify })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<AuditLog, never, Transport.Transport> = Layer.effect(AuditLog, make)
