/**
 * What comes through stdin.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { FileFailed } from "./failure.ts"

/**
 * All of it, as text.
 *
 * @internal
 */
export const readStdin = Stdio.Stdio.use(({ stdin }) =>
  Stream.mkString(Stream.decodeText(stdin)).pipe(Effect.mapError(FileFailed.of("read", "stdin")))
)
