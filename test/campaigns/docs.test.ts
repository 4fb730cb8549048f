/**
 * Every program in README, AGENTS.md and doc comments compiles.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
// Inside the package, so that it can import itself by name.
const folder = `${root}test/campaigns/.docs`

const programsIn = (text: string) =>
  [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!.replace(/^\s*\* ?/gm, ""))

const compile = () =>
  new Promise<string>((resolve) => {
    execFile(`${root}node_modules/.bin/tsc`, ["-p", folder], { cwd: root }, (_, stdout, stderr) =>
      resolve(stdout + stderr))
  })

describe("documentation", () => {
  it("compiles", async () => {
    const files = [
      "README.md",
      "AGENTS.md",
      ...globSync("src/**/*.ts", { cwd: root }).filter((file) => file !== "src/index.ts")
    ]
    mkdirSync(folder, { recursive: true })
    try {
      let programs = 0
      for (const file of files) {
        for (const program of programsIn(readFileSync(`${root}${file}`, "utf8"))) {
          writeFileSync(`${folder}/${programs++}_${file.replaceAll(/\W/g, "_")}.ts`, program)
        }
      }
      const options = { noUnusedLocals: false, noUnusedParameters: false }
      writeFileSync(
        `${folder}/tsconfig.json`,
        JSON.stringify({ extends: "../../../tsconfig.json", compilerOptions: options, include: ["*.ts"] })
      )
      assert.isAbove(programs, 10)
      assert.strictEqual(await compile(), "")
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
