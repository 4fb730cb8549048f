/**
 * SHA-256 (FIPS 180-4) of short texts, at once. Web Crypto answers from another thread: a fiber that waits for it has left
 * the clock of its test, and may find the caller's objects changed when it continues.
 *
 * @internal
 */
import * as Hex from "effect/encoding/Hex"

/** The first 32 bits of the fractional parts of the square (cube) roots of the first primes. */
const fraction = (root: number): number => (root - Math.floor(root)) * 2 ** 32 | 0
const primes: Array<number> = []
for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n)
const initial = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)))
const constants = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)))

const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by))

const schedule = new Int32Array(64)

const compress = (state: Int32Array, view: DataView, offset: number): void => {
  for (let i = 0; i < 16; i++) schedule[i] = view.getInt32(offset + 4 * i)
  for (let i = 16; i < 64; i++) {
    const w15 = schedule[i - 15]!
    const w2 = schedule[i - 2]!
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3)
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10)
    schedule[i] = (schedule[i - 16]! + s0 + schedule[i - 7]! + s1) | 0
  }
  // One by one, since to take an array apart costs more than the rounds.
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + constants[i]! + schedule[i]!) | 0
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
  state[4]! += e
  state[5]! += f
  state[6]! += g
  state[7]! += h
}

/**
 * The SHA-256 of bytes.
 *
 * @internal
 */
export const sha256Of = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const { length } = bytes
  // A one bit, and the length in bits as the last 64 of a block.
  const padded = new Uint8Array(Math.ceil((length + 9) / 64) * 64)
  padded.set(bytes)
  padded[length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(length / 2 ** 29))
  view.setUint32(padded.length - 4, length << 3)
  const state = initial.slice()
  for (let offset = 0; offset < padded.length; offset += 64) compress(state, view, offset)
  const digest = new DataView(new ArrayBuffer(32))
  state.forEach((word, i) => digest.setInt32(4 * i, word))
  return new Uint8Array(digest.buffer)
}

/**
 * The lower-case hex SHA-256 of the UTF-8 bytes of a text.
 *
 * @internal
 */
export const sha256 = (text: string): string => Hex.encode(sha256Of(encoder.encode(text)))

const encoder = new TextEncoder()
