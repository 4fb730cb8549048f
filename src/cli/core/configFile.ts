/**
 * `~/.vargate/config.json`, in the format of the hosted product's own command line: `api_url` and `api_key`.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { home } from "../environment.ts"
import { FileFailed, NotConfigured } from "./failure.ts"
import { readText } from "./readText.ts"
import { writeWhole } from "./writeWhole.ts"

const Fields = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

const decodeFields = Schema.decodeUnknownOption(Fields)

/** @internal */
export interface Settings {
  readonly url: string | undefined
  readonly key: Redacted.Redacted | undefined
  /** Whether others on this machine can read the file. */
  readonly isExposed: boolean
}

/** @internal */
export const defaultPath = Effect.map(Path.Path, (path) => {
  const folder = home()
  return folder === undefined ? undefined : path.join(folder, ".vargate", "config.json")
})

const textField = (fields: Readonly<Record<string, unknown>>, name: string): string | undefined => {
  const value = fields[name]
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined
}

/** Undefined where there is no file. What is in it is never part of an error: a key may be. */
const readFields = Effect.fnUntraced(function*(path: string) {
  const text = yield* readText(path).pipe(
    Effect.asSome,
    Effect.catchIf(({ reason }) => reason._tag === "NotFound", () => Effect.succeedNone),
    Effect.mapError(FileFailed.of("read", path))
  )
  if (Option.isNone(text)) return undefined
  const fields = decodeFields(text.value)
  if (Option.isSome(fields)) return fields.value
  return yield* new NotConfigured({
    message: `${path} is not a JSON object like {"api_url": ..., "api_key": ...}: correct it, or remove it and run \
\`effect-vargate init\`.`
  })
})

/** @internal */
export const read = Effect.fnUntraced(function*(path: string) {
  const fields = yield* readFields(path)
  if (fields === undefined) return undefined
  const files = yield* FileSystem.FileSystem
  const { mode } = yield* Effect.mapError(files.stat(path), FileFailed.of("read", path))
  const key = textField(fields, "api_key")
  const settings: Settings = {
    url: textField(fields, "api_url"),
    key: key === undefined ? undefined : Redacted.make(key),
    isExposed: process.platform !== "win32" && (mode & 0o077) !== 0
  }
  return settings
})

/**
 * Writes the file with mode 0600, and its folder `.vargate` with 0700. Fields of other programs stay.
 *
 * @internal
 */
export const write = Effect.fnUntraced(function*(path: string, url: string, key: Redacted.Redacted) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const others = yield* Effect.catchTag(readFields(path), "NotConfigured", () => Effect.undefined)
  const text = JSON.stringify({ ...others, api_url: url, api_key: Redacted.value(key) }, undefined, 2)
  const folder = paths.dirname(path)
  yield* Effect.mapError(files.makeDirectory(folder, { recursive: true, mode: 0o700 }), FileFailed.of("written", path))
  if (paths.basename(folder) === ".vargate") yield* Effect.ignore(files.chmod(folder, 0o700))
  yield* writeWhole(path, `${text}\n`)
})
