/** A server that writes bytes by hand, and a test over the transport that speaks to it. */
import { it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import { createServer, type Socket } from "node:net"
import * as NodeTransport from "../../src/node/NodeTransport.ts"

export interface Conversation {
  readonly socket: Socket
  /** Everything that came over this connection so far. */
  readonly heard: () => string
}

export interface Server {
  readonly url: string
  /** Connections that are open now. */
  readonly open: () => number
  /** Connections that there ever were. */
  readonly total: () => number
  /** Requests whose head has arrived. */
  readonly requests: ReadonlyArray<string>
}

/** A server that calls `answer` when the head of a request has arrived. */
export const serve = (
  answer: (conversation: Conversation, count: number) => void
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Server; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const requests: Array<string> = []
      let total = 0
      const server = createServer((socket) => {
        sockets.add(socket)
        total++
        let heard = ""
        let unanswered = ""
        socket.on("close", () => sockets.delete(socket))
        socket.on("error", () => {})
        socket.on("data", (chunk) => {
          heard += chunk.toString("latin1")
          unanswered += chunk.toString("latin1")
          const end = unanswered.indexOf("\r\n\r\n")
          if (end < 0) return
          const head = unanswered.slice(0, end)
          const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
          if (unanswered.length < end + 4 + length && !/transfer-encoding/i.test(head)) return
          if (/transfer-encoding/i.test(head) && !unanswered.endsWith("0\r\n\r\n")) return
          unanswered = ""
          requests.push(head)
          answer({ socket, heard: () => heard }, requests.length)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({
          server: { url: `http://127.0.0.1:${port}`, open: () => sockets.size, total: () => total, requests },
          close: () => {
            server.close()
            for (const socket of sockets) socket.destroy()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ server }) => server))

export const saying = (text: string) => ({ socket }: Conversation) => void socket.write(text)

export const ok = (body: string, headers = "") =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`

export const test = (
  name: string,
  body: () => Effect.fn.Return<void, unknown, HttpClient.HttpClient | Scope.Scope>,
  options: NodeTransport.Options = {}
) => it.live(name, () => Effect.gen(body).pipe(Effect.provide(NodeTransport.layerWith(options))))

/** Waits for what another process of events brings about. */
export const until = (condition: () => boolean) =>
  Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), Effect.sync(condition)), { until: (holds) => holds })
