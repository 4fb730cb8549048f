/**
 * What one reviewer can do about a ballot, for themselves and for those whom they represent.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import type { Ballot } from "../Ballot.ts"
import type { Reviewer } from "../Reviewer.ts"
import type { Refusal } from "../ReviewError.ts"
import { refusalOf } from "./tally.ts"

/**
 * One place from which a reviewer may vote: why each vote would be refused now, or null where it would count.
 *
 * @internal
 */
export interface Seat {
  readonly onBehalfOf: string | null
  readonly approve: Refusal | null
  readonly reject: Refusal | null
  /** A rejection that proposes other params. */
  readonly change: Refusal | null
}

/** What a proposal would be does not matter to whether it may be made. */
const someProposal = "0".repeat(64)

/**
 * The reviewer's own seat first, then those that come from delegations.
 *
 * @internal
 */
export const seatsOf = (
  { opening, state, votes }: Pick<Ballot, "opening" | "state" | "votes">,
  { groups, id }: Reviewer,
  at: DateTime.Utc
): ReadonlyArray<Seat> => {
  const represented = opening.delegations.filter(({ to, until }) =>
    to === id && DateTime.toEpochMillis(at) < DateTime.toEpochMillis(until)
  ).map(({ from }) => from)
  return [null, ...new Set(represented)].map((onBehalfOf) => {
    const refusal = (choice: "approve" | "reject", more = {}): Refusal | null =>
      state === "open"
        ? refusalOf(opening, votes, { reviewerId: id, groups, onBehalfOf, choice, at, ...more }) ?? null
        : "Ended"
    return {
      onBehalfOf,
      approve: refusal("approve"),
      reject: refusal("reject"),
      change: refusal("reject", { proposal: someProposal })
    }
  })
}
