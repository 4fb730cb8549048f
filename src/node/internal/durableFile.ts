/**
 * Small files that are replaced whole, so that a crash leaves the old text or the new one.
 *
 * @internal
 */
import { randomUUID } from "node:crypto"
import { type FileHandle, open, readdir, readFile, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { replaceFile } from "../../internal/replaceFile.ts"

/** @internal */
export const codeOf = (cause: unknown): string => (cause as { readonly code?: string }).code ?? "unknown error"

/**
 * `undefined` where there is no such file.
 *
 * @internal
 */
export const readIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, "utf8")
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  }
}

/**
 * Forces the names in a folder to the disk. Windows has no way to say so, and needs none.
 *
 * @internal
 */
export const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === "win32") return
  const folder = await open(path, "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/**
 * Writes all of the bytes at a place of a file. `FileHandle.writeFile` does so too, and takes twice as long.
 *
 * @internal
 */
export const writeAll = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten
  }
}

/**
 * Writes a text beside the old file, forces it to the disk, and puts it in its place.
 *
 * @internal
 */
export const writeDurably = async (path: string, text: string): Promise<void> => {
  const draft = `${path}.${randomUUID()}.new`
  try {
    const file = await open(draft, "wx", 0o600)
    try {
      await writeAll(file, Buffer.from(text), 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await replaceFile(draft, path)
    await syncFolder(dirname(path))
  } catch (cause) {
    await rm(draft, { force: true })
    throw cause
  }
}

/**
 * Removes the drafts that killed processes have left. Only under the file's lock.
 *
 * @internal
 */
export const removeDrafts = async (path: string): Promise<void> => {
  const prefix = `${basename(path)}.`
  const isDraft = (name: string) => name.startsWith(prefix) && /^[0-9a-f-]{36}\.new$/.test(name.slice(prefix.length))
  const folder = dirname(path)
  const drafts = (await readdir(folder)).filter(isDraft)
  await Promise.all(drafts.map((name) => rm(join(folder, name), { force: true })))
}
