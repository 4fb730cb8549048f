/**
 * Whether a review panel decides at a gateway.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Approvals } from "../../approvals/Approvals.ts"
import { readNote } from "./ballotText.ts"

/**
 * Whether one of the latest decisions has a panel's note. False where that cannot be found out now.
 *
 * @internal
 */
export const isPanelInForce = ({ history }: Pick<Approvals["Service"], "history">): Effect.Effect<boolean> =>
  history.pipe(
    Effect.map((decided) => decided.some(({ note }) => readNote(note) !== undefined)),
    Effect.orElseSucceed(() => false)
  )
