/**
 * Every program in README, AGENTS.md, docs and doc comments compiles. One that is followed by a `text` block is run as
 * well, without a network, and prints exactly that text. Links, paths and modules that the pages name exist.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
// Inside the package, so that it can import itself by name.
const folder = `${root}test/campaigns/.docs`

const pages = globSync("docs/**/*.md", { cwd: root }).sort()
const texts = ["README.md", "AGENTS.md", ...pages]
const sources = globSync("src/**/*.ts", { cwd: root }).filter((file) => file !== "src/index.ts").sort()

interface Program {
  readonly page: string
  readonly file: string
  readonly code: string
  /** What it prints, if the page says so. */
  readonly output: string | undefined
}

const programsIn = (page: string): ReadonlyArray<Program> =>
  [...readFileSync(`${root}${page}`, "utf8").matchAll(/```ts\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g)].map(
    ([, code, output], n) => ({
      page,
      file: `${page.replaceAll(/\W/g, "_")}_${n}.ts`,
      code: page.endsWith(".ts") ? code!.replace(/^\s*\* ?/gm, "") : code!,
      output
    })
  )

const documented = texts.flatMap(programsIn)
const runnable = documented.filter(({ output }) => output !== undefined)

const outputOf = (command: string, args: ReadonlyArray<string>) =>
  new Promise<string>((resolve) => {
    const { VARGATE_API_KEY: _, ...env } = process.env
    const options = { cwd: root, env: { ...env, NO_COLOR: "1" } }
    execFile(command, args, options, (_, stdout, stderr) => resolve(stdout + stderr))
  })

/** Prose and tables: what stands outside of programs. */
const proseOf = (page: string) => readFileSync(`${root}${page}`, "utf8").replaceAll(/```[\s\S]*?```/g, "")

const slugsOf = (page: string) =>
  [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-")
  )

describe("documentation", () => {
  beforeAll(() => {
    mkdirSync(folder, { recursive: true })
    for (const { code, file } of [...documented, ...sources.flatMap(programsIn)]) {
      writeFileSync(`${folder}/${file}`, code)
    }
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("compiles", async () => {
    const options = { noUnusedLocals: false, noUnusedParameters: false }
    writeFileSync(
      `${folder}/tsconfig.json`,
      JSON.stringify({ extends: "../../../tsconfig.json", compilerOptions: options, include: ["*.ts"] })
    )
    assert.isAbove(documented.length, 10)
    assert.strictEqual(await outputOf(`${root}node_modules/.bin/tsc`, ["-p", folder]), "")
  })

  for (const { file, output, page } of runnable) {
    it(`prints what ${page} says`, async () => {
      assert.strictEqual(
        await outputOf(process.execPath, ["--conditions=effect-vargate-source", `${folder}/${file}`]),
        output
      )
    })
  }

  it("has a program that runs on every page", () => {
    const withPrograms = new Set(runnable.map(({ page }) => page))
    assert.deepStrictEqual(pages.filter((page) => page !== "docs/README.md" && !withPrograms.has(page)), [])
  })

  it("has no broken link", () => {
    const linked = [...texts, ...globSync(["*.md", "llms.txt", "bench/*.md", "examples/**/*.md"], { cwd: root })]
    const broken = [...new Set(linked)].flatMap((page) =>
      [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!).filter((link) => {
        if (/^https?:/.test(link)) return false
        const [path, slug] = link.split("#")
        const target = path === "" ? page : normalize(join(dirname(page), path!))
        return !existsSync(`${root}${target}`) || (slug !== undefined && !slugsOf(target).includes(slug))
      }).map((link) => `${page}: ${link}`)
    )
    assert.deepStrictEqual(broken, [])
  })

  it("lists every page in the index and in llms.txt", () => {
    for (const index of ["docs/README.md", "llms.txt"]) {
      const links = [...proseOf(index).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) =>
        normalize(join(dirname(index), link!))
      )
      assert.deepStrictEqual(pages.filter((page) => page !== "docs/README.md" && !links.includes(page)), [], index)
    }
  })

  it("names only files and modules that there are", () => {
    const missing = [...texts, "CONTRIBUTING.md", "SECURITY.md"].flatMap((page) => {
      const text = readFileSync(`${root}${page}`, "utf8")
      const files = [...text.matchAll(/(?<![\w/.])((?:src|test|examples|bench|docs|\.ci)\/[\w./-]*\w)/g)]
        .map(([, path]) => path!)
      const modules = [...text.matchAll(/["`]effect-vargate\/([\w/]+)["`]/g)]
        .map(([, path]) => existsSync(`${root}src/${path}`) ? `src/${path}` : `src/${path}.ts`)
      return [...files, ...modules].filter((path) => !existsSync(`${root}${path}`)).map((path) => `${page}: ${path}`)
    })
    assert.deepStrictEqual(missing, [])
  })

  it("keeps the README short", () => {
    assert.isAtMost(readFileSync(`${root}README.md`).byteLength, 8000)
  })
})
