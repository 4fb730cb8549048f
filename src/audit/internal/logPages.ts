/**
 * Reads the audit log page by page, and steps over records which the gateway cannot show.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { OperationError } from "../../errors/VargateError.ts"
import type { AuditPage, AuditRecord } from "../AuditRecord.ts"

type Read<A> = (options: { readonly limit: number; readonly offset: number }) => Effect.Effect<A, OperationError>

/**
 * A part of what was asked for: a page, or one record that cannot be shown.
 *
 * @internal
 */
export type Part<A> =
  | { readonly _tag: "Page"; readonly offset: number; readonly page: A }
  | { readonly _tag: "Gap"; readonly offset: number }

/** So many unreadable records in one page mean that the gateway is down, and not that each of them is at fault. */
const maxGaps = 16

/** A record nested too deep makes every page that contains it answer 500, permanently. */
const isPoisoned = (error: OperationError): boolean =>
  error._tag === "VargateError" && error.reason._tag === "GatewayFault" && error.reason.status === 500

/**
 * Reads `limit` records from `offset` on; where that answers 500, its halves, down to single records, and leaves out
 * those. Returns the parts newest first. Fails where too many cannot be shown.
 *
 * @internal
 */
export const stepOver = <A>(
  read: Read<A>,
  limit: number,
  offset: number
): Effect.Effect<ReadonlyArray<Part<A>>, OperationError> => {
  let gaps = 0
  const go = (limit: number, offset: number): Effect.Effect<ReadonlyArray<Part<A>>, OperationError> =>
    read({ limit, offset }).pipe(
      Effect.map((page): ReadonlyArray<Part<A>> => [{ _tag: "Page", offset, page }]),
      Effect.catchIf(isPoisoned, (error) => {
        if (limit === 1) {
          return ++gaps > maxGaps
            ? Effect.fail(error)
            : Effect.succeed<ReadonlyArray<Part<A>>>([{ _tag: "Gap", offset }])
        }
        const half = Math.floor(limit / 2)
        return Effect.zipWith(
          go(half, offset),
          go(limit - half, offset + half),
          (newer, older) => [...newer, ...older]
        )
      })
    )
  return go(limit, offset)
}

/**
 * What the reader of a page found in it.
 *
 * @internal
 */
export interface PageFindings {
  readonly rows: number
  /** How many records the log holds. */
  readonly total: number
  /** Nothing older is wanted. */
  readonly isEnough: boolean
}

/**
 * Reads the log newest first, page by page, to its end or as far as is wanted. `gap` hears of each record that cannot be shown, in its turn.
 * Records that are appended meanwhile shift the pages: some come twice, none is missed.
 *
 * @internal
 */
export const forEachPage = Effect.fnUntraced(function*<A, E>(
  read: Read<A>,
  { firstPageSize, pageSize }: { readonly firstPageSize: number; readonly pageSize: number },
  take: { readonly page: (page: A) => Effect.Effect<PageFindings, E>; readonly gap: () => void }
): Effect.fn.Return<void, OperationError | E> {
  let offset = 0
  let isEnough = false
  for (let limit = firstPageSize;; limit = pageSize) {
    let isOver = true
    for (const part of yield* stepOver(read, limit, offset)) {
      offset = part.offset + 1
      isOver = false
      if (part._tag === "Gap") {
        take.gap()
        continue
      }
      const page = yield* take.page(part.page)
      offset = part.offset + page.rows
      isOver = page.rows === 0 || offset >= page.total
      if (page.isEnough) isEnough = true
    }
    if (isOver || isEnough) return
  }
})

/** @internal */
export type ReadPage = Read<AuditPage>

/**
 * A page without the records in it that cannot be shown.
 *
 * @internal
 */
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
