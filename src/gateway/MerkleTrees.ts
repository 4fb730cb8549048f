/**
 * Hourly Merkle trees over a tenant's records: built once the hour is over, stored, and never rebuilt.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import type { AuditRecord } from "../domain/AuditRecord.ts"
import { MerkleProof, MerkleTree } from "../domain/MerkleProof.ts"
import { RecordHash } from "../domain/RecordHash.ts"
import { levelsOf, pathOf } from "../internal/merkleTree.ts"
import { hashPair, merkleGenesis } from "./chain.ts"
import { Ledger } from "./Ledger.ts"

/**
 * Builds trees and proofs.
 *
 * @category services
 * @since 0.1.0
 */
export class MerkleTrees extends Context.Service<MerkleTrees, {
  /** All trees of hours that are over, oldest first. */
  readonly trees: (tenantId: string) => Effect.Effect<ReadonlyArray<MerkleTree>>
  /** Undefined for an unknown hash, and while the record's hour is not over. */
  readonly prove: (tenantId: string, recordHash: RecordHash) => Effect.Effect<MerkleProof | undefined>
}>()("effect-vargate/gateway/MerkleTrees") {}

const make = Effect.gen(function*() {
  const ledger = yield* Ledger
  // Two requests at once must not store the same hour twice.
  const building = yield* Semaphore.make(1)

  const trees = Effect.fnUntraced(function*(tenantId: string) {
    const stored = yield* ledger.trees(tenantId)
    const records = yield* ledger.records(tenantId)
    const now = yield* DateTime.now
    const covered = stored.at(-1)?.toRecordId ?? 0
    const currentHour = DateTime.startOf(now, "hour").epochMilliseconds
    const open = records.filter((record) => record.id > covered && createdAt(record) < currentHour && !isErased(record))
    const built = [...stored]
    for (const hour of Object.values(Arr.groupBy(open, (record) => String(hourOf(record))))) {
      const tree = treeOf(hour, built.length, built.at(-1)?.root ?? merkleGenesis, now)
      yield* ledger.addTree(tenantId, tree)
      built.push(tree)
    }
    return built
  }, building.withPermits(1))

  const prove = Effect.fnUntraced(function*(tenantId: string, recordHash: RecordHash) {
    const stored = yield* trees(tenantId)
    const records = yield* ledger.records(tenantId)
    const record = records.find((candidate) => candidate.recordHash === recordHash)
    const tree = record &&
      stored.find(({ fromRecordId, toRecordId }) => fromRecordId! <= record.id && record.id <= toRecordId!)
    if (record === undefined || tree === undefined || isErased(record)) return undefined
    // As on the measured gateway, the proof is built from today's rows and not from the stored tree.
    const leaves = leavesOf(tree, records)
    const levels = levelsOf(leaves, hashPair)
    const leafIndex = leaves.indexOf(recordHash)
    return new MerkleProof({
      recordHash,
      root: RecordHash.make(levels.at(-1)![0]!),
      steps: pathOf(levels, leafIndex).map(({ sibling, side }) => ({ sibling: RecordHash.make(sibling), side })),
      actionId: record.actionId,
      leafIndex,
      treeIndex: tree.index,
      treeSize: leaves.length,
      treeHeight: levels.length,
      periodStart: tree.periodStart,
      periodEnd: tree.periodEnd,
      claimedValid: true
    })
  })

  return MerkleTrees.of({ trees, prove })
})

/**
 * The leaves of a tree as the records are today.
 *
 * @category building
 * @since 0.1.0
 */
export const leavesOf = (tree: MerkleTree, records: ReadonlyArray<AuditRecord>): ReadonlyArray<RecordHash> =>
  records
    .filter((record) => tree.fromRecordId! <= record.id && record.id <= tree.toRecordId! && !isErased(record))
    .map(({ recordHash }) => recordHash)

/** As on the measured gateway, erased records are left out of whatever is built from now on. */
const isErased = (record: AuditRecord) => record.erasureStatus === "erased"

const createdAt = (record: AuditRecord) => (record.createdAt ?? record.requestedAt).epochMilliseconds

const hourOf = (record: AuditRecord) => Math.floor(createdAt(record) / 3_600_000)

const treeOf = (
  hour: Arr.NonEmptyReadonlyArray<AuditRecord>,
  index: number,
  prevRoot: RecordHash,
  now: DateTime.Utc
) => {
  const levels = levelsOf(hour.map(({ recordHash }) => recordHash), hashPair)
  const periodStart = DateTime.makeUnsafe(hourOf(hour[0]) * 3_600_000)
  return new MerkleTree({
    index,
    root: RecordHash.make(levels.at(-1)![0]!),
    records: hour.length,
    height: levels.length,
    fromRecordId: hour[0].id,
    toRecordId: hour[hour.length - 1]!.id,
    periodStart,
    periodEnd: DateTime.add(periodStart, { hours: 1 }),
    createdAt: now,
    prevRoot,
    anchorTx: null,
    anchorChain: null
  })
}

/**
 * Trees over the ledger in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<MerkleTrees, never, Ledger> = Layer.effect(MerkleTrees, make)
