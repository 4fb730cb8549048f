/**
 * Messages on lines, as standard input and output carry them: bytes to texts, and nothing else.
 *
 * @internal
 */
import { carriageReturn, newline } from "../../internal/asciiBytes.ts"
import { concatBytes } from "../../internal/concatBytes.ts"
import { type Incoming, Unreadable } from "../McpChannel.ts"
import { MessageSketch } from "./messageSketch.ts"

/**
 * The longest message, in bytes.
 *
 * @internal
 */
export const maxMessageBytes = 16 * 1024 * 1024

/** Not lenient, and a mark of byte order is no JSON. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * A message of its bytes.
 *
 * @internal
 */
export const decodeMessage = (bytes: Uint8Array): Incoming => {
  try {
    return decoder.decode(bytes)
  } catch {
    const sketch = new MessageSketch()
    sketch.feed(bytes)
    return new Unreadable("this is not UTF-8", sketch)
  }
}

/**
 * Cuts bytes at line feeds. What is too long is not kept.
 *
 * @internal
 */
export abstract class Framing {
  private parts: Array<Uint8Array> = []
  private size = 0
  private tooLong: MessageSketch | undefined
  private readonly limit: number

  /** `ownBytes` is what the framing itself takes beside a message. */
  constructor(ownBytes = 0) {
    this.limit = maxMessageBytes + ownBytes
  }

  /** The messages that end in these bytes. */
  feed(bytes: Uint8Array): Array<Incoming> {
    const messages: Array<Incoming> = []
    let from = 0
    for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, from)) {
      this.keep(bytes.subarray(from, at))
      messages.push(...this.endLine())
      from = at + 1
    }
    if (from < bytes.length) this.keep(bytes.subarray(from))
    return messages
  }

  /** What stands behind the last line feed. */
  abstract end(): ReadonlyArray<Incoming>

  /** What a line is the end of. */
  protected abstract onLine(line: Uint8Array): ReadonlyArray<Incoming>

  /** The message that has begun before this line; it is dropped. */
  protected abstract takeBegun(): ReadonlyArray<Uint8Array>

  protected endMessage(): void {
    this.size = 0
  }

  /** Forgets what has begun. */
  protected drop(): void {
    this.takeBegun()
    this.parts = []
    this.size = 0
    this.tooLong = undefined
  }

  protected endLine(): ReadonlyArray<Incoming> {
    const { parts, tooLong } = this
    this.parts = []
    this.tooLong = undefined
    if (tooLong !== undefined) {
      this.size = 0
      return [new Unreadable(`this has more than ${maxMessageBytes} bytes`, tooLong)]
    }
    const line = parts.length === 1 ? parts[0]! : concatBytes(parts)
    return this.onLine(line[line.length - 1] === carriageReturn ? line.subarray(0, -1) : line)
  }

  private keep(part: Uint8Array): void {
    this.size += part.length
    if (this.tooLong !== undefined) return this.tooLong.feed(part)
    this.parts.push(part)
    if (this.size <= this.limit) return
    this.tooLong = new MessageSketch()
    for (const kept of [...this.takeBegun(), ...this.parts]) this.tooLong.feed(kept)
    this.parts = []
  }
}

/** A message, unless it is blank. */
export const messageOf = (bytes: Uint8Array): ReadonlyArray<Incoming> => {
  const message = decodeMessage(bytes)
  return typeof message === "string" && message.trim() === "" ? [] : [message]
}

/**
 * Each line is a message.
 *
 * @internal
 */
export class LineFraming extends Framing {
  end(): ReadonlyArray<Incoming> {
    return this.endLine()
  }

  protected takeBegun(): ReadonlyArray<Uint8Array> {
    return []
  }

  protected onLine(line: Uint8Array): ReadonlyArray<Incoming> {
    this.endMessage()
    return messageOf(line)
  }
}
