/**
 * What reviewers propose instead of pending actions, for the process of an agent: it reads a proposal, claims it, and
 * submits it once.
 *
 * **When to use**
 *
 * Provide this service beside `Governed` or a governed toolkit, and a call that is rejected with a proposal continues with the
 * proposed params. Without it such a call fails with `Rejected`, like any other.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageFailed } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import { Ballots } from "./Ballots.ts"
import type { Proposal } from "./Proposal.ts"

/**
 * The model that this speaks of.
 *
 * @since 0.2.0
 */
export * from "./Proposal.ts"

/**
 * Proposals, as an agent's process sees them. It can neither make nor change one.
 *
 * @category services
 * @since 0.2.0
 */
export class Proposals extends Context.Service<Proposals, {
  readonly find: (id: string) => Effect.Effect<Proposal | undefined, StorageFailed>
  /**
   * Claims a proposal, and says whether it is this token's. Of all tokens one gets it, and gets it again where the answer
   * was lost. What is claimed is submitted once, or never where its process ends.
   */
  readonly claim: (id: string, token: string) => Effect.Effect<boolean, StorageFailed>
  /** Releases a claim, where certainly nothing was submitted. */
  readonly release: (id: string, token: string) => Effect.Effect<void, StorageFailed>
  /** Writes down which action was made of it. */
  readonly submitted: (id: string, token: string, actionId: ActionId) => Effect.Effect<void, StorageFailed>
}>()("effect-vargate/Proposals") {}

/**
 * The proposals in the panel's own store.
 *
 * **Gotchas**
 *
 * Every process that has the store can write votes into it, though none that the panel's key has not signed counts. Where agents are
 * to have no part of it, use `ProposalsClient.layer`, over HTTP.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Proposals, never, Ballots> = Layer.effect(
  Proposals,
  Effect.map(Ballots, ({ claimProposal, proposal, releaseProposal, settleProposal }) =>
    Proposals.of({
      find: proposal,
      claim: claimProposal,
      release: releaseProposal,
      submitted: settleProposal
    }))
)
