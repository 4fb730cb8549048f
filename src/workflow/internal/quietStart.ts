/**
 * A cluster that starts warns once for each message whose workflow is not registered yet, every time it looks. Here that is
 * one line.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"

/** What the cluster says while its parts have not found one another. */
const isOfStart = (message: unknown): boolean => {
  const [text] = Array.isArray(message) ? message : [message]
  return text === "Could not find entity manager for address, retrying" || text === "No healthy runners available"
}

const starting =
  "The cluster of durable calls starts: what is stored waits until its workflow is registered and runners have found one another"

/** In milliseconds: after this long it is no start any more, and a repetition says something again. */
const startTakes = 60_000

/**
 * Loggers that hear of a start once, and of what lasts longer once a minute.
 *
 * @internal
 */
export const quieter = (
  loggers: ReadonlySet<Logger.Logger<unknown, unknown>>,
  builtAt: number
): Set<Logger.Logger<unknown, unknown>> => {
  let lastAt = -Infinity
  const hear = (now: number): "start" | "message" | undefined => {
    if (now - lastAt < startTakes) return undefined
    lastAt = now
    return now - builtAt < startTakes ? "start" : "message"
  }
  /** One decision for all loggers that hear the same message. */
  const heard = new WeakMap<object, ReturnType<typeof hear>>()
  return new Set(
    [...loggers].map((logger) =>
      Logger.make((options) => {
        if (!isOfStart(options.message)) return logger.log(options)
        const { date } = options
        if (!heard.has(date)) heard.set(date, hear(date.getTime()))
        switch (heard.get(date)) {
          case "start":
            return logger.log({ ...options, logLevel: "Info", message: [starting] })
          case "message":
            return logger.log(options)
          default:
            return undefined
        }
      })
    )
  )
}

/**
 * A cluster that says in one line that it starts.
 *
 * @internal
 */
export const quietStart = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.provide(
    layer,
    Layer.effect(Logger.CurrentLoggers, Effect.zipWith(Logger.CurrentLoggers, Clock.currentTimeMillis, quieter))
  )
