/**
 * The gateway's Merkle trees: no prefixes, an odd level repeats its last node, and a tree of one is H(x || x).
 *
 * Nodes are lower-case hex; `hashPair` hashes the 64 bytes that two of them stand for.
 *
 * @internal
 */

/** @internal */
export type HashPair = (left: string, right: string) => string

/**
 * The level over a level.
 *
 * @internal
 */
export const parentsOf = (level: ReadonlyArray<string>, hashPair: HashPair): Array<string> => {
  const parents: Array<string> = []
  for (let i = 0; i < level.length; i += 2) parents.push(hashPair(level[i]!, level[i + 1] ?? level[i]!))
  return parents
}

/**
 * All levels, from the leaves up to the level of the root alone.
 *
 * @internal
 */
export const levelsOf = (leaves: ReadonlyArray<string>, hashPair: HashPair): ReadonlyArray<ReadonlyArray<string>> => {
  const levels: Array<ReadonlyArray<string>> = [leaves]
  let level = leaves
  do {
    levels.push(level = parentsOf(level, hashPair))
  } while (level.length > 1)
  return levels
}

/**
 * The steps from a leaf to the root.
 *
 * @internal
 */
export const pathOf = (
  levels: ReadonlyArray<ReadonlyArray<string>>,
  leafIndex: number
): ReadonlyArray<{ readonly sibling: string; readonly side: "left" | "right" }> =>
  levels.slice(0, -1).map((level, height) => {
    const index = Math.floor(leafIndex / 2 ** height)
    return index % 2 === 0
      ? { sibling: level[index + 1] ?? level[index]!, side: "right" }
      : { sibling: level[index - 1]!, side: "left" }
  })
