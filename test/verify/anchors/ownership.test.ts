/** Whether the contract had one owner all the time, by its logs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import type { AnchorsReport } from "../../../src/verify/anchors/AnchorsReport.ts"
import * as AnchorVerifier from "../../../src/verify/anchors/AnchorVerifier.ts"
import { readOwnerHistory } from "../../../src/verify/anchors/internal/ownerHistory.ts"
import {
  type Answer,
  chainId,
  contract,
  hour,
  nodes,
  otherContract,
  owner,
  ScriptedChain,
  treesOf
} from "./scriptedChain.ts"

const other = otherContract

const check = (
  scene: { readonly chain: ScriptedChain; readonly trees: Parameters<typeof AnchorVerifier.checkTrees>[0] },
  answers: Readonly<Record<string, Answer | undefined>> = { a: undefined },
  options: Partial<AnchorVerifier.Options> = {}
) =>
  Effect.gen(function*() {
    const { chain, trees } = scene
    yield* TestClock.setTime(1000 * (chain.head.time + 30))
    const asked = Object.fromEntries(
      Object.entries(answers).map(([label, answer]) => [label, answer === undefined ? { chain } : { chain, answer }])
    )
    return yield* AnchorVerifier.checkTrees(trees, {
      nodes: Object.keys(answers).map((label) => ({ label, url: `http://127.0.0.1/${label}` })),
      chainId,
      contract,
      owner,
      ownerSince: 0,
      finality: "finalized",
      maxDelay: "1 hour",
      retries: 0,
      ...options
    }).pipe(Effect.provide(Layer.merge(nodes(asked), NodeHasher.layer)))
  })

/** Three trees, each in a block of its own; between the first and the second the contract goes away and comes back. */
const handedOver = () => {
  const chain = new ScriptedChain()
  const [first, second, third] = treesOf(3)
  const [a] = chain.anchor([first!])
  chain.transfer(other, 1.5 * hour)
  const [b] = chain.anchor([second!])
  chain.transfer(owner, 2.5 * hour)
  const [c] = chain.anchor([third!])
  chain.mine(3 * hour + 120)
  return { chain, trees: [a!, b!, c!] }
}

const kept = () => {
  const chain = new ScriptedChain()
  const trees = chain.anchor(treesOf(3))
  chain.mine(3 * hour + 120)
  return { chain, trees }
}

const tags = ({ findings }: AnchorsReport) => findings.map(({ _tag }) => _tag)
const state = ({ isChecked, isComplete, ownership, valid }: AnchorsReport) => [
  ownership?.state,
  valid,
  isChecked,
  isComplete
]

describe("the owner of the contract", () => {
  it.effect("that never changed is said to be unchanged, and without a block nothing is said", () =>
    Effect.gen(function*() {
      const report = yield* check(kept())
      assert.deepStrictEqual(state(report), ["unchanged", true, true, true])
      assert.deepStrictEqual(report.ownership?.nodes, [{ label: "a", isChecked: true }])
      const silent = yield* check(handedOver(), { a: undefined }, { ownerSince: undefined })
      assert.deepStrictEqual([silent.valid, silent.ownership], [true, undefined])
    }))

  it.effect("that changed and changed back is found, with the tree that was anchored meanwhile", () =>
    Effect.gen(function*() {
      const report = yield* check(handedOver())
      assert.deepStrictEqual(tags(report), ["OwnershipTransferred", "OwnershipTransferred", "AnchoredByAnother"])
      assert.deepInclude(report.findings[0]!, { block: 2, from: owner, to: other })
      assert.deepInclude(report.findings[1]!, { block: 4, from: other, to: owner })
      assert.deepInclude(report.findings[2]!, { tree: 1, anchorIndex: 1, owner: other })
      assert.deepStrictEqual(report.trees.map(({ state }) => state), ["anchored", "faulty", "anchored"])
      assert.deepStrictEqual(state(report), ["changed", false, true, true])
    }))

  it.effect("is asked about from its block on, and not before", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(tags(yield* check(handedOver(), { a: undefined }, { ownerSince: 4 })), [
        "OwnershipTransferred"
      ])
      assert.deepStrictEqual(state(yield* check(handedOver(), { a: undefined }, { ownerSince: 5 })), [
        "unchanged",
        true,
        true,
        true
      ])
      const later = yield* check(handedOver(), { a: undefined }, { ownerSince: 7 })
      assert.deepStrictEqual(state(later), ["notChecked", false, false, false])
      assert.deepStrictEqual(later.gaps, ["node a has no final block 7 yet: its owners are not known"])
    }))

  it.effect("that was given by the making of the contract is no change; any other one is", () =>
    Effect.gen(function*() {
      const scene = kept()
      const nobody = `0x${"0".repeat(40)}`
      const made = { tx: `0x${"1".repeat(64)}`, block: scene.chain.blocks[0]!, from: nobody, to: owner }
      scene.chain.transfers.push(made)
      assert.deepStrictEqual(state(yield* check(scene)), ["unchanged", true, true, true])
      const foreign = yield* check(scene, { a: undefined }, { owner: other })
      assert.deepStrictEqual(tags(foreign), [
        "WrongOwner",
        "OwnershipTransferred",
        "AnchoredByAnother",
        "AnchoredByAnother",
        "AnchoredByAnother"
      ])
      // Without a pin, the owner that it has now is the one that it should have had.
      assert.deepStrictEqual(tags(yield* check(handedOver(), { a: undefined }, { owner: undefined })), [
        "OwnershipTransferred",
        "OwnershipTransferred",
        "AnchoredByAnother"
      ])
    }))
})

describe("logs", () => {
  /** Refuses ranges of more blocks than this. */
  const bounded = (most: number, refusal: unknown, asked: Array<number> = []): Answer => (method, params, honest) => {
    if (method !== "eth_getLogs") return honest()
    const { fromBlock, toBlock } = params[0] as { readonly fromBlock: string; readonly toBlock: string }
    const size = Number(toBlock) - Number(fromBlock) + 1
    asked.push(size)
    return size > most ? refusal : honest()
  }
  const error = (code: number) => ScriptedTransport.json(200, { id: 1, error: { code, message: "secret" } })

  it.effect("are asked for in ranges that the node permits", () =>
    Effect.gen(function*() {
      const refusals = [
        error(-32005),
        error(-32602),
        ScriptedTransport.json(400, {}),
        ScriptedTransport.text(200, `"${"x".repeat(70_000)}"`)
      ]
      for (const refusal of refusals) {
        const asked: Array<number> = []
        const report = yield* check(handedOver(), { a: bounded(2, refusal, asked) }, {
          logRange: 1000,
          maxAnswerBytes: 65_536
        })
        assert.deepStrictEqual(tags(report), ["OwnershipTransferred", "OwnershipTransferred", "AnchoredByAnother"])
        assert.isBelow(asked.length, 20)
      }
      const asked: Array<number> = []
      assert.isTrue((yield* check(kept(), { a: bounded(2, error(-32005), asked) }, { logRange: 2 })).valid)
      assert.deepStrictEqual(asked, [2, 2, 1])
    }))

  it.effect("that a node does not show make it not checked, which is not unchanged", () =>
    Effect.gen(function*() {
      const refusals: ReadonlyArray<readonly [unknown, string]> = [
        [error(-32601), "answered error -32601 to eth_getLogs"],
        [error(-32005), "answered error -32005 to eth_getLogs"],
        [ScriptedTransport.json(403, {}), "answered 403 to eth_getLogs"],
        [ScriptedTransport.refuse, "could not be reached"],
        [{}, "answered eth_getLogs with something else"],
        [[{ address: contract }], "answered eth_getLogs with something else"],
        [null, "answered eth_getLogs with something else"],
        [[], "does not show all its logs: that of entry 0 is missing"]
      ]
      for (const [refusal, why] of refusals) {
        const answer = bounded(0, refusal)
        const report = yield* check(kept(), { a: answer })
        assert.deepStrictEqual([state(report), tags(report)], [["notChecked", false, false, false], []])
        assert.deepStrictEqual(report.gaps, [`node a ${why}: its owners are not known`])
        assert.deepStrictEqual(report.trees.map(({ state }) => state), ["anchored", "anchored", "anchored"])
        assert.notInclude(JSON.stringify(report), "secret")
        const beside = yield* check(kept(), { a: answer, b: undefined })
        assert.deepStrictEqual(state(beside), ["notChecked", false, false, false])
        const enough = yield* check(kept(), { a: answer, b: undefined }, { minNodes: 1 })
        assert.deepStrictEqual(state(enough), ["unchanged", true, true, false])
        const changed = yield* check(handedOver(), { a: answer, b: undefined })
        assert.deepStrictEqual(state(changed), ["changed", false, true, false])
      }
      const foreign: Answer = (method, _, honest) => {
        const result = honest()
        return method === "eth_getLogs"
          ? (result as ReadonlyArray<object>).map((log) => ({ ...log, address: other }))
          : result
      }
      assert.strictEqual((yield* check(kept(), { a: foreign })).ownership?.state, "notChecked")
    }))

  it.effect("are not asked for without end", () =>
    Effect.gen(function*() {
      let asked = 0
      const ask = () => Effect.sync(() => (asked++, []))
      const plan = { contract, since: 0, until: 1e9, logRange: 1, entries: new Map() }
      const failure = yield* Effect.flip(readOwnerHistory(ask, plan))
      assert.strictEqual(failure.why, "needs more than 10000 questions for its logs since 0")
      const log = { address: contract, blockNumber: "0x1", logIndex: "0x0", topics: [] }
      const flood = (count: number) => () => Effect.succeed(Array.from({ length: count }, () => log))
      const inOne = { contract, since: 1, until: 1, logRange: 1, entries: new Map() }
      const flooded = yield* Effect.flip(readOwnerHistory(flood(10_001), inOne))
      assert.strictEqual(flooded.why, "shows more than 10000 changes of the owner")
      assert.isAtMost(asked, 10_000)
    }))

  it.effect("of nodes that do not show the same are a dispute; a node that hides a transfer alone is believed", () =>
    Effect.gen(function*() {
      const hiding: Answer = (method, _, honest) => {
        const result = honest()
        return method === "eth_getLogs"
          ? (result as ReadonlyArray<{ readonly topics: ReadonlyArray<string> }>).filter(({ topics }) =>
            topics.length === 2
          )
          : result
      }
      assert.deepStrictEqual(state(yield* check(handedOver(), { a: hiding })), ["unchanged", true, true, true])
      const beside = yield* check(handedOver(), { a: hiding, b: undefined })
      assert.deepStrictEqual(tags(beside), ["NodesDisagree"])
      assert.deepInclude(beside.findings[0]!, {
        about: "transfers",
        answers: [
          { node: "a", answer: "no transfer" },
          { node: "b", answer: `2 of them, the last to ${owner} in block 4` }
        ]
      })
      assert.deepStrictEqual(state(beside), ["disputed", false, true, true])
    }))
})

it.effect("options about the owner are checked before anything is sent", () =>
  Effect.gen(function*() {
    for (const options of [{ ownerSince: -1 }, { ownerSince: 1.5 }, { logRange: 0 }]) {
      const error = yield* Effect.flip(check(kept(), { a: undefined }, options))
      assert(error.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(error.reason.issues.map(({ path }) => path), [Object.keys(options)])
    }
  }))
