import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Anchors, ToolCalls } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import type { OperationError } from "../../src/errors/VargateError.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import { rootOf, verifyInclusion } from "../../src/verify/Merkle.ts"
import { answering } from "../support/operations.ts"

const anchors = <A, E>(use: (anchors: Anchors.Anchors["Service"]) => Effect.Effect<A, E>) => Anchors.Anchors.use(use)

const reasonOf = <A, R>(effect: Effect.Effect<A, OperationError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert(error._tag === "VargateError", error._tag)
    return error.reason
  })

const over = (status: number, body: unknown) => Effect.provide(answering(ScriptedTransport.json(status, body)))

describe("Anchors", () => {
  it.effect("names the chains that there are, and takes none for no failure", () =>
    Effect.gen(function*() {
      const status = yield* anchors(({ status }) => status)
      assert.deepInclude(status, { isConnected: false, network: null, connectedChains: [], anchors: 0 })
      assert.deepStrictEqual(yield* anchors(({ log }) => log), [])
      assert.deepStrictEqual(yield* anchors(({ roots }) => roots), [])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("proves a record against the root over the whole log", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      for (const n of [1, 2, 3]) yield* ToolCalls.call({ tool: "files", method: "read", params: { n } })
      const records = yield* gateway.records()
      const root = yield* rootOf(records.map(({ recordHash }) => recordHash))
      const proof = yield* anchors(({ proof }) => proof(records[1]!.actionId))
      assert.strictEqual(proof.treeSize, 3)
      assert.isTrue((yield* verifyInclusion(proof, root)).valid)
      assert.isFalse((yield* verifyInclusion({ ...proof, recordHash: records[0]!.recordHash }, root)).valid)
    }).pipe(Effect.provide(Layer.merge(GatewayMemory.layer(), NodeHasher.layer))))

  it.effect("takes a 200 that reports an error for a failure, and says whether a root may have been written", () =>
    Effect.gen(function*() {
      const failure = { error: "blockchain unavailable" }
      const read = yield* reasonOf(anchors(({ verify }) => verify)).pipe(over(200, failure))
      assert.deepInclude(read, { _tag: "ReportedFailure", detail: "blockchain unavailable", sideEffect: "none" })
      const written = yield* reasonOf(anchors(({ trigger }) => trigger)).pipe(over(200, failure))
      assert.deepInclude(written, { _tag: "ReportedFailure", sideEffect: "possible" })
    }))

  it.effect("reads what an older mechanism names otherwise", () =>
    Effect.gen(function*() {
      const check = yield* anchors(({ verify }) => verify).pipe(over(200, {
        match: true,
        current_chain_tip: "aa",
        current_record_count: 7,
        latest_anchor: { chain_tip_hash: "aa", record_count: 7, anchor_index: 2 }
      }))
      assert.deepInclude(check, {
        matches: true,
        computedRoot: "aa",
        onChainRoot: "aa",
        records: 7,
        onChainRecords: 7,
        anchorIndex: 2
      })
    }))

  it.effect("knows no anchor that is not there, and compares none with itself", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* reasonOf(anchors(({ consistency }) => consistency(0, 1))))._tag, "NotFound")
      assert.strictEqual((yield* reasonOf(anchors(({ consistency }) => consistency(1, 1))))._tag, "InvalidRequest")
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("repeats nothing: a lost answer to a trigger may have written a root", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(anchors(({ trigger }) => trigger))
      assert.deepInclude(error, { _tag: "VargateError", operation: "Anchors.trigger", sideEffect: "possible" })
    }).pipe(Effect.provide(answering(ScriptedTransport.disconnect))))

  it.effect("lists an anchor once that the gateway lists for two mechanisms", () =>
    Effect.gen(function*() {
      const row = (source: string, tx: string) => ({ source, tx_hash: tx, merkle_root: "aa", anchor_index: 3 })
      const log = yield* anchors(({ log }) => log).pipe(over(200, {
        anchors: [row("hardhat_legacy", "0x02"), row("sepolia_merkle", "0x02"), row("hardhat_legacy", "0x01")]
      }))
      assert.deepStrictEqual(log.map(({ source, tx }) => [source, tx]), [
        ["sepolia_merkle", "0x02"],
        ["hardhat_legacy", "0x01"]
      ])
    }))

  it.effect("shows no link to the explorer of another chain", () =>
    Effect.gen(function*() {
      const url = "https://sepolia.etherscan.io/tx/0x01"
      const link = (row: object) =>
        anchors(({ log }) => log).pipe(
          over(200, { anchors: [{ merkle_root: "aa", tx_hash: "0x01", ...row }] }),
          Effect.map(([anchor]) => anchor?.explorerUrl)
        )
      assert.strictEqual(yield* link({ chain: "sepolia", sepolia_explorer_url: url }), url)
      assert.isUndefined(yield* link({ chain: "polygon", sepolia_explorer_url: url }))
      assert.isUndefined(yield* link({ sepolia_explorer_url: url }))
      assert.strictEqual(
        yield* link({ chain: "polygon", explorer_url: "https://p", sepolia_explorer_url: url }),
        "https://p"
      )
    }))

  it.effect("describes each chain by its id", () =>
    Effect.gen(function*() {
      const { chains } = yield* anchors(({ status }) => status).pipe(over(200, {
        blockchain_connected: true,
        network: "polygon",
        connected_chains: ["polygon"],
        anchor_count: 7,
        chains: {
          polygon: {
            connected: true,
            chain_id: 80002,
            contract: "0xc0",
            deployer: "0xde",
            anchor_count: 7,
            explorer: "https://amoy"
          },
          sepolia: { connected: false }
        }
      }))
      assert.deepStrictEqual({ ...chains }, {
        polygon: {
          isConnected: true,
          chainId: 80002,
          contract: "0xc0",
          deployer: "0xde",
          anchors: 7,
          explorer: "https://amoy"
        },
        sepolia: { isConnected: false }
      })
    }))
})
