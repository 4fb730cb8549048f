/**
 * GET /: the approval inbox, a page that needs nothing but the gateway's own routes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { readFile } from "node:fs/promises"

/** All that is ever served from the disk. */
const assets = [
  { path: "/", file: "index.html", contentType: "text/html; charset=utf-8" },
  { path: "/inbox/app.js", file: "app.js", contentType: "text/javascript; charset=utf-8" },
  { path: "/inbox/inbox.css", file: "inbox.css", contentType: "text/css; charset=utf-8" },
  { path: "/inbox/icon.svg", file: "icon.svg", contentType: "image/svg+xml" }
] as const

/** What the agents send is shown here: nothing runs but our script, and it connects to nothing but this gateway. */
const policy = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
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

const serve = (folder: URL, { contentType, file }: (typeof assets)[number]) =>
  Effect.tryPromise(() => readFile(new URL(file, folder))).pipe(
    Effect.map((bytes) => HttpServerResponse.uint8Array(bytes, { contentType, headers: policy })),
    Effect.orElseSucceed(() => notBuilt)
  )

/**
 * The page and its parts from a folder that ends in a slash.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (folder: URL) =>
  HttpRouter.addAll(assets.map((asset) => HttpRouter.route("GET", asset.path, serve(folder, asset))))

/**
 * The page and its parts: a fixed table, so that no path leads anywhere else. They need no key; what they show does.
 * Their place is the same from `src/gateway` and from `dist/gateway`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = layerFrom(new URL("../../../dist/gateway/inbox/page/", import.meta.url))
