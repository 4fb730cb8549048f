/**
 * `approvals show`: what became of one action, now or when it is decided.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Approvals } from "../../approvals/Approvals.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { connected } from "../core/connected.ts"
import { duration } from "../core/flags.ts"
import { conclude, screen } from "../core/outcome.ts"
import { sayingMeanwhile, waitFor, wholeTime } from "../core/waiting.ts"
import { Outcome } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { actionArgument, resolve } from "./find.ts"
import { details } from "./queue.ts"

const outcomeOf = Effect.fnUntraced(function*(actionId: ActionId, wait: Option.Option<Duration.Duration>) {
  const approvals = yield* Approvals
  const printer = yield* Printer
  if (Option.isSome(wait)) {
    const end = yield* waitFor(actionId, wait.value)
    if (end._tag !== "ApprovalTimeout") return end
    const outcome = yield* approvals.outcome(actionId)
    // What the end of the wait says about an action that waits is not true of one that was decided meanwhile.
    if (outcome._tag === "Waiting" && !outcome.isApproved) yield* printer.note(end.message)
    return outcome
  }
  return yield* sayingMeanwhile("waiting for the gateway", approvals.outcome(actionId))
})

const run = Effect.fnUntraced(function*(text: string, wait: Option.Option<Duration.Duration>) {
  const approvals = yield* Approvals
  const printer = yield* Printer
  const actionId = yield* resolve(text)
  const outcome = yield* outcomeOf(actionId, wait)
  const { pending } = outcome._tag === "Waiting" && !printer.isJson ? yield* approvals.pending : { pending: [] }
  const waiting = pending.find((action) => action.actionId === actionId)
  const now = yield* DateTime.now
  yield* printer.print(Outcome, outcome, (width) =>
    waiting === undefined
      ? screen(outcome, width)
      : [...screen(outcome, width).slice(0, 1), ...details(waiting, now, width)])
  yield* conclude(outcome)
})

/** @internal */
export const command = Command.make(
  "show",
  {
    id: actionArgument,
    wait: duration("wait").pipe(
      Flag.withOptionalValue(wholeTime),
      Flag.withDescription(`Until it is decided, at most so long (${wholeTime})`),
      Flag.optional
    )
  },
  ({ id, wait }) => connected(run(id, wait))
).pipe(Command.withDescription("The outcome of an action"))
