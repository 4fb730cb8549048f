/** A Postgres of the test's own, on a free port of this machine, in a folder that goes with it. */
import { Effect, type Scope } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = "/usr/lib/postgresql"
const version = existsSync(root) ? readdirSync(root).filter((name) => /^\d+$/.test(name)).sort().at(-1) : undefined
const bin = version === undefined ? undefined : join(root, version, "bin")

export const hasPostgres = bin !== undefined && existsSync(join(bin, "initdb"))

export const reason = "needs Debian's postgresql"

/** Postgres does not run as root; Debian's package has made a user for it. */
const asPostgres = (command: string, args: ReadonlyArray<string>): readonly [string, ReadonlyArray<string>] =>
  process.getuid?.() === 0 ? ["runuser", ["-u", "postgres", "--", command, ...args]] : [command, args]

export const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Starts it and gives its URL. */
export const start: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "postgres-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const port = yield* freePort
  const data = join(folder, "data")
  yield* Effect.sync(() => {
    if (process.getuid?.() === 0) {
      const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }))
      chownSync(folder, id("-u"), id("-g"))
    }
    const [command, args] = asPostgres(join(bin!, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync"])
    execFileSync(command, args, { stdio: "ignore", cwd: folder })
  })
  yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>>((resume) => {
      const options = ["-D", data, "-h", "127.0.0.1", "-p", String(port), "-k", folder, "-c", "max_connections=200"]
      const [command, args] = asPostgres(join(bin!, "postgres"), options)
      const server = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], cwd: folder })
      server.stderr.on("data", (chunk) => {
        if (String(chunk).includes("ready to accept connections")) resume(Effect.succeed(server))
      })
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.once("exit", () => resume(Effect.void))
        // Not the process that was started, which may only be the one that changed the user.
        process.kill(Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0]), "SIGINT")
      })
  )
  return `postgres://postgres@127.0.0.1:${port}/postgres`
})
