/**
 * The stretches of a log that were read so far.
 *
 * @internal
 */
import type { RecordRef } from "../../ChainReport.ts"
import type { LooseEnd } from "./pageChecks.ts"

/**
 * A stretch of the log without holes. Places are counted from 0 for the oldest record.
 *
 * @internal
 */
export interface Segment {
  readonly top: number
  bottom: number
  readonly newest: RecordRef
  oldest: LooseEnd
}

/** A block of twice as many is divided. */
const blockSize = 256

/**
 * Segments in their order, newest first. They are kept in blocks, so that pages that touch no other one cost no more the
 * more of them there are.
 *
 * @internal
 */
export class Segments {
  private readonly blocks: Array<Array<Segment>> = []

  get newest(): Segment | undefined {
    return this.blocks[0]?.[0]
  }

  get oldest(): Segment | undefined {
    return this.blocks.at(-1)?.at(-1)
  }

  *[Symbol.iterator](): IterableIterator<Segment> {
    for (const block of this.blocks) yield* block
  }

  /** Adds one, behind those with the same top. */
  add(segment: Segment): void {
    const index = Math.max(0, countOf(this.blocks, ([first]) => first!.top >= segment.top) - 1)
    const block = this.blocks[index]
    if (block === undefined) return void this.blocks.push([segment])
    block.splice(countOf(block, ({ top }) => top >= segment.top), 0, segment)
    if (block.length >= 2 * blockSize) this.blocks.splice(index + 1, 0, block.splice(blockSize))
  }

  remove(segment: Segment): void {
    const [index, place] = this.find(segment)
    const block = this.blocks[index]!
    block.splice(place, 1)
    if (block.length === 0) this.blocks.splice(index, 1)
  }

  /** The next newer one and the next older one of a segment that was added. */
  neighbours(segment: Segment): { readonly newer: Segment | undefined; readonly older: Segment | undefined } {
    const [index, place] = this.find(segment)
    const block = this.blocks[index]!
    return {
      newer: block[place - 1] ?? this.blocks[index - 1]?.at(-1),
      older: block[place + 1] ?? this.blocks[index + 1]?.[0]
    }
  }

  private find(segment: Segment): readonly [block: number, place: number] {
    let index = countOf(this.blocks, ([first]) => first!.top > segment.top)
    // Those with the same top may begin in the block before.
    index = Math.max(0, index - 1)
    for (;; index++) {
      const block = this.blocks[index]!
      const place = block.indexOf(segment, countOf(block, ({ top }) => top > segment.top))
      if (place !== -1) return [index, place]
    }
  }
}

/** How many come first that are wanted: none that is follows one that is not. */
const countOf = <A>(sorted: ReadonlyArray<A>, isWanted: (one: A) => boolean): number => {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (isWanted(sorted[middle]!)) from = middle + 1
    else to = middle
  }
  return from
}
