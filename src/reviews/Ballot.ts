/**
 * A ballot: the votes on one pending action, and what became of it.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { Group, ReviewerId } from "./Reviewer.ts"
import { Delegation, Rule } from "./ReviewRule.ts"

const Hash = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "a SHA-256 in lower-case hexadecimal digits" })
)

/**
 * A digest of a pending action as it is shown: agent, tool, method and params. A vote names the one that it is about.
 *
 * @category ids
 * @since 0.2.0
 */
export const ActionDigest = Hash

/**
 * What a reviewer votes for.
 *
 * @category models
 * @since 0.2.0
 */
export const Choice = Schema.Literals(["approve", "reject"])

/**
 * The type of {@link Choice}.
 *
 * @category models
 * @since 0.2.0
 */
export type Choice = typeof Choice.Type

/**
 * Of which proposal an action was made: by whom, instead of which action.
 *
 * @category models
 * @since 0.2.0
 */
export const ProposedBy = Schema.Struct({
  /** The hash of the vote that made the proposal. */
  id: Hash,
  actionId: ActionId,
  editor: ReviewerId
})

/**
 * How a ballot begins, and what never changes of it: the action, the rule, and who asked. The first vote's `previous` is
 * its hash, so that none of it can be exchanged later.
 *
 * @category models
 * @since 0.2.0
 */
export const Opening = Schema.Struct({
  actionId: ActionId,
  digest: ActionDigest,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  /** When the gateway queued the action. */
  createdAt: Schema.DateTimeUtcFromString,
  timeoutAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Null where no rule could be found: then no vote decides. */
  rule: Schema.NullOr(Rule),
  /** The reviewers who asked for the action, and do not decide on it. */
  requesters: Schema.Array(ReviewerId),
  delegations: Schema.Array(Delegation),
  /** What reviewers have proposed, where this action is it: the latest first. */
  proposals: Schema.optionalKey(Schema.Array(ProposedBy))
})

/**
 * The type of {@link Opening}.
 *
 * @category models
 * @since 0.2.0
 */
export type Opening = typeof Opening.Type

/**
 * A signature, and which key made it.
 *
 * @category models
 * @since 0.2.0
 */
export const Seal = Schema.Struct({
  keyId: Schema.String,
  /** Ed25519, in base64url. */
  signature: Schema.String
})

/**
 * The type of {@link Seal}.
 *
 * @category models
 * @since 0.2.0
 */
export type Seal = typeof Seal.Type

/**
 * A vote, signed, with the hash of the one before it. Of several votes of a reviewer the last one counts.
 *
 * @category models
 * @since 0.2.0
 */
export class Vote extends Schema.Class<Vote>("effect-vargate/Vote")({
  actionId: ActionId,
  digest: ActionDigest,
  /** From 1 on. */
  sequence: Schema.Int,
  reviewerId: ReviewerId,
  reviewerName: Schema.String,
  groups: Schema.Array(Group),
  /** The reviewer who is represented. */
  onBehalfOf: Schema.NullOr(ReviewerId),
  choice: Choice,
  note: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromString,
  /** With a rejection: the digest of the action, with other params, that the reviewer would approve instead. */
  proposal: Schema.optionalKey(ActionDigest),
  /** The standing approval under which the panel cast it for the reviewer. */
  grantId: Schema.optionalKey(Schema.String),
  /** The hash of the vote before this one, or of the opening. */
  previous: Hash,
  /** Which key signed. */
  keyId: Schema.String,
  /** Ed25519, in base64url. */
  signature: Schema.String
}) {}

/**
 * How a ballot ended.
 *
 * **Details**
 *
 * `approved`, `rejected` and `expired` are the gateway's. `changed`: other params are pending under this id now. `lost`:
 * the gateway knows no such action any more.
 *
 * @category models
 * @since 0.2.0
 */
export const BallotOutcome = Schema.Struct({
  result: Schema.Literals(["approved", "rejected", "expired", "changed", "lost"]),
  /** Whether the panel decided, and not another holder of a key, or time. */
  byPanel: Schema.Boolean,
  /** The note that is on record at the gateway. */
  note: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromString
})

/**
 * The type of {@link BallotOutcome}.
 *
 * @category models
 * @since 0.2.0
 */
export type BallotOutcome = typeof BallotOutcome.Type

/**
 * Who tells the gateway: of all processes that see the rule met, one has this.
 *
 * @category models
 * @since 0.2.0
 */
export const DecisionClaim = Schema.Struct({
  choice: Choice,
  token: Schema.String,
  /** Its owner changes this number for as long as it lives. */
  beat: Schema.Int
})

/**
 * The type of {@link DecisionClaim}.
 *
 * @category models
 * @since 0.2.0
 */
export type DecisionClaim = typeof DecisionClaim.Type

/**
 * The votes on one pending action. It is open until it has a claim, and has ended once it has an outcome.
 *
 * @category models
 * @since 0.2.0
 */
export class Ballot extends Schema.Class<Ballot>("effect-vargate/Ballot")({
  opening: Opening,
  /** The panel's signature of the opening, so that no store can exchange the rule. */
  seal: Seal,
  votes: Schema.Array(Vote),
  claim: Schema.NullOr(DecisionClaim),
  outcome: Schema.NullOr(BallotOutcome)
}) {
  /** `open`, `deciding` (the gateway is being told) or `ended`. */
  get state(): "open" | "deciding" | "ended" {
    return this.outcome !== null ? "ended" : this.claim !== null ? "deciding" : "open"
  }
}
