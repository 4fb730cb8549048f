/** What the page says of ballots, in sentences. */
import type { Review } from "../../../../http/ReviewGroup.ts"
import type { Outcome } from "../actionCard.ts"
import { clockTime } from "../times.ts"

export type Choice = "approve" | "reject"

type Refusal = NonNullable<NonNullable<Review["you"]>[number]["approve"]>

const because: Readonly<Record<Refusal, string>> = {
  Requester: "You asked for this: another reviewer has to decide.",
  NotAsked: "This waits for other reviewers, not for you.",
  NotYet: "You are asked later: others have to approve first.",
  AlreadyVoted: "Your vote counts already.",
  NoChanges: "The rule does not let you propose other params.",
  NoDelegation: "You do not represent this reviewer now.",
  TooLate: "The time to decide is over.",
  Changed: "Other params are pending now. Load the page again.",
  NotPending: "The action is not pending any more.",
  Ended: "The decision is being made.",
  TooManyVotes: "This ballot takes no more votes.",
  Spoiled: "Something in this ballot was not signed by the panel, so that it decides nothing. Tell the operator."
}

export const sentenceOf = (refusal: Refusal) => because[refusal]

export type Seat = NonNullable<Review["you"]>[number]

export const seatsOf = ({ you }: Review): ReadonlyArray<Seat> => you ?? []

/** A place from which no vote was cast, and either one would count. */
export const needs = (review: Review): boolean =>
  review.state === "open" && seatsOf(review).some(({ approve, reject }) => approve === null && reject === null)

/** Places from which some vote would count now. */
export const openSeats = (review: Review): ReadonlyArray<Seat> =>
  seatsOf(review).filter(({ approve, change, reject }) => approve === null || reject === null || change === null)

export const isOwn = (review: Review): boolean => seatsOf(review)[0]?.approve === "Requester"

export const lastVoteOf = ({ votes }: Review, reviewerId: string) =>
  votes.findLast((vote) => vote.reviewerId === reviewerId)

const past = { approve: "approved", reject: "rejected" } as const

export const pastOf = (choice: Choice) => past[choice]

/** The word in the corner of a card. */
export const markOf = (review: Review, reviewerId: string): { readonly kind: string; readonly word: string } => {
  if (needs(review)) return { kind: "yours", word: "Needs you" }
  if (isOwn(review)) return { kind: "own", word: "You asked" }
  const vote = lastVoteOf(review, reviewerId)
  return vote === undefined
    ? { kind: "others", word: "Needs others" }
    : { kind: vote.choice, word: `You ${pastOf(vote.choice)}` }
}

/** A time of today is one of the clock; another one has its date and year. */
export const momentOf = (time: Date, now = new Date()) =>
  Math.abs(time.getTime() - now.getTime()) < 86_400_000
    ? clockTime(time, now)
    : time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })

/** A panel's sentence with its times as a reviewer's clock has them. */
export const withClockTimes = (sentence: string): string =>
  sentence.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, (time) => momentOf(new Date(time)))

const list = (items: ReadonlyArray<string>) =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`

/** How a ballot ended; undefined while it has not. */
export const outcomeOf = ({ outcome, votes }: Review): Outcome | undefined => {
  if (outcome === null) return undefined
  const votersFor = (choice: Choice) => {
    const last = new Map(votes.map((vote) => [vote.reviewerId, vote]))
    return list([...last.values()].filter((vote) => vote.choice === choice).map(({ reviewerName }) => reviewerName))
  }
  const elsewhere = "by a key of the gateway, and not by the votes"
  switch (outcome.result) {
    case "approved": {
      const by = outcome.byPanel ? `by ${votersFor("approve")}` : elsewhere
      return { kind: "approved", sentence: `Approved ${by}. The gateway knows it.` }
    }
    case "rejected": {
      const voters = votersFor("reject")
      const by = !outcome.byPanel ? elsewhere : voters === "" ? "because its deadline has passed" : `by ${voters}`
      const proposes = votes.some(({ choice, proposal }) => choice === "reject" && proposal !== undefined)
      return { kind: "rejected", sentence: `Rejected ${by}${proposes ? ", who proposes other params" : ""}.` }
    }
    case "expired":
      return { kind: "expired", sentence: "Expired: it was not decided in time." }
    case "changed":
      return { kind: "gone", sentence: "Other params are pending under this id now, with a ballot of their own." }
    case "lost":
      return { kind: "gone", sentence: "The gateway knows this action no more." }
  }
}
