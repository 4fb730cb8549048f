/**
 * Failures of a database as those of what is stored in it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { StorageFailed } from "../../errors/VargateError.ts"
import { whileBusy } from "../../internal/sqliteClient.ts"

/**
 * Runs each statement, or each transaction, again where it was not run since another process was writing.
 *
 * @internal
 */
export const storageFailed =
  (operation: string) =>
  <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StorageFailed, R> =>
    effect.pipe(
      whileBusy,
      Effect.mapError((error) => new StorageFailed({ operation, detail: error.message.split("\n")[0]! }))
    )
