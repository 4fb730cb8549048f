/**
 * One round of a call that is made in several: a client asks, is told that the call is pending, and asks again.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { PendingApproval, VargateError } from "../../errors/VargateError.ts"
import type { ActionId } from "../../model/ActionId.ts"

/** @internal */
export class Round {
  /** The action that an earlier round submitted. */
  readonly resumes: PendingApproval | undefined
  /** How long a call that joins another one's wait waits. */
  readonly patience: Duration.Input
  private readonly onWait: (pending: PendingApproval) => void
  /** Runs just before the action is begun, which it is not where this fails. */
  readonly claim: (actionId: ActionId) => Effect.Effect<void, VargateError>
  private state: "new" | "taken" | "decided" | "cut off" = "new"

  constructor(
    resumes: PendingApproval | undefined,
    patience: Duration.Input,
    onWait: (pending: PendingApproval) => void,
    claim: (actionId: ActionId) => Effect.Effect<void, VargateError> = () => Effect.void
  ) {
    this.resumes = resumes
    this.patience = patience
    this.onWait = onWait
    this.claim = claim
  }

  /** Whether this is the call of the round. Whatever a handler asks for in the course of it is a call of its own. */
  take(): boolean {
    const isFirst = this.state === "new"
    if (isFirst) this.state = "taken"
    return isFirst
  }

  /** Ends the round, unless the wait has ended before: then the action may be under way, and is left alone. */
  cutOff(): boolean {
    if (this.state === "decided") return false
    this.state = "cut off"
    return true
  }

  /** Waits in this round. What is decided after its end belongs to the next one. */
  wait<A, E, R>(pending: PendingApproval, decision: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.onWait(pending)
      return Effect.flatMap(Effect.exit(decision), (exit) => {
        if (this.state === "cut off") return Effect.never
        this.state = "decided"
        return exit
      })
    })
  }
}

/**
 * The round in which a fiber is; undefined for calls that are made at once.
 *
 * @internal
 */
export const CurrentRound = Context.Reference<Round | undefined>("effect-vargate/governed/CurrentRound", {
  defaultValue: () => undefined
})
