/**
 * Checkpoints that were kept, for what is verified without a gateway.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Checkpoint } from "../../audit/Checkpoint.ts"
import * as Checkpoints from "../../verify/Checkpoints.ts"
import { FileFailed, Usage } from "../core/failure.ts"
import { readText } from "../core/readText.ts"

/**
 * All of a file, or none where none is named. A file that is to be written may be missing; one that is there and holds no
 * checkpoints is named, before a gateway is asked for anything.
 *
 * @internal
 */
export const readKept = Effect.fnUntraced(function*(
  path: Option.Option<string>,
  { mayBeMissing = false }: { readonly mayBeMissing?: boolean } = {}
) {
  if (Option.isNone(path)) return []
  const text = yield* readText(path.value).pipe(
    Effect.asSome,
    Effect.catchIf(({ reason }) => mayBeMissing && reason._tag === "NotFound", () => Effect.succeedNone),
    Effect.mapError(FileFailed.of("read", path.value))
  )
  if (Option.isNone(text)) return []
  const what = text.value.trim() === "" ? "is empty" : "is no file of checkpoints"
  return yield* Effect.mapError(
    Checkpoints.fromJson(text.value),
    () => new Usage({ message: `${path.value} holds no checkpoints: it ${what}.` })
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
