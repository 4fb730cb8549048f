import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, type Socket } from "node:net"
import { join } from "node:path"
import { openSocket } from "../../../src/node/internal/postgresSocket.ts"
import { folder } from "../../support/folder.ts"

/** A database that accepts connections and says nothing. */
const silent = (at: number | string) =>
  Effect.gen(function*() {
    const sockets: Array<Socket> = []
    const server = createServer((socket) => void sockets.push(socket))
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        const listening = () => resume(Effect.void)
        if (typeof at === "string") server.listen(at, listening)
        else server.listen(at, "127.0.0.1", listening)
      }),
      () =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    )
    const address = server.address()
    return { sockets, port: typeof address === "object" ? address?.port : undefined }
  })

const errorOf = (socket: Socket) =>
  Effect.callback<NodeJS.ErrnoException>((resume) => void socket.on("error", (error) => resume(Effect.succeed(error))))

describe("openSocket", () => {
  it.live("ends a connection on which nothing is said", () =>
    Effect.gen(function*() {
      const { port } = yield* silent(0)
      const error = yield* errorOf(openSocket(`postgres://u:secret@127.0.0.1:${port}/db`, 20))
      assert.strictEqual(error.code, "ETIMEDOUT")
      assert.match(error.message, /the database has said nothing for /)
      assert.notInclude(error.message, "secret")
    }).pipe(Effect.scoped))

  it.live("connects to where the URL says, also in its query", () =>
    Effect.gen(function*() {
      const { port, sockets } = yield* silent(0)
      yield* errorOf(openSocket(`postgres:///db?host=127.0.0.1&port=${port}`, 20))
      assert.strictEqual(sockets.length, 1)
      const path = yield* folder
      const local = yield* silent(join(path, ".s.PGSQL.5432"))
      yield* errorOf(openSocket(`postgres:///db?host=${encodeURIComponent(path)}`, 20))
      assert.strictEqual(local.sockets.length, 1)
    }).pipe(Effect.scoped))

  it.live("knows no end where none is set", () =>
    Effect.gen(function*() {
      const { port } = yield* silent(0)
      const socket = openSocket(`postgres://127.0.0.1:${port}/db`, Infinity)
      assert.isUndefined(socket.timeout)
      socket.destroy()
    }).pipe(Effect.scoped))
})
