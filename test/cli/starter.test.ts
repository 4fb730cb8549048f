import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Failure, ProjectCreated } from "../../src/cli/Output.ts"
import { version } from "../../src/internal/version.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const manifestOf = (path: string) => JSON.parse(readFileSync(join(path, "package.json"), "utf8"))

const create = (path: string, ...args: ReadonlyArray<string>) =>
  run(["init", "--project", path, ...args], { hasFiles: true })

/** It asks no gateway. */
const alone = Effect.provide(ScriptedTransport.layer([ScriptedTransport.refuse]))

describe("init --project", () => {
  it.effect("writes the template under the folder's name, and says what to do next", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "My agent!")
      const { code, err, out } = yield* create(path)
      assert.deepStrictEqual([code, err], [0, ""])
      assert.match(out, /cd ".*My agent!"(?: &&|;) npm install(?: &&|;) npm test/)
      assert.match(out, /npm start/)
      const files = (folder: string) => readdirSync(folder, { recursive: true }).map(String).sort()
      const expected = files(join(root, "template")).map((file) => file === "gitignore" ? ".gitignore" : file)
      assert.deepStrictEqual(files(path), expected.sort())
      const { dependencies, name, ...manifest } = manifestOf(path)
      assert.strictEqual(name, "my-agent-")
      assert.strictEqual(dependencies["effect-vargate"], `^${version}`)
      assert.strictEqual(manifest["scripts"].start, "node src/main.ts")
      for (const file of ["AGENTS.md", "src/agent.ts", "policy/support.rego"]) {
        assert.strictEqual(readFileSync(join(path, file), "utf8"), readFileSync(join(root, "template", file), "utf8"))
      }
    }).pipe(alone))

  it.effect("reports the files as JSON", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "agent")
      const [created] = decodeLines(ProjectCreated, (yield* create(path, "--json")).out)
      assert.strictEqual(created!.path, path)
      assert.isTrue(created!.files.every((file) => existsSync(join(path, file))))
      assert.includeMembers([...created!.files], ["package.json", ".gitignore", "test/agent.test.ts"])
    }).pipe(alone))

  it.effect("takes an empty folder, and overwrites nothing", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "agent")
      mkdirSync(path)
      assert.strictEqual((yield* create(path)).code, 0)
      writeFileSync(join(path, "AGENTS.md"), "mine")
      const again = yield* create(path, "--json")
      assert.strictEqual(again.code, 2)
      assert.match(decodeLines(Failure, again.err)[0]!.message, /is not empty/)
      assert.strictEqual(readFileSync(join(path, "AGENTS.md"), "utf8"), "mine")
    }).pipe(alone))

  it.effect("says so where the folder is a file", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "agent")
      writeFileSync(path, "")
      const { code, err } = yield* create(path)
      assert.notStrictEqual(code, 0)
      assert.include(err, path)
      assert.notMatch(err, /\n\s+at /)
    }).pipe(alone))

  it("asks for the versions that this package is tested with", () => {
    const own = manifestOf(root)
    const { dependencies, devDependencies, engines } = manifestOf(join(root, "template"))
    const known = { ...own.devDependencies, [own.name]: `^${version}` }
    for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
      assert.strictEqual(range, known[name], name)
    }
    assert.deepStrictEqual(engines, own.engines)
  })
})
