/**
 * Which action is meant.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Approvals } from "../../approvals/Approvals.ts"
import { NotFound, VargateError } from "../../errors/VargateError.ts"
import { ActionId } from "../../model/ActionId.ts"
import { Usage } from "../core/failure.ts"

/** @internal */
export const actionArgument = Argument.String("id").pipe(
  Argument.withDescription("Of the action, or how it begins")
)

const isBeginning = (text: string) => /^[0-9a-f]{4}[0-9a-f-]{0,31}$/.test(text)

/**
 * The id itself, or what it stands for as the beginning of one id that waits, or was decided lately.
 *
 * @internal
 */
export const resolve = Effect.fnUntraced(function*(text: string) {
  if (!isBeginning(text)) {
    return yield* Effect.mapError(
      Schema.decodeEffect(ActionId)(text),
      () => new Usage({ message: "This is not the id of an action." })
    )
  }
  const approvals = yield* Approvals
  const { pending } = yield* approvals.pending
  const waiting = matches(pending, text)
  const found = waiting.length > 0 ? waiting : matches(yield* approvals.history, text)
  const [actionId, ...others] = found
  if (actionId === undefined) {
    const detail = `no action that waits, or was decided lately, begins with ${text}`
    return yield* new VargateError({ operation: "approvals", reason: new NotFound({ detail }) })
  }
  if (others.length === 0) return actionId
  return yield* new Usage({ message: `${found.length} ids begin with ${text}: ${found.join(", ")}.` })
})

const matches = (actions: ReadonlyArray<{ readonly actionId: ActionId }>, beginning: string) =>
  actions.map(({ actionId }) => actionId).filter((actionId) => actionId.startsWith(beginning))
