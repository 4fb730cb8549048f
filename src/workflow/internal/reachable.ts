/**
 * What an engine does while its database, or another of its machines, cannot be reached. Engines report that as a defect.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { StorageFailed } from "../../errors/VargateError.ts"
import { monotonicMillis } from "../../internal/elapsed.ts"

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

/**
 * Waits for a storage that is away as long as its caller has patience. Then it is `StorageFailed`.
 *
 * @internal
 */
export const within = (operation: string, patience: Duration.Input) => {
  const limit = Duration.toMillis(Duration.fromInputUnsafe(patience))
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | StorageFailed, R> =>
    Effect.gen(function*() {
      let since: number | undefined
      let pause = 100
      while (true) {
        const from = yield* monotonicMillis
        const exit = yield* Effect.exit(effect)
        const fault = Exit.isFailure(exit) ? faultOf(exit.cause) : undefined
        if (fault === undefined) return yield* exit
        const now = yield* monotonicMillis
        if (since === undefined || now - from > settled) {
          since = now
          pause = 100
        }
        const left = limit - (now - since)
        if (left <= 0) {
          return yield* new StorageFailed({
            operation,
            detail: `the database cannot be reached (${fault}), and an execution that has begun continues when it can`
          })
        }
        yield* Effect.sleep(Math.min(pause, left))
        pause = Math.min(2 * pause, 5_000)
      }
    })
}
