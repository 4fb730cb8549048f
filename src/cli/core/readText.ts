/**
 * Files of the user, as text: UTF-8, or the UTF-16 that the redirections of Windows PowerShell write, with or
 * without a mark at their beginning.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"

/** @internal */
export const decodeText = (bytes: Uint8Array): string =>
  new TextDecoder(bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : "utf-8").decode(bytes)

/** @internal */
export const readText = (path: string) =>
  FileSystem.FileSystem.use((files) => Effect.map(files.readFile(path), decodeText))
