/**
 * A page of the audit log that steps over records which the gateway cannot show.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { AuditPage, AuditRecord } from "../domain/AuditRecord.ts"
import type { OperationError } from "../VargateError.ts"

/** @internal */
export type ReadPage = (options: {
  readonly limit: number
  readonly offset: number
}) => Effect.Effect<AuditPage, OperationError>

/** @internal */
export interface SteppingPage {
  readonly records: ReadonlyArray<AuditRecord>
  /** Offsets of records that cannot be shown. */
  readonly gaps: ReadonlyArray<number>
  /** Undefined where nothing of the page could be read. */
  readonly total: number | undefined
}

/** A record nested too deep makes every page that holds it answer 500, for ever. */
const isPoisoned = (error: OperationError): boolean =>
  error._tag === "VargateError" && error.reason._tag === "GatewayFault" && error.reason.status === 500

/**
 * Reads a page; where it answers 500, reads its halves, down to single records, and leaves out those.
 *
 * @internal
 */
export const readStepping = (
  page: ReadPage,
  limit: number,
  offset: number
): Effect.Effect<SteppingPage, OperationError> =>
  page({ limit, offset }).pipe(
    Effect.map(({ records, total }): SteppingPage => ({ records, gaps: [], total })),
    Effect.catchIf(isPoisoned, () => {
      if (limit === 1) return Effect.succeed<SteppingPage>({ records: [], gaps: [offset], total: undefined })
      const half = Math.floor(limit / 2)
      return Effect.zipWith(
        readStepping(page, half, offset),
        readStepping(page, limit - half, offset + half),
        (newer, older): SteppingPage => ({
          records: [...newer.records, ...older.records],
          gaps: [...newer.gaps, ...older.gaps],
          total: newer.total ?? older.total
        })
      )
    })
  )
