/** Anchors by transactions that are signed here, on a real node that mines when it is told to, and loses what it is told to. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { chain } from "../../../.ci/chain.ts"
import type { Root } from "../../../src/gateway/ledger/Anchoring.ts"
import * as EvmAnchorer from "../../../src/gateway/ledger/EvmAnchorer.ts"
import * as EvmSigner from "../../../src/gateway/ledger/EvmSigner.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as AnchorVerifier from "../../../src/verify/anchors/AnchorVerifier.ts"
import { decodeNumber, selectors, submitAnchorData } from "../../../src/verify/anchors/internal/contract.ts"
import { MerkleTree } from "../../../src/verify/MerkleProof.ts"
import { accounts, type Anvil, hasAnvil, needsAnvil, startAnvil } from "../../support/anvil.ts"
import { rpcProxy } from "../../support/rpcProxy.ts"
import { digest, treesOf } from "../../verify/anchors/scriptedChain.ts"

const start = Math.floor(Date.now() / 3_600_000) * 3600 - 7200
/** Of the accounts that every anvil has: public. */
const keys = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
].map((key) => Redacted.make(key))

const signing = join(chain, "node_modules/micro-eth-signer/index.js")
const hasLibrary = existsSync(signing)

const library = Effect.promise(() => import(pathToFileURL(signing).href) as Promise<EvmSigner.SigningLibrary>)
const signerOf = (key: Redacted.Redacted) => Effect.flatMap(library, (library) => EvmSigner.fromKey(key, { library }))

const gwei = 1_000_000_000n

const rootOf = (tree: MerkleTree): Root => ({
  root: tree.root,
  prevRoot: tree.prevRoot!,
  records: tree.records,
  fromRecordId: tree.fromRecordId!,
  toRecordId: tree.toRecordId!
})
const [first, second] = treesOf(2, { start }).map(rootOf) as [Root, Root]

describe("a signer", () => {
  it.effect("says that its library is missing, and never shows a key that it refuses", () =>
    Effect.gen(function*() {
      const missing = yield* Effect.flip(EvmSigner.fromKey(keys[0]!))
      assert.match(missing.message, /micro-eth-signer is not installed here: npm install micro-eth-signer/)
      const library: EvmSigner.SigningLibrary = {
        addr: {
          fromPrivateKey: (key) => {
            throw new Error(key)
          }
        },
        Transaction: {
          prepare: () => {
            throw new Error("no")
          }
        }
      }
      for (const key of ["", "0x12", "secret", `${"0".repeat(63)}g`, "f".repeat(64), "0".repeat(64)]) {
        const error = yield* Effect.flip(EvmSigner.fromKey(Redacted.make(key), { library }))
        assert(error.reason._tag === "InvalidRequest")
        assert.deepStrictEqual(error.reason.issues.map(({ path }) => path), [["key"]])
        if (key !== "") assert.notInclude(JSON.stringify(error) + error.message, key)
      }
    }))

  it.effect.skipIf(!hasLibrary)("signs what another library reads, for one chain", () =>
    Effect.gen(function*() {
      const { parseTransaction, recoverTransactionAddress, keccak256 } = yield* Effect.promise(() =>
        import(pathToFileURL(join(chain, "node_modules/viem/_esm/index.js")).href)
      )
      const signer = yield* signerOf(keys[1]!)
      assert.strictEqual(signer.address, accounts[1])
      const transaction = {
        chainId: 80002,
        nonce: 7,
        to: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
        data: submitAnchorData({ ...first, fromRecord: 1, toRecord: 2, systemId: "vargate-v1" }),
        gasLimit: 300_000n,
        maxFeePerGas: 1_000n * gwei,
        maxPriorityFeePerGas: 30n * gwei
      }
      const { hash, raw } = yield* signer.sign(transaction)
      assert.strictEqual(keccak256(raw), hash)
      const { gas, to, ...read } = parseTransaction(raw)
      assert.deepInclude(read, {
        type: "eip1559",
        chainId: 80002,
        nonce: 7,
        data: transaction.data,
        maxFeePerGas: 1_000n * gwei,
        maxPriorityFeePerGas: 30n * gwei
      })
      assert.deepStrictEqual([gas, to.toLowerCase()], [300_000n, transaction.to.toLowerCase()])
      const from = yield* Effect.promise(() => recoverTransactionAddress({ serializedTransaction: raw }))
      assert.strictEqual(String(from).toLowerCase(), accounts[1])
      assert.notInclude(JSON.stringify({ signer, raw }), Redacted.value(keys[1]!).slice(2))
      // The same again is the same transaction; a zero key signs nothing.
      assert.strictEqual((yield* signer.sign(transaction)).hash, hash)
      assert.isTrue((yield* Effect.result(signerOf(Redacted.make("0".repeat(64)))))._tag === "Failure")
    }))
})

interface Scene {
  readonly node: Anvil
  readonly contract: string
  readonly count: Effect.Effect<number | undefined>
  readonly anchorer: (
    change?: Partial<EvmAnchorer.SignedOptions>
  ) => ReturnType<typeof EvmAnchorer.makeSigned>
}

describe.skipIf(!hasAnvil || !hasLibrary)(`anchors that are signed here${needsAnvil}`, () => {
  const test = (
    name: string,
    run: (scene: Scene) => Effect.Effect<void, unknown, Scope.Scope | HttpClient.HttpClient>,
    options: { readonly chainId?: number } = {}
  ) =>
    it.live(name, () =>
      Effect.gen(function*() {
        const node = yield* startAnvil({ ...options, timestamp: start + 7200 })
        const contract = yield* does(node.deploy)
        const signer = yield* Effect.orDie(signerOf(keys[0]!))
        yield* run({
          node,
          contract,
          count: does(async () =>
            decodeNumber(await node.rpc("eth_call", { to: contract, data: selectors.getAnchorCount }, "latest"))
          ),
          anchorer: (change) =>
            EvmAnchorer.makeSigned({
              url: node.url,
              chainId: 137,
              contract,
              signer,
              maxFeePerGas: 100n * gwei,
              patience: "3 seconds",
              ...change
            })
        })
      }).pipe(Effect.scoped, Effect.provide([NodeHttpClient.layerUndici, NodeHasher.layer])))

  const does = <A>(action: () => Promise<A>) => Effect.promise(action)
  const mine = (node: Anvil) => does(() => node.rpc("evm_mine"))
  const failureOf = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>) =>
    Effect.map(Effect.flip(effect), (error) => {
      const text = error.message + JSON.stringify(error)
      for (const key of keys) assert.notInclude(text, Redacted.value(key).slice(2))
      assert.notInclude(text, "127.0.0.1")
      return error.message
    })

  test("are found by an auditor, with their transactions, and by the next look", ({ anchorer, contract, count, node }) =>
    Effect.gen(function*() {
      yield* does(() => node.rpc("evm_setAutomine", true))
      const own = yield* anchorer()
      const anchored: Array<MerkleTree> = []
      for (const tree of treesOf(2, { start })) {
        assert.isUndefined(yield* own.find(rootOf(tree)))
        const place = yield* own.submit(rootOf(tree))
        assert.deepStrictEqual(yield* own.find(rootOf(tree)), place)
        // What is there is not written again.
        assert.deepStrictEqual(yield* own.submit(rootOf(tree)), place)
        anchored.push(
          new MerkleTree({ ...tree, anchorTx: place.tx, anchorBlock: place.block, anchorChain: place.chain })
        )
      }
      assert.strictEqual(yield* count, 2)
      const report = yield* AnchorVerifier.checkTrees(anchored, {
        nodes: [{ label: "a", url: node.url }],
        chainId: 137,
        contract,
        owner: accounts[0],
        ownerSince: 0,
        finality: { confirmations: 0 },
        maxDelay: "2 hours",
        maxLag: "3 hours"
      })
      assert.deepStrictEqual(report.findings, [])
      assert.isTrue(report.valid)
    }))

  test("are written once where a process ends between its signature and the receipt", ({ anchorer, count, node }) =>
    Effect.gen(function*() {
      const before = yield* Effect.forkChild((yield* anchorer({ patience: "1 minute" })).submit(first))
      yield* pendingOf(node, 1)
      yield* Fiber.interrupt(before)
      // The same fees lead to the same transaction, which the node has.
      assert.match(yield* failureOf((yield* anchorer()).submit(first)), /no block yet/)
      yield* pendingOf(node, 1)
      // The chain has become dearer, or cheaper: one of the two is mined.
      for (const priority of ["0x77359400", "0x5f5e100"]) {
        const dearer = yield* rpcProxy(
          node.url,
          ({ method }) =>
            method === "eth_maxPriorityFeePerGas" ? { jsonrpc: "2.0", id: 1, result: priority } : undefined
        )
        assert.match(yield* failureOf((yield* anchorer({ url: dearer.url })).submit(first)), /no block yet/)
        yield* pendingOf(node, 1)
      }
      const last = yield* Effect.forkChild((yield* anchorer({ patience: "1 minute" })).submit(first))
      yield* Effect.sleep("1 second")
      yield* mine(node)
      const place = yield* Fiber.join(last)
      assert.strictEqual(place.root, first.root)
      yield* mine(node)
      assert.strictEqual(yield* count, 1)
      assert.deepStrictEqual(yield* (yield* anchorer()).submit(first), place)
    }))

  test("are written once by two processes that begin at the same time", ({ anchorer, count, node }) =>
    Effect.gen(function*() {
      const both = yield* Effect.forkChild(
        Effect.all([
          (yield* anchorer({ patience: "1 minute" })).submit(first),
          (yield* anchorer({ patience: "1 minute", maxFeePerGas: 90n * gwei })).submit(first)
        ], {
          concurrency: 2
        })
      )
      yield* pendingOf(node, 1)
      yield* Effect.sleep("1 second")
      yield* mine(node)
      const [a, b] = yield* Fiber.join(both)
      assert.deepStrictEqual(a, b)
      yield* mine(node)
      assert.strictEqual(yield* count, 1)
    }))

  test("are sent again where the node has lost them, as the same transaction", ({ anchorer, count, node }) =>
    Effect.gen(function*() {
      const raws: Array<unknown> = []
      const lossy = yield* rpcProxy(node.url, ({ method, params }) => {
        if (method !== "eth_sendRawTransaction") return undefined
        raws.push(params[0])
        return raws.length === 1 ? { jsonrpc: "2.0", id: 1, result: `0x${digest("gone")}` } : undefined
      })
      const own = yield* anchorer({ url: lossy.url })
      assert.match(yield* failureOf(own.submit(first)), /no block yet/)
      yield* pendingOf(node, 0)
      const again = yield* Effect.forkChild(own.submit(first))
      yield* pendingOf(node, 1)
      yield* mine(node)
      assert.strictEqual((yield* Fiber.join(again)).root, first.root)
      assert.strictEqual(raws.length, 2)
      assert.strictEqual(raws[0], raws[1])
      assert.strictEqual(yield* count, 1)
    }))

  test("are signed anew where another transaction has taken their nonce", ({ anchorer, count, node }) =>
    Effect.gen(function*() {
      let isLossy = true
      const lossy = yield* rpcProxy(node.url, ({ method }) =>
        method === "eth_sendRawTransaction" && isLossy
          ? { jsonrpc: "2.0", id: 1, result: `0x${digest("gone")}` }
          : undefined)
      const own = yield* anchorer({ url: lossy.url, patience: "1 minute" })
      const waiting = yield* Effect.forkChild(own.submit(first))
      yield* Effect.sleep("1 second")
      yield* does(() => node.rpc("eth_sendTransaction", { from: accounts[0], to: accounts[1], value: "0x1" }))
      yield* mine(node)
      assert.match(yield* failureOf(Fiber.join(waiting)), /another transaction of the account has taken its nonce/)
      isLossy = false
      const again = yield* Effect.forkChild(own.submit(first))
      yield* pendingOf(node, 1)
      yield* mine(node)
      assert.strictEqual((yield* Fiber.join(again)).root, first.root)
      assert.strictEqual(yield* count, 1)
    }))

  test("are found where an earlier process's transaction has taken their nonce", ({ anchorer, count, node }) =>
    Effect.gen(function*() {
      const before = yield* Effect.forkChild((yield* anchorer({ patience: "1 minute" })).submit(first))
      yield* pendingOf(node, 1)
      yield* Fiber.interrupt(before)
      const lossy = yield* rpcProxy(node.url, ({ method }) =>
        method === "eth_sendRawTransaction"
          ? { jsonrpc: "2.0", id: 1, result: `0x${digest("gone")}` }
          : method === "eth_maxPriorityFeePerGas"
          ? { jsonrpc: "2.0", id: 1, result: "0x77359400" }
          : undefined)
      const own = yield* Effect.forkChild((yield* anchorer({ url: lossy.url, patience: "1 minute" })).submit(first))
      yield* Effect.sleep("1 second")
      yield* mine(node)
      assert.strictEqual((yield* Fiber.join(own)).root, first.root)
      assert.strictEqual(yield* count, 1)
    }))

  test("of two trees do not replace each other, and a second root of an hour is not written", ({ anchorer, count, node }) =>
    Effect.gen(function*() {
      const own = yield* anchorer()
      assert.match(yield* failureOf(own.submit(first)), /no block yet/)
      assert.match(yield* failureOf(own.submit(second)), /an earlier tree waits/)
      yield* pendingOf(node, 1)
      yield* mine(node)
      const other = { ...first, root: digest("another story") }
      assert.strictEqual((yield* own.submit(other)).root, first.root)
      assert.strictEqual((yield* own.find(other))?.root, first.root)
      const next = yield* Effect.forkChild(own.submit(second))
      yield* pendingOf(node, 1)
      yield* mine(node)
      assert.strictEqual((yield* Fiber.join(next)).root, second.root)
      assert.strictEqual(yield* count, 2)
    }))

  /** What is refused before anything is signed or sent. */
  const sentOver = Effect.fnUntraced(function*(url: string) {
    const sent: Array<string> = []
    const proxy = yield* rpcProxy(url, ({ method }) => {
      sent.push(method)
      return undefined
    })
    return { url: proxy.url, sent: () => sent.filter((method) => method === "eth_sendRawTransaction") }
  })

  test("are not sent without money, by another account than the owner's, or above what is permitted", ({ anchorer, count, node }) =>
    Effect.gen(function*() {
      const { sent, url } = yield* sentOver(node.url)
      const stranger = yield* anchorer({ url, signer: yield* signerOf(keys[1]!) })
      assert.match(yield* failureOf(stranger.submit(first)), /belongs to another account than 0x7099/)
      assert.match(
        yield* failureOf((yield* anchorer({ url, maxFeePerGas: 1n })).submit(first)),
        /the chain takes \d+ wei a gas, and at most 1 are permitted/
      )
      assert.match(
        yield* failureOf((yield* anchorer({ url, maxGas: 100_000n })).submit(first)),
        /it takes 2\d{5} gas, and at most 100000 are permitted/
      )
      yield* does(() => node.rpc("anvil_setBalance", accounts[0], "0x3e8"))
      assert.match(yield* failureOf((yield* anchorer({ url })).submit(first)), /has 1000 wei, and may have to pay \d+/)
      assert.deepStrictEqual(sent(), [])
      assert.strictEqual(yield* count, 0)
    }))

  test("are not sent to another chain", ({ anchorer, node }) =>
    Effect.gen(function*() {
      const { sent, url } = yield* sentOver(node.url)
      const own = yield* anchorer({ url })
      assert.match(yield* failureOf(own.submit(first)), /the node is on chain 80002, not on 137/)
      assert.match(yield* failureOf(own.find(first)), /the node is on chain 80002, not on 137/)
      assert.deepStrictEqual(sent(), [])
    }), { chainId: 80002 })

  test(
    "are not good on another chain than the pinned one, whatever the node says of itself",
    ({ anchorer, count, node }) =>
      Effect.gen(function*() {
        const liar = yield* rpcProxy(
          node.url,
          ({ method }) => method === "eth_chainId" ? { jsonrpc: "2.0", id: 1, result: "0x89" } : undefined
        )
        assert.match(
          yield* failureOf((yield* anchorer({ url: liar.url })).submit(first)),
          /answered eth_sendRawTransaction with error/
        )
        yield* mine(node)
        assert.strictEqual(yield* count, 0)
      }),
    { chainId: 80002 }
  )

  test("are not written by a contract that refuses or writes nothing", ({ anchorer, contract, node }) =>
    Effect.gen(function*() {
      const { sent, url } = yield* sentOver(node.url)
      const nowhere = yield* anchorer({ url, contract: accounts[1] })
      assert.match(yield* failureOf(nowhere.submit(first)), /belongs to another account|no contract/)
      const bad = yield* anchorer({ url, contract: `${contract}00` })
      assert.match(yield* failureOf(bad.submit(first)), /must be addresses/)
      assert.deepStrictEqual(sent(), [])
    }))
})

/** Waits until so many transactions are in the node's pool. */
const pendingOf = (node: Anvil, count: number) =>
  Effect.promise(async () => {
    for (let i = 0; i < 200; i++) {
      const { pending } = await node.rpc("txpool_status")
      if (Number(pending) === count) return
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    assert.fail(`there are not ${count} transactions in the pool`)
  })
