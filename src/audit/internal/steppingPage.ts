/**
 * A page of the audit log that steps over records which the gateway cannot show.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { OperationError } from "../../errors/VargateError.ts"
import type { AuditPage, AuditRecord } from "../AuditRecord.ts"
import { stepOver } from "./stepOver.ts"

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

/**
 * Reads a page without the records in it that cannot be shown.
 *
 * @internal
 */
export const readStepping = (
  page: ReadPage,
  limit: number,
  offset: number
): Effect.Effect<SteppingPage, OperationError> =>
  Effect.map(stepOver(page, limit, offset), (parts) => {
    const pages = parts.flatMap((part) => part._tag === "Page" ? [part.page] : [])
    return {
      records: pages.flatMap(({ records }) => records),
      gaps: parts.flatMap(({ _tag, offset }) => _tag === "Gap" ? [offset] : []),
      total: pages[0]?.total
    }
  })
