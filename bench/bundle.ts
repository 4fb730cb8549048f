/**
 * What the core weighs in a bundle, effect included: minified, and gzipped as a server would send it.
 *
 * `npm run bench bench/bundle.ts`
 */
import * as esbuild from "esbuild"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

const root = fileURLToPath(new URL("..", import.meta.url))

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
  "a governed call, retried, with approvals": `
    import * as Effect from "effect/Effect"
    import * as FetchHttpClient from "effect/http/FetchHttpClient"
    import * as Layer from "effect/Layer"
    import * as Approvals from "effect-vargate/Approvals"
    import * as Governed from "effect-vargate/Governed"
    import * as RetryPolicy from "effect-vargate/RetryPolicy"
    import * as ToolCalls from "effect-vargate/ToolCalls"
    import * as Transport from "effect-vargate/Transport"
    const layer = Layer.mergeAll(ToolCalls.layer, Approvals.layer).pipe(
      Layer.provideMerge(Transport.layer({ apiKey: "key" })),
      Layer.provide(FetchHttpClient.layer)
    )
    Effect.runFork(Governed.run({ tool: "t", method: "m", onPending: Governed.wait() }, Effect.void).pipe(
      Effect.andThen(Effect.retry(ToolCalls.call({ tool: "t", method: "m" }), RetryPolicy.standard)),
      Effect.provide(layer)
    ))`,
  "the same with Vargate.layer": `
    import * as Effect from "effect/Effect"
    import * as FetchHttpClient from "effect/http/FetchHttpClient"
    import * as Governed from "effect-vargate/Governed"
    import * as Vargate from "effect-vargate/Vargate"
    Effect.runFork(Governed.run({ tool: "t", method: "m", onPending: Governed.wait() }, Effect.void).pipe(
      Effect.provide(Vargate.layer({ apiKey: "key" })),
      Effect.provide(FetchHttpClient.layer)
    ))`,
  "webhooks as a fetch handler": `
    import * as Effect from "effect/Effect"
    import * as WebhookRoute from "effect-vargate/WebhookRoute"
    import * as Webhooks from "effect-vargate/Webhooks"
    export default { fetch: WebhookRoute.toWebHandler(Webhooks.layer({ secret: "s", handle: Effect.log })).handler }`,
  "everything in the barrel": `
    import * as vargate from "effect-vargate"
    console.log(vargate)`
}

const build = async (contents: string) => {
  const { metafile, outputFiles } = await esbuild.build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    format: "esm",
    platform: "browser",
    conditions: ["effect-vargate-source"]
  })
  const [output] = Object.values(metafile.outputs)
  return { text: outputFiles[0]!.contents, inputs: Object.entries(output!.inputs) }
}

/** `node_modules/effect/dist/http/internal/x.js` belongs to `effect/http`. */
const roomOf = (file: string) =>
  file.replace(/^node_modules\/(?:effect\/(?:dist|src)\/)?/, file.startsWith("node_modules/effect/") ? "effect/" : "")

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1).padStart(7)} kB`

const heaviest = (sizes: ReadonlyMap<string, number>, count: number) =>
  [...sizes].sort(([, a], [, b]) => b - a).slice(0, count)

for (const [name, program] of Object.entries(programs)) {
  const { inputs, text } = await build(program)
  console.log(`${kilobytes(text.length)} min ${kilobytes(gzipSync(text, { level: 9 }).length)} min+gzip   ${name}`)
  if (!name.startsWith("a governed")) continue
  const files = new Map(inputs.map(([file, { bytesInOutput }]) => [roomOf(file), bytesInOutput]))
  const ours = new Map([...files].filter(([file]) => file.startsWith("src/")))
  const theirs = new Map([...files].filter(([file]) => !file.startsWith("src/")))
  for (const [title, part] of [["effect-vargate", ours], ["effect and what it needs", theirs]] as const) {
    console.log(`\n  ${title}: ${kilobytes([...part.values()].reduce((sum, size) => sum + size, 0)).trim()} min`)
    for (const [file, size] of heaviest(part, 14)) console.log(`    ${kilobytes(size)}  ${file}`)
  }
  console.log()
}
