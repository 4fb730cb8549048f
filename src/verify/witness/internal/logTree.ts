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
import { type TreeRow, treeRow } from "../../internal/merkle/treeRow.ts"

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

const rootOfRow = (row: TreeRow): string => {
  while (row.size > 1) row.hashNodes()
  return Hex.encode(row.first)
}

/**
 * The root over leaves. Rows that carry a lone last node up have the same root as the recursion of RFC 6962, and so have
 * rows whose nodes are the roots over equally many leaves each, a power of two.
 *
 * @internal
 */
export const rootOfLeaves = (hasher: HasherService, leaves: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.gen(function*() {
    if (leaves.length === 0) return emptyRoot
    let nodes = leaves
    while (nodes.length > 1) {
      const row = yield* treeRow(nodes.length)
      nodes = row === undefined ? yield* parentsOf(hasher, nodes) : partsOf(nodes, row.capacity).map((part) => {
        row.take(part)
        return rootOfRow(row)
      })
    }
    return nodes[0]!
  })

const partsOf = <A>(all: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(size * i, size * (i + 1)))

/** How many records are hashed in one go. As a power of two, their roots are those of subtrees. */
const batch = 1024

/** The root over the leaves of a batch of records, or `undefined` where one is no hash. */
const rootOfBatch = (
  hasher: HasherService,
  recordHashes: ReadonlyArray<string>
): Effect.Effect<string | undefined> =>
  Effect.gen(function*() {
    const row = yield* treeRow(recordHashes.length)
    if (row !== undefined) {
      if (!row.take(recordHashes)) return undefined
      row.hashLeaves()
      return rootOfRow(row)
    }
    if (!recordHashes.every(isHash)) return undefined
    return yield* rootOfLeaves(hasher, yield* hashLeaves(hasher, recordHashes))
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
 * The same log with more of what `rootOf` returns the root over, at most so many at a time, or `undefined` where it returns
 * none.
 */
const growBy = (
  hasher: HasherService,
  { peaks, size }: Frontier,
  added: ReadonlyArray<string>,
  most: number,
  rootOf: (hasher: HasherService, part: ReadonlyArray<string>) => Effect.Effect<string | undefined>
): Effect.Effect<Frontier | undefined> =>
  Effect.gen(function*() {
    const stack = peakSizes(size).map((size, place) => ({ size, root: peaks[place]! }))
    for (let from = 0; from < added.length;) {
      // The largest perfect tree that may come next: no larger than the last one, unless that is made whole by it.
      const left = 2 ** Math.floor(Math.log2(added.length - from))
      const next = Math.min(left, stack.at(-1)?.size ?? Infinity, most)
      const root = yield* rootOf(hasher, added.slice(from, from + next))
      if (root === undefined) return undefined
      let node = { size: next, root }
      from += next
      while (stack.at(-1)?.size === node.size) {
        node = { size: 2 * node.size, root: yield* hashNode(hasher, stack.pop()!.root, node.root) }
      }
      stack.push(node)
    }
    return { size: size + added.length, peaks: stack.map(({ root }) => root) }
  })

/**
 * The same log with more leaves.
 *
 * @internal
 */
export const grow = (
  hasher: HasherService,
  frontier: Frontier,
  leaves: ReadonlyArray<string>
): Effect.Effect<Frontier> => growBy(hasher, frontier, leaves, Infinity, rootOfLeaves) as Effect.Effect<Frontier>

/**
 * The same log with more records, or `undefined` where one is no hash.
 *
 * @internal
 */
export const growRecords = (
  hasher: HasherService,
  frontier: Frontier,
  recordHashes: ReadonlyArray<string>
): Effect.Effect<Frontier | undefined> => growBy(hasher, frontier, recordHashes, batch, rootOfBatch)

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
