/** The core at work in a browser, against the embedded gateway on a socket. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schedule, Stream } from "effect"
import { Reviews, Transport } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { FetchHttpClient, HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import * as esbuild from "esbuild"
import { existsSync } from "node:fs"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { chromium } from "playwright-core"

const executablePath = "/usr/bin/chromium"

const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

const script = Effect.promise(async () => {
  const { outputFiles } = await esbuild.build({
    entryPoints: [fileURLToPath(new URL("../support/browserProgram.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    conditions: ["effect-vargate-source"]
  })
  return outputFiles[0]!.text
})

/** The gateway sends no CORS headers, so the page comes from where it is. */
const server = Effect.gen(function*() {
  const page = HttpRouter.addAll([
    HttpRouter.route(
      "GET",
      "/page",
      HttpServerResponse.html("<!doctype html><link rel=icon href=data:,><script type=module src=/page.js></script>")
    ),
    HttpRouter.route("GET", "/page.js", HttpServerResponse.text(yield* script, { contentType: "text/javascript" }))
  ])
  const options = { tenants: [{ id: "t", apiKey: "test-key" }] }
  const context = yield* Layer.build(
    HttpRouter.serve(Layer.mergeAll(page, Gateway.routes(options)), { disableLogger: true, disableListenLog: true })
      .pipe(
        Layer.provide(Gateway.layerParts(options)),
        Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
      )
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  return `http://127.0.0.1:${"port" in address ? address.port : 0}`
})

const page = Effect.acquireRelease(
  Effect.promise(() => chromium.launch({ executablePath, args })),
  (browser) => Effect.promise(() => browser.close())
).pipe(Effect.flatMap((browser) => Effect.promise(() => browser.newPage())))

/** Approves what is held, somewhere outside the page. */
const person = (url: string) =>
  Reviews.Reviews.use((reviews) =>
    Stream.runForEach(
      reviews.stream({ poll: Schedule.spaced("100 millis") }),
      ({ actionId }) => reviews.approve(actionId, "from outside")
    )
  ).pipe(
    Effect.provide(Reviews.layer.pipe(
      Layer.provide(Transport.layer({ apiKey: "test-key", url })),
      Layer.provide(FetchHttpClient.layer)
    ))
  )

describe.skipIf(!existsSync(executablePath))(`the core in a browser (needs ${executablePath})`, () => {
  it.live("submits, waits for a person, acts, and verifies", () =>
    Effect.gen(function*() {
      const url = yield* server
      const tab = yield* page
      const complaints: Array<string> = []
      const asked = new Set<string>()
      tab.on("pageerror", (error) => complaints.push(String(error)))
      tab.on("console", (message) => complaints.push(message.text()))
      tab.on("request", (request) => asked.add(new URL(request.url()).origin))
      yield* Effect.forkScoped(person(url))

      yield* Effect.promise(() => tab.goto(`${url}/page`))
      const outcome = yield* Effect.promise(() => tab.evaluate(() => Reflect.get(globalThis, "outcome")))

      assert.deepStrictEqual(complaints, [])
      assert.deepStrictEqual([...asked], [url])
      assert.deepInclude(outcome.governed, { executedBy: "agent", result: "deleted in the page" })
      assert.deepStrictEqual(outcome.chain, { valid: true, records: 2, findings: 0 })
      assert.strictEqual(outcome.webhook, "TestPing")
      assert.match(outcome.refusal, /does not fit the body/)
      assert.isTrue(outcome.hasWebAssembly)
      assert.isFalse(outcome.hasNode)
    }).pipe(Effect.scoped))
})
