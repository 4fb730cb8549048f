/** SHA-256 (FIPS 180-4) of four messages side by side, a block of each at a time. */
import { schedule, state, words } from "./layout"

const constants = memory.data<u32>([
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2
])

const initialState = memory.data<u32>([
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19
])

/** A word of four lanes is 16 bytes, and one of a message four. */
const lanes: i32 = 4

export function begin(): void {
  for (let at = 0; at < 8 * 16; at += 16) v128.store(at, v128.load32_splat(initialState + at / lanes), state)
}

/** Computes the schedule of a block from the first 16 of its words. */
export function expand(): void {
  for (let at = 0; at < 16 * 16; at += 16) addConstant(at, v128.load(at, words))
  for (let at = 16 * 16; at < 64 * 16; at += 16) {
    const older = v128.load(at, words - 15 * 16)
    const newer = v128.load(at, words - 2 * 16)
    const s0 = xor(rotated(older, 7), rotated(older, 18), i32x4.shr_u(older, 3))
    const s1 = xor(rotated(newer, 17), rotated(newer, 19), i32x4.shr_u(newer, 10))
    const sum = i32x4.add(v128.load(at, words - 16 * 16), v128.load(at, words - 7 * 16))
    const word = i32x4.add(i32x4.add(sum, s0), s1)
    v128.store(at, word, words)
    addConstant(at, word)
  }
}

// @ts-expect-error: a decorator of AssemblyScript's

function addConstant(at: i32, word: v128): void {
  v128.store(at, i32x4.add(word, v128.load32_splat(constants + at / lanes)), schedule)
}

/** The 64 rounds over a schedule, four of which are written out. */
export function compress(schedule: i32): void {
  let a = v128.load(state)
  let b = v128.load(state, 16)
  let c = v128.load(state, 32)
  let d = v128.load(state, 48)
  let e = v128.load(state, 64)
  let f = v128.load(state, 80)
  let g = v128.load(state, 96)
  let h = v128.load(state, 112)
  // What differs between the first two letters is what differs between the next two one round later.
  let differ: v128
  let differed = v128.xor(b, c)
  for (let at = schedule; at < schedule + 64 * 16; at += 4 * 16) {
    h = half(e, f, g, h, v128.load(at))
    d = i32x4.add(d, h)
    differ = v128.xor(a, b)
    h = i32x4.add(h, otherHalf(a, b, differ, differed))

    g = half(d, e, f, g, v128.load(at, 16))
    c = i32x4.add(c, g)
    differed = v128.xor(h, a)
    g = i32x4.add(g, otherHalf(h, a, differed, differ))

    f = half(c, d, e, f, v128.load(at, 32))
    b = i32x4.add(b, f)
    differ = v128.xor(g, h)
    f = i32x4.add(f, otherHalf(g, h, differ, differed))

    e = half(b, c, d, e, v128.load(at, 48))
    a = i32x4.add(a, e)
    differed = v128.xor(f, g)
    e = i32x4.add(e, otherHalf(f, g, differed, differ))

    // Each letter is where the one four places from it was.
    let moved = a
    a = e
    e = moved
    moved = b
    b = f
    f = moved
    moved = c
    c = g
    g = moved
    moved = d
    d = h
    h = moved
  }
  v128.store(state, i32x4.add(a, v128.load(state)))
  v128.store(state, i32x4.add(b, v128.load(state, 16)), 16)
  v128.store(state, i32x4.add(c, v128.load(state, 32)), 32)
  v128.store(state, i32x4.add(d, v128.load(state, 48)), 48)
  v128.store(state, i32x4.add(e, v128.load(state, 64)), 64)
  v128.store(state, i32x4.add(f, v128.load(state, 80)), 80)
  v128.store(state, i32x4.add(g, v128.load(state, 96)), 96)
  v128.store(state, i32x4.add(h, v128.load(state, 112)), 112)
}

/** T1 of the standard. */
// @ts-expect-error: a decorator of AssemblyScript's

function half(e: v128, f: v128, g: v128, h: v128, word: v128): v128 {
  const s1 = xor(rotated(e, 6), rotated(e, 11), rotated(e, 25))
  const choice = v128.xor(g, v128.and(e, v128.xor(f, g)))
  return i32x4.add(i32x4.add(i32x4.add(h, word), choice), s1)
}

/** T2 of the standard. */
// @ts-expect-error: a decorator of AssemblyScript's

function otherHalf(a: v128, b: v128, aDiffersFromB: v128, bDiffersFromC: v128): v128 {
  const s0 = xor(rotated(a, 2), rotated(a, 13), rotated(a, 22))
  const majority = v128.xor(b, v128.and(aDiffersFromB, bDiffersFromC))
  return i32x4.add(s0, majority)
}

// @ts-expect-error: a decorator of AssemblyScript's

function rotated(x: v128, by: i32): v128 {
  return v128.or(i32x4.shr_u(x, by), i32x4.shl(x, 32 - by))
}

// @ts-expect-error: a decorator of AssemblyScript's

function xor(x: v128, y: v128, z: v128): v128 {
  return v128.xor(v128.xor(x, y), z)
}
