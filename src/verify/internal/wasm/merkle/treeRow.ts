/**
 * A row of nodes of a Merkle tree, 32 bytes each, which becomes the row above it in place. Nodes are hashed four at a
 * time; where fewer are left, what stands behind them is hashed as well, and has no meaning. This folder is
 * AssemblyScript; `npm run build:wasm` compiles it, and `internal/merkle/treeRow.ts` is the host.
 */
import { lastBytes, lastByteSize, padding, row, schedule, state, words } from "./layout"
import { begin, compress, expand } from "./sha256Lanes"

export { readDigits } from "./hexDigits"
export { capacity, digits, row } from "./layout"

// The padding of a message: one bit behind its end, and its length in bits.
const endBit: i32 = 0x80000000
const endBitBehindByte: i32 = 0x800000

/** RFC 6962: what is a leaf, and what is a node. */
const leafPrefix: i32 = 0
const nodePrefix: i32 = 1

prepare()

/** Each node becomes the leaf over it: SHA-256(0x00 || node). */
export function hashLeaves(count: i32): void {
  const end = row + 32 * count
  for (let at = row; at < end; at += 4 * 32) {
    takeWords(at - 1, 32)
    setPrefix(leafPrefix)
    // The last byte of each, as the first of a word.
    let last = v128.load32_zero(at, 28)
    last = v128.load32_lane(at, last, 1, 60)
    last = v128.load32_lane(at, last, 2, 92)
    last = v128.load32_lane(at, last, 3, 124)
    const word = v128.or(v128.and(last, i32x4.splat(0xff000000)), i32x4.splat(endBitBehindByte))
    v128.store(words, word, 8 * 16)
    memory.fill(words + 9 * 16, 0, 6 * 16)
    v128.store(words, i32x4.splat(33 * 8), 15 * 16)
    begin()
    expand()
    compress(schedule)
    giveHashes(at)
  }
}

/**
 * Two nodes each become SHA-256(0x01 || left || right), and a last one without a sibling is carried up. Returns how many
 * there are then.
 */
export function hashNodes(count: i32): i32 {
  const parents = count >> 1
  const last = row + 32 * (count - 1)
  const low = v128.load(last)
  const high = v128.load(last, 16)
  const end = row + 32 * parents
  for (let to = row, at = row; to < end; to += 4 * 32, at += 4 * 64) {
    takeWords(at - 1, 64)
    setPrefix(nodePrefix)
    begin()
    expand()
    const a = lastBytes + lastByteSize * i32(load<u8>(at, 63))
    const b = lastBytes + lastByteSize * i32(load<u8>(at, 127))
    const c = lastBytes + lastByteSize * i32(load<u8>(at, 191))
    const d = lastBytes + lastByteSize * i32(load<u8>(at, 255))
    compress(schedule)
    for (let i = 0; i < lastByteSize; i += 16) {
      transpose(v128.load(a + i), v128.load(b + i), v128.load(c + i), v128.load(d + i), schedule + 4 * i, 16)
    }
    compress(schedule)
    giveHashes(to)
  }
  if ((count & 1) == 0) return parents
  v128.store(end, low)
  v128.store(end, high, 16)
  return parents + 1
}

/** Two nodes each become SHA-256(left || right), and a last one is its own sibling. Returns how many there are then. */
export function hashPairs(count: i32): i32 {
  if (count & 1) memory.copy(row + 32 * count, row + 32 * (count - 1), 32)
  const parents = (count + 1) >> 1
  const end = row + 32 * parents
  for (let to = row, at = row; to < end; to += 4 * 32, at += 4 * 64) {
    takeWords(at, 64)
    begin()
    expand()
    compress(schedule)
    compress(padding)
    giveHashes(to)
  }
  return parents
}

/** Computes the schedules of second blocks, of which there are few. */
function prepare(): void {
  expandPadding(endBit, 64)
  memory.copy(padding, schedule, 64 * 16)
  for (let byte = 0; byte < 256; byte++) {
    expandPadding(byte << 24 | endBitBehindByte, 65)
    for (let i = 0; i < lastByteSize; i += 4) {
      store<u32>(lastBytes + lastByteSize * byte + i, load<u32>(schedule + 4 * i))
    }
  }
}

function expandPadding(first: i32, length: i32): void {
  memory.fill(words, 0, 15 * 16)
  v128.store(words, i32x4.splat(first))
  v128.store(words, i32x4.splat(8 * length), 15 * 16)
  expand()
}

/** The words of the next four messages, which have so many bytes each. */
function takeWords(at: i32, size: i32): void {
  for (let i = 0; i < size; i += 16) {
    const from = at + i
    transpose(
      swapped(v128.load(from)),
      swapped(v128.load(from + size)),
      swapped(v128.load(from + 2 * size)),
      swapped(v128.load(from + 3 * size)),
      words + 4 * i,
      16
    )
  }
}

/** In the place of the byte before the node. */
function setPrefix(prefix: i32): void {
  const rest = v128.and(v128.load(words), i32x4.splat(0xffffff))
  v128.store(words, v128.or(rest, i32x4.splat(prefix << 24)))
}

function giveHashes(to: i32): void {
  for (let i = 0; i < 32; i += 16) {
    const from = state + 4 * i
    transpose(
      swapped(v128.load(from)),
      swapped(v128.load(from, 16)),
      swapped(v128.load(from, 32)),
      swapped(v128.load(from, 48)),
      to + i,
      32
    )
  }
}

/** Between the order of bytes in a message and that of this machine. */
// @ts-expect-error: a decorator of AssemblyScript's

function swapped(words: v128): v128 {
  return i8x16.shuffle(words, words, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)
}

/** Four words each of four messages become four messages of each word, or the other way round. */
function transpose(a: v128, b: v128, c: v128, d: v128, to: i32, step: i32): void {
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5)
  const cd = i32x4.shuffle(c, d, 0, 4, 1, 5)
  const abRest = i32x4.shuffle(a, b, 2, 6, 3, 7)
  const cdRest = i32x4.shuffle(c, d, 2, 6, 3, 7)
  v128.store(to, i64x2.shuffle(ab, cd, 0, 2))
  v128.store(to + step, i64x2.shuffle(ab, cd, 1, 3))
  v128.store(to + 2 * step, i64x2.shuffle(abRest, cdRest, 0, 2))
  v128.store(to + 3 * step, i64x2.shuffle(abRest, cdRest, 1, 3))
}
