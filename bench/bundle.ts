/** What the core weighs in a bundle, effect included: minified, and gzipped as a server would send it. */
import * as esbuild from "esbuild"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { buildInto } from "./support/built.ts"
import { cache } from "./support/cache.ts"
import { atMost, hand } from "./support/report.ts"

const folder = join(cache, "bundle")
buildInto(folder)

const coreName = "a governed call, retried, with approvals"

const programs: Readonly<Record<string, string>> = {
  "effect alone": `
    import * as Effect from "effect/Effect"
    Effect.runFork(Effect.log("hello"))`,
  "effect with a derived HTTP client": `
    import * as Effect from "effect/Effect"
    import * as HttpApi from "effect/http-api/HttpApi"
    import * as HttpApiClient from "effect/http-api/HttpApiClient"
    import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
    import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
    import * as FetchHttpClient from "effect/http/FetchHttpClient"
    const Api = HttpApi.make("a").add(HttpApiGroup.make("b").add(HttpApiEndpoint.get("c", "/c")))
    Effect.runFork(HttpApiClient.make(Api).pipe(
      Effect.flatMap((client) => client.b.c({})),
      Effect.provide(FetchHttpClient.layer)
    ))`,
  [coreName]: `
    import * as Effect from "effect/Effect"
    import * as FetchHttpClient from "effect/http/FetchHttpClient"
    import * as Layer from "effect/Layer"
    import * as Approvals from "effect-vargate/approvals/Approvals"
    import * as Governed from "effect-vargate/governed/Governed"
    import * as RetryPolicy from "effect-vargate/transport/RetryPolicy"
    import * as ToolCalls from "effect-vargate/calls/ToolCalls"
    import * as Transport from "effect-vargate/transport/Transport"
    import * as Vargate from "effect-vargate/Vargate"
    const layer = Vargate.layerOf(Transport.layer({ apiKey: "test-key" }), ToolCalls.layer, Approvals.layer).pipe(
      Layer.provide(FetchHttpClient.layer)
    )
    Effect.runFork(Governed.run({ tool: "t", method: "m", onPending: Governed.wait() }, Effect.void).pipe(
      Effect.andThen(Effect.retry(ToolCalls.call({ tool: "t", method: "m" }), RetryPolicy.standard)),
      Effect.provide(layer)
    ))`,
  "the same with Vargate.layer": `
    import * as Effect from "effect/Effect"
    import * as FetchHttpClient from "effect/http/FetchHttpClient"
    import * as Governed from "effect-vargate/governed/Governed"
    import * as Vargate from "effect-vargate/Vargate"
    Effect.runFork(Governed.run({ tool: "t", method: "m", onPending: Governed.wait() }, Effect.void).pipe(
      Effect.provide(Vargate.layer({ apiKey: "test-key" })),
      Effect.provide(FetchHttpClient.layer)
    ))`,
  "webhooks as a fetch handler": `
    import * as Effect from "effect/Effect"
    import * as WebhookRoute from "effect-vargate/webhooks/WebhookRoute"
    import * as Webhooks from "effect-vargate/webhooks/Webhooks"
    export default { fetch: WebhookRoute.toWebHandler(Webhooks.layer({ secret: "s", handle: Effect.log })).handler }`,
  "everything in the barrel": `
    import * as vargate from "effect-vargate"
    console.log(vargate)`
}

/** `effect-vargate/calls/ToolCalls` is a module of the package as it was just built. */
const own = (contents: string) =>
  contents.replaceAll(/"effect-vargate(\/[\w/]+)?"/g, (_, path: string = "/index") => `"#dist${path}.js"`)

const build = async (contents: string) => {
  const { metafile, outputFiles } = await esbuild.build({
    stdin: { contents: own(contents), resolveDir: folder, sourcefile: "the program itself" },
    absWorkingDir: folder,
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    format: "esm",
    platform: "browser"
  })
  const [output] = Object.values(metafile.outputs)
  return { text: outputFiles[0]!.contents, inputs: Object.entries(output!.inputs) }
}

/** `../../../effect/dist/http/HttpClient.js` is the module `effect/http/HttpClient`, `dist/...` is one of ours. */
const moduleOf = (file: string) =>
  file.replace(/^(?:\.\.\/)+effect\/dist\//, "effect/").replace(/^dist\//, "src/").replace(/\.js$/, "")

const kilobytesOf = (inputs: ReadonlyArray<readonly [string, { readonly bytesInOutput: number }]>) =>
  inputs.reduce((sum, [, { bytesInOutput }]) => sum + bytesInOutput, 0) / 1000

const weigh = async (name: string) => {
  const { inputs, text } = await build(programs[name]!)
  return { name, inputs, min: text.length / 1000, gzip: gzipSync(text, { level: 9 }).length / 1000 }
}
type Weight = Awaited<ReturnType<typeof weigh>>

/** `effect/http`, `effect/Schema*`, `src/api`, ... */
const roomOf = (file: string) => {
  const [top, ...path] = moduleOf(file).split("/")
  if (top !== "effect" && top !== "src") return top!
  if (path.length > 1) return `${top}/${path[0]}`
  return path[0]!.startsWith("Schema") ? `${top}/Schema*` : `${top}/*`
}

const byRoom = (inputs: Weight["inputs"]) =>
  Object.entries(Object.groupBy(inputs, ([file]) => roomOf(file)))
    .map(([folder, inputs]) => [folder, inputs!.length, kilobytesOf(inputs!)] as const)
    .sort(([, , a], [, , b]) => b - a)

const breakdown = (title: string, inputs: Weight["inputs"]) => {
  const sorted = inputs.toSorted(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
  const heaviest = sorted.slice(0, 14)
  return {
    title: `${title}: ${kilobytesOf(inputs).toFixed(1)} kB of it, minified`,
    columns: ["module", "kB min"],
    rows: [
      ...heaviest.map((input) => [moduleOf(input[0]), kilobytesOf([input])] as const),
      [`${sorted.length - heaviest.length} others`, kilobytesOf(sorted.slice(14))] as const
    ]
  }
}

const weights: Array<Weight> = []
for (const name of Object.keys(programs)) weights.push(await weigh(name))
const core = weights.find(({ name }) => name === coreName)!
const [ours, theirs] = [true, false].map((isOurs) =>
  core.inputs.filter(([file]) => file.startsWith("dist/") === isOurs)
)

hand({
  title: "Size of a bundle",
  about: "By esbuild for the browser, effect included. The first two rows are what effect itself weighs.",
  tables: [
    {
      columns: ["program", "kB min", "kB min+gzip"],
      rows: weights.map(({ gzip, min, name }) => [name, min, gzip])
    },
    {
      title: `\`${coreName}\`, by folder`,
      columns: ["folder", "modules", "kB min"],
      rows: byRoom(core.inputs)
    },
    breakdown(`\`${coreName}\`, effect-vargate`, ours!),
    breakdown(`\`${coreName}\`, effect`, theirs!)
  ],
  targets: [atMost(`bundle of ${coreName}`, 75, "kB min+gzip", core.gzip)]
})
