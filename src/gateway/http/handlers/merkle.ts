/**
 * Merkle roots and proofs, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { CurrentTenant } from "../../../transport/wire/ApiKey.ts"
import { BadRequest400, NotFound404 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import type { MerkleTree } from "../../../verify/MerkleProof.ts"
import { treeConsistency, treesStatus } from "../../ledger/internal/treeClaims.ts"
import { MerkleTrees } from "../../ledger/MerkleTrees.ts"

const defaultLimit = 100

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "merkle",
  Effect.fnUntraced(function*(handlers) {
    const merkle = yield* MerkleTrees

    const rebuilt = (tenantId: string, trees: ReadonlyArray<MerkleTree>) =>
      Effect.forEach(trees, (tree) => Effect.map(merkle.rebuild(tenantId, tree), (root) => ({ tree, root })))

    return handlers
      .handle(
        "roots",
        Effect.fnUntraced(function*({ query }) {
          const { id } = yield* CurrentTenant
          const trees = (yield* merkle.trees(id)).toReversed().slice(0, Math.max(0, query.limit ?? defaultLimit))
          return { trees, count: trees.length, tenant_id: id }
        })
      )
      .handle(
        "proof",
        Effect.fnUntraced(function*({ params }) {
          const { id } = yield* CurrentTenant
          const proof = yield* merkle.prove(id, params.hash)
          return proof ?? (yield* Effect.fail(
            NotFound404.make({ detail: "Record not found or not yet in a completed hourly tree" })
          ))
        })
      )
      .handle(
        "verify",
        Effect.fnUntraced(function*() {
          const { id } = yield* CurrentTenant
          return treesStatus(yield* rebuilt(id, yield* merkle.trees(id)))
        })
      )
      .handle(
        "consistency",
        Effect.fnUntraced(function*({ params: { tree_m, tree_n } }) {
          const { id } = yield* CurrentTenant
          if (tree_n >= tree_m) {
            return yield* Effect.fail(BadRequest400.make({ detail: "tree_n must be less than tree_m" }))
          }
          const trees = yield* merkle.trees(id)
          const missing = [tree_n, tree_m].find((index) => trees[index] === undefined)
          return missing === undefined
            ? treeConsistency(yield* rebuilt(id, trees.slice(tree_n, tree_m + 1)))
            : yield* Effect.fail(NotFound404.make({ detail: `Tree ${missing} not found` }))
        })
      )
  })
)
