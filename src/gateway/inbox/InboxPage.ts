/**
 * GET /: the approval inbox, a page that needs nothing but the gateway's own routes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { hash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { brotliCompressSync, gzipSync } from "node:zlib"

/** A file that is served. */
interface Asset {
  readonly path: HttpRouter.PathInput
  readonly file: string
  readonly contentType: string
}

/** All that is ever served from the disk. */
const assets: ReadonlyArray<Asset> = [
  { path: "/", file: "index.html", contentType: "text/html; charset=utf-8" },
  { path: "/inbox/app.js", file: "app.js", contentType: "text/javascript; charset=utf-8" },
  { path: "/inbox/inbox.css", file: "inbox.css", contentType: "text/css; charset=utf-8" },
  { path: "/inbox/icon.svg", file: "icon.svg", contentType: "image/svg+xml" }
]

/** The same for the page of a review panel. */
const panelAssets: ReadonlyArray<Asset> = [
  { path: "/", file: "panel/index.html", contentType: "text/html; charset=utf-8" },
  { path: "/inbox/panel.js", file: "panel/app.js", contentType: "text/javascript; charset=utf-8" },
  { path: "/inbox/panel.css", file: "panel/panel.css", contentType: "text/css; charset=utf-8" },
  { path: "/inbox/icon.svg", file: "icon.svg", contentType: "image/svg+xml" }
]

/**
 * What the agents send is shown here: nothing runs but our script, and it connects to nothing but this gateway. It may
 * compile WebAssembly, which reads records when the chain is verified; that permits no text to be run as a script.
 */
const policy = {
  "content-security-policy": [
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
  ].join("; "),
  "cross-origin-opener-policy": "same-origin"
}

const notBuilt = HttpServerResponse.text(
  "The inbox page is not built. Run `npm run build:inbox` in the clone of effect-vargate, then load this page again.\n" +
    "Every other route of the gateway works without it.\n",
  { status: 503 }
)

const codings = ["br", "gzip", "identity"] as const
type Coding = (typeof codings)[number]

/** A file in memory, as it is sent. */
interface Loaded {
  readonly source: Buffer
  readonly answers: Readonly<Record<Coding, HttpServerResponse.HttpServerResponse>>
}

const load = (source: Buffer, contentType: string): Loaded => {
  const digest = hash("sha256", source, "base64url").slice(0, 22)
  const answer = (coding: Coding, bytes: Uint8Array) =>
    HttpServerResponse.uint8Array(bytes, {
      contentType,
      headers: {
        ...policy,
        // Kept, but asked about every time: a page that was built anew is shown at once.
        "cache-control": "no-cache",
        vary: "accept-encoding",
        etag: `"${digest}-${coding}"`,
        ...(coding === "identity" ? {} : { "content-encoding": coding })
      }
    })
  return {
    source,
    answers: {
      br: answer("br", brotliCompressSync(source)),
      gzip: answer("gzip", gzipSync(source)),
      identity: answer("identity", source)
    }
  }
}

/** The best coding that a client takes. One that it refuses by `q=0` is one that it does not take. */
const codingFor = (header: string | undefined): Coding => {
  const taken = (header ?? "").slice(0, 512).toLowerCase().split(",").flatMap((part) => {
    const [coding, ...parameters] = part.split(";").map((text) => text.trim())
    return parameters.some((parameter) => /^q=0(?:\.0{0,3})?$/.test(parameter)) ? [] : [coding]
  })
  return codings.find((coding) => taken.includes(coding)) ?? "identity"
}

const notModified = ({ headers }: HttpServerResponse.HttpServerResponse) => {
  const { "content-length": _, "content-type": __, ...others } = headers
  return HttpServerResponse.empty({ status: 304, headers: others })
}

/** The file is looked at again after a second, by one of those that ask for it; the others get what is in memory. */
const serve = Effect.fnUntraced(function*(folder: URL, { contentType, file, path }: Asset) {
  let last: Loaded | undefined
  const [loaded, forget] = yield* Effect.cachedInvalidateWithTTL(
    Effect.tryPromise(() => readFile(new URL(file, folder))).pipe(
      Effect.map((source) => last = last?.source.equals(source) === true ? last : load(source, contentType))
    ),
    "1 second"
  )
  return HttpRouter.route("GET", path, (request) =>
    loaded.pipe(
      Effect.map(({ answers }) => {
        const answer = answers[codingFor(request.headers["accept-encoding"])]
        return (request.headers["if-none-match"] ?? "").includes(answer.headers["etag"]!) ? notModified(answer) : answer
      }),
      Effect.catch(() => Effect.as(forget, notBuilt))
    ))
})

const layerOf = (folder: URL, assets: ReadonlyArray<Asset>) =>
  Layer.unwrap(Effect.map(
    Effect.forEach(assets, (asset) => serve(folder, asset)),
    (routes) => HttpRouter.addAll(routes)
  ))

/**
 * The page and its parts from a folder that ends in a slash.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (folder: URL) => layerOf(folder, assets)

const built = new URL("../../../dist/gateway/inbox/page/", import.meta.url)

/**
 * The page and its parts: a fixed table, so that no path leads anywhere else. They need no key; what they show does.
 * Their place is the same from `src/gateway` and from `dist/gateway`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = layerFrom(built)

/**
 * The page of a review panel and its parts, which need the panel's routes beside them.
 *
 * @category layers
 * @since 0.2.0
 */
export const panelLayer = layerOf(built, panelAssets)
