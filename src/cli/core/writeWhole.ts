/**
 * Files that only their owner can read, and that are there as a whole or not at all.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { randomUUID } from "node:crypto"
import { whileInUse } from "../../internal/whileInUse.ts"
import { FileFailed } from "./failure.ts"

/**
 * Written beside the old file with mode 0600, forced to the disk, then put in its place. A link stays a link.
 *
 * @internal
 */
export const writeWhole = Effect.fnUntraced(function*(path: string, text: string) {
  const files = yield* FileSystem.FileSystem
  const place = yield* Effect.orElseSucceed(files.realPath(path), () => path)
  const draft = `${place}.${randomUUID().slice(0, 8)}.new`
  const writing = Effect.scoped(Effect.gen(function*() {
    const file = yield* files.open(draft, { flag: "wx", mode: 0o600 })
    yield* file.writeAll(new TextEncoder().encode(text))
    yield* file.sync
  }))
  yield* Effect.andThen(writing, whileInUse(files.rename(draft, place))).pipe(
    Effect.onError(() => Effect.ignore(files.remove(draft, { force: true }))),
    Effect.mapError(FileFailed.of("written", path))
  )
})
