import { assert } from "@effect/vitest"
import { statSync } from "node:fs"

/** Windows has other permissions, which files have from their folder. */
export const hasModes = process.platform !== "win32"

export const modeOf = (path: string) => statSync(path).mode & 0o777

/** That a file or folder has this mode, where there are modes. */
export const assertMode = (path: string, mode: number) => {
  if (hasModes) assert.strictEqual(modeOf(path), mode)
}
