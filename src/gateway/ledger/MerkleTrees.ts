/**
 * Hourly Merkle trees over a tenant's records: built once the hour is over, stored, and never rebuilt.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { levelsOf, pathOf } from "../../internal/merkleTree.ts"
import { RecordHash } from "../../model/RecordHash.ts"
import { MerkleProof, MerkleTree } from "../../verify/MerkleProof.ts"
import { hashPair, merkleGenesis } from "./internal/chain.ts"
import { type Leaf, Ledger } from "./Ledger.ts"

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
  /** The root that a stored tree's records lead to today; undefined where all of them were erased. */
  readonly rebuild: (tenantId: string, tree: MerkleTree) => Effect.Effect<RecordHash | undefined>
}>()("effect-vargate/gateway/MerkleTrees") {}

const make = Effect.gen(function*() {
  const ledger = yield* Ledger
  // Two requests at once must not store the same hour twice.
  const building = yield* Semaphore.make(1)

  const trees = Effect.fnUntraced(function*(tenantId: string) {
    const now = yield* DateTime.now
    const runningHour = hourOf(now)
    const built = [...yield* ledger.trees(tenantId)]
    yield* ledger.leaves(tenantId, built.at(-1)?.toRecordId).pipe(
      Stream.takeWhile(({ createdAt }) => hourOf(createdAt) < runningHour),
      Stream.groupAdjacentBy(({ createdAt }) => hourOf(createdAt)),
      Stream.runForEach(([hour, leaves]) => {
        const tree = treeOf(hour, leaves, built.length, built.at(-1)?.root ?? merkleGenesis, now)
        built.push(tree)
        return ledger.addTree(tenantId, tree)
      })
    )
    return built
  }, building.withPermits(1))

  /** The leaves of a stored tree as the records are today. */
  const leavesOf = (tenantId: string, { fromRecordId, toRecordId }: MerkleTree) =>
    Stream.runCollect(
      Stream.map(ledger.leaves(tenantId, fromRecordId! - 1, toRecordId), ({ recordHash }) => recordHash)
    )

  const rebuild = Effect.fnUntraced(function*(tenantId: string, tree: MerkleTree) {
    const leaves = yield* leavesOf(tenantId, tree)
    return leaves.length === 0 ? undefined : rootOf(levelsOf(leaves, hashPair))
  })

  const prove = Effect.fnUntraced(function*(tenantId: string, recordHash: RecordHash) {
    const stored = yield* trees(tenantId)
    const record = yield* ledger.findByHash(tenantId, recordHash)
    const tree = record &&
      stored.find(({ fromRecordId, toRecordId }) => fromRecordId! <= record.id && record.id <= toRecordId!)
    if (record === undefined || tree === undefined) return undefined
    // As on the measured gateway, the proof is built from today's rows and not from the stored tree.
    const leaves = yield* leavesOf(tenantId, tree)
    const leafIndex = leaves.indexOf(recordHash)
    // Erased records are left out of whatever is built from now on.
    if (leafIndex < 0) return undefined
    const levels = levelsOf(leaves, hashPair)
    return new MerkleProof({
      recordHash,
      root: rootOf(levels),
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

  return MerkleTrees.of({ trees, prove, rebuild })
})

const rootOf = (levels: ReadonlyArray<ReadonlyArray<string>>) => RecordHash.make(levels.at(-1)![0]!)

const hourOf = (time: DateTime.Utc) => Math.floor(time.epochMilliseconds / 3_600_000)

const treeOf = (
  hour: number,
  leaves: Arr.NonEmptyReadonlyArray<Leaf>,
  index: number,
  prevRoot: RecordHash,
  now: DateTime.Utc
) => {
  const levels = levelsOf(leaves.map(({ recordHash }) => recordHash), hashPair)
  const periodStart = DateTime.makeUnsafe(hour * 3_600_000)
  return new MerkleTree({
    index,
    root: rootOf(levels),
    records: leaves.length,
    height: levels.length,
    fromRecordId: leaves[0].id,
    toRecordId: leaves[leaves.length - 1]!.id,
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
