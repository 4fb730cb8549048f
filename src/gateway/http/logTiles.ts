/**
 * GET /tlog/{key id}/checkpoint and /tlog/{key id}/tile/...: the public logs of tenants that have opted in, in the form of
 * C2SP's tlog-tiles. No key is needed.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"
import { type Options, SignedHeads } from "../ledger/SignedHeads.ts"

/**
 * A tile as its path names it: `0/x001/x234/067.p/5`, or `entries/000`.
 *
 * @category models
 * @since 0.2.0
 */
export interface TilePath {
  readonly level: number | "entries"
  readonly index: number
  readonly width: number
}

/**
 * Reads the path of a tile; undefined where it is none.
 *
 * @category paths
 * @since 0.2.0
 */
export const readTilePath = (path: string): TilePath | undefined => {
  const match = /^(entries|[0-5])\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path)
  if (match === null) return undefined
  const [, level, digits, width] = match
  const groups = digits!.replaceAll("x", "").split("/")
  // One name for each tile: no leading groups of nothing.
  if (groups.length > 1 && groups[0] === "000") return undefined
  const hashes = width === undefined ? 256 : Number(width)
  if (width !== undefined && hashes > 255) return undefined
  return { level: level === "entries" ? level : Number(level), index: Number(groups.join("")), width: hashes }
}

const headers = { "x-content-type-options": "nosniff", "access-control-allow-origin": "*" }

const notFound = HttpServerResponse.text("There is no such tile of the signed log.\n", { status: 404, headers })

/** A tile never changes. */
const tileAnswer = (bytes: Uint8Array<ArrayBuffer>) =>
  HttpServerResponse.uint8Array(bytes, {
    contentType: "application/octet-stream",
    headers: { ...headers, "cache-control": "public, max-age=31536000, immutable" }
  })

/** Each entry with its length before it, in two bytes. */
const bundleOf = (recordHashes: ReadonlyArray<string>) =>
  new Uint8Array(Result.getOrThrow(Hex.decode(recordHashes.map((hash) => `0020${hash}`).join(""))))

/**
 * The routes.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = ({ tenants }: Options): Layer.Layer<never, never, HttpRouter.HttpRouter | SignedHeads> =>
  Layer.unwrap(Effect.map(SignedHeads, (heads) =>
    HttpRouter.addAll(
      Object.entries(tenants).flatMap(([tenantId, { key, path = `/tlog/${key.verifier.id}` }]) => {
        const prefix = withoutTrailingSlashes(path) as `/${string}`
        return [
          HttpRouter.route(
            "GET",
            `${prefix}/checkpoint`,
            Effect.sync(() => {
              const published = heads.published(tenantId)
              return published === undefined
                ? HttpServerResponse.text("No head has been signed yet.\n", { status: 404, headers })
                : HttpServerResponse.text(published.note, {
                  contentType: "text/plain; charset=utf-8",
                  headers: { ...headers, "cache-control": "no-cache" }
                })
            })
          ),
          HttpRouter.route("GET", `${prefix}/tile/*`, (request) =>
            Effect.gen(function*() {
              const at = request.url.indexOf("/tile/")
              const [path = ""] = request.url.slice(at + "/tile/".length).split("?", 1)
              const tile = readTilePath(path)
              if (tile === undefined) return notFound
              const { index, level, width } = tile
              if (level === "entries") {
                const entries = yield* heads.entries(tenantId, { index, width })
                return entries === undefined ? notFound : tileAnswer(bundleOf(entries))
              }
              const bytes = yield* heads.tile(tenantId, { level, index, width })
              return bytes === undefined ? notFound : tileAnswer(bytes)
            }))
        ]
      })
    )))
