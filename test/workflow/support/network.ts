/** A network between a machine and its database, which can stall and break. */
import { Effect, type Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"

export interface Network {
  readonly port: number
  /** Nothing gets through any more, in either direction, and nothing says so. */
  readonly stall: Effect.Effect<void>
  /** The connections that there are never say anything again, and nothing says so; new ones get through. */
  readonly lose: Effect.Effect<void>
  /** Every connection is reset, and new ones get through again. */
  readonly reset: Effect.Effect<void>
}

export const network = (target: number): Effect.Effect<Network, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<Socket>()
    let isStalled = false
    const join = (from: Socket, to: Socket) => {
      sockets.add(from)
      from.on("data", (chunk) => to.write(chunk))
      from.on("end", () => to.end())
      from.on("error", () => to.destroy())
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
      if (isStalled) from.pause()
    }
    const server = createServer((near) => {
      const far = connect(target, "127.0.0.1")
      join(near, far)
      join(far, near)
    })
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      }),
      () =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    )
    return {
      port,
      stall: Effect.sync(() => {
        isStalled = true
        for (const socket of sockets) socket.pause()
      }),
      lose: Effect.sync(() => {
        isStalled = false
        for (const socket of sockets) socket.pause()
      }),
      reset: Effect.sync(() => {
        isStalled = false
        for (const socket of sockets) socket.resetAndDestroy()
      })
    }
  })
