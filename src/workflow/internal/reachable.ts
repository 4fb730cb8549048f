/**
 * What an engine does while its database, or another of its machines, cannot be reached. Engines report that as a defect.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { StorageFailed } from "../../errors/VargateError.ts"
import { monotonicMillis } from "../../internal/elapsed.ts"
import { Journal } from "../Journal.ts"

/**
 * The machine that ran an execution has lost it to another one.
 *
 * @internal
 */
export class LostByRunner {
  readonly _tag = "RunnerUnavailable"
  readonly message = "the machine that ran the execution has lost it to another one"
}

const tags: ReadonlySet<unknown> = new Set([
  "AlreadyProcessingMessage",
  "EntityNotAssignedToRunner",
  "MailboxFull",
  "PersistenceError",
  "RpcClientError",
  "RunnerNotRegistered",
  "RunnerUnavailable",
  "SocketError",
  "SqlError",
  "StorageFailed"
])

const isTagged = (fault: unknown) =>
  typeof fault === "object" && fault !== null && "_tag" in fault && tags.has(fault._tag)

/** What a cause says of a storage that is away, where it says nothing else. */
const faultOf = (cause: Cause.Cause<unknown>): string | undefined => {
  const faults = cause.reasons.map((reason) =>
    Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : undefined
  )
  if (faults.length === 0 || !faults.every(isTagged)) return undefined
  return wordsOf(faults[0] as Fault).split("\n")[0]
}

interface Fault {
  readonly _tag: string
  readonly message?: string
  readonly cause?: unknown
}

/** The engine's own error says nothing: what it wraps does. */
const wordsOf = ({ _tag, cause, message }: Fault): string => {
  if (message) return message
  return cause instanceof Error ? cause.message : _tag
}

/**
 * Repeats a part of a workflow until it could be carried out.
 *
 * @internal
 */
export const untilReachable = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.sandbox,
    Effect.retry({
      schedule: Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]),
      while: (cause) => faultOf(cause) !== undefined
    }),
    Effect.catch(Effect.failCause)
  )

/** An attempt that lasted as long as this was not turned away by a storage that is away. */
const settled = 30_000

/** When each journal was asked and has answered. */
const heard = new WeakMap<Journal["Service"], { askedAt: number; answeredAt: number }>()

/**
 * Ends where a journal that is asked does not answer for so long. It is asked once for all who wait.
 *
 * @internal
 */
export const unanswered = Effect.fnUntraced(function*(limit: number): Effect.fn.Return<void, never, Journal> {
  if (limit === Infinity) return yield* Effect.never
  const journal = yield* Journal
  const known = heard.get(journal) ?? { askedAt: -Infinity, answeredAt: -Infinity }
  heard.set(journal, known)
  const ask = Effect.ignore(Effect.andThen(
    journal.look(""),
    Effect.map(monotonicMillis, (now) => void (known.answeredAt = now))
  ))
  const pause = Math.min(Math.max(limit / 4, 100), 30_000)
  let from = yield* monotonicMillis
  let last = from
  while (true) {
    const now = yield* monotonicMillis
    // The process was frozen, and has not asked meanwhile.
    if (now - last > limit + pause) from = now
    last = now
    const left = limit - (now - Math.max(from, known.answeredAt))
    if (left <= 0) return
    if (now - known.askedAt >= pause) {
      known.askedAt = now
      yield* Effect.forkDetach(ask)
    }
    yield* Effect.sleep(Math.min(pause, left))
  }
})

/** What an effect ends with; undefined where it was `given up` before, and is interrupted without being waited for. */
const unless = <A, E, R, R2>(
  effect: Effect.Effect<A, E, R>,
  givenUp: Effect.Effect<void, never, R2>
): Effect.Effect<Exit.Exit<A, E> | undefined, never, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDetach(restore(effect), { startImmediately: true }),
      (fiber) =>
        restore(Effect.raceFirst(Fiber.await(fiber), Effect.as(givenUp, undefined))).pipe(
          Effect.onInterrupt(() => Fiber.interrupt(fiber)),
          Effect.tap((exit) => Effect.sync(() => exit === undefined && fiber.interruptUnsafe()))
        )
    )
  )

/**
 * Waits for a storage that is away, or does not answer, as long as its caller has patience. Then it is `StorageFailed`.
 * `isStalled` ends where the effect itself takes too long, for one that waits for more than its storage.
 *
 * @internal
 */
export const within = <R2 = never>(
  operation: string,
  patience: Duration.Input,
  isStalled: (limit: number) => Effect.Effect<void, never, R2> = Effect.sleep
) => {
  const limit = Duration.toMillis(Duration.fromInputUnsafe(patience))
  const failed = (fault: string) =>
    new StorageFailed({
      operation,
      detail: `the database cannot be reached (${fault}), and an execution that has begun continues when it can`
    })
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | StorageFailed, R | R2> =>
    Effect.gen(function*() {
      let since: number | undefined
      let pause = 100
      let fault: string | undefined
      while (true) {
        const from = yield* monotonicMillis
        const exit = yield* unless(effect, isStalled(limit - (since === undefined ? 0 : from - since)))
        if (exit === undefined) return yield* failed(fault ?? "it does not answer")
        fault = Exit.isFailure(exit) ? faultOf(exit.cause) : undefined
        if (fault === undefined) return yield* exit
        const now = yield* monotonicMillis
        if (since === undefined || now - from > settled) {
          since = now
          pause = 100
        }
        const left = limit - (now - since)
        if (left <= 0) return yield* failed(fault)
        yield* Effect.sleep(Math.min(pause, left))
        pause = Math.min(2 * pause, 5_000)
      }
    })
}
