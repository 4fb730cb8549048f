/** From starting Node to the first answer, and the memory that this takes: as published, and bundled. */
import * as esbuild from "esbuild"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { cache } from "./support/cache.ts"
import { startGateway } from "./support/gateway.ts"
import { atMost, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { inTurns, median } from "./support/statistics.ts"

const rounds = thorough(9, 3)

const gateway = await startGateway()
const options = JSON.stringify({ apiKey: "test-key", url: gateway.url })
const request = JSON.stringify({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ tool: "t", method: "m" })
})
const answered = `.then(() => {
  console.log(process.memoryUsage.rss())
  process.exit()
})`

const governed = (imports: string, services: string, transport: string) => `
  import { Effect, Layer } from "effect"
  ${imports}
  ToolCalls.call({ tool: "t", method: "m" }).pipe(
    Effect.provide(${services}.pipe(Layer.provide(${transport}))),
    Effect.runPromise
  )${answered}`

const deep = (imports: string, services: string, transport: string) =>
  governed(imports, services, transport).replace(
    `import { Effect, Layer } from "effect"`,
    `import * as Effect from "effect/Effect"
     import * as Layer from "effect/Layer"
     import * as ToolCalls from "#dist/ToolCalls.js"
     import * as Transport from "#dist/Transport.js"`
  )

const core = `ToolCalls.layer.pipe(Layer.provide(Transport.layer(${options})))`
const nodeTransport = `import * as NodeTransport from "#dist/node/NodeTransport.js"`
const fetchClient = `import * as FetchHttpClient from "effect/http/FetchHttpClient"`

const programs = {
  "nothing but fetch":
    `fetch("${gateway.url}/mcp/tools/call", ${request}).then((response) => response.json())${answered}`,
  "nothing but undici.request": `
    import { request } from "undici"
    request("${gateway.url}/mcp/tools/call", ${request}).then((response) => response.body.json())${answered}`,
  "ToolCalls over NodeTransport": deep(nodeTransport, core, "NodeTransport.layer"),
  "ToolCalls over fetch": deep(fetchClient, core, "FetchHttpClient.layer"),
  "Vargate.layer over fetch": deep(
    `${fetchClient}
     import * as Vargate from "#dist/Vargate.js"`,
    `Vargate.layer(${options})`,
    "FetchHttpClient.layer"
  ),
  "Vargate.layer over fetch, by the barrels": governed(
    `import { ToolCalls, Vargate } from "#dist/index.js"
     import { FetchHttpClient } from "effect/http"`,
    `Vargate.layer(${options})`,
    "FetchHttpClient.layer"
  )
}

type Name = keyof typeof programs
const bundled: ReadonlyArray<Name> = [
  "ToolCalls over NodeTransport",
  "ToolCalls over fetch",
  "Vargate.layer over fetch"
]

/** Inside node_modules, so that what is built finds effect and undici. */
const folder = join(cache, "cold-start")

const build = async (): Promise<ReadonlyArray<readonly [name: string, file: string]>> => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), `{ "type": "module", "imports": { "#dist/*": "./dist/*" } }`)
  const root = fileURLToPath(new URL("..", import.meta.url))
  const light = ["--noCheck", "--declaration", "false", "--declarationMap", "false", "--sourceMap", "false"]
  const project = ["-p", join(root, "tsconfig.build.json"), "--outDir", join(folder, "dist")]
  execFileSync(join(root, "node_modules/.bin/tsc"), [...project, ...light], { stdio: ["ignore", "inherit", "inherit"] })
  const names = Object.keys(programs) as ReadonlyArray<Name>
  const published = names.map((name, i) => {
    const file = join(folder, `${i}.js`)
    writeFileSync(file, programs[name])
    return [name, file] as const
  })
  const bundles = bundled.map((name) => [`${name}, bundled`, join(folder, `${names.indexOf(name)}.cjs`)] as const)
  for (const [, outfile] of bundles) {
    await esbuild.build({
      entryPoints: [outfile.replace(/cjs$/, "js")],
      outfile,
      bundle: true,
      minify: true,
      platform: "node",
      format: "cjs"
    })
  }
  return [...published, ...bundles]
}

const start = (file: string) => async () => {
  const started = performance.now()
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] })
  const [rss] = await once(child.stdout, "data")
  const milliseconds = performance.now() - started
  await once(child, "exit")
  return { milliseconds, megabytes: Number(rss) / 1e6 }
}

const files = await build()
const turns = await inTurns(rounds, Object.fromEntries(files.map(([name, file]) => [name, start(file)])))
gateway.stop()

const milliseconds = (name: string) => median(turns[name]!.map(({ milliseconds }) => milliseconds))
const megabytes = (name: string) => median(turns[name]!.map(({ megabytes }) => megabytes))

hand({
  title: "Cold start",
  about:
    "From starting Node to the first answer of a gateway that is already there, and resident memory at that moment: " +
    `with the modules as they are published, and as one file by esbuild; medians of ${rounds} rounds in turns.`,
  tables: [{
    columns: ["program", "ms", "RSS, MB"],
    rows: files.map(([name]) => [name, milliseconds(name), megabytes(name)])
  }],
  targets: (["ToolCalls over NodeTransport", "Vargate.layer over fetch"] as const).flatMap((name) => [
    atMost(`cold start, ${name}`, 300, "ms", milliseconds(name)),
    atMost(`cold start, ${name}`, 105, "MB", megabytes(name)),
    atMost(`cold start, ${name}, bundled`, 130, "ms", milliseconds(`${name}, bundled`)),
    atMost(`cold start, ${name}, bundled`, 70, "MB", megabytes(`${name}, bundled`))
  ])
})
