/**
 * The texts of a ballot that are hashed and signed, and the note by which the gateway's log points to it.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import type { PendingAction } from "../../approvals/Approval.ts"
import { canonicalJson } from "../../internal/canonicalJson.ts"
import { isRecord } from "../../internal/isRecord.ts"
import { sha256 } from "../../internal/sha256.ts"
import { type Ballot, type Choice, Opening, type Vote } from "../Ballot.ts"

/** @internal */
export const digestOf = (
  { agentId, method, params, tool }: Pick<PendingAction, "agentId" | "method" | "params" | "tool">
): string => sha256(canonicalJson({ agent_id: agentId, tool, method, params }))

/**
 * The same without the reference that a client adds to the params of each submission: by this an action is known that was
 * made of a proposal.
 *
 * @internal
 */
export const proposedDigestOf = (
  action: Pick<PendingAction, "agentId" | "method" | "params" | "tool">
): string => digestOf({ ...action, params: withoutReference(action.params) })

/**
 * Whether the gateway shows such params otherwise than as they are: fields that it encrypts, and keys that it hides.
 *
 * @internal
 */
export const hidesParams = (params: unknown): boolean => /\[ENCRYPTED:|"_sa/.test(canonicalJson(params))

/**
 * Whether a text stands in place of a value that the gateway keeps encrypted, or has erased.
 *
 * @internal
 */
export const isSealed = (text: string): boolean => /^\[(?:ENCRYPTED|ERASED)\b/.test(text)

/** @internal */
export const withoutReference = (params: unknown): unknown => {
  if (!isRecord(params) || !Object.hasOwn(params, "vargate_reference")) return params
  const { vargate_reference: _, ...others } = params
  return others
}

/**
 * The same value with the keys of every object in order: rules are written by hand, and stores keep no order.
 *
 * @internal
 */
export const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, v]) => [key, sorted(v)]))
    : value

const encodeOpening = Schema.encodeSync(Opening)

/**
 * What is signed of an opening.
 *
 * @internal
 */
export const textOfOpening = (opening: Opening): string =>
  `vargate-ballot/1\n${canonicalJson(sorted(encodeOpening(opening)))}`

/** @internal */
export const hashOfOpening = (opening: Opening): string => sha256(textOfOpening(opening))

/** @internal */
export type UnsignedVote = Omit<typeof Vote.Type, "signature">

/**
 * What is signed.
 *
 * @internal
 */
export const textOfVote = (vote: UnsignedVote): string =>
  `vargate-vote/1\n${
    canonicalJson({
      action_id: vote.actionId,
      digest: vote.digest,
      sequence: vote.sequence,
      reviewer_id: vote.reviewerId,
      reviewer_name: vote.reviewerName,
      groups: vote.groups,
      on_behalf_of: vote.onBehalfOf,
      choice: vote.choice,
      note: vote.note,
      at: DateTime.formatIso(vote.at),
      previous: vote.previous,
      key_id: vote.keyId,
      ...vote.proposal === undefined ? {} : { proposal: vote.proposal },
      ...vote.grantId === undefined ? {} : { grant_id: vote.grantId }
    })
  }`

/** @internal */
export const hashOfVote = (vote: Vote): string => sha256(`${textOfVote(vote)}\n${vote.signature}`)

/**
 * The hash of the last vote, or of the opening where there is none: the digest of all votes, since each has the hash of
 * the one before it.
 *
 * @internal
 */
export const headOf = ({ opening, votes }: Pick<Ballot, "opening" | "votes">): string => {
  const last = votes.at(-1)
  return last === undefined ? hashOfOpening(opening) : hashOfVote(last)
}

const marker = "review-panel/1"

/** What is left for names: a note is for readers too. */
const maxNames = 400

/**
 * The note of a decision: who, and the digest of the votes. `proposal` is the digest of what is to be submitted instead,
 * and `insteadOf` the action instead of which this one was submitted: by these the two are linked in the log.
 *
 * @internal
 */
export const noteOf = (choice: Choice, head: string, voters: ReadonlyArray<string>, options: {
  readonly reason?: string | undefined
  readonly proposal?: string | undefined
  readonly insteadOf?: string | undefined
} = {}): string => {
  const { insteadOf, proposal, reason = voters.join(", ") } = options
  const shown = reason.length > maxNames ? `${reason.slice(0, maxNames)}...` : reason
  const links = (proposal === undefined ? "" : `proposal:${proposal} `) +
    (insteadOf === undefined ? "" : `instead-of:${insteadOf} `)
  return `${marker} ${choice} sha256:${head} ${links}${shown}`
}

/**
 * What a note says: undefined where it is none of a panel's.
 *
 * @internal
 */
export const readNote = (
  note: string | null
): { readonly choice: Choice; readonly head: string; readonly proposal: string | undefined } | undefined => {
  const match = /^review-panel\/1 (approve|reject) sha256:([0-9a-f]{64}) (?:proposal:([0-9a-f]{64}) )?/.exec(note ?? "")
  return match === null ? undefined : { choice: match[1] as Choice, head: match[2]!, proposal: match[3] }
}
