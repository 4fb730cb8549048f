/**
 * Why a reviewer or a vote is refused.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import type { Verdict } from "../errors/Reason.ts"
import { ActionId } from "../model/ActionId.ts"

/**
 * What a request carries belongs to no known reviewer. `detail` never holds the credential.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotAuthenticated extends Schema.TaggedError<NotAuthenticated>("effect-vargate/NotAuthenticated")(
  "NotAuthenticated",
  { detail: Schema.String }
) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The reviewer is not known (${this.detail}). Nothing was voted. Log in again, or ask the operator for a token.`
  }
}

/**
 * Why a vote does not count.
 *
 * **Details**
 *
 * - `Requester`: the reviewer, or the one who is represented, asked for the action.
 * - `NotAsked`: no rule asks any of the reviewer's groups.
 * - `NotYet`: the rule asks a group of the reviewer's after another has approved, or later.
 * - `AlreadyVoted`: the same vote of this reviewer counts already.
 * - `NoChanges`: no rule lets this reviewer propose other params, or the panel can keep none.
 * - `NoDelegation`: the reviewer does not represent the other one (any more).
 * - `TooLate`: the ballot's deadline or the action's time is over.
 * - `Changed`: the vote is about other params than those that are pending now.
 * - `NotPending`: the action is not in the queue, and there is no ballot for it.
 * - `Ended`: the ballot has ended, or is being decided.
 * - `TooManyVotes`: the ballot has 1,000 votes.
 * - `Spoiled`: something in the stored ballot was not signed by the panel: it decides nothing any more.
 *
 * @category models
 * @since 0.2.0
 */
export const Refusal = Schema.Literals([
  "Requester",
  "NotAsked",
  "NotYet",
  "AlreadyVoted",
  "NoChanges",
  "NoDelegation",
  "TooLate",
  "Changed",
  "NotPending",
  "Ended",
  "TooManyVotes",
  "Spoiled"
])

/**
 * The type of {@link Refusal}.
 *
 * @category models
 * @since 0.2.0
 */
export type Refusal = typeof Refusal.Type

const sentences: { readonly [R in Refusal]: string } = {
  Requester: "who asked for an action does not decide on it; another reviewer has to",
  NotAsked: "the rule asks none of the reviewer's groups",
  NotYet: "the rule asks the reviewer's groups later: wait until the earlier ones have approved",
  AlreadyVoted: "this vote counts already",
  NoChanges: "the rule does not let this reviewer propose other params: approve or reject what is pending",
  NoDelegation: "the reviewer does not represent this other one now",
  TooLate: "the time to decide is over",
  Changed: "the action that is pending now has other params: look at it again",
  NotPending: "the action is not pending",
  Ended: "the ballot has ended",
  TooManyVotes: "the ballot has as many votes as it can have",
  Spoiled: "something in the stored ballot was not signed by the panel, so that it decides nothing; verify the ballots"
}

/**
 * A vote that was not counted.
 *
 * @category errors
 * @since 0.2.0
 */
export class VoteRefused extends Schema.TaggedError<VoteRefused>("effect-vargate/VoteRefused")("VoteRefused", {
  actionId: ActionId,
  refusal: Refusal,
  detail: Schema.optional(Schema.String)
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const detail = this.detail === undefined ? "" : ` (${this.detail})`
    return `The vote on ${this.actionId} was not counted: ${sentences[this.refusal]}${detail}.`
  }
}
