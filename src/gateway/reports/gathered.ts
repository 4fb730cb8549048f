/**
 * The records of a report that carries a hash over all of itself, and so is put together in memory.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Unprocessable422 } from "../../transport/wire/ErrorBodies.ts"

/**
 * How many records a report has at most.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxReported = 10_000

/**
 * Reads records for a report, or says that there are too many, and what to ask for instead. No more is read than that
 * takes.
 *
 * @category building
 * @since 0.1.0
 */
export const gathered = <A, E, R>(records: Stream.Stream<A, E, R>, advice: string) =>
  Stream.runCollect(Stream.take(records, maxReported + 1)).pipe(
    Effect.flatMap((all) =>
      all.length <= maxReported
        ? Effect.succeed(all)
        : Effect.fail(Unprocessable422.make({ detail: `A report has at most ${maxReported} records. ${advice}` }))
    )
  )
