/**
 * Waiting for a reviewer's decision, with progress on the screen.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Approved } from "../../approvals/Approval.ts"
import { Approvals } from "../../approvals/Approvals.ts"
import type { ApprovalTimeout, Expired, OperationError, Rejected, VargateError } from "../../errors/VargateError.ts"
import { monotonicMillis } from "../../internal/elapsed.ts"
import type { ActionId } from "../../model/ActionId.ts"
import * as RetryPolicy from "../../transport/RetryPolicy.ts"
import { ExitCode } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { dim, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"

/**
 * The decision, or `ApprovalTimeout` as a value. An interruption prints how to wait again.
 *
 * @internal
 */
export const waitFor = Effect.fnUntraced(function*(
  actionId: ActionId,
  timeout: Duration.Duration
): Effect.fn.Return<Approved | Rejected | Expired | ApprovalTimeout, VargateError, Approvals | Printer> {
  const approvals = yield* Approvals
  const printer = yield* Printer
  const started = yield* monotonicMillis
  yield* printer.note(`Waiting for a decision on action ${actionId}.`)
  const ticking = Effect.map(
    monotonicMillis,
    (now) =>
      printer.progress([`waited ${Words.stretch(now - started)}  `, dim("Ctrl-C stops the waiting, not the action")])
  ).pipe(Effect.repeat(Schedule.spaced("1 second")))

  return yield* approvals.await(actionId, { timeout }).pipe(
    Effect.catchTag(["Rejected", "Expired", "ApprovalTimeout"], (end) => Effect.succeed(end)),
    Effect.raceFirst(Effect.andThen(ticking, Effect.never)),
    Effect.onInterrupt(() =>
      printer.fail({
        error: "Interrupted",
        message:
          `Interrupted. Action ${actionId} is still pending, and may yet be approved and executed. To wait again: \
effect-vargate approvals show ${actionId} --wait`,
        exitCode: ExitCode.interrupted,
        actionId,
        sideEffect: "possible"
      })
    ),
    Effect.ensuring(Effect.sync(() => printer.progress()))
  )
})

const quietFor = "5 seconds"

/**
 * Says on stderr that something is still waited for: every second on a terminal, elsewhere after a few seconds and then
 * every half a minute.
 *
 * @internal
 */
export const sayingMeanwhile = <A, E, R>(
  doing: string,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Printer> =>
  Effect.gen(function*() {
    const printer = yield* Printer
    const started = yield* monotonicMillis
    const elapsed = Effect.map(monotonicMillis, (now) => Words.stretch(now - started))
    const ticking = Effect.map(elapsed, (time) => printer.progress([doing, dim(`  ${time}`)])).pipe(
      Effect.repeat(Schedule.spaced("1 second"))
    )
    const telling = Effect.flatMap(elapsed, (time) => printer.warn(`${doing}: no answer after ${time}, still waiting`))
      .pipe(
        Effect.repeat(Schedule.spaced("30 seconds")),
        Effect.delay(quietFor)
      )
    return yield* work.pipe(
      Effect.raceFirst(Effect.andThen(printer.hasProgress ? Effect.delay(ticking, "1 second") : telling, Effect.never)),
      Effect.ensuring(Effect.sync(() => printer.progress()))
    )
  })

/**
 * Repeats a look for as long as it takes, once it has succeeded a first time: a gateway that is away for minutes comes
 * back, while one that never answered is a mistake in its URL. Both are said.
 *
 * @internal
 */
export const enduring = Effect.fnUntraced(function*(isKnownToAnswer = false) {
  const printer = yield* Printer
  let hasAnswered = isKnownToAnswer
  let awaySince: number | undefined

  /** A warning would tear a screen that is drawn again and again. */
  const say = (message: string) =>
    printer.isLive ? Effect.sync(() => printer.progress(yellow(message))) : printer.warn(message)

  const away = Effect.fnUntraced(function*(error: OperationError) {
    const { message } = error._tag === "VargateError" ? error.reason : error
    const now = yield* monotonicMillis
    if (awaySince === undefined) yield* say(`${message} Looking again until the gateway answers.`)
    else if (printer.isLive) yield* say(`No answer for ${Words.stretch(now - awaySince)}: ${message}`)
    awaySince ??= now
  })

  const back = Effect.suspend(() => {
    hasAnswered = true
    if (awaySince === undefined) return Effect.void
    const since = awaySince
    awaySince = undefined
    if (printer.isLive) return Effect.sync(() => printer.progress())
    return Effect.flatMap(
      monotonicMillis,
      (now) => printer.warn(`The gateway answers again, after ${Words.stretch(now - since)}.`)
    )
  })

  return <A, R>(look: Effect.Effect<A, OperationError, R>): Effect.Effect<A, OperationError, R> =>
    Effect.suspend(() =>
      hasAnswered
        ? look.pipe(
          Effect.tapError((error) => RetryPolicy.isPassing(error) ? away(error) : Effect.void),
          Effect.retry(patience)
        )
        : Effect.retry(look, RetryPolicy.reads)
    ).pipe(Effect.tap(back))
})

const patience = RetryPolicy.make(
  Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")]),
  { otherLimits: true }
)

/**
 * The default of `--wait`: a little more than the hour after which the action expires.
 *
 * @internal
 */
export const wholeTime = "65m"
