import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { ToolCalls } from "../../../src/calls/ToolCalls.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import * as Transport from "../../../src/transport/Transport.ts"
import * as AnchorVerifier from "../../../src/verify/anchors/AnchorVerifier.ts"
import { transferredTopic } from "../../../src/verify/anchors/internal/contract.ts"
import * as Evidence from "../../../src/verify/Evidence.ts"
import { Merkle } from "../../../src/verify/Merkle.ts"
import { gateway } from "../../support/rawLog.ts"
import {
  type Answer,
  chainId,
  contract,
  digest,
  hour,
  nodes,
  otherContract,
  owner,
  ScriptedChain
} from "./scriptedChain.ts"

const codeHash = "12c1c6c1622ef139f7be5e75d22b0af0c26c294582e9a761716a7444d64bff39"
const pins = { chainId, codeHash, contract, owner, finality: "finalized", maxDelay: "1 hour" } as const

/** With `ownerSince`, where it says since when; a node refuses to show logs of more than a block. */
const sceneOf = (ownerSince?: number) =>
  Effect.gen(function*() {
    const toolCalls = yield* ToolCalls
    for (let i = 0; i < 4; i++) {
      yield* toolCalls.decide({ tool: "files", method: "read", params: { i } })
      yield* TestClock.adjust("30 minutes")
    }
    yield* TestClock.adjust("10 minutes")
    const chain = new ScriptedChain()
    chain.anchor((yield* Merkle.use((merkle) => merkle.roots())).toReversed())
    chain.mine(2 * hour + 500)
    const options = {
      ...pins,
      ownerSince,
      retries: 0,
      nodes: ["a", "b"].map((label) => ({ label, url: `http://127.0.0.1/${label}` }))
    }
    const gathered = yield* AnchorVerifier.AnchorVerifier.use((verifier) => verifier.gather(options)).pipe(
      Effect.provide(Layer.provide(
        AnchorVerifier.layer,
        Layer.merge(
          Layer.effect(Transport.Transport, Transport.Transport),
          nodes({ a: { chain, answer: oneBlock }, b: { chain } })
        )
      ))
    )
    const evidence = yield* Evidence.Evidence
    const text = yield* evidence.export({ anchors: gathered.evidence })
    return { ...gathered, text }
  })

const oneBlock: Answer = (method, params, honest) => {
  const [filter] = params as ReadonlyArray<{ readonly fromBlock: string; readonly toBlock: string }>
  return method === "eth_getLogs" && filter!.fromBlock !== filter!.toBlock
    ? ScriptedTransport.json(200, { id: 1, error: { code: -32005, message: "one block only" } })
    : honest()
}

const scene = sceneOf()

/** The file with its JSON changed. */
// oxlint-disable-next-line typescript/no-explicit-any -- a forger need not keep to the types
const forged = (text: string, change: (file: any) => void) => {
  const file = JSON.parse(text)
  change(file)
  return JSON.stringify(file)
}

describe("evidence of anchors", () => {
  it.effect("is examined again with the same result, without a node", () =>
    Effect.gen(function*() {
      const { report, text } = yield* scene
      const found = yield* Evidence.verify(text)
      assert.deepStrictEqual([found.valid, found.isWhole, found.contradictions], [true, true, []])
      assert.deepStrictEqual(JSON.stringify({ ...found.anchors }), JSON.stringify({ ...report, chain: undefined }))
    }).pipe(Effect.provide(gateway())))

  it.effect("has the logs of the contract, by which its owners are examined again", () =>
    Effect.gen(function*() {
      const { report, text } = yield* sceneOf(0)
      assert.strictEqual(report.ownership?.state, "unchanged")
      const found = yield* Evidence.verify(text)
      assert.isTrue(found.valid)
      assert.deepStrictEqual(JSON.stringify({ ...found.anchors }), JSON.stringify({ ...report, chain: undefined }))
      const transfer = (from: string, to: string) => ({
        address: contract,
        data: "0x",
        blockHash: `0x${digest("block 2")}`,
        blockNumber: "0x2",
        logIndex: "0x1",
        transactionHash: `0x${digest("transfer")}`,
        topics: [transferredTopic, ...[from, to].map((account) => `0x${account.slice(2).padStart(64, "0")}`)]
      })
      const changed = forged(text, ({ anchors }) => {
        for (const { exchanges } of anchors.nodes) {
          for (const { method, params, result } of exchanges) {
            if (method === "eth_getLogs" && Number(params[0].toBlock) >= 2 && result !== undefined) {
              result.push(transfer(owner, otherContract))
            }
          }
        }
      })
      const { anchors } = yield* Evidence.verify(changed)
      assert.include(anchors!.findings.map(({ _tag }) => _tag), "OwnershipTransferred")
      // What was not asked then is not known now.
      const earlier = yield* Evidence.verify((yield* scene).text, { anchors: { ...pins, ownerSince: 0 } })
      assert.deepInclude(earlier.anchors, { valid: false, isChecked: false })
      assert.deepInclude(earlier.anchors?.ownership, { state: "notChecked" })
    }).pipe(Effect.provide(gateway())))

  it.effect("does not hold where an answer in it was changed", () =>
    Effect.gen(function*() {
      const { text } = yield* scene
      const root = JSON.parse(text).trees[0].merkle_root as string
      const changed = forged(text, ({ anchors }) => {
        anchors.nodes[0] = JSON.parse(JSON.stringify(anchors.nodes[0]).replaceAll(root, digest("another")))
      })
      const found = yield* Evidence.verify(changed)
      assert.isFalse(found.valid)
      assert.include(found.anchors!.findings.map(({ _tag }) => _tag), "NodesDisagree")
    }).pipe(Effect.provide(gateway())))

  it.effect("is not checked where answers are missing, or where the reader pins another contract", () =>
    Effect.gen(function*() {
      const { text } = yield* scene
      const cut = forged(text, ({ anchors }) => anchors.nodes[1].exchanges.splice(3))
      const missing = yield* Evidence.verify(cut)
      assert.deepInclude(missing.anchors, { valid: false, isChecked: false })
      assert.match(missing.anchors!.nodes[1]!.why!, /^has no answer to eth_\w+ in the file$/)
      const other = yield* Evidence.verify(text, { anchors: { ...pins, contract: otherContract } })
      assert.deepInclude(other.anchors, { valid: false, isChecked: false, contract: otherContract })
      const foreign = yield* Evidence.verify(text, { anchors: { ...pins, chainId: 1 } })
      assert.deepStrictEqual(foreign.anchors?.findings.map(({ _tag }) => _tag), ["ForeignChain", "ForeignChain"])
      assert.isFalse(foreign.valid)
    }).pipe(Effect.provide(gateway())))

  it.effect("of hostile spelling is refused or not checked, and never a defect", () =>
    Effect.gen(function*() {
      const { text } = yield* scene
      const nasty: ReadonlyArray<unknown> = [null, "0x", "0xzz", `0x${"f".repeat(64)}`, {}, [], 1e300, { logs: [{}] }]
      for (const value of nasty) {
        for (let place = 0; place < 8; place++) {
          const changed = forged(text, ({ anchors }) => {
            for (const node of anchors.nodes) node.exchanges[place].result = value
          })
          const found = yield* Evidence.verify(changed)
          assert.isFalse(found.anchors?.valid, `${JSON.stringify(value)} in place of answer ${place}`)
        }
      }
    }).pipe(Effect.provide(gateway())))
})
