/**
 * Hashes a row of a Merkle tree, four nodes at a time, by a WebAssembly module with SIMD: most of what a hash of 64 bytes
 * costs elsewhere is the call.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { wasmExports } from "../wasmExports.ts"
import { treeRowBinary } from "./treeRowBinary.ts"

/** What `wasm/merkle/treeRow.ts` exports. The numbers are addresses and sizes, which `layout.ts` beside it explains. */
interface Exports {
  readonly memory: WebAssembly.Memory
  readonly capacity: WebAssembly.Global
  readonly digits: WebAssembly.Global
  readonly row: WebAssembly.Global
  readonly readDigits: (count: number) => number
  readonly hashLeaves: (count: number) => void
  readonly hashNodes: (count: number) => number
  readonly hashPairs: (count: number) => number
}

/** Fewer are hashed as fast one by one. */
const fewest = 16

const encoder = new TextEncoder()

/**
 * A row of at most `capacity` nodes, which becomes the row above it. There is one for all: who takes nodes uses them
 * without waiting in between.
 *
 * @internal
 */
export class TreeRow {
  readonly capacity: number
  /** The nodes, and behind them what has no meaning. */
  readonly bytes: Uint8Array
  private count = 0
  private readonly digits: Uint8Array
  private readonly exports: Exports

  constructor(exports: Exports) {
    const { buffer } = exports.memory
    this.exports = exports
    this.capacity = exports.capacity.value
    this.bytes = new Uint8Array(buffer, exports.row.value, 32 * this.capacity)
    this.digits = new Uint8Array(buffer, exports.digits.value, 64 * this.capacity)
  }

  get size(): number {
    return this.count
  }

  /** The first node, which in the end is the root. */
  get first(): Uint8Array {
    return this.bytes.subarray(0, 32)
  }

  /** Says whether all are hashes, 64 lower-case hex digits, and there is room for them. Otherwise none is taken. */
  take(hashes: ReadonlyArray<string>): boolean {
    this.count = 0
    if (hashes.some(({ length }) => length !== 64)) return false
    const text = hashes.join("")
    // What takes more than one byte is found where it begins, for before it there are digits alone.
    const { read } = encoder.encodeInto(text, this.digits)
    if (read !== text.length || this.exports.readDigits(hashes.length) === 0) return false
    this.count = hashes.length
    return true
  }

  /** Each node becomes SHA-256(0x00 || node). */
  hashLeaves(): void {
    this.exports.hashLeaves(this.count)
  }

  /** Two nodes each become SHA-256(0x01 || left || right), and a last one without a sibling is carried up. */
  hashNodes(): void {
    this.count = this.exports.hashNodes(this.count)
  }

  /** Two nodes each become SHA-256(left || right), and a last one without a sibling is its own. */
  hashPairs(): void {
    this.count = this.exports.hashPairs(this.count)
  }
}

/**
 * The row, or `undefined` where the runtime has no such modules.
 *
 * @internal
 */
export const SharedTreeRow = Context.Reference<TreeRow | undefined>("effect-vargate/internal/SharedTreeRow", {
  defaultValue: () => {
    const exports = wasmExports<Exports>(treeRowBinary)
    return exports && new TreeRow(exports)
  }
})

/**
 * The row for so many nodes, or `undefined` where they are better hashed one by one.
 *
 * @internal
 */
export const treeRow = (count: number): Effect.Effect<TreeRow | undefined> =>
  count < fewest ? Effect.undefined : Effect.service(SharedTreeRow)
