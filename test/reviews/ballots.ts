/** What the tests of ballots share: actions, reviewers, votes that are signed. */
import { DateTime, Effect, Layer, Redacted, Schema } from "effect"
import { ActionId, Approvals, Ballots, Reviewer, type ReviewRules, VoteSigner } from "effect-vargate"
import { headOf, textOfOpening, textOfVote } from "../../src/reviews/internal/ballotText.ts"
import * as ReviewRulesModule from "../../src/reviews/ReviewRules.ts"

export const start = DateTime.makeUnsafe("2026-01-05T10:00:00Z")

export const minute = (minutes: number) => DateTime.add(start, { minutes })

export const idOf = Schema.decodeSync(ActionId.ActionId)

export const action = (change: Partial<Approvals.PendingAction> = {}) =>
  new Approvals.PendingAction({
    actionId: idOf("action-1"),
    agentId: "bot",
    tool: "stripe",
    method: "create_refund",
    params: { charge: "ch_1", amount: 5000 },
    violations: [],
    severity: "none",
    createdAt: start,
    timeoutAt: minute(60),
    ...change
  })

export const reviewer = (id: string, ...groups: ReadonlyArray<string>) =>
  new Reviewer.Reviewer({ id, name: id.toUpperCase(), groups })

export const key = Redacted.make("11".repeat(32))

export const signer = VoteSigner.layer(key).pipe(Layer.orDie)

export const openingOf = (
  rule: ReviewRules.Rule,
  options: Partial<Omit<ReviewRules.Options, "otherwise">> = {},
  pending = action()
) => ReviewRulesModule.opening(ReviewRulesModule.make({ ...options, otherwise: rule }), pending)

export interface Cast {
  readonly by: Reviewer.Reviewer
  readonly choice?: Ballots.Choice
  readonly onBehalfOf?: string
  readonly proposal?: string
  /** Minutes after the start. */
  readonly at?: number
}

const unsignedOf = (
  opening: Ballots.Opening,
  votes: ReadonlyArray<Ballots.Vote>,
  { at = 1, by, choice = "approve", onBehalfOf, proposal }: Cast,
  keyId: string
) => ({
  actionId: opening.actionId,
  digest: opening.digest,
  sequence: votes.length + 1,
  reviewerId: by.id,
  reviewerName: by.name,
  groups: by.groups,
  onBehalfOf: onBehalfOf ?? null,
  choice,
  note: null,
  at: minute(at),
  previous: headOf({ opening, votes }),
  keyId,
  ...proposal === undefined ? {} : { proposal }
})

/** Votes that nothing verifies. */
export const unsigned = (opening: Ballots.Opening, casts: ReadonlyArray<Cast>): ReadonlyArray<Ballots.Vote> =>
  casts.reduce<ReadonlyArray<Ballots.Vote>>(
    (votes, one) => [...votes, new Ballots.Vote({ ...unsignedOf(opening, votes, one, ""), signature: "" })],
    []
  )

/** The next vote of a ballot, signed. */
export const next = Effect.fnUntraced(function*(
  opening: Ballots.Opening,
  votes: ReadonlyArray<Ballots.Vote>,
  one: Cast
) {
  const { keyId, sign } = yield* VoteSigner.VoteSigner
  const unsigned = unsignedOf(opening, votes, one, keyId)
  return new Ballots.Vote({ ...unsigned, signature: yield* sign(textOfVote(unsigned)) })
})

export const sealOf = (opening: Ballots.Opening) =>
  VoteSigner.VoteSigner.use(({ keyId, sign }) =>
    Effect.map(sign(textOfOpening(opening)), (signature) => ({ keyId, signature }))
  )

export const cast = Effect.fnUntraced(function*(opening: Ballots.Opening, casts: ReadonlyArray<Cast>) {
  const votes: Array<Ballots.Vote> = []
  for (const one of casts) votes.push(yield* next(opening, votes, one))
  return votes as ReadonlyArray<Ballots.Vote>
})
