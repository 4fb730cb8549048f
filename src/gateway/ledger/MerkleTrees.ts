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
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { pathOf } from "../../internal/merkleTree.ts"
import { RecordHash } from "../../model/RecordHash.ts"
import { MerkleProof, MerkleTree } from "../../verify/MerkleProof.ts"
import { merkleGenesis } from "./internal/chain.ts"
import { levelsOf } from "./internal/levels.ts"
import { type Leaf, Ledger } from "./Ledger.ts"

/** What of a record a proof is about. */
type Provable = Pick<AuditRecord, "id" | "actionId" | "recordHash">

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
  /** The same of many records, by their hashes: each tree is built once. */
  readonly proofs: (
    tenantId: string,
    records: ReadonlyArray<Provable>
  ) => Effect.Effect<ReadonlyMap<string, MerkleProof>>
  /**
   * The root that a stored tree's records lead to today; undefined where all of them were erased. The stored root where they
   * were archived.
   */
  readonly rebuild: (tenantId: string, tree: MerkleTree) => Effect.Effect<RecordHash | undefined>
}>()("effect-vargate/gateway/MerkleTrees") {}

const make = Effect.gen(function*() {
  const ledger = yield* Ledger
  // Two requests at once must not store the same hour twice.
  const building = yield* Semaphore.make(1)
  // A tree of an hour takes tens of megabytes while it is built.
  const climbing = yield* Semaphore.make(1)

  const trees = Effect.fnUntraced(function*(tenantId: string) {
    const now = yield* DateTime.now
    const runningHour = hourOf(now)
    const built = [...yield* ledger.trees(tenantId)]
    yield* ledger.leaves(tenantId, built.at(-1)?.toRecordId).pipe(
      Stream.takeWhile(({ createdAt }) => hourOf(createdAt) < runningHour),
      Stream.groupAdjacentBy(({ createdAt }) => hourOf(createdAt)),
      Stream.runForEach(Effect.fnUntraced(function*([hour, leaves]) {
        const tree = yield* treeOf(hour, leaves, built.length, built.at(-1)?.root ?? merkleGenesis, now)
        built.push(tree)
        yield* ledger.addTree(tenantId, tree)
      }))
    )
    return built
  }, building.withPermits(1))

  /** The leaves of a stored tree as the records are today. */
  const leavesOf = (tenantId: string, { fromRecordId, toRecordId }: MerkleTree) =>
    Stream.runCollect(
      Stream.map(ledger.leaves(tenantId, fromRecordId! - 1, toRecordId), ({ recordHash }) => recordHash)
    )

  const rebuild = Effect.fnUntraced(function*(tenantId: string, tree: MerkleTree) {
    const origin = yield* ledger.origin(tenantId)
    // Its records are in an archive: they prove it, or do not.
    if (origin !== undefined && tree.toRecordId! <= origin.id) return tree.root
    const leaves = yield* leavesOf(tenantId, tree)
    return leaves.length === 0 ? undefined : rootOf(yield* levelsOf(leaves))
  }, climbing.withPermits(1))

  const proofs = Effect.fnUntraced(function*(tenantId: string, records: ReadonlyArray<Provable>) {
    const stored = yield* trees(tenantId)
    const found = new Map<string, MerkleProof>()
    for (const [tree, covered] of Map.groupBy(records, ({ id }) => stored.find((tree) => covers(tree, id)))) {
      if (tree === undefined) continue
      // As on the measured gateway, a proof is built from today's rows and not from the stored tree.
      const leaves = yield* leavesOf(tenantId, tree)
      const places = new Map(leaves.map((leaf, index) => [leaf, index]))
      // Erased records are left out of whatever is built from now on.
      if (!covered.some(({ recordHash }) => places.has(recordHash))) continue
      const levels = yield* levelsOf(leaves)
      for (const { actionId, recordHash } of covered) {
        const leafIndex = places.get(recordHash)
        if (leafIndex === undefined) continue
        found.set(
          recordHash,
          new MerkleProof({
            recordHash,
            root: rootOf(levels),
            steps: pathOf(levels, leafIndex).map(({ sibling, side }) => ({ sibling: RecordHash.make(sibling), side })),
            actionId,
            leafIndex,
            treeIndex: tree.index,
            treeSize: leaves.length,
            treeHeight: levels.length,
            periodStart: tree.periodStart,
            periodEnd: tree.periodEnd,
            claimedValid: true
          })
        )
      }
    }
    return found
  }, climbing.withPermits(1))

  const prove = Effect.fnUntraced(function*(tenantId: string, recordHash: RecordHash) {
    const record = yield* ledger.findByHash(tenantId, recordHash)
    return record === undefined ? undefined : (yield* proofs(tenantId, [record])).get(recordHash)
  })

  return MerkleTrees.of({ trees, prove, proofs, rebuild })
})

const covers = ({ fromRecordId, toRecordId }: MerkleTree, id: number) => fromRecordId! <= id && id <= toRecordId!

const rootOf = (levels: ReadonlyArray<ReadonlyArray<string>>) => RecordHash.make(levels.at(-1)![0]!)

const hourOf = (time: DateTime.Utc) => Math.floor(time.epochMilliseconds / 3_600_000)

const treeOf = Effect.fnUntraced(function*(
  hour: number,
  leaves: Arr.NonEmptyReadonlyArray<Leaf>,
  index: number,
  prevRoot: RecordHash,
  now: DateTime.Utc
) {
  const levels = yield* levelsOf(leaves.map(({ recordHash }) => recordHash))
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
})

/**
 * Trees over the ledger in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<MerkleTrees, never, Ledger> = Layer.effect(MerkleTrees, make)
