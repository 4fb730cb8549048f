import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { basename, join, relative } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as FileLock from "../../src/internal/fileLock.ts"
import { folder } from "../support/folder.ts"
import { assertMode } from "../support/mode.ts"

const isHeld = Effect.fnUntraced(function*(filename: string) {
  const error = yield* Effect.flip(Effect.scoped(FileLock.acquire(filename)))
  assert.isTrue(error.isHeld, error.detail)
})

describe("a lock", () => {
  it.effect("keeps everybody else away where it is exclusive", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "a.db")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* FileLock.acquire(file)
        yield* isHeld(file)
        yield* isHeld(file)
      }))
      yield* Effect.scoped(FileLock.acquire(file))
    }))

  it.effect("has a file of its own, for this user alone, that is gone when nobody has it", () =>
    Effect.gen(function*() {
      const root = yield* folder
      yield* Effect.scoped(Effect.gen(function*() {
        yield* FileLock.acquire(join(root, "a.db"))
        assert.deepStrictEqual(readdirSync(root), ["a.db.lock"])
        assertMode(join(root, "a.db.lock"), 0o600)
      }))
      assert.deepStrictEqual(readdirSync(root), [])
    }))

  it.effect("is one for all links to a file and all spellings of its path", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const file = join(root, "a.db")
      mkdirSync(join(root, "deep"))
      symlinkSync(root, join(root, "there"))
      symlinkSync("../a.db", join(root, "deep", "b.db"))
      symlinkSync(join(root, "deep", "b.db"), join(root, "c.db"))
      const names = [
        file,
        relative(process.cwd(), file),
        `${root}/deep/../a.db`,
        join(root, "there", "a.db"),
        join(root, "deep", "b.db"),
        join(root, "c.db")
      ]
      for (const exists of [false, true]) {
        if (exists) writeFileSync(file, "")
        for (const name of names) {
          yield* Effect.scoped(Effect.gen(function*() {
            yield* FileLock.acquire(name)
            for (const other of names) yield* isHeld(other)
          }))
        }
      }
    }))

  it.effect("stays when this process reads or opens the file that it protects", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "a.db")
      new DatabaseSync(file).exec("CREATE TABLE things (name TEXT)")
      yield* FileLock.acquire(file)
      readFileSync(file)
      new DatabaseSync(file).close()
      yield* isHeld(file)
    }))

  it.effect("goes to the next one who waits for it", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "a.db")
      const scope = yield* Scope.make()
      yield* Scope.provide(FileLock.acquire(file), scope)
      let holders = 0
      const waiting = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, n) => n),
        () =>
          Effect.scoped(Effect.gen(function*() {
            yield* FileLock.acquire(file, { wait: "1 minute" })
            assert.strictEqual(++holders, 1)
            yield* Effect.promise(() => new Promise(setImmediate))
            holders--
          })),
        { concurrency: "unbounded" }
      ).pipe(Effect.forkChild({ startImmediately: true }))
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(waiting)
      assert.isFalse(existsSync(`${file}.lock`))
    }))

  it.effect("that somebody removed can be taken again, and is not removed twice", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "a.db")
      const first = yield* Scope.make()
      yield* Scope.provide(FileLock.acquire(file), first)
      rmSync(`${file}.lock`)
      yield* FileLock.acquire(file)
      yield* Scope.close(first, Exit.void)
      assert.isTrue(existsSync(`${file}.lock`))
      yield* isHeld(file)
    }))

  it.effect("follows no link at its own name", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const file = join(root, "a.db")
      writeFileSync(join(root, "other"), "")
      for (const target of ["other", "nowhere"]) {
        symlinkSync(target, `${file}.lock`)
        const error = yield* Effect.flip(Effect.scoped(FileLock.acquire(file)))
        assert.deepStrictEqual([error.isHeld, error.detail], [false, "ELOOP"])
        rmSync(`${file}.lock`)
      }
      assert.deepStrictEqual(readdirSync(root), ["other"])
    }))

  it.effect("names no path where it cannot be had", () =>
    Effect.gen(function*() {
      const root = yield* folder
      writeFileSync(join(root, "b.lock"), "no lock file ".repeat(100))
      for (const file of [join(root, "nowhere", "a"), join(root, "b")]) {
        const error = yield* Effect.flip(Effect.scoped(FileLock.acquire(file)))
        assert.isFalse(error.isHeld)
        assert.notInclude(error.detail, basename(root))
      }
    }))
})
