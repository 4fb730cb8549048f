/**
 * Reads pages of the audit log that hold records which the gateway cannot show, and steps over those.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { OperationError } from "../../errors/VargateError.ts"

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
  read: (options: { readonly limit: number; readonly offset: number }) => Effect.Effect<A, OperationError>,
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
