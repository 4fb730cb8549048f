/**
 * Nodes of Merkle trees, and algorithms over them, written once for hashers that answer at once and for those that take
 * time.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { Hasher, type HasherService } from "../Hasher.ts"

/**
 * An algorithm: it yields bytes, and is given their hash. The bytes may be reused once it goes on.
 *
 * @internal
 */
export type Hashing<A> = Generator<Uint8Array<ArrayBuffer>, A, string>

/**
 * Runs an algorithm with the hasher in context.
 *
 * @internal
 */
export const runHashing = <A>(start: () => Hashing<A>): Effect.Effect<A> =>
  Effect.flatMap(Hasher, ({ hash, hashAll }) => {
    const algorithm = start()
    let step = algorithm.next()
    if (hash !== undefined) {
      while (step.done !== true) step = algorithm.next(hash(step.value))
      return Effect.succeed(step.value)
    }
    const go = (): Effect.Effect<A> =>
      step.done === true ? Effect.succeed(step.value) : Effect.flatMap(hashAll([step.value]), ([digest]) => {
        step = algorithm.next(digest!)
        return go()
      })
    return go()
  })

// --- hashes as bytes -------------------------------------------------------------------------------------------------

const malformed = 0xff

/** Lower-case digits only: capitals would be another spelling of the same. */
const nibbles = new Uint8Array(128).fill(malformed)
for (let digit = 0; digit < 16; digit++) nibbles[digit.toString(16).charCodeAt(0)] = digit

/**
 * Writes the 32 bytes that a hash stands for, and says whether it is one: 64 lower-case hex digits.
 *
 * @internal
 */
export const writeHash = (target: Uint8Array, offset: number, hex: string): boolean => {
  if (hex.length !== 64) return false
  let values = 0
  let units = 0
  for (let i = 0; i < 32; i++) {
    const high = hex.charCodeAt(2 * i)
    const low = hex.charCodeAt(2 * i + 1)
    const byte = (nibbles[high & 0x7f]! << 4) | nibbles[low & 0x7f]!
    units |= high | low
    values |= byte
    target[offset + i] = byte
  }
  return values < 0x100 && units < 0x80
}

/**
 * The root over leaves, oldest first, or undefined where there are none or one is no hash. An odd level repeats its last
 * node, and a tree of one is H(x || x).
 *
 * @internal
 */
export const rootWith = (
  { hashAll, hashNodes }: HasherService,
  leaves: ReadonlyArray<string>
): Effect.Effect<string | undefined> =>
  Effect.suspend(() => {
    const level = new Uint8Array(64 * Math.ceil(leaves.length / 2))
    if (leaves.length === 0 || !leaves.every((leaf, index) => writeHash(level, 32 * index, leaf))) {
      return Effect.succeed(undefined)
    }
    const climb = (nodes: Uint8Array<ArrayBuffer>, count: number): Effect.Effect<string> => {
      if (count % 2 === 1) nodes.copyWithin(32 * count, 32 * (count - 1), 32 * count)
      const pairs = Math.ceil(count / 2)
      if (hashNodes !== undefined && pairs > 1) return climb(hashNodes(nodes.subarray(0, 64 * pairs)), pairs)
      const texts = Array.from({ length: pairs }, (_, pair) => nodes.subarray(64 * pair, 64 * pair + 64))
      return Effect.flatMap(hashAll(texts), (hashes) => {
        if (pairs === 1) return Effect.succeed(hashes[0]!)
        const next = new Uint8Array(64 * Math.ceil(pairs / 2))
        hashes.forEach((hash, index) => writeHash(next, 32 * index, hash))
        return climb(next, pairs)
      })
    }
    return climb(level, leaves.length)
  })
