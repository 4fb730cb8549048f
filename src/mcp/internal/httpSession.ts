/**
 * A legacy client's session over Streamable HTTP: its messages come in POST requests, and what it is sent belongs to one of
 * these, or to the stream that it opened with GET.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Incoming, McpChannel } from "../McpChannel.ts"
import { keyOfId, type Read, readMessage } from "./messages.ts"
import { commentBytes, eventBytes } from "./sse.ts"

/** A response that is written message by message. */
export interface EventStream {
  /** Of what the client does not read, so much is kept; beyond that the stream ends where it is. */
  readonly write: (text: string, id?: string) => void
  /** Ends when what was written has been read. */
  readonly end: () => void
  readonly response: HttpServerResponse.HttpServerResponse
}

/** Several of the longest messages. */
const maxUnread = 64 * 1024 * 1024

const keepAlive = Stream.fromEffectSchedule(Effect.succeed(commentBytes), Schedule.spaced("15 seconds")).pipe(
  Stream.drop(1)
)

/** Its head leaves at once. `closed` is run when the client has closed it, or it has ended. */
export const makeEventStream = (closed: Effect.Effect<void>, headers: Record<string, string> = {}) =>
  Effect.map(Queue.unbounded<Uint8Array, Cause.Done>(), (queue): EventStream => {
    let unread = 0
    const events = Stream.tap(Stream.fromQueue(queue), (bytes) => Effect.sync(() => void (unread -= bytes.length)))
    return {
      write: (text, id) => {
        const bytes = eventBytes(text, id)
        unread += bytes.length
        if (unread <= maxUnread) Queue.offerUnsafe(queue, bytes)
        // Its connection breaks off where it is.
        else Queue.shutdownUnsafe(queue)
      },
      end: () => void Queue.endUnsafe(queue),
      response: HttpServerResponse.stream(
        Stream.succeed(commentBytes).pipe(
          Stream.concat(Stream.merge(events, keepAlive, { haltStrategy: "left" })),
          Stream.ensuring(closed)
        ),
        {
          headers: { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no", ...headers },
          contentType: "text/event-stream"
        }
      )
    }
  })

/** What is kept for a client that has no stream open. */
const maxBacklog = 100

/** @internal */
export interface HttpSession {
  readonly channel: McpChannel
  /** Takes the messages of a POST request. Its response holds their answers; undefined where they want none. */
  readonly post: (
    messages: ReadonlyArray<Read>,
    texts: ReadonlyArray<Incoming>,
    headers: Record<string, string>,
    version?: string
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse | undefined>
  /**
   * The stream of a GET request; undefined where there is one. After the event that it names, it is that of an earlier POST
   * request, whose connection broke.
   */
  readonly get: (lastEventId?: string) => Effect.Effect<HttpServerResponse.HttpServerResponse | undefined>
  /** The client has ended it. */
  readonly close: Effect.Effect<void>
}

/** Since this revision clients understand an event without a message, and come back after a connection that broke. */
const firstResumable = "2025-11-25"

/** Of the newest POST requests of a session, and of the characters of their events. */
const maxResumable = 16
const maxKept = 4 * 1024 * 1024

/** What a POST request is answered with, over one connection or several. */
interface Answers {
  readonly number: number
  /** The keys of the ids that it waits for. */
  readonly open: Set<string>
  readonly isResumable: boolean
  /** What was written, but for the first `dropped`, for a client that comes back. */
  events: Array<string>
  dropped: number
  live: EventStream | undefined
}

/** @internal */
export const make: Effect.Effect<HttpSession> = Effect.gen(function*() {
  const incoming = yield* Queue.unbounded<Incoming, Cause.Done>()
  /** By the keys of the ids that they wait for. */
  const waiting = new Map<string, Answers>()
  /** Those that a client can come back to, by their numbers. */
  const resumable = new Map<number, Answers>()
  let numbers = 0
  let kept = 0
  let listening: EventStream | undefined
  let backlog: Array<string> = []

  const flush = (stream: EventStream) => {
    for (const text of backlog) stream.write(text)
    backlog = []
  }

  const dropEvents = (answers: Answers) => {
    for (const { length } of answers.events) kept -= length
    answers.dropped += answers.events.length
    answers.events = []
  }

  const write = (answers: Answers, text: string) => {
    const { events, isResumable, live, number } = answers
    const id = `${number}-${answers.dropped + events.length + 1}`
    if (resumable.has(number)) {
      events.push(text)
      kept += text.length
      for (const one of resumable.values()) if (kept > maxKept) dropEvents(one)
    }
    live?.write(text, isResumable ? id : undefined)
  }

  /** A connection, from an event on. */
  const connect = Effect.fnUntraced(function*(answers: Answers, from: number, headers?: Record<string, string>) {
    answers.live?.end()
    const live: EventStream = yield* makeEventStream(
      Effect.sync(() => {
        if (answers.live !== live) return
        answers.live = undefined
        if (!answers.isResumable) { for (const key of answers.open) waiting.delete(key) }
      }),
      headers
    )
    answers.live = live
    const { dropped, events, isResumable, number } = answers
    if (isResumable && from === 0) live.write("", `${number}-0`)
    events.slice(Math.max(from - dropped, 0)).forEach((text, i) =>
      live.write(text, `${number}-${Math.max(from, dropped) + i + 1}`)
    )
    if (answers.open.size === 0) live.end()
    return live
  })

  const send = (text: string, relatedTo?: string) =>
    Effect.sync(() => {
      const read = Result.getOrUndefined(readMessage(text))
      const key = read?.id === undefined || typeof read.value["method"] === "string" ? undefined : keyOfId(read.id)
      if (key !== undefined) {
        const answers = waiting.get(key)
        waiting.delete(key)
        if (answers === undefined) return
        answers.open.delete(key)
        write(answers, text)
        if (answers.open.size === 0) answers.live?.end()
        return
      }
      const own = relatedTo === undefined ? undefined : waiting.get(keyOfId(relatedTo))
      if (own?.live !== undefined) return write(own, text)
      if (listening !== undefined) return listening.write(text)
      // The latest request that is open, where the client listens to nothing else.
      const isKept = own !== undefined && resumable.has(own.number)
      const other = isKept ? own : [...waiting.values()].filter(({ live }) => live !== undefined).at(-1)
      if (other !== undefined) return write(other, text)
      backlog.push(text)
      if (backlog.length > maxBacklog) backlog.shift()
    })

  const endAll = Effect.sync(() => {
    for (const { live } of waiting.values()) live?.end()
    listening?.end()
    waiting.clear()
    listening = undefined
  })

  return {
    channel: { incoming: Stream.fromQueue(incoming), send, end: endAll },
    post: Effect.fnUntraced(function*(messages, texts, headers, version = "") {
      const keys = messages.flatMap(({ id, value }) =>
        id !== undefined && typeof value["method"] === "string" && !waiting.has(keyOfId(id)) ? [keyOfId(id)] : []
      )
      if (keys.length === 0) {
        for (const text of texts) Queue.offerUnsafe(incoming, text)
        return undefined
      }
      const answers: Answers = {
        number: ++numbers,
        open: new Set(keys),
        isResumable: version >= firstResumable,
        events: [],
        dropped: 0,
        live: undefined
      }
      if (answers.isResumable) resumable.set(answers.number, answers)
      for (const [number, oldest] of resumable) {
        if (resumable.size <= maxResumable) break
        dropEvents(oldest)
        resumable.delete(number)
      }
      for (const key of keys) waiting.set(key, answers)
      const live = yield* connect(answers, 0, headers)
      for (const text of backlog) write(answers, text)
      backlog = []
      for (const text of texts) Queue.offerUnsafe(incoming, text)
      return live.response
    }),
    get: Effect.fnUntraced(function*(lastEventId) {
      const [, number, event] = /^(\d{1,15})-(\d{1,15})$/.exec(lastEventId ?? "") ?? []
      const answers = number === undefined ? undefined : resumable.get(Number(number))
      if (answers !== undefined) return (yield* connect(answers, Number(event))).response
      if (listening !== undefined) return undefined
      const stream: EventStream = yield* makeEventStream(Effect.sync(() => {
        if (listening === stream) listening = undefined
      }))
      listening = stream
      flush(stream)
      return stream.response
    }),
    close: Effect.asVoid(Queue.end(incoming))
  }
})
