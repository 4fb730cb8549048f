/** What becomes of a decision, taken here or elsewhere, and the sentence that the reviewer reads. */
import * as Effect from "effect/Effect"
import type { ApprovalReceipt, PendingAction } from "../../../approvals/Approval.ts"
import type { Outcome as Fate } from "../../../approvals/Approvals.ts"
import type { OperationError } from "../../../errors/VargateError.ts"
import type { Outcome, Verdict } from "./actionCard.ts"
import type { Session } from "./session.ts"

const longError = 500

/** Approved is not done: the execution has the last word. */
const approved = (word: string, { execution }: Pick<ApprovalReceipt, "execution">): Outcome => {
  switch (execution._tag) {
    case "NotExecuted":
      return { kind: "approved", sentence: `${word} The agent may act now.` }
    case "ExecutedUnseen":
      if (execution.isCutOff === true) {
        const sentence = `${word} Whether it was carried out is unknown: the gateway stopped during the execution.`
        return { kind: "failed", sentence }
      }
      return { kind: "approved", sentence: `${word} The gateway has carried it out.` }
    case "Executed":
      return { kind: "approved", sentence: `${word} The gateway has carried it out.` }
    case "ExecutionFailed": {
      const error = (JSON.stringify(execution.error) ?? "").slice(0, longError)
      return { kind: "failed", sentence: `${word} The gateway tried to carry it out, but the tool failed: ${error}` }
    }
  }
}

const outcomeOf = (fate: Fate): Outcome | undefined => {
  switch (fate._tag) {
    case "Waiting":
      return fate.isApproved ? { kind: "approved", sentence: "Approved elsewhere." } : undefined
    case "Approved":
      return approved("Approved elsewhere.", fate)
    case "Rejected":
      return { kind: "rejected", sentence: "Rejected elsewhere." }
    case "Expired":
      return { kind: "expired", sentence: "Expired: no reviewer decided in time." }
  }
}

const reasonOf = (error: OperationError) => error._tag === "VargateError" ? error.reason._tag : error._tag

export const isKeyRefused = (error: OperationError) => reasonOf(error) === "Unauthenticated"

/** Why an action waits no more. Undefined where it still waits, or nothing can be found out now. */
export const lookUp = ({ approvals }: Session, { actionId }: PendingAction): Effect.Effect<Outcome | undefined> =>
  approvals.outcome(actionId).pipe(
    Effect.map(outcomeOf),
    Effect.catch((error) =>
      Effect.succeed<Outcome | undefined>(
        reasonOf(error) === "NotFound"
          ? { kind: "gone", sentence: "The gateway knows this action no more." }
          : undefined
      )
    )
  )

/** The decision did not take effect, or its outcome is unknown; it may be taken again. */
export interface Undecided {
  readonly isKeyRefused: boolean
  readonly sentence: string
}

const send = ({ reviews }: Session, { actionId }: PendingAction, verdict: Verdict, note: string | undefined) =>
  verdict === "approve"
    ? Effect.map(reviews.approve(actionId, note), (receipt) => approved("Approved.", receipt))
    : Effect.map(
      reviews.reject(actionId, note),
      (): Outcome => ({ kind: "rejected", sentence: "Rejected." })
    )

/** Carries out a decision. Where another reviewer or the expiry was faster, the outcome is theirs. */
export const carryOut = Effect.fnUntraced(function*(
  session: Session,
  action: PendingAction,
  verdict: Verdict,
  note: string | undefined
): Effect.fn.Return<Outcome, Undecided> {
  return yield* send(session, action, verdict, note).pipe(
    Effect.catch(Effect.fnUntraced(function*(error) {
      if (reasonOf(error) === "Conflict" || reasonOf(error) === "NotFound") {
        const outcome = yield* lookUp(session, action)
        if (outcome !== undefined) return { ...outcome, sentence: `Too late. ${outcome.sentence}` }
      }
      return yield* Effect.fail({
        isKeyRefused: isKeyRefused(error),
        sentence: error.sideEffect === "possible"
          ? "No answer arrived, so it is unknown whether the gateway received the decision. Decide again: nothing is executed twice."
          : error.message
      })
    }))
  )
})
