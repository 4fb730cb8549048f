/**
 * What is left to know of records that were found genuine and linked among themselves. It can be told where the records
 * are not: a thread that scans a text hands on this alone.
 *
 * @internal
 */
import * as Result from "effect/Result"
import { type AuditPage, type AuditRecordView, hashSize, type LastEnd, type Scan } from "../scan/auditScanner.ts"

/** @internal */
export interface VerifiedRun<A extends LastEnd = AuditPage> {
  /** The page that the records were on, or what else was said of the text. */
  readonly page: A
  readonly rows: number
  /** Their hashes, newest first, in one string of 64 characters each. */
  readonly hashes: string
  readonly newestId: number
  readonly newestActionId: string
  readonly oldestId: number
  /** Their ids, and whether they are marked as erased (1), for those who build trees. */
  readonly leaves: { readonly ids: Float64Array; readonly erased: Uint8Array } | undefined
}

const decoder = new TextDecoder()

/** For the hashes of most texts, which are scanned one after the other: a new one for each would be filled with zeros. */
const reused = new DataView(new ArrayBuffer(1024 * hashSize))

/** The hashes that the text states, one after the other: to compare all at once is faster than one by one. */
class StatedHashes {
  private bytes = reused
  private size = 0

  /** Returns `false` for what cannot be a SHA-256. */
  add(record: AuditRecordView): boolean {
    if (this.size === this.bytes.byteLength) {
      const grown = new Uint8Array(2 * this.size)
      grown.set(new Uint8Array(this.bytes.buffer))
      this.bytes = new DataView(grown.buffer)
    }
    this.size += hashSize
    return record.copyRecordHash(this.bytes, this.size - hashSize)
  }

  get text(): string {
    return decoder.decode(new Uint8Array(this.bytes.buffer, 0, this.size))
  }
}

/**
 * Scans a text, or returns `undefined` where anything is wrong in it: to find out what, the caller scans it in full. The
 * hashes of its first records are in `hashes` then, and need not be computed again.
 *
 * @internal
 */
export const scanVerifiedRun = <A extends LastEnd>(
  scan: Scan<A>,
  hash: (payload: Uint8Array) => string,
  withLeaves: boolean,
  hashes: Array<string> = []
): VerifiedRun<A> | undefined => {
  const stated = new StatedHashes()
  const ids: Array<number> = []
  const erased: Array<number> = []
  let isVerified = true
  let newestId = 0
  let newestActionId = ""
  let oldestId = Infinity
  const result = scan((record) => {
    if (!isVerified) return
    const { id } = record
    isVerified = stated.add(record) && record.isLinked !== false && id < oldestId
    if (hashes.length === 0) {
      newestId = id
      newestActionId = record.actionId
    }
    oldestId = id
    hashes.push(hash(record.payload))
    if (withLeaves) {
      ids.push(id)
      erased.push(record.erasureStatus === "erased" ? 1 : 0)
    }
  })
  const computed = hashes.join("")
  if (!isVerified || Result.isFailure(result) || computed !== stated.text) return undefined
  return {
    page: result.success,
    rows: hashes.length,
    hashes: computed,
    newestId,
    newestActionId,
    oldestId,
    leaves: withLeaves ? { ids: Float64Array.from(ids), erased: Uint8Array.from(erased) } : undefined
  }
}
