/**
 * What is left to know of records that were found genuine and linked among themselves. It can be told where the records
 * are not: a thread that scans a text hands on this alone.
 *
 * @internal
 */
import * as Result from "effect/Result"
import { type AuditPage, scanAuditPage } from "./auditScanner.ts"

/** @internal */
export interface SoundRun {
  /** The page that the records were on. */
  readonly page: AuditPage
  readonly rows: number
  /** Their hashes, newest first, in one string of 64 characters each. */
  readonly hashes: string
  readonly newestId: number
  readonly newestActionId: string
  readonly oldestId: number
  /** Their ids, and whether they are marked as erased (1), for those who build trees. */
  readonly leaves: { readonly ids: Float64Array; readonly erased: Uint8Array } | undefined
}

/**
 * Scans a text, or gives `undefined` where anything is wrong in it: whoever wants to know what, looks for himself.
 *
 * @internal
 */
export const scanSoundRun = (
  bytes: Uint8Array,
  hash: (payload: Uint8Array) => string,
  withLeaves: boolean
): SoundRun | undefined => {
  const hashes: Array<string> = []
  const ids: Array<number> = []
  const erased: Array<number> = []
  let isSound = true
  let newestId = 0
  let newestActionId = ""
  let oldestId = Infinity
  const result = scanAuditPage(bytes, (record) => {
    if (!isSound) return
    const { id } = record
    const computed = hash(record.payload)
    isSound = record.recordHashIs(computed) && record.isLinked !== false && id < oldestId
    if (hashes.length === 0) {
      newestId = id
      newestActionId = record.actionId
    }
    oldestId = id
    hashes.push(computed)
    if (withLeaves) {
      ids.push(id)
      erased.push(record.erasureStatus === "erased" ? 1 : 0)
    }
  })
  if (!isSound || Result.isFailure(result)) return undefined
  return {
    page: result.success,
    rows: hashes.length,
    hashes: hashes.join(""),
    newestId,
    newestActionId,
    oldestId,
    leaves: withLeaves ? { ids: Float64Array.from(ids), erased: Uint8Array.from(erased) } : undefined
  }
}
