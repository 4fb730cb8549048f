/**
 * Takes interactions of Slack over a connection of our own (socket mode), where no port is open to Slack.
 *
 * @since 0.2.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { VargateError } from "../errors/VargateError.ts"
import { isRecord } from "../internal/isRecord.ts"
import { isLoopback } from "../internal/loopback.ts"
import { makeSlackApi, SlackFailed, type SlackOptions } from "./internal/slackApi.ts"
import { SlackInteractions } from "./SlackInteractions.ts"

const isSecure = (text: unknown): text is string => {
  const url = typeof text === "string" ? URL.parse(text) : null
  return url !== null && (url.protocol === "wss:" || (url.protocol === "ws:" && isLoopback(url.hostname)))
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Milliseconds. */
const firstPause = 1_000
const longestPause = 60_000
/** An old connection is listened to for so long while the new one takes its place. */
const overlap = 30_000

const make = Effect.fnUntraced(function*(
  options: SlackOptions
): Effect.fn.Return<
  Effect.Effect<never>,
  VargateError,
  SlackInteractions | HttpClient.HttpClient | Socket.WebSocketConstructor | Scope.Scope
> {
  const { accept } = yield* SlackInteractions
  const api = yield* makeSlackApi("SlackSocket.layer", options)
  const scope = yield* Effect.scope
  const context = yield* Effect.context<Socket.WebSocketConstructor>()

  const open = Effect.gen(function*() {
    const { url } = yield* api.write("apps.connections.open", {})
    return isSecure(url) ? url : yield* new SlackFailed({ detail: "its address for a socket is not secure" })
  })

  /** Takes what comes over one connection, and says when another one has to be opened: before this one ends, if Slack says so. */
  const listen = Effect.fnUntraced(
    function*(url: string, replace: Deferred.Deferred<boolean>) {
      const socket = yield* Socket.makeWebSocket(url, { openTimeout: "10 seconds" })
      const { pull } = yield* socket.reader
      const { write } = yield* socket.writer
      for (;;) {
        for (const frame of yield* pull) {
          const envelope = parsed(typeof frame === "string" ? frame : new TextDecoder().decode(frame))
          if (!isRecord(envelope)) continue
          if (envelope["type"] === "hello") yield* Effect.logDebug("Connected to Slack")
          if (envelope["type"] === "disconnect") {
            // Switched off in the app's settings: there is no hurry to come back.
            yield* Deferred.succeed(replace, envelope["reason"] !== "link_disabled")
          }
          const id = envelope["envelope_id"]
          if (typeof id !== "string") continue
          // Within three seconds, so before anything is done.
          yield* write(JSON.stringify({ envelope_id: id }))
          if (envelope["type"] === "interactive") {
            yield* Effect.catch(accept(envelope["payload"]), (error) => Effect.logWarning(error.message))
          }
        }
      }
    },
    Effect.scoped,
    Effect.provideContext(context)
  )

  const connection = Effect.gen(function*() {
    const url = yield* open
    const replace = yield* Deferred.make<boolean>()
    const listening = listen(url, replace).pipe(
      Effect.catch((error) => Effect.logDebug(`The connection to Slack has ended: ${error.message}`)),
      Effect.ensuring(Deferred.succeed(replace, false))
    )
    const ending = Effect.andThen(Deferred.await(replace), Effect.sleep(overlap))
    yield* Effect.forkIn(Effect.raceFirst(listening, ending), scope)
    return yield* Deferred.await(replace)
  })

  let pause = firstPause
  return Effect.gen(function*() {
    const began = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const isAsked = yield* connection.pipe(
      Effect.catch((error) =>
        Effect.gen(function*() {
          yield* Effect.logWarning(`Slack cannot be reached: ${error.message}`)
          if (error.retryAfterMillis !== undefined) yield* Effect.sleep(error.retryAfterMillis)
          return false
        })
      )
    )
    const lived = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - began
    pause = lived > longestPause ? firstPause : Math.min(longestPause, pause * 2)
    if (!isAsked) yield* Effect.sleep(Duration.millis(pause))
  }).pipe(Effect.forever)
})

/**
 * Receives interactions for as long as the scope lives. Every process of a panel may run it: Slack sends each interaction
 * to one of them. Its token is an app-level one (`xapp-`, scope `connections:write`), another one than the bot's.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: SlackOptions
): Layer.Layer<
  never,
  VargateError,
  SlackInteractions | HttpClient.HttpClient | Socket.WebSocketConstructor
> => Layer.effectDiscard(Effect.flatMap(make(options), Effect.forkScoped))
