/** An MCP server over HTTP in a process of its own. */
import { Effect, Schedule } from "effect"
import { spawn } from "node:child_process"
import { connect, createServer } from "node:net"

export interface Program {
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

export const freePort = Effect.promise(() =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { readonly port: number }
      server.close(() => resolve(port))
    })
  })
)

const listens = (port: number) =>
  Effect.tryPromise(() =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => void resolve(socket.end() && undefined)).on("error", reject)
    })
  ).pipe(Effect.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 1200 }))))

/** Its address, once it listens. It ends with the scope. */
export const listening = Effect.fnUntraced(function*(program: (port: number) => Program) {
  const port = yield* freePort
  const { args, env } = program(port)
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, args, {
        env: { PATH: process.env["PATH"], ...env },
        stdio: ["ignore", "ignore", "ignore"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  yield* listens(port)
  return `http://127.0.0.1:${port}/mcp`
})
