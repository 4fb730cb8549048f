/** From starting Node to the first answer, and the memory that this takes: as published, and bundled. */
import * as GatewayServer from "effect-vargate/gateway/GatewayServer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as esbuild from "esbuild"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { buildInto } from "./support/built.ts"
import { cache } from "./support/cache.ts"
import { startGateway } from "./support/gateway.ts"
import { atMost, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { inTurns, median, medianRatio } from "./support/statistics.ts"

const rounds = thorough(9, 2)

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
     import * as ToolCalls from "#dist/calls/ToolCalls.js"
     import * as Transport from "#dist/transport/Transport.js"`
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
  buildInto(folder)
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

/** Up to its first line; of a program that says how much memory it takes, that as well. */
const start = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => async () => {
  const started = performance.now()
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env }
  })
  const ended = once(child, "close")
  const [line] = await Promise.race([once(child.stdout, "data"), ended])
  const milliseconds = performance.now() - started
  await ended
  return { milliseconds, megabytes: Number(line) / 1e6 }
}

const files = await build()

/** The command line needs a gateway that knows what is asked of it. */
const server = ManagedRuntime.make(GatewayServer.layer({ data: ":memory:", port: 0 }))
const { tenant, url } = await server.runPromise(GatewayServer.GatewayServer.useSync((server) => server))
const cli = join(folder, "dist/cli/bin.js")
const keyed = { VARGATE_API_KEY: Redacted.value(tenant.apiKey), VARGATE_URL: url }
const commands = {
  "node -e 0": start(["-e", "console.log(0)"]),
  "effect-vargate --version": start([cli, "--version"]),
  "effect-vargate status": start([cli, "status"], keyed)
}

const turns = await inTurns(rounds, {
  ...Object.fromEntries(files.map(([name, file]) => [name, start([file])])),
  ...commands
})
await server.dispose()
gateway.stop()

const milliseconds = (name: string) => median(turns[name]!.map(({ milliseconds }) => milliseconds))
const startRatio = (name: string, base: string) =>
  medianRatio(
    turns[name]!.map(({ milliseconds }) => milliseconds),
    turns[base]!.map(({ milliseconds }) => milliseconds)
  )
const megabytes = (name: string) => median(turns[name]!.map(({ megabytes }) => megabytes))

hand({
  title: "Cold start",
  about:
    "From starting Node to the first answer of a gateway that is already there, and resident memory at that moment: " +
    `with the modules as they are published, and as one file by esbuild; medians of ${rounds} rounds in turns.`,
  tables: [{
    columns: ["program", "ms", "RSS, MB", "x nothing but fetch"],
    rows: files.map(([name]) => [name, milliseconds(name), megabytes(name), startRatio(name, "nothing but fetch")])
  }, {
    title: "The command line, to its first line",
    columns: ["command", "ms", "x node -e 0"],
    rows: Object.keys(commands).map((name) => [name, milliseconds(name), startRatio(name, "node -e 0")])
  }],
  targets: [
    ...(["ToolCalls over NodeTransport", "Vargate.layer over fetch"] as const).flatMap((name) => [
      atMost(`cold start, ${name}`, 300, "ms", milliseconds(name)),
      atMost(`cold start, ${name}`, 105, "MB", megabytes(name)),
      atMost(`cold start, ${name}, bundled`, 130, "ms", milliseconds(`${name}, bundled`)),
      atMost(`cold start, ${name}, bundled`, name.startsWith("Vargate") ? 80 : 70, "MB", megabytes(`${name}, bundled`))
    ]),
    atMost(
      "cold start, Vargate.layer over fetch, bundled",
      1.8,
      "x nothing but fetch",
      startRatio("Vargate.layer over fetch, bundled", "nothing but fetch")
    ),
    atMost("start of effect-vargate --version", 3, "x node -e 0", startRatio("effect-vargate --version", "node -e 0")),
    atMost("start of effect-vargate status", 8, "x node -e 0", startRatio("effect-vargate status", "node -e 0"))
  ]
})
