/**
 * Asks one node for everything that is to be known about the trees.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { Hasher } from "../../Hasher.ts"
import type { MerkleTree } from "../../MerkleProof.ts"
import {
  decodeAddress,
  decodeEntry,
  decodeNumber,
  decodeSubmitted,
  type Entry,
  getAnchorData,
  isHash,
  quantity,
  quantityOf,
  selectors,
  type Submitted
} from "./contract.ts"
import { type Ask, NodeFailed } from "./node.ts"

/** @internal */
export interface Block {
  readonly number: number
  readonly hash: string
  /** In seconds. */
  readonly time: number
}

/** @internal */
export interface Receipt {
  readonly isSuccess: boolean
  readonly block: number
  readonly blockHash: string
  readonly events: ReadonlyArray<Submitted>
}

/**
 * What a node says, decoded.
 *
 * @internal
 */
export interface NodeFacts {
  /** The final block at which the contract was read. */
  readonly final: Block
  /** SHA-256; undefined where there is no code. */
  readonly codeHash: string | undefined
  readonly owner: string | undefined
  /** Undefined where the contract does not answer as one that keeps anchors. */
  readonly count: number | undefined
  /** By their index, those that were read. */
  readonly entries: ReadonlyMap<number, Entry>
  /** By the hash of the transaction. */
  readonly receipts: ReadonlyMap<string, Receipt | undefined>
  readonly blocks: ReadonlyMap<number, Block | undefined>
}

/** @internal */
export type Finality = "finalized" | { readonly confirmations: number }

/** Questions to one node at a time. */
const concurrency = 4

/** A contract that refuses a call is none of those that keep anchors. Nodes have these codes for it. */
const revertCodes: ReadonlySet<number> = new Set([3, -32000, -32015])

const strange = (method: string) => new NodeFailed({ why: `answered ${method} with something else` })

const readBlock = Effect.fnUntraced(function*(ask: Ask, at: string) {
  const block = (yield* ask("eth_getBlockByNumber", [at, false])) as Readonly<Record<string, string>> | null
  return block === null ? undefined : {
    number: quantityOf(block["number"])!,
    hash: block["hash"]!.toLowerCase(),
    time: quantityOf(block["timestamp"])!
  }
})

/**
 * The chain that a node is on, and the last block of it that counts as final.
 *
 * @internal
 */
export const readTip = Effect.fnUntraced(function*(ask: Ask, finality: Finality) {
  const chainId = quantityOf(yield* ask("eth_chainId", []))!
  const latest = yield* readBlock(ask, finality === "finalized" ? "finalized" : "latest")
  const final = finality === "finalized" || latest === undefined
    ? latest
    : yield* readBlock(ask, quantity(Math.max(0, latest.number - finality.confirmations)))
  return final === undefined ? yield* new NodeFailed({ why: "has no final block" }) : { chainId, final }
})

/** @internal */
export interface Plan {
  readonly contract: string
  readonly trees: ReadonlyArray<MerkleTree>
  readonly maxEntries: number
}

/** @internal */
export const readFacts = Effect.fnUntraced(function*(ask: Ask, height: number, { contract, maxEntries, trees }: Plan) {
  const final = yield* readBlock(ask, quantity(height))
  if (final === undefined || final.number !== height) return yield* strange("eth_getBlockByNumber")
  const at = { blockHash: final.hash, requireCanonical: true }
  const call = (data: string) =>
    Effect.catchIf(
      ask("eth_call", [{ to: contract, data }, at]),
      ({ code }) => code !== undefined && revertCodes.has(code),
      () => Effect.succeed("0x")
    )

  const code = (yield* ask("eth_getCode", [contract, at])) as string
  const codeHash = code === "0x" ? undefined : yield* sha256Of(code)
  const owner = codeHash === undefined ? undefined : decodeAddress(yield* call(selectors.owner))
  const count = codeHash === undefined ? undefined : decodeNumber(yield* call(selectors.getAnchorCount))

  const entries = new Map<number, Entry>()
  if (count !== undefined) {
    const first = Math.max(0, count - maxEntries)
    yield* Effect.forEach(
      Array.from({ length: count - first }, (_, i) => first + i),
      (index) =>
        Effect.flatMap(call(getAnchorData(index)), (answer) => {
          const entry = decodeEntry(answer)
          if (entry === undefined) return Effect.fail(strange("eth_call"))
          entries.set(index, entry)
          return Effect.void
        }),
      { concurrency, discard: true }
    )
  }

  const receipts = new Map<string, Receipt | undefined>()
  yield* Effect.forEach(
    new Set(trees.flatMap(({ anchorTx }) => isHash(anchorTx) ? [anchorTx.toLowerCase()] : [])),
    (tx) => Effect.map(readReceipt(ask, tx), (receipt) => void receipts.set(tx, receipt)),
    { concurrency, discard: true }
  )

  const roots = new Set<string>(trees.map(({ root }) => root))
  const blocks = new Map<number, Block | undefined>([[final.number, final]])
  const wanted = new Set([
    ...[...receipts.values()].flatMap((receipt) => receipt === undefined ? [] : [receipt.block]),
    ...[...entries.values()].flatMap(({ block, root }) => roots.has(root) ? [block] : [])
  ])
  wanted.delete(final.number)
  yield* Effect.forEach(
    wanted,
    (number) => Effect.map(readBlock(ask, quantity(number)), (block) => void blocks.set(number, block)),
    { concurrency, discard: true }
  )
  const facts: NodeFacts = { final, codeHash, owner, count, entries, receipts, blocks }
  return facts
})

const readReceipt = Effect.fnUntraced(function*(ask: Ask, tx: string) {
  const receipt = (yield* ask("eth_getTransactionReceipt", [tx])) as
    | { readonly [key: string]: string } & { readonly logs: ReadonlyArray<{ readonly address?: unknown }> }
    | null
  return receipt === null ? undefined : {
    isSuccess: quantityOf(receipt["status"]) === 1,
    block: quantityOf(receipt["blockNumber"])!,
    blockHash: receipt["blockHash"]!.toLowerCase(),
    events: receipt.logs.flatMap((log) => decodeSubmitted(log) ?? [])
  }
})

const sha256Of = (code: string): Effect.Effect<string> =>
  Effect.flatMap(Hasher, ({ hashAll }) => {
    const bytes = Hex.decode(code.slice(2))
    // It was found to be hex before.
    return Effect.map(hashAll([new Uint8Array(bytes._tag === "Success" ? bytes.success : [])]), ([hash]) => hash!)
  })
