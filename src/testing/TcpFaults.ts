/**
 * Faults on real connections: a proxy on this machine that resets, stalls and half-closes, by a seeded plan.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect, createServer, type Socket } from "node:net"
import { makeRandom } from "../internal/seededRandom.ts"

/**
 * What can happen to a request on its way.
 *
 * **Details**
 *
 * | fault | the request | the program sees |
 * | --- | --- | --- |
 * | `resetBefore` | never arrives | a reset |
 * | `resetAfter` | arrives | a reset instead of the answer |
 * | `stall` | arrives | nothing, until its own time-out |
 * | `halfClose` | arrives | the first half of the answer, then the end |
 *
 * @category models
 * @since 0.1.0
 */
export type TcpFault = "resetBefore" | "resetAfter" | "stall" | "halfClose"

/**
 * How often each fault happens (a share from 0 to 1; together at most 1), on the way to which port of this machine.
 *
 * @category options
 * @since 0.1.0
 */
export interface Plan extends Partial<Readonly<Record<TcpFault, number>>> {
  readonly seed: number
  readonly targetPort: number
  /** Which requests may be hit, by their first line. Default: tool calls. */
  readonly applies?: ((requestLine: string) => boolean) | undefined
}

/**
 * A running proxy.
 *
 * @category models
 * @since 0.1.0
 */
export interface TcpProxy {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number
  /** How often each fault happened. */
  readonly counts: Readonly<Record<TcpFault, number>>
}

const faults: ReadonlyArray<TcpFault> = ["resetBefore", "resetAfter", "stall", "halfClose"]

const isToolCall = (requestLine: string) => requestLine.startsWith("POST /mcp/tools/call ")

/**
 * Starts a proxy in the current scope.
 *
 * **Gotchas**
 *
 * It looks for requests at the beginning of what a client sends, so clients must not pipeline.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (plan: Plan): Effect.Effect<TcpProxy, Cause.UnknownError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly proxy: TcpProxy; readonly close: () => void }, Cause.UnknownError>((resume) => {
      const random = makeRandom(plan.seed)
      const counts: Record<TcpFault, number> = { resetBefore: 0, resetAfter: 0, stall: 0, halfClose: 0 }
      const sockets = new Set<Socket>()
      const draw = (requestLine: string): TcpFault | undefined => {
        if (!(plan.applies ?? isToolCall)(requestLine)) return undefined
        let left = random()
        const fault = faults.find((fault) => (left -= plan[fault] ?? 0) < 0)
        if (fault !== undefined) counts[fault]++
        return fault
      }
      const server = createServer((client) => {
        sockets.add(client)
        client.once("close", () => sockets.delete(client))
        relay(client, plan.targetPort, draw)
      })
      server.once("error", (error) => resume(Effect.fail(new Cause.UnknownError(error, "the proxy cannot listen"))))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ proxy: { port, counts }, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ proxy }) => proxy))

const relay = (client: Socket, targetPort: number, draw: (requestLine: string) => TcpFault | undefined) => {
  const upstream = connect(targetPort, "127.0.0.1")
  let fault: TcpFault | undefined

  client.on("data", (chunk) => {
    const line = /^[A-Z]+ \S+ HTTP/.exec(chunk.toString("latin1", 0, 200))?.[0]
    if (line !== undefined) fault = draw(line)
    if (fault === "resetBefore") reset()
    else upstream.write(chunk)
  })
  upstream.on("data", (chunk) => {
    switch (fault) {
      case "stall":
        return undefined
      case "resetAfter":
        return reset()
      case "halfClose":
        return client.end(chunk.subarray(0, Math.floor(chunk.length / 2)))
      default:
        return client.write(chunk)
    }
  })

  const reset = () => {
    client.resetAndDestroy()
    upstream.destroy()
  }
  client.on("error", () => upstream.destroy())
  client.on("close", () => upstream.destroy())
  upstream.on("error", () => client.resetAndDestroy())
  upstream.on("close", () => fault === "stall" ? undefined : client.end())
}
