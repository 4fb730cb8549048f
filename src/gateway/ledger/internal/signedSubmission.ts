/**
 * Writes an anchor by a transaction that is signed here, so that of all that is ever signed for a place one is mined.
 *
 * The account's nonce and the contract are read at the same block. There the contract has what was written with every
 * earlier nonce; if the place is empty, what was signed for it before can only be mined with this nonce or not at all. So it is
 * signed with this nonce: it replaces what waits, or is refused, and needs no memory of what an earlier process has signed.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { isRecord } from "../../../internal/isRecord.ts"
import { decodeAddress, isHash, quantityOf, selectors } from "../../../verify/anchors/internal/contract.ts"
import type { AnchorFailed, Place, Root } from "../Anchoring.ts"
import type { EvmSigner, Signed, Transaction } from "../EvmSigner.ts"
import { type At, type Connection, failed } from "./evmContract.ts"

/** @internal */
export interface Bounds {
  readonly chainId: number
  readonly maxGas: bigint
  readonly maxFeePerGas: bigint
  readonly patience: Duration.Duration
}

interface Fees {
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** What was signed with the nonce that is next, newest last. Another process's is not known, and need not be. */
interface Attempts {
  readonly nonce: number
  readonly root: string
  readonly fees: Fees
  readonly signed: ReadonlyArray<Signed>
}

const pollEvery = "2 seconds"
/** A node replaces what waits only by a transaction that pays a tenth more. */
const raised = (fee: bigint) => fee * 9n / 8n + 1n
const larger = (a: bigint, b: bigint) => a > b ? a : b
const smaller = (a: bigint, b: bigint) => a < b ? a : b

const amountOf = (value: unknown): bigint | undefined =>
  typeof value === "string" && /^0x[0-9a-fA-F]{1,64}$/.test(value) ? BigInt(value) : undefined

/** @internal */
export const makeSubmit = (connection: Connection, signer: EvmSigner, bounds: Bounds) => {
  const { ask, call, contract, dataOf, findAt, onChain, placeOf, send } = connection
  const { address } = signer
  const writing = Semaphore.makeUnsafe(1)
  let attempts: Attempts | undefined

  const amount = (method: string, params: ReadonlyArray<unknown>): Effect.Effect<bigint, AnchorFailed> =>
    Effect.flatMap(ask(method, params), (value) => {
      const found = amountOf(value)
      return found === undefined ? failed(`the node answered ${method} with no amount`) : Effect.succeed(found)
    })

  const nonceAt = Effect.fnUntraced(function*(at: At) {
    const nonce = quantityOf(yield* ask("eth_getTransactionCount", [address, at]))
    return nonce ?? (yield* failed("the node answered eth_getTransactionCount with no number"))
  })

  /** The newest block, and what it costs to be in the next one. */
  const readHead = Effect.gen(function*() {
    const block = yield* ask("eth_getBlockByNumber", ["latest", false])
    if (!isRecord(block) || !isHash(block["hash"])) return yield* failed("the node has no newest block")
    const baseFee = amountOf(block["baseFeePerGas"])
    if (baseFee === undefined) return yield* failed("the chain has no fees of EIP-1559")
    const at: At = { blockHash: block["hash"], requireCanonical: true }
    return { at, baseFee }
  })

  const feesFor = Effect.fnUntraced(function*(baseFee: bigint): Effect.fn.Return<Fees, AnchorFailed> {
    const priority = yield* amount("eth_maxPriorityFeePerGas", [])
    const least = baseFee + priority
    if (least > bounds.maxFeePerGas) {
      return yield* failed(`the chain takes ${least} wei a gas, and at most ${bounds.maxFeePerGas} are permitted`)
    }
    return {
      // Good for six full blocks before it must be replaced.
      maxFeePerGas: smaller(2n * baseFee + priority, bounds.maxFeePerGas),
      maxPriorityFeePerGas: priority
    }
  })

  const gasFor = Effect.fnUntraced(function*(data: string) {
    const answer = yield* send("eth_estimateGas", [{ from: address, to: contract, data }])
    if (answer._tag === "Refused") return yield* failed("the contract refuses it")
    const gas = amountOf(answer.result)
    if (gas === undefined) return yield* failed("the node answered eth_estimateGas with no amount")
    if (gas > bounds.maxGas) return yield* failed(`it takes ${gas} gas, and at most ${bounds.maxGas} are permitted`)
    return smaller(gas * 6n / 5n, bounds.maxGas)
  })

  const isKnown = (hash: string) => Effect.map(ask("eth_getTransactionByHash", [hash]), isRecord)

  const higher = ({ maxFeePerGas, maxPriorityFeePerGas }: Fees): Fees | undefined => {
    const fees = { maxFeePerGas: raised(maxFeePerGas), maxPriorityFeePerGas: raised(maxPriorityFeePerGas) }
    return fees.maxFeePerGas > bounds.maxFeePerGas ? undefined : fees
  }

  /** What is sent: the same again while it pays enough, or one that replaces it. */
  const nextOf = (
    nonce: number,
    root: string,
    wanted: Fees
  ): { readonly fees: Fees; readonly again?: Signed } | undefined => {
    if (attempts?.nonce !== nonce || attempts.root !== root) return { fees: wanted }
    const { fees, signed } = attempts
    const isEnough = fees.maxFeePerGas >= wanted.maxFeePerGas &&
      fees.maxPriorityFeePerGas >= wanted.maxPriorityFeePerGas
    const more = higher(fees)
    if (isEnough || more === undefined) return { fees, again: signed.at(-1)! }
    return {
      fees: {
        maxFeePerGas: larger(more.maxFeePerGas, wanted.maxFeePerGas),
        maxPriorityFeePerGas: larger(more.maxPriorityFeePerGas, wanted.maxPriorityFeePerGas)
      }
    }
  }

  /** Whether another tree's transaction waits with this nonce: the two would replace each other in turn. */
  const isWaitedFor = Effect.fnUntraced(function*(nonce: number, root: string) {
    if (attempts?.nonce !== nonce || attempts.root === root) return false
    for (const { hash } of attempts.signed) {
      if (yield* isKnown(hash)) return true
    }
    return false
  })

  const sendOne = Effect.fnUntraced(function*(root: Root, transaction: Omit<Transaction, keyof Fees>, wanted: Fees) {
    const { nonce } = transaction
    let next = nextOf(nonce, root.root, wanted)
    while (next !== undefined) {
      const { again, fees } = next
      const one: Signed = again ?? (yield* signer.sign({ ...transaction, ...fees }))
      // Before it is sent: an answer that is lost must not lose its hash.
      if (again === undefined) {
        const before = attempts?.nonce === nonce && attempts.root === root.root ? attempts.signed : []
        attempts = { nonce, root: root.root, fees, signed: [...before, one] }
      }
      const answer = yield* send("eth_sendRawTransaction", [one.raw])
      if (answer._tag === "Result") return
      // A node that has it already refuses it; and so does one that has seen this nonce in a block.
      if ((yield* isKnown(one.hash)) || (yield* nonceAt("latest")) > nonce) return
      if (answer.refusal === "funds") return yield* failed(`the account ${address} has too little to pay for it`)
      if (answer.refusal !== "underpriced") {
        return yield* failed(`the node answered eth_sendRawTransaction with error ${answer.code ?? "unknown"}`)
      }
      const more = higher(fees)
      next = more === undefined ? undefined : { fees: more }
    }
    return yield* failed("another transaction waits with its nonce, and the fee that would replace it is not permitted")
  })

  /** Until one of those that were signed with the nonce has its block, or another transaction has taken the nonce. */
  const minedOf = Effect.fnUntraced(function*(root: Root, nonce: number) {
    while (true) {
      // In this order: what took the nonce was there when its receipt is asked for.
      const isTaken = (yield* nonceAt("latest")) > nonce
      for (const { hash } of attempts!.signed.toReversed()) {
        const place = yield* placeOf(root, hash)
        if (place !== undefined) return place
      }
      if (isTaken) {
        // It may be one that an earlier process has signed.
        const found = yield* findAt(root, "latest")
        return found ??
          (yield* failed("another transaction of the account has taken its nonce; it is looked for again"))
      }
      yield* Effect.sleep(pollEvery)
    }
  })

  const submit = Effect.fnUntraced(function*(root: Root): Effect.fn.Return<Place, AnchorFailed> {
    if (![bounds.maxFeePerGas, bounds.maxGas].every((most) => typeof most === "bigint" && most > 0n)) {
      return yield* failed("maxFeePerGas and maxGas must be whole numbers above 0, as bigint")
    }
    yield* onChain
    const { at, baseFee } = yield* readHead
    const owner = decodeAddress(yield* call(selectors.owner, at))
    if (owner !== address) return yield* failed(`the contract belongs to another account than ${address}`)
    const nonce = yield* nonceAt(at)
    const found = yield* findAt(root, at)
    if (found !== undefined) return found
    if (yield* isWaitedFor(nonce, root.root)) {
      return yield* failed("the transaction of an earlier tree waits for its block")
    }
    const data = dataOf(root)
    const gasLimit = yield* gasFor(data)
    const fees = yield* feesFor(baseFee)
    const needed = gasLimit * fees.maxFeePerGas
    const balance = yield* amount("eth_getBalance", [address, at])
    if (balance < needed) {
      return yield* failed(`the account ${address} has ${balance} wei, and may have to pay ${needed}`)
    }
    yield* sendOne(root, { chainId: bounds.chainId, nonce, to: contract, data, gasLimit }, fees)
    return yield* Effect.timeoutOrElse(minedOf(root, nonce), {
      duration: bounds.patience,
      orElse: () => Effect.fail(failed("its transaction has no block yet; it is looked for again"))
    })
  })

  return (root: Root) => writing.withPermits(1)(submit(root))
}
