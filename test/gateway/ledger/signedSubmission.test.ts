/** What a node may answer to an anchor that is signed here: each answer has an end, and none shows the key. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import type { Root } from "../../../src/gateway/ledger/Anchoring.ts"
import * as EvmAnchorer from "../../../src/gateway/ledger/EvmAnchorer.ts"
import * as EvmSigner from "../../../src/gateway/ledger/EvmSigner.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import { submittedTopic } from "../../../src/verify/anchors/internal/contract.ts"
import { overhear } from "../../support/overhear.ts"

const root: Root = { root: "aa".repeat(32), prevRoot: "bb".repeat(32), records: 3, fromRecordId: 1, toRecordId: 3 }
const contract = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
const address = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
const key = "c0ffee".repeat(10) + "cafe"
const word = (hex: string) => `0x${hex.padStart(64, "0")}`

/** Signs nothing real: the hash of a transaction is its nonce and its fee. */
const library = (sign: (nonce: bigint, fee: bigint) => { readonly hash: string; readonly toHex: () => string }) => ({
  addr: { fromPrivateKey: () => address },
  Transaction: {
    prepare: (transaction: { readonly nonce: bigint; readonly maxFeePerGas: bigint }) => ({
      signBy: () => sign(transaction.nonce, transaction.maxFeePerGas)
    })
  }
})
const named = (nonce: bigint, fee: bigint) => {
  const hash = word(`${nonce.toString(16).padStart(8, "0")}${fee.toString(16).padStart(16, "0")}`)
  return { hash, toHex: () => hash }
}

type Answers = Readonly<Record<string, unknown>>
const error = (code: number, message: string) =>
  ScriptedTransport.json(200, { jsonrpc: "2.0", id: 1, error: { code, message: `${message} ${key}` } })

const honest: Answers = {
  eth_chainId: "0x89",
  eth_getBlockByNumber: { hash: word("b1"), number: "0x7", baseFeePerGas: "0x64" },
  eth_getTransactionCount: "0x5",
  eth_estimateGas: "0x33450",
  eth_maxPriorityFeePerGas: "0xa",
  eth_getBalance: "0xde0b6b3a7640000",
  eth_getTransactionByHash: null,
  eth_getTransactionReceipt: null
}

const log = { address: contract, topics: [submittedTopic, word("0")], data: `0x${root.root}${"0".repeat(128)}` }
const receipt = (change: object = {}) => ({ status: "0x1", blockNumber: "0x8", logs: [log], ...change })

/** Submits to a node with these answers; minutes pass as they are needed. */
const submit = (
  answers: Answers,
  options: { readonly maxFeePerGas?: bigint; readonly library?: EvmSigner.SigningLibrary } = {}
) =>
  Effect.gen(function*() {
    const sent: Array<string> = []
    const node = ScriptedTransport.layer(({ body }) => {
      const { method, params } = body as { readonly method: string; readonly params: ReadonlyArray<unknown> }
      if (method === "eth_sendRawTransaction") sent.push(String(params[0]))
      const call = (params[0] as { readonly data?: string } | undefined)?.data
      const answer = method in answers
        ? answers[method]
        : method === "eth_call"
        ? word(call === "0x8da5cb5b" ? address.slice(2) : "0")
        : honest[method]
      const result = typeof answer === "function" ? answer(sent.length, params) : answer
      return typeof result === "object" && result !== null && "_tag" in result
        ? result as ScriptedTransport.Step
        : ScriptedTransport.json(200, { jsonrpc: "2.0", id: 1, result })
    })
    const submitting = Effect.gen(function*() {
      const signer = yield* EvmSigner.fromKey(Redacted.make(key), { library: options.library ?? library(named) })
      const anchorer = yield* EvmAnchorer.makeSigned({
        url: "http://127.0.0.1/secret",
        chainId: 137,
        contract,
        signer,
        maxFeePerGas: 1000n,
        ...options.maxFeePerGas === undefined ? {} : { maxFeePerGas: options.maxFeePerGas }
      })
      return yield* anchorer.submit(root)
    }).pipe(Effect.provide(node))
    const inTime = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
        for (let i = 0; i < 15; i++) yield* TestClock.adjust("10 seconds")
        return yield* Fiber.join(fiber)
      })
    return { inTime, sent, submitting }
  })

const placeOf = (answers: Answers, options?: Parameters<typeof submit>[1]) =>
  Effect.gen(function*() {
    const { inTime, sent, submitting } = yield* submit(answers, options)
    return { place: yield* inTime(submitting), sent }
  })

/** Why it failed, and what was sent; nothing that could be printed has the key or the URL in it. */
const failureOf = (answers: Answers, options?: Parameters<typeof submit>[1]) =>
  Effect.gen(function*() {
    const { inTime, sent, submitting } = yield* submit(answers, options)
    const flipped = yield* inTime(Effect.flip(submitting))
    const texts = yield* inTime(overhear(submitting))
    for (const text of texts) assert.notMatch(text, /c0ffee|127\.0\.0\.1/)
    return { why: flipped.message, sent }
  })

describe("an anchor that is signed here", () => {
  it.effect("is written by the call of the contract, and is where its receipt says", () =>
    Effect.gen(function*() {
      const { place, sent } = yield* placeOf({
        eth_sendRawTransaction: (_: number, [raw]: ReadonlyArray<string>) => raw,
        eth_getTransactionReceipt: (count: number) => count === 0 ? null : receipt()
      })
      // Twice the base fee and what the block producer gets.
      assert.deepStrictEqual(sent, [named(5n, 210n).hash])
      assert.deepStrictEqual(place, { root: root.root, tx: named(5n, 210n).hash, chain: "evm-137", block: 8 })
    }))

  it.effect("is not signed where the node says something else than it should", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Answers, RegExp]> = [
        [{ eth_chainId: "0x1" }, /the node is on chain 1, not on 137/],
        [{ eth_chainId: null }, /the node is on chain unknown, not on 137/],
        [{ eth_getBlockByNumber: null }, /the node has no newest block/],
        [{ eth_getBlockByNumber: { hash: word("1") } }, /the chain has no fees of EIP-1559/],
        [{ eth_getTransactionCount: "five" }, /answered eth_getTransactionCount with no number/],
        [{ eth_maxPriorityFeePerGas: {} }, /answered eth_maxPriorityFeePerGas with no amount/],
        [{ eth_estimateGas: error(3, "reverted") }, /the contract refuses it/],
        [{ eth_estimateGas: "much" }, /answered eth_estimateGas with no amount/],
        [{ eth_estimateGas: "0xf4240" }, /it takes 1000000 gas, and at most 500000 are permitted/],
        [{ eth_maxPriorityFeePerGas: "0x3e8" }, /the chain takes 1100 wei a gas, and at most 1000 are permitted/],
        [{ eth_getBalance: "0x1" }, /has 1 wei, and may have to pay \d+/],
        [{ eth_call: word("0") }, /the contract belongs to another account/],
        [{ eth_call: error(-32000, "no") }, /answered eth_call with error -32000/],
        [{ eth_getBalance: ScriptedTransport.refuse }, /the node did not answer eth_getBalance/],
        [{ eth_getBalance: ScriptedTransport.hang }, /did not answer eth_getBalance within 10 seconds/]
      ]
      for (const [answers, expected] of cases) {
        const { sent, why } = yield* failureOf(answers)
        assert.match(why, expected)
        assert.deepStrictEqual(sent, [])
      }
    }))

  it.effect("needs bounds that are numbers, from callers without types too", () =>
    Effect.gen(function*() {
      for (const maxFeePerGas of [0n, -1n, 1000, "1000", null] as ReadonlyArray<unknown> as ReadonlyArray<bigint>) {
        const { sent, why } = yield* failureOf({}, { maxFeePerGas })
        assert.match(why, /must be whole numbers above 0, as bigint/)
        assert.deepStrictEqual(sent, [])
      }
    }))

  it.effect("is not shown by a library that shows its key", () =>
    Effect.gen(function*() {
      const loud = library(() => {
        throw new Error(`the key ${key} is bad`)
      })
      const { sent, why } = yield* failureOf({}, { library: loud })
      assert.match(why, /its transaction could not be signed/)
      assert.deepStrictEqual(sent, [])
    }))

  it.effect("that is refused is told why, and nothing else is sent", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [unknown, RegExp]> = [
        [error(-32000, "insufficient funds for gas"), /the account 0xf39f\w+ has too little to pay for it/],
        [error(-32603, "internal"), /answered eth_sendRawTransaction with error -32603/],
        [ScriptedTransport.text(500, key), /answer/]
      ]
      for (const [answer, expected] of cases) {
        const { sent, why } = yield* failureOf({ eth_sendRawTransaction: answer })
        assert.match(why, expected)
        // Once for each of the two times that it was asked for.
        assert.deepStrictEqual(new Set(sent), new Set([named(5n, 210n).hash]))
      }
    }))

  it.effect("pays more where another one waits with its nonce, and never more than is permitted", () =>
    Effect.gen(function*() {
      const underpriced = error(-32000, "replacement transaction underpriced")
      const { place, sent } = yield* placeOf({
        eth_sendRawTransaction: (count: number, [raw]: ReadonlyArray<string>) => count < 4 ? underpriced : raw,
        eth_getTransactionReceipt: (count: number) => count < 4 ? null : receipt()
      })
      const fees = [210n, 237n, 267n, 301n]
      assert.deepStrictEqual(sent, fees.map((fee) => named(5n, fee).hash))
      assert.strictEqual(place.tx, named(5n, 301n).hash)
      const { inTime, sent: all, submitting } = yield* submit({ eth_sendRawTransaction: underpriced }, {
        maxFeePerGas: 300n
      })
      const failure = yield* inTime(Effect.flip(submitting))
      assert.match(failure.message, /another transaction waits with its nonce, and the fee that would replace it/)
      assert.deepStrictEqual(all, fees.slice(0, 3).map((fee) => named(5n, fee).hash))
    }))

  it.effect("that was reverted, or wrote nothing, or something else, is not there", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [object, RegExp]> = [
        [{ status: "0x0" }, /its transaction was reverted/],
        [{ logs: [] }, /its transaction wrote no anchor/],
        [{ logs: null }, /its transaction wrote no anchor/],
        [{ logs: [{ ...log, address: `0x${"1".repeat(40)}` }] }, /its transaction wrote no anchor/],
        [{ logs: [{ ...log, data: `0x${"cc".repeat(32)}${"0".repeat(128)}` }] }, /its transaction wrote no anchor/]
      ]
      for (const [change, expected] of cases) {
        const { why } = yield* failureOf({
          eth_sendRawTransaction: word("1"),
          eth_getTransactionReceipt: (count: number) => count === 0 ? null : receipt(change)
        })
        assert.match(why, expected)
      }
      const { why } = yield* failureOf({ eth_sendRawTransaction: word("1") })
      assert.match(why, /its transaction has no block yet; it is looked for again/)
    }))
})
