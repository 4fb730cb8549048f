/**
 * Server-sent events, as Streamable HTTP uses them: each event is one message.
 *
 * @internal
 */
import { concatBytes } from "../../internal/concatBytes.ts"
import type { Incoming } from "../McpChannel.ts"
import { Framing, messageOf } from "./lineFraming.ts"
import { oneLine } from "./rawMessage.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * An event, with the id under which its stream can be taken up again. Without a message it says that id alone.
 *
 * @internal
 */
export const eventBytes = (message: string, id?: string): Uint8Array =>
  encoder.encode(
    `${id === undefined ? "" : `id: ${id}\n`}${message === "" ? "" : "event: message\n"}data: ${oneLine(message)}\n\n`
  )

/** Says nothing, so that the head of an answer leaves at once, and that its connection is in use. */
export const commentBytes = encoder.encode(":\n\n")

const data = encoder.encode("data:")
const lineEnd = encoder.encode("\n")

/**
 * Each event is a message. Several lines of data are one text with line breaks; an event without its end is none.
 *
 * @internal
 */
export class SseFraming extends Framing {
  /** Of the newest event that has one: after it the stream can be taken up again. */
  lastEventId: string | undefined
  /** How long to wait before that, in milliseconds, where the server has said so. */
  retry: number | undefined
  private event: Array<Uint8Array> = []
  private id: string | undefined

  constructor() {
    super(16)
  }

  end(): ReadonlyArray<Incoming> {
    this.drop()
    this.id = undefined
    return []
  }

  protected takeBegun(): ReadonlyArray<Uint8Array> {
    const { event } = this
    this.event = []
    return event
  }

  protected onLine(line: Uint8Array): ReadonlyArray<Incoming> {
    if (line.length === 0) {
      this.endMessage()
      this.lastEventId = this.id ?? this.lastEventId
      this.id = undefined
      return messageOf(concatBytes(this.takeBegun()))
    }
    if (data.every((byte, i) => line[i] === byte)) this.event.push(line.subarray(line[5] === 0x20 ? 6 : 5), lineEnd)
    else if (line.length < 1000) this.onField(decoder.decode(line))
    return []
  }

  private onField(line: string): void {
    // What cannot stand in a header cannot be named again.
    const [, id] = /^id: ?([\x21-\x7e]+)$/.exec(line) ?? []
    const [, retry] = /^retry: ?(\d{1,9})$/.exec(line) ?? []
    if (id !== undefined) this.id = id
    if (retry !== undefined) this.retry = Number(retry)
  }
}
