/**
 * What follows where an execution learns a reviewer's decision: the guards of its calls are told, and an execution that
 * has only waited with another one ends.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Approved } from "../../approvals/Approval.ts"
import { type ApprovalTimeout, Expired, Joined, Rejected, VargateError } from "../../errors/VargateError.ts"
import { guardsOf } from "../../governed/internal/guards.ts"
import type { ActionId } from "../../model/ActionId.ts"

/**
 * Tells what stands before calls of a decision that an execution has learned.
 *
 * @internal
 */
export const telling = <E extends { readonly _tag: string }, R>(
  waiting: Effect.Effect<Approved, E | Rejected | Expired, R>
): Effect.Effect<Approved, E | Rejected | Expired, R> => {
  const tell = (decision: Approved | Rejected | Expired) =>
    Effect.withFiber((fiber) => guardsOf(fiber)?.decided(decision) ?? Effect.void)
  return waiting.pipe(
    Effect.tap(tell),
    Effect.tapError((error) => error instanceof Rejected || error instanceof Expired ? tell(error) : Effect.void)
  )
}

/**
 * The end of an execution that waits with another one.
 *
 * @internal
 */
export const becameOf = <R>(
  actionId: ActionId,
  waiting: Effect.Effect<Approved, Rejected | Expired | ApprovalTimeout | VargateError, R>
): Effect.Effect<never, VargateError, R> => {
  const joined = (reason: Pick<Joined, "outcome"> & Partial<Pick<Joined, "note" | "result">>) =>
    Effect.fail(
      new VargateError({ operation: "Decisions.join", reason: new Joined({ actionId, ...reason }) })
    )
  return Effect.matchEffect(telling(waiting), {
    onSuccess: ({ execution }) => {
      switch (execution._tag) {
        case "NotExecuted":
          return joined({ outcome: "approved" })
        case "Executed":
          return joined({ outcome: "performed", result: execution.result })
        case "ExecutedUnseen":
          return joined({ outcome: "performed" })
        case "ExecutionFailed":
          return joined({ outcome: "failed" })
      }
    },
    onFailure: (error) => {
      switch (error._tag) {
        case "Rejected":
          return joined({ outcome: "rejected", note: error.note })
        case "Expired":
          return joined({ outcome: "expired" })
        case "ApprovalTimeout":
          return joined({ outcome: "pending" })
        case "VargateError":
          return Effect.fail(error)
      }
    }
  })
}
