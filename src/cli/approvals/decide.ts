/**
 * `approvals approve` and `approvals reject`.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Approved } from "../../approvals/Approval.ts"
import { Approvals } from "../../approvals/Approvals.ts"
import { Reviews } from "../../approvals/Reviews.ts"
import { Rejected } from "../../errors/VargateError.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { isPanelInForce } from "../../reviews/internal/panelInForce.ts"
import { connectedAsOperator } from "../core/connected.ts"
import { Concluded } from "../core/failure.ts"
import { conclude, screen } from "../core/outcome.ts"
import { sayingMeanwhile } from "../core/waiting.ts"
import { ExitCode, Outcome } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { ask, canAsk } from "../screen/prompts.ts"
import * as Words from "../screen/words.ts"
import { actionArgument, resolve } from "./find.ts"
import { details } from "./queue.ts"

const flags = {
  id: actionArgument,
  note: Flag.String("note").pipe(
    Flag.withAlias("n"),
    Flag.withMetavar("<text>"),
    Flag.withDescription("Why, for the record"),
    Flag.optional
  ),
  yes: Flag.Boolean("yes").pipe(
    Flag.withAlias("y"),
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Do not ask")
  )
}

/** A decision of this key alone is one that the panel's verification finds. */
const warnOfPanel = Effect.gen(function*() {
  if (!(yield* isPanelInForce(yield* Approvals))) return
  yield* Printer.use(({ note }) =>
    note([
      Words.attention,
      " A review panel decides here. This approval is by a key alone: effect-vargate reviews verify will find it."
    ])
  )
})

/** A reviewer at a terminal sees once more what is decided. */
const confirm = Effect.fnUntraced(function*(verb: string, actionId: ActionId) {
  const approvals = yield* Approvals
  const printer = yield* Printer
  const { pending } = yield* approvals.pending
  const action = pending.find((one) => one.actionId === actionId)
  if (action === undefined) return
  const lines = details(action, yield* DateTime.now, printer.width())
  yield* Effect.forEach(lines, printer.note)
  if (yield* ask(Prompt.Confirm({ message: `${verb} this action?` }))) return
  yield* printer.note("Nothing was decided.")
  return yield* new Concluded({ exitCode: ExitCode.interrupted })
})

const prepare = Effect.fnUntraced(function*(verb: string, id: string, yes: boolean) {
  const actionId = yield* resolve(id)
  if (!yes && (yield* canAsk)) yield* confirm(verb, actionId)
  return actionId
})

/** Says meanwhile that it waits, and where it is interrupted, that the decision may have been made. */
const deciding = <A, E, R>(what: string, actionId: ActionId, decision: Effect.Effect<A, E, R>) =>
  sayingMeanwhile(`waiting for the gateway to ${what}`, decision).pipe(
    Effect.onInterrupt(() =>
      Printer.use(({ fail }) =>
        fail({
          error: "Interrupted",
          message: `Interrupted. It is unknown whether the gateway did ${what}: see \
effect-vargate approvals show ${actionId}`,
          exitCode: ExitCode.interrupted,
          actionId,
          sideEffect: "possible"
        })
      )
    )
  )

/** The outcome as it is on record. A decision that was made before is not this one, and its note is not ours. */
const tell = Effect.fnUntraced(function*(outcome: Approved | Rejected, isEarlier: boolean) {
  const printer = yield* Printer
  yield* printer.print(Outcome, outcome, (width) => screen(outcome, width))
  if (!isEarlier) return
  const word = outcome._tag.toLowerCase()
  yield* printer.fail({
    error: "Conflict",
    message: `The action had been ${word} before. What is shown is on record; nothing was changed or added now.`,
    exitCode: ExitCode.notFound,
    actionId: outcome.actionId
  })
  return yield* new Concluded({ exitCode: ExitCode.notFound })
})

const approve = Effect.fnUntraced(function*(id: string, note: string | undefined, yes: boolean) {
  const reviews = yield* Reviews
  yield* warnOfPanel
  const actionId = yield* prepare("Approve", id, yes)
  const { earlier, execution, reviewedAt, reviewer } = yield* deciding(
    `approve ${actionId}`,
    actionId,
    reviews.approve(actionId, note)
  )
  const recorded = earlier === undefined ? note ?? null : earlier.note
  const outcome = new Approved({ actionId, reviewer, note: recorded, reviewedAt, execution })
  yield* tell(outcome, earlier !== undefined)
  yield* conclude(outcome)
})

const reject = Effect.fnUntraced(function*(id: string, note: string | undefined, yes: boolean) {
  const reviews = yield* Reviews
  const actionId = yield* prepare("Reject", id, yes)
  const { earlier, reviewedAt, reviewer } = yield* deciding(
    `reject ${actionId}`,
    actionId,
    reviews.reject(actionId, note)
  )
  const recorded = earlier === undefined ? note ?? null : earlier.note
  yield* tell(new Rejected({ actionId, reviewer, note: recorded, reviewedAt }), earlier !== undefined)
})

/** @internal */
export const approveCommand = Command.make(
  "approve",
  flags,
  ({ id, note, yes }) => connectedAsOperator(approve(id, Option.getOrUndefined(note), yes))
).pipe(Command.withDescription("Approve an action; the gateway executes it at once where it can"))

/** @internal */
export const rejectCommand = Command.make(
  "reject",
  flags,
  ({ id, note, yes }) => connectedAsOperator(reject(id, Option.getOrUndefined(note), yes))
).pipe(Command.withDescription("Reject an action; it will never be executed"))
