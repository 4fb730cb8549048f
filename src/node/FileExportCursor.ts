/**
 * The cursor of an export in a file.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdir } from "node:fs/promises"
import { dirname } from "node:path"
import { StorageFailed } from "../errors/VargateError.ts"
import * as ExportCursor from "../export/ExportCursor.ts"
import * as FileLock from "../internal/fileLock.ts"
import { codeOf, readIfThere, removeDrafts, writeDurably } from "./internal/durableFile.ts"

const failure = (operation: string, what: string) =>
  new StorageFailed({ operation, detail: `the cursor file cannot be used (${what})` })

/**
 * A cursor in the JSON file at a path, which comes into being with the first acknowledgement, for this user alone. Its folder
 * is made where it is missing.
 *
 * **Details**
 *
 * As long as the scope lives the file is locked by `{path}.lock`, which the system frees however the process ends. Fails with
 * `StorageFailed` where another export holds it: two would write over each other's cursor.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: (path: string) => Effect.Effect<ExportCursor.ExportCursor, StorageFailed, Scope.Scope> = Effect
  .fnUntraced(function*(path: string) {
    const attempt = <A>(operation: string, action: () => Promise<A>) =>
      Effect.tryPromise({ try: action, catch: (cause) => failure(operation, codeOf(cause)) })
    yield* attempt("ExportCursor.open", () => mkdir(dirname(path), { recursive: true, mode: 0o700 }))
    yield* Effect.mapError(
      FileLock.acquire(path),
      ({ detail, isHeld }) => failure("ExportCursor.open", isHeld ? "another export is using it" : detail)
    )
    const target = yield* attempt("ExportCursor.open", async () => FileLock.canonicalPath(path))
    yield* attempt("ExportCursor.open", () => removeDrafts(target))
    return ExportCursor.make({
      read: attempt("ExportCursor.read", () => readIfThere(target)),
      write: (text) => attempt("ExportCursor.write", () => writeDurably(target, text))
    })
  })
