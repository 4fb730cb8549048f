import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { rename } from "node:fs/promises"
import { join } from "node:path"
import { replaceFile } from "../../src/internal/replaceFile.ts"
import { folder } from "../support/folder.ts"

const failing = (code: string, times: number) => {
  let tries = 0
  return {
    tries: () => tries,
    move: async (from: unknown, to: unknown) => {
      if (++tries <= times) throw Object.assign(new Error(code), { code })
      await rename(from as string, to as string)
    }
  }
}

describe("replaceFile", () => {
  it.effect.each(["EPERM", "EACCES", "EBUSY"])(
    "tries again while the old file is in use: %s",
    (code) =>
      Effect.gen(function*() {
        const path = join(yield* folder, "kept")
        writeFileSync(path, "old")
        writeFileSync(`${path}.new`, "new")
        const { move, tries } = failing(code, 2)
        yield* Effect.promise(() => replaceFile(`${path}.new`, path, move))
        assert.deepStrictEqual([readFileSync(path, "utf8"), existsSync(`${path}.new`), tries()], ["new", false, 3])
      })
  )

  it.effect("fails at once with what will not pass", () =>
    Effect.gen(function*() {
      const { move, tries } = failing("ENOSPC", 1)
      const error = yield* Effect.flip(Effect.tryPromise({
        try: () => replaceFile("a", "b", move),
        catch: (cause) => cause as NodeJS.ErrnoException
      }))
      assert.deepStrictEqual([error.code, tries()], ["ENOSPC", 1])
    }))
})
