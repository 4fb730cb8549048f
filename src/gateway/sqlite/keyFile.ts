/**
 * The key file beside a database. With both, every secret of the gateway can be read; with the database
 * alone, none.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { type FileHandle, open } from "node:fs/promises"
import { dirname } from "node:path"
import { StorageError, type StorageProblem } from "./StorageError.ts"

const keyLength = 32
const isKey = /^[0-9a-f]{64}$/i

/**
 * Where the key of a database is: `{database}.key`.
 *
 * @category files
 * @since 0.1.0
 */
export const keyPathOf = (filename: string): string => `${filename}.key`

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code ?? String(cause)

const withFile = async <A>(path: string, flags: string, use: (file: FileHandle) => Promise<A>): Promise<A> => {
  const file = await open(path, flags, 0o600)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

const readIfThere = async (path: string) => {
  try {
    return await withFile(path, "r", async (file) => ({
      mode: (await file.stat()).mode & 0o777,
      text: (await file.readFile("utf8")).trim()
    }))
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  }
}

/** On the disk before anything is encrypted under it; so is its name in the folder. */
const create = async (path: string, flags: "wx" | "r+"): Promise<Uint8Array> => {
  const key = randomBytes(keyLength)
  await withFile(path, flags, async (file) => {
    await file.writeFile(`${key.toString("hex")}\n`)
    await file.sync()
  })
  // Windows has no such thing as a folder that can be opened.
  if (process.platform !== "win32") await withFile(dirname(path), "r", (folder) => folder.sync())
  return key
}

/**
 * Reads the key of a database. Where there is none it is made, unless something is encrypted under it.
 *
 * @category files
 * @since 0.1.0
 */
export const readKey = Effect.fnUntraced(function*(filename: string, isNeeded: boolean) {
  const path = keyPathOf(filename)
  const errorOf = (problem: StorageProblem, detail: string) => new StorageError({ problem, filename: path, detail })
  const attempt = <A>(action: () => Promise<A>) =>
    Effect.tryPromise({ try: action, catch: (cause) => errorOf("Inaccessible", `cannot be used (${codeOf(cause)})`) })

  const found = yield* attempt(() => readIfThere(path))
  if (found === undefined) {
    return isNeeded
      ? yield* errorOf("KeyMissing", `is missing, and ${filename} holds what is encrypted under it`)
      : yield* attempt(() => create(path, "wx"))
  }
  if (process.platform !== "win32" && (found.mode & 0o077) !== 0) {
    return yield* errorOf("KeyExposed", `can be read by other users (mode ${found.mode.toString(8)})`)
  }
  // A process that was killed while it made the file.
  if (found.text === "" && !isNeeded) return yield* attempt(() => create(path, "r+"))
  return isKey.test(found.text)
    ? Buffer.from(found.text, "hex")
    : yield* errorOf("KeyUnfit", "holds no key of this kind")
})
