/** The whole way: a gateway anchors on a real node, and an auditor finds it there. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as EvmAnchorer from "../../../src/gateway/ledger/EvmAnchorer.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as AnchorVerifier from "../../../src/verify/anchors/AnchorVerifier.ts"
import { MerkleTree } from "../../../src/verify/MerkleProof.ts"
import { accounts, hasAnvil, needsAnvil, startAnvil } from "../../support/anvil.ts"
import { treesOf } from "../../verify/anchors/scriptedChain.ts"

const start = Math.floor(Date.now() / 3_600_000) * 3600 - 7200

describe.skipIf(!hasAnvil)(`roots that a gateway anchors${needsAnvil}`, () => {
  it.live("are found by whoever looks, with their transactions", () =>
    Effect.gen(function*() {
      const node = yield* startAnvil({ timestamp: start + 7200 })
      const contract = yield* Effect.promise(node.deploy)
      yield* Effect.promise(() => node.rpc("evm_setAutomine", true))
      const anchorer = yield* EvmAnchorer.make({ url: node.url, chainId: 137, contract, from: accounts[0] })
      const anchored: Array<MerkleTree> = []
      for (const tree of treesOf(2, { start })) {
        const root = {
          root: tree.root,
          prevRoot: tree.prevRoot!,
          records: tree.records,
          fromRecordId: tree.fromRecordId!,
          toRecordId: tree.toRecordId!
        }
        assert.isUndefined(yield* anchorer.find(root))
        const place = yield* anchorer.submit(root)
        // As after a crash: it is there already.
        assert.deepStrictEqual(yield* anchorer.find(root), place)
        anchored.push(new MerkleTree({ ...tree, anchorTx: place.tx, anchorChain: place.chain }))
      }
      const report = yield* AnchorVerifier.checkTrees(anchored, {
        nodes: [{ label: "a", url: node.url }],
        chainId: 137,
        contract,
        owner: accounts[0],
        finality: { confirmations: 0 },
        maxDelay: "2 hours",
        maxLag: "3 hours"
      })
      assert.deepStrictEqual(report.findings, [])
      assert.isTrue(report.valid)
      const stranger = yield* EvmAnchorer.make({ url: node.url, chainId: 137, contract, from: accounts[1] })
      const error = yield* Effect.flip(stranger.submit({
        root: "aa".repeat(32),
        prevRoot: "bb".repeat(32),
        records: 1,
        fromRecordId: 900,
        toRecordId: 900
      }))
      assert.match(error.message, /error|reverted/)
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici), Effect.provide(NodeHasher.layer)))
})
