/**
 * Nothing is done where nothing can be recorded.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { StorageError } from "../sqlite/StorageError.ts"

/**
 * The ledger could not keep what was about to be done, so it was not done. The HTTP interface answers 503.
 *
 * @category errors
 * @since 0.1.0
 */
export class LedgerUnavailable extends Data.TaggedError("LedgerUnavailable")<{
  /** Without the file's path, which is no client's business. */
  readonly detail: string
}> {}

/**
 * For the steps before an effect: a gateway's file that cannot be used refuses the call.
 *
 * @category combinators
 * @since 0.1.0
 */
export const beforeEffect = <A, E, R>(steps: Effect.Effect<A, E, R>): Effect.Effect<A, E | LedgerUnavailable, R> =>
  Effect.catchDefect(steps, (defect) =>
    defect instanceof StorageError
      ? Effect.andThen(
        Effect.logError("The ledger cannot be written, and calls are refused", defect),
        Effect.fail(new LedgerUnavailable({ detail: `the gateway's file ${defect.detail}` }))
      )
      : Effect.die(defect))
