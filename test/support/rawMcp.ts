/** A client that writes JSON-RPC by hand to a server over standard input and output in the same process, in both eras. */
import { type Cause, Deferred, Effect, Exit, Fiber, Queue, Sink, Stdio, Stream } from "effect"

export type Era = "2026-07-28" | "2025-11-25" | "2025-03-26"

type Json = Readonly<Record<string, unknown>>

/** What an elicitation asks. */
export interface Question {
  readonly message: string
  readonly requestedSchema: { readonly properties: Json; readonly required: ReadonlyArray<string> }
}

/** Whatever a result of these servers may have; what is not there is undefined. */
export interface Result {
  readonly content: ReadonlyArray<{ readonly text: string }>
  readonly isError?: boolean
  readonly structuredContent: Json
  readonly resultType?: string
  readonly inputRequests: Readonly<Record<string, { readonly params: Question }>>
  readonly requestState?: string
  readonly tools: ReadonlyArray<{ readonly name: string }>
}

export interface Answer {
  readonly result?: Result
  readonly error?: { readonly code: number; readonly message: string }
}

interface Incoming extends Answer {
  readonly id: number
  readonly method?: string
  readonly params: Question
}

const key = (name: string) => `io.modelcontextprotocol/${name}`

/** Starts the server, and returns a client that has said hello. `answers` is how its user answers elicitations. */
export const connect = Effect.fnUntraced(function*<E, R>(
  server: Effect.Effect<void, E, R | Stdio.Stdio>,
  { answers, capabilities = answers === undefined ? {} : { elicitation: { form: {} } }, era }: {
    readonly era: Era
    readonly capabilities?: Json
    readonly answers?: (question: Question) => Effect.Effect<Json>
  }
) {
  const toServer = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const open = new Map<number, Deferred.Deferred<Answer>>()
  const asked: Array<Question> = []
  const noise: Array<string> = []
  const write = (message: Json) =>
    Queue.offer(toServer, new TextEncoder().encode(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`))
  let rest = ""
  const scope = yield* Effect.scope
  const reply = Effect.fnUntraced(function*(id: number, params: Question) {
    asked.push(params)
    yield* write({ id, result: yield* answers!(params) })
  })
  const hear = (text: string) =>
    Effect.suspend(() => {
      const lines = (rest + text).split("\n")
      rest = lines.pop()!
      return Effect.forEach(lines.filter((line) => line.trim() !== ""), (line) => {
        const message = JSON.parse(line) as Incoming
        if (message.method === "elicitation/create") return Effect.forkIn(reply(message.id, message.params), scope)
        const waiter = open.get(message.id)
        if (waiter !== undefined) return Deferred.succeed(waiter, message)
        noise.push(line)
        return Effect.void
      }, { discard: true })
    })
  const stdio = Stdio.layerTest({
    stdin: Stream.fromQueue(toServer),
    stdout: () =>
      Sink.forEach((part: string | Uint8Array) =>
        hear(typeof part === "string" ? part : new TextDecoder().decode(part))
      )
  })
  const ended = yield* Effect.forkScoped(Effect.onExit(Effect.provide(server, stdio), (exit) =>
    // What is open then would wait for an answer until the test is ended.
    Effect.forEach(
      open.values(),
      (waiter) =>
        Deferred.done(
          waiter,
          Exit.isSuccess(exit)
            ? Exit.die(new Error("The server has ended"))
            : Exit.failCause(exit.cause as Cause.Cause<never>)
        ),
      { discard: true }
    )))
  let ids = 0
  const request = Effect.fnUntraced(function*(method: string, params: Json = {}) {
    const id = ++ids
    const waiter = yield* Deferred.make<Answer>()
    open.set(id, waiter)
    const meta = era === "2026-07-28"
      ? { _meta: { [key("protocolVersion")]: era, [key("clientCapabilities")]: capabilities } }
      : {}
    yield* write({ id, method, params: { ...params, ...meta } })
    return yield* Deferred.await(waiter)
  })
  if (era !== "2026-07-28") {
    yield* request("initialize", { protocolVersion: era, capabilities, clientInfo: { name: "raw", version: "1" } })
    yield* write({ method: "notifications/initialized" })
  }
  /** Calls a tool to its end: answers what is asked, and repeats the call with the answers, as a client of 2026 does. */
  const call = Effect.fnUntraced(function*(name: string, args: Json = {}) {
    let answer = yield* request("tools/call", { name, arguments: args })
    while (answer.result?.resultType === "input_required") {
      const { inputRequests, requestState } = answer.result
      const inputResponses: Record<string, unknown> = {}
      for (const [name, { params }] of Object.entries(inputRequests)) {
        asked.push(params)
        inputResponses[name] = yield* answers!(params)
      }
      answer = yield* request("tools/call", { name, arguments: args, inputResponses, requestState })
    }
    return answer
  })
  return { request, call, asked, noise, leave: Effect.andThen(Queue.end(toServer), Fiber.await(ended)) }
})

/** What a result says to the model. */
export const said = ({ error, result }: Answer): string =>
  error === undefined ? result!.content.map(({ text }) => text).join("\n") : error.message
