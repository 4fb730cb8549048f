/**
 * Node's HTTP server, with bounds on what its clients take: connections per address, requests of one connection at a time,
 * and the time in which an answer must be read.
 *
 * @since 0.1.0
 */
import { type IncomingMessage, Server, type ServerOptions, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { addressOf, holderOf, type IsListed } from "./clientAddress.ts"
import type { Take } from "./DirectRequests.ts"

/**
 * The bounds of a server.
 *
 * @category options
 * @since 0.1.0
 */
export interface Bounds {
  /** Connections of one address. */
  readonly perAddress: number
  /** Whose connections are many clients', and are not counted. */
  readonly isTrusted: IsListed
  /** The time in which some of an answer must be read, in milliseconds. */
  readonly write: number
}

/** Requests that wait behind another one of their connection: what a client may send ahead. */
const maxWaiting = { perConnection: 1024, inAll: 8192 } as const

/** How long a connection lives on that is to be closed: for the last answer to be read, or the headers begun to end. */
const lingering = 500

type Emitted = "request" | "checkContinue"

interface Connection {
  readonly socket: Socket
  readonly address: string | undefined
  /** Requests that came before the present one was answered. */
  readonly waiting: Array<readonly [Emitted, IncomingMessage, ServerResponse]>
  /** The answer to the request that is in its handler. */
  current: ServerResponse | undefined
  /** What had been read when the last answer was complete. */
  bytesAnswered: number
  /** How far the client has come with reading, and since when it is there. */
  bytesTaken: number
  stalledSince: number
}

const isEmitted = (event: unknown): event is Emitted => event === "request" || event === "checkContinue"

const refusal = (detail: string): string => {
  const body = JSON.stringify({ detail: `Too many requests: ${detail}` })
  return "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nconnection: close\r\nretry-after: 1\r\n" +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/**
 * The server.
 *
 * **Details**
 *
 * - A connection has one request in its handler. While another one waits, nothing more is read from it, and one that has
 *   sent more than 1,024 ahead is closed: Node alone would hand every pipelined request to a handler at once.
 * - A connection beyond an address's number is answered 429, with the reason in its body, and closed.
 * - A client that reads nothing of a waiting answer for the time to write is disconnected.
 *
 * @category servers
 * @since 0.1.0
 */
export class BoundedServer extends Server {
  private readonly bounds: Bounds
  private readonly open = new Map<Socket, Connection>()
  private readonly addresses = new Map<string, number>()
  private refused = 0
  private waiting = 0
  private isDraining = false
  private take: Take = () => false

  constructor(options: ServerOptions, bounds: Bounds) {
    super(options)
    this.bounds = bounds
    const watch = setInterval(() => this.cutOffStalled(performance.now()), Math.min(1000, bounds.write)).unref()
    this.once("close", () => clearInterval(watch))
  }

  /**
   * Upgrades are not served: a request that offers another protocol is answered like any other, as
   * HTTP permits. An upgraded connection would be out of reach of every bound and of Node's own timeouts.
   */
  override listenerCount(...[event, listener]: Parameters<Server["listenerCount"]>): number {
    return event === "upgrade" ? 0 : super.listenerCount(event, listener)
  }

  /** From now on these requests are answered by what takes them, and no listener sees them. */
  handOver(take: Take = () => false): void {
    this.take = take
  }

  /** Every event of Node's server passes here, so that none reaches a listener past the bounds. */
  override emit(event: string | symbol, ...values: Array<unknown>): boolean {
    if (event === "connection") return this.admit(values[0] as Socket)
    if (isEmitted(event)) return this.receive(event, values[0] as IncomingMessage, values[1] as ServerResponse)
    return super.emit(event as string, ...values)
  }

  /**
   * Closes every idle connection, and each other one once it has its answer. A request that has begun to arrive has half
   * a second to end.
   */
  drain(): void {
    this.isDraining = true
    for (const connection of this.open.values()) {
      const { bytesAnswered, current, socket } = connection
      if (current !== undefined) closeAfter(current)
      else if (socket.bytesRead === bytesAnswered) socket.destroy()
      else setTimeout(() => connection.current ?? socket.destroy(), lingering).unref()
    }
  }

  private admit(socket: Socket): boolean {
    const address = addressOf(socket.remoteAddress)
    const counted = address === undefined || this.bounds.isTrusted(address) ? undefined : holderOf(address)
    const count = counted === undefined ? 0 : this.addresses.get(counted) ?? 0
    if (counted !== undefined && count >= this.bounds.perAddress) return this.refuse(socket)
    if (counted !== undefined) this.addresses.set(counted, count + 1)
    this.open.set(socket, {
      socket,
      address: counted,
      waiting: [],
      current: undefined,
      bytesAnswered: 0,
      bytesTaken: 0,
      stalledSince: 0
    })
    socket.once("close", () => this.forget(socket))
    return super.emit("connection", socket)
  }

  private refuse(socket: Socket): boolean {
    socket.on("error", () => {})
    // A few hear why; where many are refused at once, the words would cost more than the connections.
    if (this.refused >= 64) {
      socket.destroy()
      return true
    }
    this.refused++
    socket.once("close", () => this.refused--)
    // What the client has sent is read: a socket that is closed over unread bytes takes the answer back.
    socket.resume()
    socket.end(refusal(`this address has ${this.bounds.perAddress} connections, as many as it may have`))
    setTimeout(() => socket.destroy(), lingering).unref()
    return true
  }

  private forget(socket: Socket): void {
    const connection = this.open.get(socket)
    if (connection === undefined) return
    this.open.delete(socket)
    this.waiting -= connection.waiting.length
    connection.waiting.length = 0
    if (connection.address === undefined) return
    const count = this.addresses.get(connection.address)! - 1
    if (count === 0) this.addresses.delete(connection.address)
    else this.addresses.set(connection.address, count)
  }

  private receive(event: Emitted, request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    const connection = this.open.get(socket)
    // The rest of what was read before the connection was closed.
    if (connection === undefined || socket.destroyed) return true
    if (connection.current === undefined) return this.handle(connection, event, request, response)
    if (connection.waiting.length >= maxWaiting.perConnection || this.waiting >= maxWaiting.inAll) {
      socket.destroy()
      return true
    }
    connection.waiting.push([event, request, response])
    this.waiting++
    socket.pause()
    return true
  }

  private handle(
    connection: Connection,
    event: Emitted,
    request: IncomingMessage,
    response: ServerResponse
  ): boolean {
    connection.current = response
    connection.bytesTaken = -1
    if (this.isDraining) closeAfter(response)
    response.once("close", () => this.answered(connection))
    // One that expects a word before its body needs the platform to give it.
    if (event === "request" && this.take(request, response)) return true
    return super.emit(event as string, request, response)
  }

  private answered(connection: Connection): void {
    const { socket, waiting } = connection
    connection.current = undefined
    connection.bytesAnswered = socket.bytesRead
    const next = waiting.shift()
    if (next !== undefined) {
      this.waiting--
      if (waiting.length === 0) socket.resume()
      this.handle(connection, ...next)
    } else if (this.isDraining) {
      socket.end()
      setTimeout(() => socket.destroy(), lingering).unref()
    }
  }

  private cutOffStalled(now: number): void {
    for (const connection of this.open.values()) {
      const { socket } = connection
      const taken = socket.bytesWritten - socket.writableLength
      if (connection.current === undefined || socket.writableLength === 0 || taken !== connection.bytesTaken) {
        connection.bytesTaken = taken
        connection.stalledSince = now
      } else if (now - connection.stalledSince >= this.bounds.write) {
        socket.destroy()
      }
    }
  }
}

const closeAfter = (response: ServerResponse): void => {
  if (!response.headersSent) response.setHeader("connection", "close")
}
