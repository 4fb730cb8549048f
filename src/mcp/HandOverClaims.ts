/**
 * Who hands an action to the MCP server. A modern client repeats a call while it is pending, and after the server has asked
 * for something; the same retry may come twice, and to two processes. Before each hand-over the proxy claims it here, in one
 * atomic step: of all who ask, one gets it. `GovernedMcpServer` claims here what was approved, before it performs it.
 *
 * **Example** (Several processes behind one address, with a journal in their database)
 *
 * ```ts
 * import { Layer } from "effect"
 * import * as HandOverClaims from "effect-vargate/mcp/HandOverClaims"
 * import * as JournalSql from "effect-vargate/workflow/JournalSql"
 *
 * // Needs an SqlClient.
 * const claims = HandOverClaims.layerJournal.pipe(Layer.provide(JournalSql.layer))
 * ```
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageFailed } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import { Journal } from "../workflow/Journal.ts"

/**
 * One hand-over of an action: the first one, or the one after the server has asked for something that often.
 *
 * @category models
 * @since 0.2.0
 */
export interface HandOver {
  readonly actionId: ActionId
  readonly round: number
  /** Until when it can be asked for, in epoch milliseconds: that long the claim is kept. */
  readonly until: number
}

/**
 * The answer to a claim.
 *
 * @category models
 * @since 0.2.0
 */
export interface HandOverClaim {
  /** Whether the one who asked is to hand the action over. */
  readonly isOurs: boolean
  /** What was answered, where another one has handed it over: a member `result` or `error`, as JSON. */
  readonly answer: string | undefined
}

/**
 * Claims hand-overs, and keeps their answers.
 *
 * @category models
 * @since 0.2.0
 */
export interface Claims {
  /**
   * Which claims these are: what was sealed beside others is not handed over here. Those that several processes share, or
   * that outlive one, have one name.
   */
  readonly space: string
  readonly claim: (handOver: HandOver) => Effect.Effect<HandOverClaim, StorageFailed>
  /** Keeps an answer for those who ask again. The first one stays. */
  readonly keep: (handOver: HandOver, answer: string) => Effect.Effect<void, StorageFailed>
  /**
   * Keeps what is needed to perform a pending action when its client asks after it, until a time in epoch milliseconds:
   * where processes share these claims, another one may be asked.
   */
  readonly remember: (actionId: ActionId, call: string, until: number) => Effect.Effect<void, StorageFailed>
  /** What was kept of an action by any of them. */
  readonly recall: (actionId: ActionId) => Effect.Effect<string | undefined, StorageFailed>
}

const keyOf = ({ actionId, round }: HandOver) => `mcp/${actionId}/${round}`
const callKeyOf = (actionId: ActionId) => `mcp/${actionId}/call`

/** Characters of answers that are kept in memory; the oldest are dropped, and their claims are not. */
const maxKept = 32 * 1024 * 1024

/**
 * Claims in memory, for one process.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeMemory = (): Claims => {
  const claims = new Map<string, { until: number; answer: string | undefined }>()
  const answered = new Set<string>()
  let kept = 0
  let checkedAt = 0

  const drop = (key: string) => {
    kept -= claims.get(key)?.answer?.length ?? 0
    answered.delete(key)
  }

  /** Looks at all of them no more often than every minute. */
  const expire = (now: number) => {
    if (now - checkedAt < 60_000) return
    checkedAt = now
    for (const [key, { until }] of claims) {
      if (until >= now) continue
      drop(key)
      claims.delete(key)
    }
  }

  return {
    space: crypto.randomUUID(),
    claim: (handOver) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        expire(now)
        const key = keyOf(handOver)
        const present = claims.get(key)
        if (present !== undefined) {
          present.until = Math.max(present.until, handOver.until)
          return { isOurs: false, answer: present.answer }
        }
        claims.set(key, { until: handOver.until, answer: undefined })
        return { isOurs: true, answer: undefined }
      }),
    keep: (handOver, answer) =>
      Effect.sync(() => {
        const key = keyOf(handOver)
        const present = claims.get(key)
        if (present === undefined || present.answer !== undefined) return
        present.answer = answer
        answered.add(key)
        kept += answer.length
        for (const oldest of answered) {
          if (kept <= maxKept) return
          const one = claims.get(oldest)!
          drop(oldest)
          one.answer = undefined
        }
      }),
    // There is no other process, and this one knows.
    remember: () => Effect.void,
    recall: () => Effect.succeed(undefined)
  }
}

/**
 * The claims of the current context. By default they are in the memory of this process: a call that it answered with
 * `input_required` then continues in this process and in no other.
 *
 * @category references
 * @since 0.2.0
 */
export const HandOverClaims = Context.Reference<Claims>("effect-vargate/mcp/HandOverClaims", {
  defaultValue: makeMemory
})

/**
 * Claims in memory, apart from those of the rest of the process.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<never> = Layer.sync(HandOverClaims, makeMemory)

/** After so many claims, and after so much time, those that nothing can ask for any more are deleted, at most as many twice. */
const sweepEvery = { claims: 100, millis: Duration.toMillis("1 minute") }

/** The clocks of processes differ. */
const clocksDiffer = Duration.toMillis("10 minutes")

/**
 * Claims in a journal, which several processes may share (`JournalSql.layer`). Each is kept until nothing can ask for it any
 * more (`HandOver.until`), and is then deleted in the course of later claims.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerJournal: Layer.Layer<never, never, Journal> = Layer.effect(
  HandOverClaims,
  Effect.map(Journal, (journal): Claims => {
    let claimed = 0
    let sweptAt = -Infinity
    const sweep = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      claimed++
      if (claimed < sweepEvery.claims && Math.abs(now - sweptAt) < sweepEvery.millis) return Effect.void
      claimed = 0
      sweptAt = now
      // What is left until the next time does no harm.
      return Effect.ignore(journal.expire(DateTime.makeUnsafe(now - clocksDiffer), 2 * sweepEvery.claims))
    })
    return {
      space: "journal",
      claim: (handOver) =>
        sweep.pipe(
          Effect.andThen(journal.claim(keyOf(handOver), undefined, DateTime.makeUnsafe(handOver.until))),
          Effect.map(({ isOurs, result }) => ({ isOurs, answer: result }))
        ),
      keep: (handOver, answer) => Effect.asVoid(journal.settle(keyOf(handOver), answer)),
      remember: (actionId, call, until) =>
        Effect.andThen(
          journal.claim(callKeyOf(actionId), undefined, DateTime.makeUnsafe(until)),
          Effect.asVoid(journal.settle(callKeyOf(actionId), call))
        ),
      recall: (actionId) => Effect.map(journal.look(callKeyOf(actionId)), (found) => found?.result)
    }
  })
)
