/** Surroundings that are not as usual, each in a process of its own. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { version } from "../../src/internal/version.ts"
import { nodeArguments } from "../support/cli.ts"

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

const start = (
  args: ReadonlyArray<string>,
  { cwd, env = {}, into, uid }: {
    readonly env?: Readonly<Record<string, string>>
    readonly cwd?: string
    readonly into?: string
    readonly uid?: number
  }
) =>
  new Promise<Ended>((resolve) => {
    const script = `"$0" "$@"${into === undefined ? "" : ` >${into}`}`
    execFile("/bin/sh", ["-c", script, process.execPath, ...nodeArguments(args)], {
      env: { PATH: process.env["PATH"], ...env },
      ...cwd === undefined ? {} : { cwd },
      ...uid === undefined ? {} : { uid, gid: uid }
    }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }))
  })

const isRoot = process.getuid?.() === 0

describe("the command line", () => {
  it.runIf(isRoot)("needs neither HOME nor an entry in passwd (as root only)", async () => {
    const stranger = { uid: 54_321, cwd: "/" }
    const shown = await start(["--version"], stranger)
    assert.deepStrictEqual(shown, { code: 0, out: `effect-vargate ${version}\n`, err: "" })
    const status = await start(["status"], stranger)
    assert.match(status.err, /^error: No API key: set VARGATE_API_KEY, .*\(there is no home folder to look into\)\.\n$/)
    assert.strictEqual(status.code, 2)
    const init = await start(["init", "--no-check"], { ...stranger, env: { VARGATE_API_KEY: "test-key" } })
    assert.match(init.err, /There is no home folder to write to: give --config FILE, or set HOME/)
    assert.strictEqual(init.code, 2)
  })

  it.each(["", "relative/folder"])(
    "makes no cache in the working directory where XDG_CACHE_HOME is %j",
    async (value) => {
      const cwd = mkdtempSync(join(tmpdir(), "vargate-cwd-"))
      const home = mkdtempSync(join(tmpdir(), "vargate-home-"))
      const { code } = await start(["--version"], { cwd, env: { XDG_CACHE_HOME: value, HOME: home } })
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(readdirSync(cwd), [])
    }
  )

  it("takes no relative HOME for a home", async () => {
    const cwd = mkdtempSync(join(tmpdir(), "vargate-cwd-"))
    const { code } = await start(["--version"], { cwd, env: { HOME: "here" } })
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(readdirSync(cwd), [])
  })

  it.runIf(existsSync("/dev/full"))("says that the disk is full, and ends with 11", async () => {
    for (const args of [["--version"], ["verify", "--help"]]) {
      const { code, err } = await start(args, { into: "/dev/full" })
      assert.match(err, /^error: The output cannot be written: no space is left on the device\./)
      assert.strictEqual(code, 11, args.join(" "))
    }
  })
})
