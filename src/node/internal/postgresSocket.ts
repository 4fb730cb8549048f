/**
 * A connection to Postgres that ends when nothing is sent or received on it for a while. A database that is lost without a
 * word, or a router that has forgotten the connection, would keep its statements waiting until the kernel gives up, if it
 * does.
 *
 * @internal
 */
import { connect, type Socket } from "node:net"

/** Where libpq would connect to. What is wrong with the URL is told by the client, which reads it first. */
const targetOf = (text: string) => {
  const url = new URL(text)
  const host = url.searchParams.get("host") ?? (decodeURIComponent(url.hostname).replace(/^\[|\]$/g, "") || "localhost")
  const port = Number(url.searchParams.get("port") ?? (url.port || 5432))
  return host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port, noDelay: true }
}

/**
 * Connects.
 *
 * @internal
 */
export const openSocket = (url: string, silence: number): Socket => {
  const socket = connect(targetOf(url))
  // As long as Node's timers go.
  if (silence >= 2 ** 31) return socket
  // What TLS sends over it counts as well.
  return socket.setTimeout(silence, () => {
    socket.destroy(
      Object.assign(new Error(`the database has said nothing for ${Math.round(silence / 1000)} seconds`), {
        code: "ETIMEDOUT"
      })
    )
  })
}
