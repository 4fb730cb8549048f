/**
 * Other params that a reviewer would approve instead of those that are pending.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { ActionDigest } from "./Ballot.ts"
import { ReviewerId } from "./Reviewer.ts"

/**
 * The id of a proposal: the hash of the vote that made it, which is also the digest of the votes in the gateway's note.
 *
 * @category ids
 * @since 0.2.0
 */
export const ProposalId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "a SHA-256 in lower-case hexadecimal digits" })
)

/**
 * A proposal: the action that was rejected for it, and what is to be submitted instead.
 *
 * @category models
 * @since 0.2.0
 */
export class Proposal extends Schema.Class<Proposal>("effect-vargate/Proposal")({
  id: ProposalId,
  /** The action that was rejected. */
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  /** JSON, as it is to be submitted. */
  params: Schema.String,
  /** Of the action with these params, as it would be shown. The gateway's note has it too. */
  digest: ActionDigest,
  editor: ReviewerId,
  at: Schema.DateTimeUtcFromString,
  /** The action that was made of it, once it is known. */
  submittedAs: Schema.NullOr(ActionId)
}) {}
