/**
 * The tree of RFC 6962 over a log: leaves are SHA-256(0x00 || 32 bytes of a record's hash), nodes SHA-256(0x01 || left ||
 * right). Hashes are lower-case hex.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type { HasherService } from "../../Hasher.ts"
import { writeHashes } from "../../internal/merkle/merkleNodes.ts"

/**
 * The root of no leaves: SHA-256 of nothing.
 *
 * @internal
 */
export const emptyRoot = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const hashPattern = /^[0-9a-f]{64}$/

/** @internal */
export const isHash = (text: string): boolean => hashPattern.test(text)

const leafText = (recordHash: string): Uint8Array<ArrayBuffer> => {
  const text = new Uint8Array(33)
  writeHashes(text.subarray(1), [recordHash])
  return text
}

const nodeText = (left: string, right: string): Uint8Array<ArrayBuffer> => {
  const text = new Uint8Array(65)
  text[0] = 1
  writeHashes(text.subarray(1), [left, right])
  return text
}

/** @internal */
export const hashNode = (hasher: HasherService, left: string, right: string): Effect.Effect<string> =>
  Effect.map(hasher.hashAll([nodeText(left, right)]), ([hash]) => hash!)

const batch = 4096

/**
 * The leaf of each record.
 *
 * @internal
 */
export const hashLeaves = (
  hasher: HasherService,
  recordHashes: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const { hash } = hasher
    if (hash !== undefined) {
      const text = new Uint8Array(33)
      const rest = text.subarray(1)
      return recordHashes.map((recordHash) => {
        writeHashes(rest, [recordHash])
        return hash(text)
      })
    }
    const leaves: Array<string> = []
    for (let from = 0; from < recordHashes.length; from += batch) {
      leaves.push(...yield* hasher.hashAll(recordHashes.slice(from, from + batch).map(leafText)))
    }
    return leaves
  })

/** One row of parents; a last node without a sibling is carried up as it is. */
const parentsOf = (hasher: HasherService, row: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const pairs = row.length >> 1
    const parents: Array<string> = []
    const { hash } = hasher
    if (hash !== undefined) {
      const text = new Uint8Array(65)
      text[0] = 1
      const rest = text.subarray(1)
      for (let i = 0; i < pairs; i++) {
        writeHashes(rest, [row[2 * i]!, row[2 * i + 1]!])
        parents.push(hash(text))
      }
    } else {
      for (let from = 0; from < pairs; from += batch) {
        const texts = Array.from(
          { length: Math.min(batch, pairs - from) },
          (_, i) => nodeText(row[2 * (from + i)]!, row[2 * (from + i) + 1]!)
        )
        parents.push(...yield* hasher.hashAll(texts))
      }
    }
    if (row.length % 2 === 1) parents.push(row.at(-1)!)
    return parents
  })

/**
 * The root over leaves. Rows that carry a lone last node up have the same root as the recursion of RFC 6962.
 *
 * @internal
 */
export const rootOfLeaves = (hasher: HasherService, leaves: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.gen(function*() {
    if (leaves.length === 0) return emptyRoot
    let row = leaves
    while (row.length > 1) row = yield* parentsOf(hasher, row)
    return row[0]!
  })

/**
 * Roots of the perfect trees that a log of some size is made of, the largest first: enough to grow it, and to prove that
 * it has only grown.
 *
 * @internal
 */
export interface Frontier {
  readonly size: number
  readonly peaks: ReadonlyArray<string>
}

/** @internal */
export const noFrontier: Frontier = { size: 0, peaks: [] }

/**
 * How large the perfect trees of a log are, the largest first.
 *
 * @internal
 */
export const peakSizes = (size: number): ReadonlyArray<number> => {
  const sizes: Array<number> = []
  for (let rest = size; rest > 0;) {
    const largest = 2 ** Math.floor(Math.log2(rest))
    sizes.push(largest)
    rest -= largest
  }
  return sizes
}

/** @internal */
export const rootOfPeaks = (hasher: HasherService, peaks: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.gen(function*() {
    let root = peaks.at(-1)
    if (root === undefined) return emptyRoot
    for (const peak of peaks.slice(0, -1).toReversed()) root = yield* hashNode(hasher, peak, root)
    return root
  })

/**
 * The same log with more leaves.
 *
 * @internal
 */
export const grow = (
  hasher: HasherService,
  { peaks, size }: Frontier,
  leaves: ReadonlyArray<string>
): Effect.Effect<Frontier> =>
  Effect.gen(function*() {
    const stack = peakSizes(size).map((size, place) => ({ size, root: peaks[place]! }))
    let from = 0
    while (from < leaves.length) {
      // The largest perfect tree that may come next: no larger than the last one, unless that is made whole by it.
      const last = stack.at(-1)?.size ?? Infinity
      const left = 2 ** Math.floor(Math.log2(leaves.length - from))
      const next = Math.min(left, last)
      let node = { size: next, root: yield* rootOfLeaves(hasher, leaves.slice(from, from + next)) }
      from += next
      while (stack.at(-1)?.size === node.size) {
        node = { size: 2 * node.size, root: yield* hashNode(hasher, stack.pop()!.root, node.root) }
      }
      stack.push(node)
    }
    return { size: size + leaves.length, peaks: stack.map(({ root }) => root) }
  })

/** Perfect trees up to this size are built in one go, in bytes. */
const perfect = 4096

const copy = (target: Uint8Array, at: number, source: Uint8Array, from: number, length: number) => {
  for (let i = 0; i < length; i++) target[at + i] = source[from + i]!
}

/** The root over the leaves of so many records, a power of two, where the platform writes hashes at once. */
const perfectRoot = (
  hashInto: NonNullable<HasherService["hashInto"]>,
  recordHashes: ReadonlyArray<string>
): string => {
  let count = recordHashes.length
  const records = new Uint8Array(32 * count)
  writeHashes(records, recordHashes)
  const row = new Uint8Array(32 * count)
  const leaf = new Uint8Array(33)
  for (let i = 0; i < count; i++) {
    copy(leaf, 1, records, 32 * i, 32)
    hashInto(row, 32 * i, leaf)
  }
  const pair = new Uint8Array(65)
  pair[0] = 1
  for (; count > 1; count >>= 1) {
    for (let i = 0; i < count >> 1; i++) {
      copy(pair, 1, row, 64 * i, 64)
      hashInto(row, 32 * i, pair)
    }
  }
  return Hex.encode(row.subarray(0, 32))
}

/**
 * The same log with more records. Where hashes are written at once, leaves are never spelled.
 *
 * @internal
 */
export const growRecords = (
  hasher: HasherService,
  frontier: Frontier,
  recordHashes: ReadonlyArray<string>
): Effect.Effect<Frontier> =>
  Effect.gen(function*() {
    const { hashInto } = hasher
    if (hashInto === undefined) return yield* grow(hasher, frontier, yield* hashLeaves(hasher, recordHashes))
    const stack = peakSizes(frontier.size).map((size, place) => ({ size, root: frontier.peaks[place]! }))
    for (let from = 0; from < recordHashes.length;) {
      const left = 2 ** Math.floor(Math.log2(recordHashes.length - from))
      const size = Math.min(left, stack.at(-1)?.size ?? Infinity, perfect)
      let node = { size, root: perfectRoot(hashInto, recordHashes.slice(from, from + size)) }
      from += size
      while (stack.at(-1)?.size === node.size) {
        node = { size: 2 * node.size, root: yield* hashNode(hasher, stack.pop()!.root, node.root) }
      }
      stack.push(node)
    }
    return { size: frontier.size + recordHashes.length, peaks: stack.map(({ root }) => root) }
  })

/** The largest power of two below a number. */
const splitOf = (size: number) => 2 ** Math.floor(Math.log2(size - 1))

/**
 * The path from a leaf to the root.
 *
 * @internal
 */
export const inclusionPath = (
  hasher: HasherService,
  leaves: ReadonlyArray<string>,
  index: number
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const path: Array<string> = []
    let from = 0
    let to = leaves.length
    while (to - from > 1) {
      const middle = from + splitOf(to - from)
      if (index < middle) {
        path.unshift(yield* rootOfLeaves(hasher, leaves.slice(middle, to)))
        to = middle
      } else {
        path.unshift(yield* rootOfLeaves(hasher, leaves.slice(from, middle)))
        from = middle
      }
    }
    return path
  })

/**
 * That the log with the leaves that came since is the log that it was: from the peaks of the old size and the new leaves
 * alone.
 *
 * @internal
 */
export const consistencyPath = (
  hasher: HasherService,
  old: Frontier,
  newLeaves: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const size = old.size + newLeaves.length
    if (old.size === 0 || newLeaves.length === 0) return []
    const starts: Array<number> = []
    peakSizes(old.size).reduce((start, peak) => (starts.push(start), start + peak), 0)
    const oldNode = (from: number) => rootOfPeaks(hasher, old.peaks.slice(starts.indexOf(from)))
    const peakAt = (from: number) => old.peaks[starts.indexOf(from)]!
    const path: Array<string> = []
    let from = 0
    let to = size
    let isWhole = true
    while (to !== old.size) {
      const middle = from + splitOf(to - from)
      if (old.size <= middle) {
        path.unshift(
          yield* rootOfLeaves(hasher, newLeaves.slice(middle - old.size, to - old.size))
        )
        to = middle
      } else {
        path.unshift(peakAt(from))
        from = middle
        isWhole = false
      }
    }
    if (!isWhole) path.unshift(yield* oldNode(from))
    return path
  })

/**
 * Where the path of a leaf leads, or `undefined` where it cannot be one (RFC 9162, 2.1.3.2).
 *
 * @internal
 */
export const rootOfInclusion = (
  hasher: HasherService,
  leaf: string,
  index: number,
  size: number,
  path: ReadonlyArray<string>
): Effect.Effect<string | undefined> =>
  Effect.gen(function*() {
    if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return undefined
    if (path.length > 53) return undefined
    let fn = BigInt(index)
    let sn = BigInt(size - 1)
    let root = leaf
    for (const node of path) {
      if (sn === 0n) return undefined
      if ((fn & 1n) === 1n || fn === sn) {
        root = yield* hashNode(hasher, node, root)
        while ((fn & 1n) === 0n && fn !== 0n) {
          fn >>= 1n
          sn >>= 1n
        }
      } else {
        root = yield* hashNode(hasher, root, node)
      }
      fn >>= 1n
      sn >>= 1n
    }
    return sn === 0n ? root : undefined
  })

/**
 * Whether a path proves that a log of one size and root is the beginning of another (RFC 9162, 2.1.4.2).
 *
 * @internal
 */
export const isConsistent = (
  hasher: HasherService,
  older: { readonly size: number; readonly root: string },
  newer: { readonly size: number; readonly root: string },
  path: ReadonlyArray<string>
): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    if (!Number.isSafeInteger(older.size) || !Number.isSafeInteger(newer.size)) return false
    if (older.size < 0 || older.size > newer.size || path.length > 64) return false
    if (older.size === newer.size) return path.length === 0 && older.root === newer.root
    if (older.size === 0) return path.length === 0 && older.root === emptyRoot
    const isPower = (BigInt(older.size) & BigInt(older.size - 1)) === 0n
    const [first, ...rest] = isPower ? [older.root, ...path] : path
    if (first === undefined) return false
    let fn = BigInt(older.size - 1)
    let sn = BigInt(newer.size - 1)
    while ((fn & 1n) === 1n) {
      fn >>= 1n
      sn >>= 1n
    }
    let fr = first
    let sr = first
    for (const node of rest) {
      if (sn === 0n) return false
      if ((fn & 1n) === 1n || fn === sn) {
        fr = yield* hashNode(hasher, node, fr)
        sr = yield* hashNode(hasher, node, sr)
        while ((fn & 1n) === 0n && fn !== 0n) {
          fn >>= 1n
          sn >>= 1n
        }
      } else {
        sr = yield* hashNode(hasher, sr, node)
      }
      fn >>= 1n
      sn >>= 1n
    }
    return fr === older.root && sr === newer.root && sn === 0n
  })
