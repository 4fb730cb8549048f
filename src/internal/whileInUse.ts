/**
 * Renaming a file over another one. Windows refuses that while a scanner, an indexer or a backup has the old file open,
 * which passes within moments; elsewhere nothing of the kind exists.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Schedule from "effect/Schedule"

/** 10 milliseconds at first, two and a half seconds in all. */
const pauses = Schedule.exponential("10 millis").pipe(Schedule.upTo({ times: 8 }))

/**
 * Repeats a renaming while the old file is in use.
 *
 * @internal
 */
export const whileInUse = <A, R>(
  rename: Effect.Effect<A, PlatformError.PlatformError, R>
): Effect.Effect<A, PlatformError.PlatformError, R> =>
  Effect.retry(rename, {
    schedule: pauses,
    while: ({ reason: { _tag } }) => _tag === "PermissionDenied" || _tag === "Busy"
  })
