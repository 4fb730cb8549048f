/**
 * Whether a reviewer is asked: whether a vote of theirs would count.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { type Ballot, Choice } from "../Ballot.ts"
import type { Reviewer } from "../Reviewer.ts"
import { refusalOf, tally } from "./tally.ts"

/**
 * Whom a vote of the reviewer would represent: `null` where they vote for themselves. Undefined where none would count now, or one counts
 * already.
 *
 * @internal
 */
export const seatFor = (
  { opening, votes }: Pick<Ballot, "opening" | "votes">,
  { groups, id }: Reviewer
): Effect.Effect<string | null | undefined> =>
  Effect.map(DateTime.now, (at) => {
    if (tally(opening, votes).standing.some(({ vote }) => vote.reviewerId === id)) return undefined
    const represented = opening.delegations.flatMap(({ from, to }) => to === id ? [from] : [])
    return [null, ...represented].find((onBehalfOf) =>
      Choice.literals.some((choice) =>
        refusalOf(opening, votes, { reviewerId: id, groups, onBehalfOf, choice, at }) === undefined
      )
    )
  })
