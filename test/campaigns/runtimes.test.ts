/** The packed package on every runtime that it is said to run on. The table in docs/runtimes.md is what came out. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, layer as sharing } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { execFile } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { createServer as createTcpServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { chromium } from "playwright-core"
import { runtimes } from "../../.ci/runtimes.ts"
import { env, tarball } from "../../.ci/tarball.ts"
import { folder } from "../support/folder.ts"

const bin = (name: string) => join(runtimes, "node_modules", name)
const needed = existsSync(bin(".bin/bun")) ? "" : " (needs what .ci/runtimes.ts installs)"
const executablePath = "/usr/bin/chromium"
const programs = fileURLToPath(new URL("../support/runtimes/", import.meta.url))

const commands = {
  "Node 22": [bin("node22/bin/node")],
  "Node 24": [bin("node24/bin/node")],
  Bun: [bin(".bin/bun"), "run"],
  Deno: [bin(".bin/deno"), "run", "--allow-all", "--node-modules-dir=manual"]
} as const

const run = (
  cwd: string,
  command: ReadonlyArray<string>,
  more: Readonly<Record<string, string>> = {}
) =>
  Effect.callback<{ readonly code: number; readonly output: string }>((resume) => {
    const [program = "", ...args] = command
    const options = { cwd, env: { ...env, ...more }, timeout: 120_000 }
    const child = execFile(program, args, options, (error, out, err) =>
      resume(Effect.succeed({ code: error === null ? 0 : Number(error.code), output: out + err })))
    return Effect.sync(() =>
      child.kill()
    )
  })

const resultIn = ({ output }: { readonly output: string }): Readonly<Record<string, string>> => {
  const [, json] = /^RESULT (.*)$/m.exec(output) ?? assert.fail(output)
  return JSON.parse(json!)
}

interface Parts {
  /** A project that has the package. */
  readonly project: string
  readonly gateway: string
  /** Addresses at which no connection comes about. */
  readonly closed: ReadonlyArray<string>
}

class Laboratory extends Context.Service<Laboratory, Parts>()("test/Laboratory") {}

const options: Gateway.Options = {
  tenants: [{ id: "t", apiKey: "a-key-of-t", burst: 1e6 }],
  policy: { rules: [{ name: "tool_forbidden", severity: "high", when: ({ action }) => action.tool === "forbidden" }] }
}

/** Vite's output for a page, once it is built. */
let pageFolder: string | undefined

const pages = HttpRouter.add("GET", "/page/*", (request) =>
  Effect.sync(() => {
    const file = join(pageFolder!, request.url.replace(/^\/page/, "").split("?")[0]!)
    const contentType = file.endsWith(".html") ? "text/html" : "text/javascript"
    return HttpServerResponse.text(readFileSync(file, "utf8"), { contentType })
  }))

const laboratory = Layer.effect(
  Laboratory,
  Effect.gen(function*() {
    const place = yield* folder
    const project = join(place, "project")
    mkdirSync(project)
    writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }))
    const installed = yield* run(project, [
      "npm",
      "install",
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      tarball()
    ])
    assert.strictEqual(installed.code, 0, installed.output)
    cpSync(programs, project, { recursive: true })
    const { address } = yield* HttpServer.HttpServer
    const plain = yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createTcpServer>>((resume) => {
        const server = createTcpServer((socket) => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n"))
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )
    const port = (plain.address() as { readonly port: number }).port
    return {
      project,
      gateway: HttpServer.formatAddress(address),
      closed: [
        "http://127.0.0.1:23457",
        "https://gateway.invalid",
        // Browsers and their like do not connect to this port.
        "http://127.0.0.1:6000",
        // A server that does not speak TLS.
        `https://127.0.0.1:${port}`
      ]
    }
  })
).pipe(
  Layer.provide(
    HttpRouter.serve(Layer.merge(Gateway.routes(options), pages), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(Gateway.layerParts(options)),
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
      Layer.provide(HttpServer.layerServices)
    )
  ),
  Layer.orDie
)

/** What the documentation says of a runtime, by capability. */
const documented = (runtime: string): Readonly<Record<string, string>> => {
  const rows = readFileSync(new URL("../../docs/runtimes.md", import.meta.url), "utf8").split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")))
  const head = rows.find(([first]) => first === "runtime") ?? []
  const row = rows.find(([first]) => first === runtime) ?? assert.fail(`docs/runtimes.md has no row for ${runtime}`)
  return Object.fromEntries(head.slice(1).map((name, index) => [name, row[index + 1]!]))
}

describe.skipIf(needed !== "")(`the package${needed}`, () => {
  sharing(laboratory, { timeout: 600_000, excludeTestServices: true })((it) => {
    it.effect("brings effect-vargate and undici, and no peer that is optional", () =>
      Effect.gen(function*() {
        const { project } = yield* Laboratory
        const names = readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."))
        assert.deepStrictEqual(names.sort(), ["effect", "effect-vargate", "undici"])
      }))

    for (const [runtime, command] of Object.entries(commands)) {
      it.effect(`does on ${runtime} what docs/runtimes.md says`, () =>
        Effect.gen(function*() {
          const { closed, gateway, project } = yield* Laboratory
          const PROBE = JSON.stringify({ gateway, closed })
          const result = resultIn(yield* run(project, [...command, "probe.mjs"], { PROBE }))
          const cli = yield* run(project, [
            ...command,
            "node_modules/effect-vargate/dist/cli/bin.js",
            "status",
            "--json"
          ], {
            VARGATE_API_KEY: "a-key-of-t",
            VARGATE_URL: gateway,
            HOME: project
          })
          const commandLine = cli.code === 0 && cli.output.includes("\"tenant") ? "yes" : `${cli.code}: ${cli.output}`
          const found = { ...result, "command line": commandLine }
          const expected = documented(runtime)
          for (const [name, value] of Object.entries(found)) {
            if (expected[name] === "yes") assert.strictEqual(value, "yes", name)
            else assert.notStrictEqual(value, "yes", `docs/runtimes.md says that ${runtime} has no ${name}`)
          }
        }))
    }

    for (const runtime of ["Node 22", "Node 24"] as const) {
      it.effect(`is required by CommonJS on ${runtime}`, () =>
        Effect.gen(function*() {
          const { project } = yield* Laboratory
          const result = resultIn(yield* run(project, [...commands[runtime], "require.cjs"]))
          assert.deepStrictEqual(result, { require: "NotExecuted" })
        }))
    }

    it.effect("serves a gateway from nothing but the package: effect-vargate dev", () =>
      Effect.gen(function*() {
        const { project } = yield* Laboratory
        const result = yield* run(project, [
          ...commands["Node 24"],
          "--input-type=module",
          "--eval",
          `import { spawn } from "node:child_process"
           const child = spawn(process.execPath, ["node_modules/effect-vargate/dist/cli/bin.js", "dev", "--port", "0", "--json"])
           child.stderr.pipe(process.stderr)
           const [line] = await child.stdout.take(1).toArray()
           const { url } = JSON.parse(String(line))
           const { status } = await (await fetch(url + "/health")).json()
           child.kill("SIGTERM")
           console.log("RESULT " + JSON.stringify({ status }))`
        ], { HOME: project })
        assert.deepStrictEqual(resultIn(result), { status: "ok" })
      }))

    it.effect("runs in workerd", () =>
      Effect.gen(function*() {
        const { closed, gateway, project } = yield* Laboratory
        const esbuild = pathToFileURL(fileURLToPath(import.meta.resolve("esbuild"))).href
        const miniflare = pathToFileURL(join(runtimes, "node_modules/miniflare/dist/src/index.js")).href
        writeFileSync(
          join(project, "worker.mjs"),
          `import { probe } from "./page.mjs"
           export default { fetch: async () => Response.json(await probe(${JSON.stringify(gateway)}, ${
            JSON.stringify(closed[0])
          })) }`
        )
        writeFileSync(
          join(project, "workerd.mjs"),
          `import esbuild from ${JSON.stringify(esbuild)}
           import miniflare from ${JSON.stringify(miniflare)}
           const { outputFiles } = await esbuild.build({
             entryPoints: ["worker.mjs"], bundle: true, write: false, format: "esm", platform: "neutral",
             mainFields: ["module", "main"], conditions: ["workerd"]
           })
           const worker = new miniflare.Miniflare({ modules: true, script: outputFiles[0].text, compatibilityDate: "2026-07-01" })
           const response = await worker.dispatchFetch("http://localhost/")
           console.log("RESULT " + await response.text())
           await worker.dispose()`
        )
        const result = resultIn(yield* run(project, [...commands["Node 24"], "workerd.mjs"]))
        // It does not tell a refused connection from one that broke.
        assert.deepStrictEqual(result, { allowed: "NotExecuted", denied: "Denied", closed: "OutcomeUnknown" })
        assert.strictEqual(documented("workerd")["calls over fetch"], "yes")
        assert.strictEqual(documented("workerd")["Unreachable is told"], "no")
      }))

    it.effect.skipIf(!existsSync(executablePath))(
      `runs in a browser, bundled by Vite (needs ${executablePath})`,
      () =>
        Effect.gen(function*() {
          const { gateway, project } = yield* Laboratory
          writeFileSync(
            join(project, "index.html"),
            `<!doctype html><link rel=icon href=data:,><script type=module>
             import { probe } from "./page.mjs"
             globalThis.outcome = probe(location.origin, "http://127.0.0.1:23457")
           </script>`
          )
          const built = yield* run(project, [
            process.execPath,
            join(runtimes, "node_modules/vite/bin/vite.js"),
            "build",
            "--base=/page/",
            "--target=esnext"
          ])
          assert.strictEqual(built.code, 0, built.output)
          pageFolder = join(project, "dist")
          const browser = yield* Effect.acquireRelease(
            Effect.promise(() => chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] })),
            (browser) => Effect.promise(() => browser.close())
          )
          const tab = yield* Effect.promise(() => browser.newPage())
          yield* Effect.promise(() => tab.goto(`${gateway}/page/index.html`))
          const result = yield* Effect.promise(() =>
            tab.evaluate(async () => {
              while (!("outcome" in globalThis)) await new Promise((resolve) => setTimeout(resolve, 20))
              return Reflect.get(globalThis, "outcome") as Promise<unknown>
            })
          )
          assert.deepStrictEqual(result, { allowed: "NotExecuted", denied: "Denied", closed: "OutcomeUnknown" })
          assert.strictEqual(documented("browsers")["calls over fetch"], "yes")
          assert.strictEqual(documented("browsers")["Unreachable is told"], "no")
        }).pipe(Effect.scoped)
    )
  })
})
