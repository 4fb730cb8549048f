/**
 * Tells a connection that never came about from one that broke. Only the first proves that nothing was sent.
 *
 * @internal
 */

/**
 * Codes of Node, Bun, OpenSSL and undici for name look-up, connecting and the TLS handshake: all before the first byte. Codes
 * that an established connection can end with too (`EHOSTUNREACH`, ...) prove something only while connecting.
 */
const beforeSending =
  /^(?:ECONNREFUSED|ConnectionRefused|FailedToOpenSocket|ENOTFOUND|EAI_\w+|UND_ERR_CONNECT_TIMEOUT|ERR_INVALID_URL|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|ERR_TLS_CERT_ALTNAME_INVALID|ERR_SSL_WRONG_VERSION_NUMBER|HOSTNAME_MISMATCH|UNKNOWN_CERTIFICATE_VERIFICATION_ERROR)$/

/**
 * Runtimes that have no code for it, in their own words: Node and Deno refuse ports that browsers block, Deno names the
 * stage at which a request failed, and Bun has one code for every fault of TLS.
 */
const wordsBeforeSending = [
  /^bad port$/,
  /^Fetch failed: Requests to port \d+ are blocked$/,
  /^error sending request(?: from \S+)? for \S+(?: \(\S+\))?(?: \(\S+\))?: client error \(Connect\)(?::|$)/,
  /^EPROTO: The TLS handshake failed\./
]

interface Failure {
  readonly message?: unknown
  readonly code?: unknown
  readonly syscall?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

const isFailure = (u: unknown): u is Failure => typeof u === "object" && u !== null

const provesNothingSent = (error: Failure): boolean =>
  (typeof error.code === "string" && beforeSending.test(error.code) && error.syscall !== "read" &&
    error.syscall !== "write") ||
  error.syscall === "connect" ||
  (typeof error.message === "string" && wordsBeforeSending.some((words) => words.test(error.message as string))) ||
  // Several addresses were tried: every one of them must have failed to connect.
  (Array.isArray(error.errors) && error.errors.length > 0 &&
    error.errors.every((inner) => isFailure(inner) && provesNothingSent(inner)))

/**
 * Reads the error of an HTTP client and everything that caused it.
 *
 * @internal
 */
export const connectionFailure = (error: unknown): { readonly nothingSent: boolean; readonly detail: string } => {
  let detail = ""
  let current: unknown = error
  // Causes can be circular in hand-made errors: ten links are more than any client makes.
  for (let depth = 0; depth < 10 && isFailure(current); depth++) {
    if (typeof current.message === "string" && current.message !== "") detail = current.message
    if (typeof current.code === "string" && !detail.includes(current.code)) {
      detail = detail === "" ? current.code : `${current.code}: ${detail}`
    }
    if (provesNothingSent(current)) return { nothingSent: true, detail: detail || "connection failed" }
    current = current.cause
  }
  return { nothingSent: false, detail: detail || "no reason given" }
}
