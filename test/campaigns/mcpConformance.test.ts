/**
 * The official conformance suite for servers, before servers and before the proxy in front of them: no check fails only
 * behind the proxy.
 */
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as McpHttpProxy from "effect-vargate/mcp/McpHttpProxy"
import * as McpStdio from "effect-vargate/mcp/McpStdio"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { HttpRouter } from "effect/http"
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { devNull } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { hasMcpPeers, mcpPeer } from "../../.ci/mcpPeers.ts"
import { folder } from "../support/folder.ts"
import { isFull } from "../support/isFull.ts"
import { published } from "../support/mcp.ts"
import { freePort, listening, type Program } from "../support/mcpPeers/listening.ts"

interface Check {
  readonly id: string
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO"
  readonly errorMessage?: string
}

interface Peer {
  readonly name: string
  readonly version: "2025-11-25" | "2026-07-28"
  readonly stdio: ReadonlyArray<string>
  readonly http: (port: number) => Program
  /** How many checks it passes by itself at least: a referee that finds nothing proves nothing. */
  readonly passes: number
}

const own = [
  "--conditions=effect-vargate-source",
  fileURLToPath(new URL("../support/mcpPeers/conformanceServer.ts", import.meta.url))
]

const newer = [
  "--conditions=effect-vargate-source",
  fileURLToPath(new URL("../support/mcpPeers/sdkServer.ts", import.meta.url))
]

const peers: ReadonlyArray<Peer> = [
  {
    name: "server-everything",
    version: "2025-11-25",
    stdio: [published("server-everything")],
    http: (port) => ({ args: [published("server-everything"), "streamableHttp"], env: { PORT: String(port) } }),
    passes: 40
  },
  {
    name: "a server with all that the suite asks for",
    version: "2025-11-25",
    stdio: own,
    http: (port) => ({ args: [...own, String(port)], env: {} }),
    passes: 60
  },
  {
    name: "a server of the newer revision",
    version: "2026-07-28",
    stdio: [...newer, devNull],
    http: (port) => ({ args: [...newer, devNull, String(port)], env: {} }),
    passes: 80
  }
]

/** The server by itself. */
const direct = ({ http }: Peer) => listening(http)

/** The proxy, which starts the server for each session. */
const proxied = Effect.fnUntraced(function*({ stdio }: Peer) {
  const server = McpStdio.server({ command: process.execPath, args: stdio })
  const port = yield* freePort
  const route = McpHttpProxy.layer("/mcp", server, {
    tool: "lab",
    allowDuplicate: true,
    allowedHosts: [`127.0.0.1:${port}`, `localhost:${port}`],
    allowedOrigins: [`http://127.0.0.1:${port}`, `http://localhost:${port}`]
  })
  yield* Layer.build(
    HttpRouter.serve(route, { disableListenLog: true, disableLogger: true }).pipe(
      Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port })),
      Layer.provide(NodeServices.layer),
      Layer.provide(GatewayMemory.layer({
        tenants: [{ id: "t", apiKey: "test-key", burst: 100_000 }],
        policy: { approvals: [] }
      }))
    )
  )
  return `http://127.0.0.1:${port}/mcp`
})

/** What the referee says of a server: the checks by scenario and id. */
const checked = Effect.fnUntraced(function*(url: string, version: string) {
  const path = yield* folder
  const args = ["server", "--url", url, "--requirements", version, "--output-dir", path]
  // It ends with 1 where a check failed.
  yield* Effect.promise(() =>
    new Promise<void>((resolve) =>
      execFile(
        process.execPath,
        [mcpPeer("conformance/dist/index.js"), ...args],
        { maxBuffer: 1 << 26 },
        () => resolve()
      )
    )
  )
  const checks = new Map<string, Check>()
  for (const name of readdirSync(path)) {
    const scenario = name.replace(/-\d{4}-\d{2}-\d{2}T.*$/, "")
    for (const check of JSON.parse(readFileSync(join(path, name, "checks.json"), "utf8")) as ReadonlyArray<Check>) {
      const key = `${scenario}: ${check.id}`
      // Of a check that is made several times the worst counts.
      if (checks.get(key)?.status !== "FAILURE") checks.set(key, check)
    }
  }
  return checks
})

const needed = hasMcpPeers() ? "" : " (needs what .ci/mcpPeers.ts installs)"

describe.skipIf(needed !== "")(`the official conformance suite${needed}`, () => {
  it.live.each(isFull ? peers : peers.slice(1))(
    "finds nothing behind the proxy that it does not find in $name itself",
    (peer) =>
      Effect.gen(function*() {
        const alone = yield* checked(yield* direct(peer), peer.version)
        const behind = yield* checked(yield* proxied(peer), peer.version)
        const passed = [...alone].filter(([, { status }]) => status === "SUCCESS").map(([key]) => key)
        assert.isAtLeast(passed.length, peer.passes)
        const worse = passed.filter((key) => behind.get(key)?.status !== "SUCCESS")
        assert.deepStrictEqual(worse.map((key) => `${key}: ${behind.get(key)?.errorMessage ?? "no such check"}`), [])
      }).pipe(Effect.scoped)
  )
})
