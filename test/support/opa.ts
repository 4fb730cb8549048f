/** A real OPA server in a process of its own, on a free port of this machine. */
import { Context, Effect, Layer } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"

/** The binary, where one is at hand: `.ci/opa` builds it. */
export const opa: string | undefined = [process.env["OPA"], "opa"].find((command) =>
  command !== undefined && command !== "" && spawnSync(command, ["version"]).status === 0
)

/** For the name of a suite that is skipped. */
export const needsOpa = opa === undefined ? " (needs OPA: set the environment variable OPA to what .ci/opa prints)" : ""

export const policies = fileURLToPath(new URL("../../examples/policies", import.meta.url))

/** The policies from plain files. */
export const fromFiles = ["--ignore", "*_test.rego", policies]

export class OpaServer extends Context.Service<OpaServer, {
  readonly url: string
  readonly kill: Effect.Effect<void>
  /** Starts it anew on the same port, with other policies where given. */
  readonly restart: (args?: ReadonlyArray<string>) => Effect.Effect<void>
  /** Stops the process in its tracks: connections are accepted, nothing is answered. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
}>()("test/OpaServer") {}

export const opaServer = (args: ReadonlyArray<string> = fromFiles): Layer.Layer<OpaServer> =>
  Layer.effect(
    OpaServer,
    Effect.gen(function*() {
      const port = yield* Effect.promise(freePort)
      const url = `http://127.0.0.1:${port}`
      let child: ChildProcess | undefined
      const kill = Effect.promise(async () => {
        const dying = child
        child = undefined
        if (dying === undefined) return
        const exit = new Promise((resolve) => dying.once("exit", resolve))
        dying.kill("SIGKILL")
        await exit
      })
      const start = (args: ReadonlyArray<string>) =>
        Effect.promise(async () => {
          const options = [
            "run",
            "--server",
            "--addr",
            `127.0.0.1:${port}`,
            "--log-level",
            "error",
            "--disable-telemetry"
          ]
          const starting = child = spawn(opa!, [...options, ...args], { stdio: ["ignore", "ignore", "pipe"] })
          let errors = ""
          starting.stderr?.on("data", (chunk) => errors += chunk)
          while (!(await isHealthy(url))) {
            if (starting.exitCode !== null) throw new Error(`OPA did not start: ${errors}`)
          }
        })
      const signal = (name: NodeJS.Signals) => Effect.sync(() => void child?.kill(name))
      yield* Effect.addFinalizer(() => kill)
      yield* start(args)
      return OpaServer.of({
        url,
        kill,
        restart: (again = args) => Effect.andThen(kill, start(again)),
        freeze: signal("SIGSTOP"),
        thaw: signal("SIGCONT")
      })
    })
  )

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** OPA does not say when it listens, so it is asked until it answers. */
const isHealthy = async (url: string) => {
  try {
    const response = await fetch(`${url}/health`)
    await response.arrayBuffer()
    return response.ok
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 20))
    return false
  }
}
