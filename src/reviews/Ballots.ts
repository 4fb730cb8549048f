/**
 * Where ballots are kept. A vote is durable before it counts, and of all processes that see a rule met one gets the claim
 * to tell the gateway.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageFailed } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import { Ballot, type BallotOutcome, type Choice, type Opening, type Seal, type Vote } from "./Ballot.ts"
import { Proposal } from "./Proposal.ts"

/**
 * The models that this speaks of.
 *
 * @since 0.2.0
 */
export * from "./Ballot.ts"

/**
 * A ballot is about one action with certain params.
 *
 * @category models
 * @since 0.2.0
 */
export interface BallotKey {
  readonly actionId: ActionId
  readonly digest: string
}

/**
 * Which ballots to list.
 *
 * @category options
 * @since 0.2.0
 */
export interface ListOptions {
  /** Default: all. */
  readonly ended?: boolean | undefined
  /** Default: 100. */
  readonly limit?: number | undefined
}

/**
 * The ballots of one tenant's panel. Every method is atomic.
 *
 * @category services
 * @since 0.2.0
 */
export class Ballots extends Context.Service<Ballots, {
  /** Writes down how a ballot begins; a second time returns the first and changes nothing. */
  readonly open: (opening: Opening, seal: Seal) => Effect.Effect<Ballot, StorageFailed>
  readonly find: (key: BallotKey) => Effect.Effect<Ballot | undefined, StorageFailed>
  /** The ballots on an action, the latest first: more than one only where its params have changed. */
  readonly ofAction: (actionId: ActionId) => Effect.Effect<ReadonlyArray<Ballot>, StorageFailed>
  /**
   * Appends a vote, with what it proposes, and says whether it is in: not where another one has its place, or the ballot is
   * not open.
   */
  readonly append: (vote: Vote, proposal?: Proposal) => Effect.Effect<boolean, StorageFailed>
  /** Claims the decision of an open ballot that has so many votes. Of all who ask, one gets it. */
  readonly claim: (
    key: BallotKey,
    claim: { readonly choice: Choice; readonly votes: number; readonly token: string }
  ) => Effect.Effect<boolean, StorageFailed>
  /** Shows that the owner of a claim lives; false where it is not its owner any more. */
  readonly renew: (key: BallotKey, token: string) => Effect.Effect<boolean, StorageFailed>
  /** Takes a claim over from an owner that has shown no sign of life since this beat. */
  readonly takeOver: (
    key: BallotKey,
    from: { readonly token: string; readonly beat: number },
    token: string
  ) => Effect.Effect<boolean, StorageFailed>
  /** Writes down how a ballot ended, and returns what stands there: the first outcome stays. */
  readonly end: (key: BallotKey, outcome: BallotOutcome) => Effect.Effect<BallotOutcome, StorageFailed>
  /** The latest first. */
  readonly list: (options?: ListOptions) => Effect.Effect<ReadonlyArray<Ballot>, StorageFailed>
  /** What a vote proposed, by its hash. */
  readonly proposal: (id: string) => Effect.Effect<Proposal | undefined, StorageFailed>
  /** Proposals of an action with this digest, or that this action was made of: the latest ten first. */
  readonly proposalsOf: (key: BallotKey) => Effect.Effect<ReadonlyArray<Proposal>, StorageFailed>
  /** Claims a proposal, and says whether it is this token's: of all tokens one gets it. */
  readonly claimProposal: (id: string, token: string) => Effect.Effect<boolean, StorageFailed>
  /** Releases a claim of which nothing was submitted. */
  readonly releaseProposal: (id: string, token: string) => Effect.Effect<void, StorageFailed>
  /** Writes down which action was made of a proposal. */
  readonly settleProposal: (id: string, token: string, actionId: ActionId) => Effect.Effect<void, StorageFailed>
}>()("effect-vargate/Ballots") {}

/** A proposal, and whose it is. */
interface Kept {
  proposal: Proposal
  token: string | undefined
}

const idOf = ({ actionId, digest }: BallotKey) => `${actionId} ${digest}`

/**
 * Ballots in memory, for tests and for a panel that may forget its votes with its process.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<Ballots> = Layer.sync(Ballots, () => {
  const ballots = new Map<string, Ballot>()
  const proposals = new Map<string, Kept>()
  const latest = () => [...ballots.values()].reverse()

  const change = (key: BallotKey, change: (ballot: Ballot) => Partial<typeof Ballot.Type> | undefined) =>
    Effect.sync(() => {
      const ballot = ballots.get(idOf(key))
      const changed = ballot && change(ballot)
      if (ballot === undefined || changed === undefined) return false
      ballots.set(idOf(key), new Ballot({ ...ballot, ...changed }))
      return true
    })

  return Ballots.of({
    open: (opening, seal) =>
      Effect.sync(() => {
        const ballot = ballots.get(idOf(opening)) ??
          new Ballot({ opening, seal, votes: [], claim: null, outcome: null })
        ballots.set(idOf(opening), ballot)
        return ballot
      }),
    find: (key) => Effect.sync(() => ballots.get(idOf(key))),
    ofAction: (actionId) => Effect.sync(() => latest().filter(({ opening }) => opening.actionId === actionId)),
    append: (vote, proposal) =>
      Effect.tap(
        change(
          vote,
          ({ state, votes }) =>
            state === "open" && vote.sequence === votes.length + 1 ? { votes: [...votes, vote] } : undefined
        ),
        (isIn) =>
          Effect.sync(() => {
            if (isIn && proposal !== undefined) proposals.set(proposal.id, { proposal, token: undefined })
          })
      ),
    claim: (key, { choice, token, votes }) =>
      change(
        key,
        (ballot) =>
          ballot.state === "open" && ballot.votes.length === votes ? { claim: { choice, token, beat: 0 } } : undefined
      ),
    renew: (key, token) =>
      change(key, ({ claim }) => claim?.token === token ? { claim: { ...claim, beat: claim.beat + 1 } } : undefined),
    takeOver: (key, from, token) =>
      change(key, ({ claim, outcome }) =>
        outcome === null && claim?.token === from.token && claim.beat === from.beat
          ? { claim: { ...claim, token, beat: 0 } }
          : undefined),
    end: (key, outcome) =>
      Effect.sync(() => {
        const ballot = ballots.get(idOf(key))
        if (ballot === undefined) return outcome
        if (ballot.outcome !== null) return ballot.outcome
        ballots.set(idOf(key), new Ballot({ ...ballot, outcome }))
        return outcome
      }),
    list: ({ ended, limit = 100 } = {}) =>
      Effect.sync(() =>
        latest().filter(({ outcome }) => ended === undefined || ended === (outcome !== null)).slice(0, limit)
      ),
    proposal: (id) => Effect.sync(() => proposals.get(id)?.proposal),
    proposalsOf: ({ actionId, digest }) =>
      Effect.sync(() =>
        [...proposals.values()].reverse().map(({ proposal }) => proposal)
          .filter((proposal) => proposal.digest === digest || proposal.submittedAs === actionId).slice(0, 10)
      ),
    claimProposal: (id, token) =>
      Effect.sync(() => {
        const kept = proposals.get(id)
        if (kept === undefined || kept.proposal.submittedAs !== null) return false
        kept.token ??= token
        return kept.token === token
      }),
    releaseProposal: (id, token) =>
      Effect.sync(() => {
        const kept = proposals.get(id)
        if (kept?.token === token && kept.proposal.submittedAs === null) kept.token = undefined
      }),
    settleProposal: (id, token, actionId) =>
      Effect.sync(() => {
        const kept = proposals.get(id)
        if (kept?.token !== token || kept.proposal.submittedAs !== null) return
        kept.proposal = new Proposal({ ...kept.proposal, submittedAs: actionId })
      })
  })
})
