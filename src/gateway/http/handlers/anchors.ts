/**
 * Anchors, answered by the embedded gateway: it has no chain, and says so.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { pathOf } from "../../../internal/merkleTree.ts"
import { RecordHash } from "../../../model/RecordHash.ts"
import { AnchorChain, AnchorStatus, LoggedRoot } from "../../../operator/Anchor.ts"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { BadRequest400, NotFound404 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { MerkleProof } from "../../../verify/MerkleProof.ts"
import { levelsOf } from "../../ledger/internal/levels.ts"
import { Ledger } from "../../ledger/Ledger.ts"
import { MerkleTrees } from "../../ledger/MerkleTrees.ts"

const intervalSeconds = 3600
const maxRoots = 100
const unavailable = "blockchain unavailable"

/**
 * The handlers of this group.
 *
 * **Details**
 *
 * On the measured gateway these routes show the records of all tenants to every client. Here each tenant sees its own.
 * The roots that this gateway notes for itself are those of its hourly trees.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "anchors",
  Effect.fnUntraced(function*(handlers) {
    const ledger = yield* Ledger
    const merkle = yield* MerkleTrees
    // A proof holds a hash of every record, and twice as many nodes.
    const climbing = yield* Semaphore.make(1)

    return handlers
      .handle(
        "status",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          return new AnchorStatus({
            isConnected: false,
            network: null,
            connectedChains: [],
            contractAddress: null,
            deployerAddress: null,
            anchors: 0,
            latestRoot: null,
            lastAnchoredAt: null,
            intervalSeconds,
            mode: "full",
            trees: { total: (yield* merkle.trees(id)).length, anchored: 0 },
            chains: {}
          })
        })
      )
      .handle(
        "verify",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          const { total } = yield* ledger.page(id, 0, 0)
          return { error: unavailable, match: false, computed_root: null, on_chain_root: null, record_count: total }
        })
      )
      .handle("log", () => Effect.succeed({ anchors: [], count: 0 }))
      .handle("chain", () => Effect.succeed(new AnchorChain({ claimedValid: true, brokenAt: null, links: [] })))
      .handle(
        "proof",
        Effect.fnUntraced(function*({ params }) {
          const { id } = yield* CurrentTenant
          const record = yield* ledger.find(id, params.action_id)
          if (record === undefined) {
            return yield* Effect.fail(NotFound404.make({ detail: `Record not found: ${params.action_id}` }))
          }
          // All of the log, erased records too: as of any other, no more than the hash is told.
          const leaves = yield* Stream.runCollect(Stream.map(ledger.stream(id), ({ recordHash }) => recordHash))
          const leafIndex = leaves.indexOf(record.recordHash)
          const levels = yield* levelsOf(leaves)
          return new MerkleProof({
            recordHash: record.recordHash,
            root: RecordHash.make(levels.at(-1)![0]!),
            steps: pathOf(levels, leafIndex).map(({ sibling, side }) => ({ sibling: RecordHash.make(sibling), side })),
            actionId: record.actionId,
            leafIndex,
            treeSize: leaves.length,
            claimedValid: true
          })
        }, climbing.withPermits(1))
      )
      .handle("consistency", ({ query }) =>
        Effect.fail(
          query.from_anchor_index >= query.to_anchor_index
            ? BadRequest400.make({ detail: "from_anchor_index must be less than to_anchor_index" })
            : NotFound404.make({ detail: `Anchor index ${query.from_anchor_index} not found` })
        ))
      .handle("trigger", () => Effect.succeed({ error: unavailable }))
      .handle(
        "roots",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          const trees = (yield* merkle.trees(id)).toReversed().slice(0, maxRoots)
          const roots = trees.map((tree) =>
            new LoggedRoot({
              id: tree.index + 1,
              root: tree.root,
              records: tree.records,
              computedAt: tree.createdAt ?? tree.periodEnd,
              isAnchored: false,
              anchorId: null
            })
          )
          return { roots, count: roots.length, interval_seconds: intervalSeconds }
        })
      )
  })
)
