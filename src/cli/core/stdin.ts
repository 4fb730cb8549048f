/**
 * What comes through stdin.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { concatBytes } from "../../internal/concatBytes.ts"
import { FileFailed } from "./failure.ts"
import { decodeText } from "./readText.ts"

/**
 * All of it, as text.
 *
 * @internal
 */
export const readStdin = Stdio.Stdio.use(({ stdin }) =>
  Effect.map(Stream.runCollect(stdin), (pieces) => decodeText(concatBytes(pieces))).pipe(
    Effect.mapError(FileFailed.of("read", "stdin"))
  )
)
