/** The page as any HTTP client sees it. What a person sees stands in `inbox/`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import * as InboxPage from "../../../src/gateway/inbox/InboxPage.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "vargate-inbox-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

const served = (folder: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      HttpRouter.toWebHandler(InboxPage.layerFrom(pathToFileURL(`${folder}/`)), { disableLogger: true })
    ),
    ({ dispose }) => Effect.promise(dispose)
  ).pipe(
    Effect.map(({ handler }) => (path: string) => Effect.promise(() => handler(new Request(`http://localhost${path}`))))
  )

const files = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/inbox/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/inbox/inbox.css": ["inbox.css", "text/css; charset=utf-8"],
  "/inbox/icon.svg": ["icon.svg", "image/svg+xml"]
} as const

describe("InboxPage", () => {
  it.effect("serves its four files with their types, under a policy that lets nothing else in", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const get = yield* served(root)
      for (const [path, [file, type]] of Object.entries(files)) {
        writeFileSync(join(root, file), `this is ${file}`)
        const response = yield* get(path)
        assert.deepStrictEqual(
          [response.status, response.headers.get("content-type"), yield* Effect.promise(() => response.text())],
          [200, type, `this is ${file}`]
        )
        const directives = response.headers.get("content-security-policy")!.split("; ")
        assert.deepStrictEqual(directives, [
          "default-src 'none'",
          "script-src 'self' 'wasm-unsafe-eval'",
          "style-src 'self'",
          "img-src 'self'",
          "connect-src 'self'",
          "base-uri 'none'",
          "form-action 'none'",
          "frame-ancestors 'none'",
          "require-trusted-types-for 'script'",
          "trusted-types 'none'"
        ])
        assert.strictEqual(response.headers.get("cross-origin-opener-policy"), "same-origin")
      }
    }))

  it.effect("keeps its files in memory, compressed and under an ETag", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const { handler } = yield* Effect.acquireRelease(
        Effect.sync(() =>
          HttpRouter.toWebHandler(InboxPage.layerFrom(pathToFileURL(`${root}/`)), { disableLogger: true })
        ),
        ({ dispose }) => Effect.promise(dispose)
      )
      const script = "alert(1);".repeat(1000)
      writeFileSync(join(root, "app.js"), script)
      const get = (headers: Readonly<Record<string, string>> = {}) =>
        Effect.promise(() => handler(new Request("http://localhost/inbox/app.js", { headers })))
      const bytes = (response: Response) => Effect.promise(async () => Buffer.from(await response.arrayBuffer()))
      const plain = yield* get()
      assert.strictEqual((yield* bytes(plain)).toString(), script)
      rmSync(join(root, "app.js"))
      const codings = [["gzip, deflate", "gzip", gunzipSync], ["gzip, br;q=1.0", "br", brotliDecompressSync]] as const
      for (const [accepted, coding, unpack] of codings) {
        const packed = yield* get({ "accept-encoding": accepted })
        assert.strictEqual(packed.headers.get("content-encoding"), coding)
        assert.strictEqual(unpack(yield* bytes(packed)).toString(), script)
        const etag = packed.headers.get("etag")!
        assert.notStrictEqual(etag, plain.headers.get("etag"))
        const again = yield* get({ "accept-encoding": accepted, "if-none-match": etag })
        assert.deepStrictEqual([again.status, (yield* bytes(again)).length], [304, 0])
      }
      const refused = yield* get({ "accept-encoding": "br;q=0, gzip;q=0.000, *" })
      assert.isNull(refused.headers.get("content-encoding"))
    }))

  it.effect("serves nothing else from its folder", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const get = yield* served(root)
      writeFileSync(join(root, "secret.txt"), "secret")
      for (
        const path of ["/secret.txt", "/inbox/secret.txt", "/inbox/index.html", "/app.js", "/inbox/..%2fsecret.txt"]
      ) {
        assert.strictEqual((yield* get(path)).status, 404, path)
      }
    }))

  it.effect("leaves the root to other routes where it is not wanted", () =>
    Effect.gen(function*() {
      const own = HttpRouter.add("GET", "/", HttpServerResponse.text("mine"))
      const app = yield* HttpRouter.toHttpEffect(Layer.merge(own, Gateway.routes({ inbox: false })))
      const get = (path: string) =>
        Effect.provideService(
          Effect.scoped(app),
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromWeb(new Request(`http://localhost${path}`))
        )
      assert.strictEqual((yield* get("/")).status, 200)
      assert.strictEqual((yield* get("/inbox/app.js")).status, 404)
      assert.strictEqual((yield* get("/health")).status, 200)
    }).pipe(Effect.provide([Gateway.layerParts(), HttpServer.layerServices])))

  it.effect("says what to run while it is not built, and needs no restart afterwards", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const get = yield* served(root)
      const missing = yield* get("/")
      assert.strictEqual(missing.status, 503)
      assert.include(yield* Effect.promise(() => missing.text()), "npm run build:inbox")
      writeFileSync(join(root, "index.html"), "built")
      assert.strictEqual((yield* get("/")).status, 200)
    }))
})
