import { assert, describe, it } from "@effect/vitest"
import { connectionFailure } from "../../../src/transport/internal/connectionFailure.ts"

const error = (message: string, more: object = {}) => Object.assign(new TypeError(message), more)
const fetchFailed = (cause: unknown) => error("fetch failed", { cause })

const connect = "error sending request for url (http://gateway.invalid/): client error (Connect)"

/** As the runtimes say it. */
const unreachable: ReadonlyArray<readonly [name: string, error: unknown]> = [
  [
    "Node: refused",
    fetchFailed(error("connect ECONNREFUSED 127.0.0.1:1", { code: "ECONNREFUSED", syscall: "connect" }))
  ],
  ["Node: name", fetchFailed(error("getaddrinfo ENOTFOUND gateway.invalid", { code: "ENOTFOUND" }))],
  ["Node: TLS", fetchFailed(error("wrong version number", { code: "ERR_SSL_WRONG_VERSION_NUMBER" }))],
  ["Node: a port that is blocked", fetchFailed(error("bad port"))],
  ["Deno: refused", fetchFailed(error(`${connect}: tcp connect error: Connection refused (os error 111)`))],
  ["Deno: name", fetchFailed(error(`${connect}: dns error: failed to lookup address information`))],
  ["Deno: TLS", fetchFailed(error(`${connect}: received corrupt message of type InvalidContentType`))],
  ["Deno: a port that is blocked", error("Fetch failed: Requests to port 6000 are blocked")],
  ["Bun: refused", error("ECONNREFUSED: Unable to connect.", { code: "ECONNREFUSED" })],
  ["Bun before 1.4: refused", error("Unable to connect.", { code: "ConnectionRefused" })],
  ["Bun: TLS", error("EPROTO: The TLS handshake failed. Does the server speak TLS?", { code: "EPROTO" })]
]

const possible: ReadonlyArray<readonly [name: string, error: unknown]> = [
  ["Node: closed", fetchFailed(error("other side closed", { code: "UND_ERR_SOCKET" }))],
  ["Node: TLS of an open connection", fetchFailed(error("write EPROTO", { code: "EPROTO", syscall: "write" }))],
  [
    "Deno: closed",
    fetchFailed(
      error(
        "error sending request from 127.0.0.1:1 for http://gateway.invalid/ (127.0.0.1:2): client error (SendRequest): connection closed before message completed"
      )
    )
  ],
  [
    "Deno: the words in a URL",
    fetchFailed(
      error("error sending request for url (http://g/?a=:%20client%20error%20(Connect)): client error (SendRequest)")
    )
  ],
  ["Bun: closed", error("ECONNRESET: The socket connection was closed unexpectedly.", { code: "ECONNRESET" })],
  ["browsers", error("Failed to fetch")],
  ["workerd", error("Network connection lost.")],
  ["words that begin like it", error("bad port in the answer")]
]

describe("connectionFailure", () => {
  it.each(unreachable)("knows that nothing was sent: %s", (_, failure) => {
    assert.isTrue(connectionFailure(failure).nothingSent)
  })

  it.each(possible)("takes it for possible that something was sent: %s", (_, failure) => {
    assert.isFalse(connectionFailure(failure).nothingSent)
  })
})
