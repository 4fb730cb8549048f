/**
 * Why a server cannot listen.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: "Some other program has this port. Stop it, or choose another port (0 takes a free one).",
  EACCES: "This user may not take this port. Choose one above 1023.",
  EADDRNOTAVAIL: "This machine has no such address. Use 127.0.0.1, or 0.0.0.0 for all addresses.",
  ENOTFOUND: "No such host is known. Use 127.0.0.1, or 0.0.0.0 for all addresses.",
  ERR_SOCKET_BAD_PORT: "A port is a whole number from 0 to 65535; 0 takes a free one."
}

/**
 * The server cannot listen at the address that it was given.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly host: string
  readonly port: number
  /** The system's word for it: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, `ENOTFOUND`, `ERR_SOCKET_BAD_PORT`, ... */
  readonly code: string
}> {
  override get message(): string {
    return `The server cannot listen on ${this.host}:${this.port} (${this.code}). ${
      advice[this.code] ?? "Choose another address."
    }`
  }
}
