/**
 * Checkpoints that somebody kept, for what is verified without a gateway.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { Checkpoint } from "../../audit/Checkpoint.ts"
import * as Checkpoints from "../../verify/Checkpoints.ts"
import { FileFailed, Usage } from "../core/failure.ts"

/**
 * All of a file, or none where none is named.
 *
 * @internal
 */
export const readKept = Effect.fnUntraced(function*(path: Option.Option<string>) {
  if (Option.isNone(path)) return []
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(files.readFileString(path.value), FileFailed.of("read", path.value))
  return yield* Effect.mapError(
    Checkpoints.fromJson(text),
    () => new Usage({ message: `${path.value} holds no checkpoints.` })
  )
})

/**
 * Those that are about one log. Where there are some of several tenants, the log is read a first time to learn its own.
 *
 * @internal
 */
export const ofTenant = <E, R>(
  kept: ReadonlyArray<Checkpoint>,
  tenantId: Effect.Effect<string | undefined, E, R>
): Effect.Effect<ReadonlyArray<Checkpoint>, E, R> =>
  new Set(kept.map(({ tenantId }) => tenantId)).size < 2
    ? Effect.succeed(kept)
    : Effect.map(tenantId, (own) => kept.filter(({ tenantId }) => tenantId === own))
