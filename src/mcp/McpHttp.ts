/**
 * One side of a proxy: an MCP server behind Streamable HTTP. Messages are carried as they came.
 *
 * **Example** (A remote server, governed, for the client that started this process)
 *
 * ```ts
 * import { Effect } from "effect"
 * import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
 * import * as McpHttp from "effect-vargate/mcp/McpHttp"
 * import * as McpStdio from "effect-vargate/mcp/McpStdio"
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const server = yield* McpHttp.server({ url: "https://tools.example/mcp" })
 *   yield* GovernedMcpProxy.run(yield* McpStdio.client, server, { tool: "tools" })
 * }))
 * ```
 *
 * @since 0.2.0
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { eraOf } from "./internal/era.ts"
import { LineFraming } from "./internal/lineFraming.ts"
import { keyOfId, messagesIn, type Read, readMessage } from "./internal/messages.ts"
import { MirroredArguments, mirroredHeaders } from "./internal/mirroredHeaders.ts"
import { SseFraming } from "./internal/sse.ts"
import * as JsonRpc from "./JsonRpc.ts"
import { type Incoming, type McpChannel, Unanswered } from "./McpChannel.ts"

/**
 * Where the server is.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  readonly url: string | URL
  /** Sent with every request: the proxy's own credentials, never those of its client. */
  readonly headers?: Headers.Input | undefined
}

/** A request without an answer. */
interface Open {
  readonly id: string
  readonly isModern: boolean
  fiber: Fiber.Fiber<void> | undefined
  isCancelled: boolean
}

/** Of these statuses a server has done nothing with the message. It is not sent to where a redirection points. */
const undone = new Set([307, 308, 400, 401, 403, 404, 405, 406, 413, 415, 421, 429])

/** How often a stream is taken up again that brings nothing new. */
const maxInVain = 10

/** Of the body of an error. */
const maxErrorBytes = 65_536

/**
 * A server behind Streamable HTTP, of any revision of the protocol: legacy sessions, and modern requests without one.
 *
 * **Details**
 *
 * A session that the server has forgotten (404) is begun anew where nothing else was under way, since the server has
 * certainly not acted on the message; otherwise the message was certainly not performed, and that is said. A cancellation
 * closes a modern request's connection, and is sent to a legacy server. Headers that repeat the body are written from the
 * body. The session is ended with the scope.
 *
 * @category constructors
 * @since 0.2.0
 */
export const server = Effect.fnUntraced(function*(
  { headers, url }: Options
): Effect.fn.Return<McpChannel, never, HttpClient.HttpClient | Scope.Scope> {
  const init = yield* Effect.serviceOption(FetchHttpClient.RequestInit)
  // A call that is sent once more, to where the server points, is another one; and so are the credentials.
  const client = HttpClient.transform(
    yield* HttpClient.HttpClient,
    Effect.provideService(FetchHttpClient.RequestInit, { ...Option.getOrUndefined(init), redirect: "manual" })
  )
  const scope = yield* Effect.scope
  const incoming = yield* Queue.unbounded<Incoming, Cause.Done>()
  const open = new Map<string, Open>()
  const mirrored = new MirroredArguments()
  const lists = new Set<string>()
  let session: { readonly id: string | undefined; readonly version: string | undefined } | undefined
  let initialize: string | undefined
  let listening: Fiber.Fiber<void> | undefined

  const requestOf = (method: "GET" | "POST" | "DELETE", more: Headers.Input = {}) =>
    HttpClientRequest.make(method)(url).pipe(
      HttpClientRequest.setHeaders(headers ?? {}),
      HttpClientRequest.setHeaders({ accept: "application/json, text/event-stream" }),
      HttpClientRequest.setHeaders(more)
    )

  const inSession = (): Record<string, string> => ({
    ...(session?.id === undefined ? {} : { "mcp-session-id": session.id }),
    ...(session?.version === undefined ? {} : { "mcp-protocol-version": session.version })
  })

  const post = (text: string, more: Headers.Input) =>
    client.execute(HttpClientRequest.bodyText(requestOf("POST", more), text, "application/json"))

  /** What the other side has sent; its answers end what is open. */
  const receive = (message: Incoming) =>
    Effect.sync(() => {
      if (typeof message === "string") {
        for (const text of messagesIn(message)) {
          const read = Result.getOrUndefined(readMessage(text))
          if (read?.id !== undefined && typeof read.value["method"] !== "string") {
            open.delete(keyOfId(read.id))
            if (lists.delete(keyOfId(read.id))) mirrored.learn(JsonRpc.member(read.value, "result"))
          }
          Queue.offerUnsafe(incoming, text)
        }
      } else {
        if (message.id !== undefined) open.delete(keyOfId(message.id))
        Queue.offerUnsafe(incoming, message)
      }
    })

  const readBody = (response: HttpClientResponse.HttpClientResponse, framing = framingOf(response)) =>
    Stream.runForEach(messagesOf(response, framing), receive)

  const give = (one: Open, why: string, isUnsent: boolean) =>
    Effect.suspend(() =>
      open.get(keyOfId(one.id)) === one ? receive(new Unanswered(one.id, why, isUnsent)) : Effect.void
    )

  /** What a legacy server says without being asked. */
  const listen = Effect.gen(function*() {
    const response = yield* client.execute(requestOf("GET", { ...inSession(), accept: "text/event-stream" }))
    if (response.status !== 200) return yield* Effect.interrupt
    yield* readBody(response)
  }).pipe(Effect.ignore, Effect.repeat(Schedule.spaced("1 second")), Effect.asVoid)

  /**
   * Reads an answer to its end. A server of an older revision may break off its stream, and expects its client to come back
   * for the rest: nothing is sent again.
   */
  const readAnswer = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse, one: Open) {
    const framing = framingOf(response)
    const canResume = () => !one.isModern && framing instanceof SseFraming && framing.lastEventId !== undefined
    yield* Effect.catch(readBody(response, framing), (error) => canResume() ? Effect.void : Effect.fail(error))
    if (!(framing instanceof SseFraming)) return
    let inVain = 0
    while (open.get(keyOfId(one.id)) === one && !one.isCancelled && canResume() && inVain < maxInVain) {
      yield* Effect.sleep(Math.min(Math.max(framing.retry ?? 1000, 100), 60_000))
      // What was broken off in the middle comes again as a whole.
      framing.end()
      const { lastEventId } = framing
      const resumed = yield* Effect.option(
        client.execute(
          requestOf("GET", { ...inSession(), "accept": "text/event-stream", "last-event-id": lastEventId! })
        )
      )
      if (Option.isSome(resumed)) {
        if (resumed.value.status !== 200 || !isEvents(resumed.value)) return
        yield* Effect.ignore(readBody(resumed.value, framing))
      }
      inVain = framing.lastEventId === lastEventId ? inVain + 1 : 0
    }
  })

  /** Begins the session anew, as it was begun. */
  const beginAgain = Effect.gen(function*() {
    const id = `"vargate-${crypto.randomUUID()}"`
    const read = Result.getOrUndefined(readMessage(initialize!))!
    const response = yield* post(read.object.with({ id }), {})
    const answers = yield* Stream.runCollect(messagesOf(response))
    const answer = answers.flatMap((message) => typeof message === "string" ? messagesIn(message) : [])
      .map((text) => Result.getOrUndefined(readMessage(text))).find((read) => read?.id === id)
    if (response.status !== 200 || answer === undefined || answer.value["error"] !== undefined) return false
    keepSession(response, answer)
    yield* post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, inSession())
    // What listened to the session that was forgotten hears nothing more.
    listening?.interruptUnsafe()
    listening = yield* Effect.forkIn(listen, scope)
    return true
  })

  const keepSession = (response: HttpClientResponse.HttpClientResponse, answer: Read) => {
    const { protocolVersion } = JsonRpc.member(answer.value, "result")
    session = {
      id: response.headers["mcp-session-id"],
      version: typeof protocolVersion === "string" && /^[\w.-]{1,32}$/.test(protocolVersion)
        ? protocolVersion
        : undefined
    }
  }

  /** One request, until its answer is here. */
  const ask = Effect.fnUntraced(function*(text: string, read: Read, one: Open) {
    const method = read.value["method"] as string
    const params = JsonRpc.member(read.value, "params")
    const headersOf = () => one.isModern ? mirroredHeaders(method, params, mirrored.of(params["name"])) : inSession()
    let response = yield* post(text, headersOf())
    if (response.status === 404 && !one.isModern && session?.id !== undefined) {
      // The server knows no such session, and has not looked at the message.
      if (open.size === 1 && initialize !== undefined && (yield* beginAgain)) response = yield* post(text, headersOf())
      else return yield* give(one, "the server has forgotten the session", true)
    }
    if (response.status < 200 || response.status >= 300) {
      const answer = Result.getOrUndefined(readMessage(yield* beginningOf(response)))
      const error = answer?.object.raw("error")
      const isOurs = answer?.id === undefined || keyOfId(answer.id) === keyOfId(one.id)
      // A modern server says with its status what stands in its answer; so may a legacy one.
      if (error !== undefined && isOurs && (one.isModern || answer?.id !== undefined)) {
        return yield* receive(answer!.object.with({ id: one.id }))
      }
      return yield* give(one, `the server answered with status ${response.status}`, undone.has(response.status))
    }
    yield* readAnswer(response, one)
    yield* give(one, "the server ended its answer before it was complete", false)
  })

  /** The session's id stands in the head of the first answer. */
  const firstAnswer = (text: string, read: Read, one: Open) =>
    Effect.gen(function*() {
      initialize = text
      const response = yield* post(text, {})
      if (response.status !== 200) {
        return yield* give(one, `the server answered with status ${response.status}`, undone.has(response.status))
      }
      yield* Stream.runForEach(messagesOf(response), (message) => {
        const answer = typeof message === "string" ? Result.getOrUndefined(readMessage(message)) : undefined
        if (answer?.id !== undefined && answer.id === read.id && answer.object.raw("result") !== undefined) {
          keepSession(response, answer)
        }
        return receive(message)
      })
      yield* give(one, "the server ended its answer before it was complete", false)
    })

  const isUnreached = (error: HttpClientError.HttpClientError) =>
    /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/.test(causesOf(error))

  const send = (text: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const read = Result.getOrUndefined(readMessage(text))
      if (read === undefined) return Effect.void
      const { method } = read.value
      const params = JsonRpc.member(read.value, "params")
      if (typeof method !== "string" || read.id === undefined) {
        const requestId = method === "notifications/cancelled"
          ? read.object.object("params")?.raw("requestId")
          : undefined
        const cancelled = requestId === undefined ? undefined : open.get(keyOfId(requestId))
        if (cancelled?.isModern === true) {
          open.delete(keyOfId(cancelled.id))
          cancelled.fiber?.interruptUnsafe()
          return Effect.void
        }
        if (cancelled !== undefined) cancelled.isCancelled = true
        const sent = Effect.ignore(
          Effect.flatMap(post(text, inSession()), (response) => Stream.runDrain(response.stream))
        )
        if (method !== "notifications/initialized") return Effect.asVoid(Effect.forkIn(sent, scope))
        return Effect.flatMap(sent, () => {
          if (listening !== undefined || session?.id === undefined) return Effect.void
          return Effect.map(Effect.forkIn(listen, scope), (fiber) => {
            listening = fiber
          })
        })
      }
      const one: Open = {
        id: read.id,
        isModern: eraOf(method, params)._tag === "Modern",
        fiber: undefined,
        isCancelled: false
      }
      open.set(keyOfId(one.id), one)
      if (method === "tools/list") lists.add(keyOfId(one.id))
      const asking = method === "initialize" ? firstAnswer(text, read, one) : ask(text, read, one)
      return Effect.map(
        Effect.forkIn(
          Effect.catch(asking, (error) => give(one, "the server cannot be reached", isUnreached(error))),
          scope
        ),
        (fiber) => {
          one.fiber = fiber
        }
      )
    })

  yield* Effect.addFinalizer(() =>
    session?.id === undefined
      ? Effect.void
      : Effect.ignore(Effect.timeout(client.execute(requestOf("DELETE", inSession())), "1 second"))
  )
  return { incoming: Stream.fromQueue(incoming), send, end: Effect.asVoid(Queue.end(incoming)) }
})

/** The body of an error, as far as it is read. */
const beginningOf = (response: HttpClientResponse.HttpClientResponse) => {
  let size = 0
  return response.stream.pipe(
    Stream.takeWhile((chunk) => {
      size += chunk.length
      return size <= maxErrorBytes
    }),
    Stream.decodeText(),
    Stream.mkString,
    Effect.orElseSucceed(() => "")
  )
}

const isEvents = ({ headers }: HttpClientResponse.HttpClientResponse) =>
  headers["content-type"]?.startsWith("text/event-stream") === true

const framingOf = (response: HttpClientResponse.HttpClientResponse) =>
  isEvents(response) ? new SseFraming() : new LineFraming()

/** The messages of a response: events, or one body, in which line breaks between tokens are blanks. */
const messagesOf = (response: HttpClientResponse.HttpClientResponse, framing = framingOf(response)) => {
  const onOneLine = (bytes: Uint8Array) => bytes.map((byte) => byte === 0x0a ? 0x20 : byte)
  return response.stream.pipe(
    Stream.map((chunk) => framing.feed(framing instanceof SseFraming ? chunk : onOneLine(chunk))),
    Stream.concat(Stream.sync(() => framing.end())),
    Stream.flatMap((messages) => Stream.fromIterable(messages))
  )
}

/** The codes of an error and of what caused it. */
const causesOf = (error: unknown): string => {
  const codes: Array<string> = []
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth++) {
    if ("code" in one) codes.push(String(one.code))
    if ("reason" in one && one.reason instanceof Error) codes.push(causesOf(one.reason))
  }
  return codes.join(" ")
}
