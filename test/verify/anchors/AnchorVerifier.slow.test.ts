/** Anchors on a real node, whose answers are read by another library too. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { chain } from "../../../.ci/chain.ts"
import { RecordHash } from "../../../src/model/RecordHash.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import type { AnchorsReport } from "../../../src/verify/anchors/AnchorsReport.ts"
import * as AnchorVerifier from "../../../src/verify/anchors/AnchorVerifier.ts"
import {
  decodeEntry,
  getAnchorData,
  selectors,
  submitAnchorData,
  submittedTopic,
  transferredTopic
} from "../../../src/verify/anchors/internal/contract.ts"
import { MerkleTree } from "../../../src/verify/MerkleProof.ts"
import { accounts, type Anvil, contractAbi, hasAnvil, needsAnvil, startAnvil } from "../../support/anvil.ts"
import { rpcProxy } from "../../support/rpcProxy.ts"
import { type Anchoring, anchoringOf, digest, hour, treesOf } from "./scriptedChain.ts"

/** The hours of the trees end before now, so that the node's blocks are fresh. */
const start = Math.floor(Date.now() / 1000 / hour) * hour - 4 * hour

const hoursOf = (count: number) => treesOf(count, { start })
const changed = (tree: MerkleTree, change: Partial<MerkleTree>) => new MerkleTree({ ...tree, ...change })
const endOf = (tree: MerkleTree) => tree.periodEnd.epochMilliseconds / 1000
const tags = ({ findings }: AnchorsReport) => findings.map(({ _tag }) => _tag)

/** The clock is the machine's, and the last block is not older than three hours. */
const check = (
  trees: ReadonlyArray<MerkleTree>,
  urls: Readonly<Record<string, string>>,
  contract: string,
  options: Partial<AnchorVerifier.Options> = {}
) =>
  AnchorVerifier.checkTrees(trees, {
    nodes: Object.entries(urls).map(([label, url]) => ({ label, url })),
    chainId: 137,
    contract,
    owner: accounts[0],
    finality: "finalized",
    maxDelay: "30 minutes",
    maxLag: "5 hours",
    retries: 0,
    ...options
  }).pipe(Effect.provide([NodeHttpClient.layerUndici, NodeHasher.layer]))

const submit = async (
  { mine, rpc }: Anvil,
  to: string,
  anchoring: Anchoring,
  time: number,
  from: string = accounts[0]
) => {
  const tx = await rpc("eth_sendTransaction", { from, to, data: submitAnchorData(anchoring), gas: "0x7a120" })
  await mine(time)
  return tx as string
}

/** Anchors trees a minute after their hour, as the gateway says afterwards. */
const anchor = async (node: Anvil, contract: string, trees: ReadonlyArray<MerkleTree>) => {
  const anchored: Array<MerkleTree> = []
  for (const tree of trees) {
    const anchorTx = await submit(node, contract, anchoringOf(tree), endOf(tree) + 60)
    const { blockNumber } = await node.rpc("eth_getTransactionReceipt", anchorTx)
    anchored.push(changed(tree, { anchorTx, anchorChain: "polygon", anchorBlock: Number(blockNumber) }))
  }
  return anchored
}

/** Blocks on top, so that what was anchored is final. */
const settle = async ({ mine }: Anvil, time: number) => {
  for (let i = 0; i < 3; i++) await mine(time + i)
}

describe.skipIf(!hasAnvil)(`anchors on a development node${needsAnvil}`, () => {
  const test = (
    name: string,
    run: (node: Anvil, contract: string) => Effect.Effect<void, unknown, Scope.Scope>,
    options: { readonly chainId?: number } = {}
  ) =>
    it.live(name, () =>
      Effect.gen(function*() {
        const node = yield* startAnvil({ ...options, timestamp: start })
        yield* run(node, yield* Effect.promise(node.deploy))
      }).pipe(Effect.scoped))

  const does = <A>(action: () => Promise<A>) => Effect.promise(action)

  test("are found, and another library reads the same", (node, contract) =>
    Effect.gen(function*() {
      const trees = yield* does(() => anchor(node, contract, hoursOf(3)))
      yield* does(() => settle(node, start + 4 * hour))
      const report = yield* check(trees, { a: node.url, b: node.url }, contract)
      assert.deepStrictEqual(tags(report), [])
      assert.deepInclude(report, { valid: true, isComplete: true, entries: 3, otherEntries: 0 })

      const { createPublicClient, encodeFunctionData, http, keccak256, toHex } = yield* does(() =>
        import(pathToFileURL(join(chain, "node_modules/viem/_esm/index.js")).href)
      )
      const client = createPublicClient({ transport: http(node.url) })
      const address = contract
      assert.strictEqual(keccak256(toHex("AnchorSubmitted(uint256,bytes32,bytes32,uint256)")), submittedTopic)
      assert.strictEqual(keccak256(toHex("OwnershipTransferred(address,address)")), transferredTopic)
      const calls: ReadonlyArray<readonly [string, ReadonlyArray<unknown>, string]> = [
        ["owner", [], selectors.owner],
        ["getAnchorCount", [], selectors.getAnchorCount],
        ["getAnchor", [2n], getAnchorData(2)]
      ]
      for (const [functionName, args, data] of calls) {
        assert.strictEqual(encodeFunctionData({ abi: contractAbi, functionName, args }), data)
      }
      for (const systemId of ["", "vargate-v1", "ü".repeat(20)]) {
        const anchoring = { ...anchoringOf(trees[1]!), systemId }
        const { fromRecord, prevRoot, records, root, toRecord } = anchoring
        const args = [`0x${root}`, `0x${prevRoot}`, BigInt(records), BigInt(fromRecord), BigInt(toRecord), systemId]
        const theirs = encodeFunctionData({ abi: contractAbi, functionName: "submitAnchor", args })
        assert.strictEqual(submitAnchorData(anchoring), theirs)
      }
      for (const { anchorIndex, block, index } of report.trees) {
        const theirs = yield* does(() =>
          client.readContract({ address, abi: contractAbi, functionName: "getAnchor", args: [BigInt(anchorIndex!)] })
        )
        const ours = decodeEntry(
          yield* does(() => node.rpc("eth_call", { to: contract, data: getAnchorData(anchorIndex!) }, "latest"))
        )!
        assert.deepStrictEqual(
          [
            `0x${ours.root}`,
            `0x${ours.prevRoot}`,
            BigInt(ours.records),
            BigInt(ours.fromRecord),
            BigInt(ours.toRecord),
            BigInt(ours.block),
            BigInt(ours.time),
            ours.systemId
          ],
          Object.values(theirs as object)
        )
        assert.deepStrictEqual([ours.block, `${ours.root}`], [block, trees[index]!.root])
      }
    }))

  test("are missing, forked, late, in a foreign contract, reverted", (node, contract) =>
    Effect.gen(function*() {
      const other = yield* does(node.deploy)
      const [a, b, c, d, e] = hoursOf(5)
      const [first] = yield* does(() => anchor(node, contract, [a!]))
      const forked = { ...anchoringOf(b!), root: digest("another story") }
      yield* does(() => submit(node, contract, forked, endOf(b!) + 30))
      const [second] = yield* does(() => anchor(node, contract, [b!]))
      const foreign = yield* does(() => submit(node, other, anchoringOf(c!), endOf(c!) + 60))
      const reverted = yield* does(() => submit(node, contract, anchoringOf(c!), endOf(c!) + 120, accounts[1]))
      const late = yield* does(() => submit(node, contract, anchoringOf(c!), endOf(c!) + 1860))
      yield* does(() => settle(node, start + 4 * hour + 3000))

      const report = (trees: ReadonlyArray<MerkleTree>) => check(trees, { a: node.url }, contract)
      const expect = (trees: ReadonlyArray<MerkleTree>, expected: ReadonlyArray<string>) =>
        Effect.map(report(trees), (report) => {
          assert.deepStrictEqual(tags(report), expected)
          assert.isFalse(report.valid)
        })
      const before = [first!, second!]
      yield* expect([...before, changed(c!, { anchorTx: late })], ["LateAnchor", "ForkedTree"])
      yield* expect([...before, changed(c!, { anchorTx: foreign })], ["ForeignContract", "LateAnchor", "ForkedTree"])
      yield* expect([...before, changed(c!, { anchorTx: reverted })], ["Reverted", "LateAnchor", "ForkedTree"])
      yield* expect([...before, c!, d!], ["LateAnchor", "MissingAnchor", "ForkedTree"])
      // An anchor of the fifth hour may still come.
      assert.strictEqual((yield* report([...before, c!, d!, e!])).trees.at(-1)?.state, "pending")
      const rewritten = changed(second!, { root: RecordHash.make(digest("rewritten")) })
      yield* expect([first!, rewritten], ["AnchoredOtherRoot", "ForkedTree", "ForkedTree"])
    }))

  test("on another chain are not looked at", (node, contract) =>
    Effect.gen(function*() {
      const trees = yield* does(() => anchor(node, contract, hoursOf(1)))
      yield* does(() => settle(node, start + 4 * hour))
      const report = yield* check(trees, { a: node.url }, contract)
      assert.deepStrictEqual(tags(report), ["ForeignChain"])
      assert.deepInclude(report.findings[0]!, { expected: 137, found: 80002 })
    }), { chainId: 80002 })

  test("are not there after a reorganization", (node, contract) =>
    Effect.gen(function*() {
      const trees = yield* does(() => anchor(node, contract, hoursOf(2)))
      const options = { finality: { confirmations: 0 } } as const
      assert.isTrue((yield* check(trees, { a: node.url }, contract, options)).valid)
      yield* does(() => node.rpc("anvil_reorg", 1, []))
      yield* does(() => settle(node, start + 4 * hour))
      const report = yield* check(trees, { a: node.url }, contract, options)
      assert.deepStrictEqual(tags(report), ["TransactionMissing"])
      assert.deepStrictEqual(report.trees.map(({ state }) => state), ["anchored", "faulty"])
    }))

  test("where there is no contract", (node, contract) =>
    Effect.gen(function*() {
      const trees = yield* does(() => anchor(node, contract, hoursOf(1)))
      yield* does(() => settle(node, start + 4 * hour))
      assert.deepStrictEqual(tags(yield* check(trees, { a: node.url }, accounts[1])), ["NoContract"])
      const codeHash = "00".repeat(32)
      const owner = accounts[1]
      assert.deepStrictEqual(
        tags(yield* check(trees, { a: node.url }, contract, { codeHash, owner })),
        ["WrongCode", "WrongOwner"]
      )
    }))

  test("of a contract that went to another owner and came back are found, by nodes that show and bound their logs", (
    node,
    contract
  ) =>
    Effect.gen(function*() {
      const [owner, other] = accounts
      const blockNumber = () => does(async () => Number(await node.rpc("eth_blockNumber")))
      const [a, b, c] = hoursOf(3)
      const [first] = yield* does(() => anchor(node, contract, [a!]))
      const hand = (from: string, to: string, time: number) =>
        does(async () => {
          await node.rpc("eth_sendTransaction", { from, to: contract, data: transferOwnershipData(to), gas: "0x7a120" })
          await node.mine(time)
        })
      yield* hand(owner, other, endOf(a!) + 120)
      const there = yield* blockNumber()
      const byOther = yield* does(() => submit(node, contract, anchoringOf(b!), endOf(b!) + 60, other))
      yield* hand(other, owner, endOf(b!) + 120)
      const back = yield* blockNumber()
      const [third] = yield* does(() => anchor(node, contract, [c!]))
      yield* does(() => settle(node, start + 4 * hour))
      const trees = [first!, changed(b!, { anchorTx: byOther }), third!]

      // At the last block all is as it should be.
      assert.isTrue((yield* check(trees, { a: node.url }, contract)).valid)
      const all = yield* check(trees, { a: node.url }, contract, { ownerSince: 0 })
      assert.deepStrictEqual(tags(all), ["OwnershipTransferred", "OwnershipTransferred", "AnchoredByAnother"])
      assert.deepInclude(all.findings[0]!, { block: there, from: owner, to: other })
      assert.deepInclude(all.findings[1]!, { block: back, from: other, to: owner })
      assert.deepInclude(all.findings[2]!, { tree: 1, anchorIndex: 1, owner: other })
      // Both transfers were before it; one was.
      assert.isTrue((yield* check(trees, { a: node.url }, contract, { ownerSince: back + 1 })).valid)
      assert.deepStrictEqual(tags(yield* check(trees, { a: node.url }, contract, { ownerSince: back })), [
        "OwnershipTransferred"
      ])

      const answering = (answer: Parameters<typeof rpcProxy>[1]) =>
        Effect.map(rpcProxy(node.url, answer), ({ url }) => url)
      const bounded = yield* answering(({ method, params: [filter] }) =>
        method === "eth_getLogs" && Number(filter.toBlock) - Number(filter.fromBlock) >= 2
          ? { jsonrpc: "2.0", id: 1, error: { code: -32005, message: "at most 2 blocks" } }
          : undefined
      )
      assert.deepStrictEqual(
        (yield* check(trees, { bounded }, contract, { ownerSince: 0 })).findings,
        all.findings
      )
      const silent = yield* answering(({ method }) =>
        method === "eth_getLogs" ? { jsonrpc: "2.0", id: 1, error: { code: -32601, message: "no" } } : undefined
      )
      const unknown = yield* check(trees, { silent }, contract, { ownerSince: back + 1 })
      assert.deepInclude(unknown, { valid: false, isChecked: false, findings: [] })
      assert.deepStrictEqual(unknown.ownership?.state, "notChecked")
      const pruned = yield* answering(({ method }) =>
        method === "eth_getLogs" ? { jsonrpc: "2.0", id: 1, result: [] } : undefined
      )
      assert.deepStrictEqual((yield* check(trees, { pruned }, contract, { ownerSince: 0 })).gaps, [
        "node pruned does not show all its logs: that of entry 0 is missing: its owners are not known"
      ])
      const { url: liar } = yield* rpcProxy(node.url, () => undefined, (text, { method }) => {
        const answer = JSON.parse(text)
        return method === "eth_getLogs"
          ? JSON.stringify({
            ...answer,
            result: answer.result.filter(({ topics }: { topics: ReadonlyArray<string> }) => topics.length === 2)
          })
          : text
      })
      assert.isTrue((yield* check(trees, { liar }, contract, { ownerSince: 0 })).valid)
      const beside = yield* check(trees, { liar, honest: node.url }, contract, { ownerSince: 0 })
      assert.deepStrictEqual(tags(beside), ["NodesDisagree"])
      assert.strictEqual(beside.ownership?.state, "disputed")
    }))

  test("at a lying node are believed alone, and found out beside an honest one; one that is gone is not checked", (
    node,
    contract
  ) =>
    Effect.gen(function*() {
      const trees = yield* does(() => anchor(node, contract, hoursOf(2)))
      yield* does(() => settle(node, start + 4 * hour))
      const { url: liar } = yield* rpcProxy(
        node.url,
        () => undefined,
        (text) => text.replaceAll(trees[1]!.root, digest("rewritten"))
      )
      const rewritten = [trees[0]!, changed(trees[1]!, { root: RecordHash.make(digest("rewritten")) })]
      assert.isTrue((yield* check(rewritten, { liar }, contract)).valid)
      const beside = yield* check(rewritten, { liar, honest: node.url }, contract)
      assert.deepStrictEqual(tags(beside), ["NodesDisagree", "NodesDisagree"])
      assert.deepStrictEqual(beside.findings.map((finding) => "about" in finding && finding.about), ["tree", "entries"])
      const gone = yield* check(trees, { honest: node.url, gone: "http://127.0.0.1:9" }, contract)
      assert.deepInclude(gone, { valid: false, isChecked: false })
      assert.deepStrictEqual(gone.nodes[1], { label: "gone", isChecked: false, why: "could not be reached" })
    }))
})

const transferOwnershipData = (to: string) => `0xf2fde38b${to.slice(2).padStart(64, "0")}`
