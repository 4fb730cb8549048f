/**
 * Gathers bytes that arrive in pieces of any size.
 *
 * @internal
 */
import { concatBytes } from "./concatBytes.ts"

/** Pieces below this are copied: kept as they are, a million of one byte take a hundred megabytes. */
const smallPiece = 4096
const blockSize = 64 * 1024

/** @internal */
export class ByteGatherer {
  private readonly parts: Array<Uint8Array> = []
  private block: Uint8Array | undefined
  private used = 0
  /** Bytes so far. */
  size = 0

  add(piece: Uint8Array): void {
    this.size += piece.byteLength
    if (piece.byteLength >= smallPiece) {
      this.endBlock()
      this.parts.push(piece)
      return
    }
    if (this.used + piece.byteLength > blockSize) this.endBlock()
    // The first piece is most often the only one.
    if (this.block === undefined && this.parts.length === 0 && this.used === 0) {
      this.block = piece
      this.used = piece.byteLength
      return
    }
    if (this.block === undefined || this.block.byteLength < blockSize) {
      const block = new Uint8Array(blockSize)
      if (this.block !== undefined) block.set(this.block)
      this.block = block
    }
    this.block.set(piece, this.used)
    this.used += piece.byteLength
  }

  /** How many pieces it holds. */
  get count(): number {
    return this.parts.length + (this.used > 0 ? 1 : 0)
  }

  /** All bytes in one. */
  join(): Uint8Array<ArrayBuffer> {
    if (this.parts.length === 0 && this.block?.byteLength === this.used) return this.block as Uint8Array<ArrayBuffer>
    this.endBlock()
    return concatBytes(this.parts)
  }

  private endBlock(): void {
    if (this.block === undefined || this.used === 0) return
    this.parts.push(this.block.slice(0, this.used))
    this.block = undefined
    this.used = 0
  }
}
