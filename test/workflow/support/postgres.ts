/** A Postgres of the test's own, on a free port of this machine, in a folder that goes with it. */
import { Effect, type Scope } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = "/usr/lib/postgresql"
const version = existsSync(root) ? readdirSync(root).filter((name) => /^\d+$/.test(name)).sort().at(-1) : undefined
const bin = version === undefined ? undefined : join(root, version, "bin")

export const hasPostgres = bin !== undefined && existsSync(join(bin, "initdb"))

export const reason = "needs Debian's postgresql"

/** Postgres does not run as root; Debian's package has made a user for it. */
const user = () => {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }))
  return { uid: id("-u"), gid: id("-g") }
}

export const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** A server that can be stopped for a while. */
export interface Server {
  readonly url: string
  readonly port: number
  /** Stops it, as an upgrade does, and starts it again after so many milliseconds. */
  readonly restart: (milliseconds: number) => Effect.Effect<void>
}

/** Starts it and gives its URL. */
export const start: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.suspend(() => server),
  ({ url }) => url
)

export const server: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "postgres-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const port = yield* freePort
  const data = join(folder, "data")
  const run = { ...user(), cwd: folder }
  yield* Effect.sync(() => {
    if (run.uid !== undefined) chownSync(folder, run.uid, run.gid)
    execFileSync(join(bin!, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], {
      ...run,
      stdio: "ignore"
    })
  })
  const launch = Effect.callback<ReturnType<typeof spawn>>((resume) => {
    const options = ["-D", data, "-h", "127.0.0.1", "-p", String(port), "-k", folder, "-c", "max_connections=200"]
    const server = spawn(join(bin!, "postgres"), options, { ...run, stdio: ["ignore", "ignore", "pipe"] })
    server.stderr.on("data", (chunk) => {
      if (String(chunk).includes("ready to accept connections")) resume(Effect.succeed(server))
    })
  })
  let running: ReturnType<typeof spawn> | undefined
  const stop = Effect.callback<void>((resume) => {
    if (running === undefined) return resume(Effect.void)
    running.once("exit", () => resume(Effect.void))
    running.kill("SIGINT")
    running = undefined
  })
  const begin = Effect.map(launch, (server) => void (running = server))
  yield* Effect.acquireRelease(begin, () => stop)
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    port,
    restart: (milliseconds) => Effect.andThen(stop, Effect.andThen(Effect.sleep(milliseconds), begin))
  }
})
