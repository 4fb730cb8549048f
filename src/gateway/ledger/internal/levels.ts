/**
 * The levels of a Merkle tree, built between other work.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { parentsOf } from "../../../internal/merkleTree.ts"
import { hashPair } from "./chain.ts"

/** An hour may have hundreds of thousands of records: what else has arrived gets its turn after so many hashes. */
const hashesInOneGo = 2048

/**
 * All levels, from the leaves up to the level of the root alone.
 *
 * @category building
 * @since 0.1.0
 */
export const levelsOf = Effect.fnUntraced(function*(leaves: ReadonlyArray<string>) {
  const levels = [leaves]
  let level = leaves
  do {
    const parents: Array<string> = []
    for (let start = 0; start < level.length; start += 2 * hashesInOneGo) {
      if (start > 0) yield* Effect.yieldNow
      parents.push(...parentsOf(level.slice(start, start + 2 * hashesInOneGo), hashPair))
    }
    levels.push(level = parents)
  } while (level.length > 1)
  return levels
})
