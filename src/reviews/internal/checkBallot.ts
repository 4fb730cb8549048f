/**
 * Whether a stored ballot is what the panel wrote: its seal, its chain and every signature.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Ballot } from "../Ballot.ts"
import { verify } from "../VoteSigner.ts"
import { hashOfOpening, hashOfVote, textOfOpening, textOfVote } from "./ballotText.ts"

/**
 * What is wrong with a ballot, the first fault first. `keys` are the public keys that are trusted, by their ids.
 *
 * @internal
 */
export const faultsOf = Effect.fnUntraced(function*(
  { opening, seal, votes }: Pick<Ballot, "opening" | "seal" | "votes">,
  keys: ReadonlyMap<string, string>
): Effect.fn.Return<ReadonlyArray<string>> {
  const faults: Array<string> = []
  const isSigned = (keyId: string, text: string, signature: string) => {
    const key = keys.get(keyId)
    return key === undefined ? Effect.succeed(false) : verify(key, text, signature)
  }
  if (!(yield* isSigned(seal.keyId, textOfOpening(opening), seal.signature))) {
    faults.push("the opening was not signed by a trusted key")
  }
  let previous = hashOfOpening(opening)
  for (const [index, vote] of votes.entries()) {
    const name = `vote ${index + 1} of ${vote.reviewerId}`
    if (vote.actionId !== opening.actionId || vote.digest !== opening.digest) {
      faults.push(`${name} is about another action`)
    }
    if (vote.sequence !== index + 1 || vote.previous !== previous) faults.push(`${name} does not follow the one before`)
    if (!(yield* isSigned(vote.keyId, textOfVote(vote), vote.signature))) {
      faults.push(`${name} was not signed by a trusted key`)
    }
    previous = hashOfVote(vote)
  }
  return faults
})
