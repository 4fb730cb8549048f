/**
 * Anchors on an EVM chain: plain JSON-RPC to a contract that keeps anchors. The transactions are signed by a node (`make`),
 * or where the gateway runs (`makeSigned`).
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import { isHash } from "../../verify/anchors/internal/contract.ts"
import type { Anchorer, AnchorFailed, Place, Root } from "./Anchoring.ts"
import type { EvmSigner } from "./EvmSigner.ts"
import { connect, type Connection, failed, type Target } from "./internal/evmContract.ts"
import { makeSubmit } from "./internal/signedSubmission.ts"

/**
 * A node that signs, and the contract.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options extends Target {
  /** The account that the node signs for, and that the contract belongs to. */
  readonly from: string
}

/**
 * A node, the contract, and the one who signs.
 *
 * @category options
 * @since 0.2.0
 */
export interface SignedOptions extends Target {
  /** The account that the contract belongs to, and that nothing else sends transactions of. */
  readonly signer: EvmSigner
  /** The most that a gas may cost, in wei, with what the block producer gets. While the chain takes more, nothing is anchored. */
  readonly maxFeePerGas: bigint
  /** The most gas that an anchor may take. Default: 500,000; the gateway's contract takes about 230,000. */
  readonly maxGas?: bigint | undefined
}

const pollEvery = "2 seconds"
const defaultPatience = "2 minutes"

const finder = ({ findAt, onChain }: Connection): Anchorer["find"] =>
  Effect.fn("EvmAnchorer.find")(function*(root: Root): Effect.fn.Return<Place | undefined, AnchorFailed> {
    yield* onChain
    return yield* findAt(root, "latest")
  })

/**
 * Makes an anchorer for a node that signs, over the `HttpClient` in context.
 *
 * **Details**
 *
 * `find` looks among the newest entries for one that follows the same root and begins with the same record. `submit` sends one
 * transaction (`eth_sendTransaction`) and waits for its block. Where the wait is over, it fails, and the transaction may yet
 * be mined: the next `find` sees it. At worst the same root is written twice, which is honest; `makeSigned` never does.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Anchorer, never, HttpClient.HttpClient> {
  const { from, patience = defaultPatience } = options
  const connection = yield* connect(options, from)
  const { ask, contract, dataOf, onChain, placeOf } = connection

  const submit = Effect.fn("EvmAnchorer.submit")(function*(root: Root): Effect.fn.Return<Place, AnchorFailed> {
    yield* onChain
    const tx = yield* ask("eth_sendTransaction", [{ from, to: contract, data: dataOf(root) }])
    if (!isHash(tx)) return yield* failed("the node answered eth_sendTransaction with no transaction")
    const mined = Effect.gen(function*() {
      while (true) {
        const place = yield* placeOf(root, tx)
        if (place !== undefined) return place
        yield* Effect.sleep(pollEvery)
      }
    })
    return yield* Effect.timeoutOrElse(mined, {
      duration: patience,
      orElse: () => Effect.fail(failed("its transaction has no block yet; it is looked for again"))
    })
  })

  return { find: finder(connection), submit }
})

/**
 * Makes an anchorer that signs here and needs a node only to send, over the `HttpClient` in context.
 *
 * **Details**
 *
 * Transactions are those of EIP-1559, for the pinned chain alone. `submit` reads the account's nonce and the contract at one
 * block, and signs with that nonce only where the place of the tree is empty there: whatever was signed for it before, also by
 * a process that has ended since, can then be mined with this nonce or not at all. So a root is never written twice, nor
 * another one in its place. What waits is sent again, or is replaced by the same call at a higher fee where the chain has
 * become dearer; never above `maxFeePerGas`. Needs `eth_estimateGas`, `eth_getBalance`, `eth_getTransactionCount` and
 * `eth_call` by the hash of a block (EIP-1898).
 *
 * **Gotchas**
 *
 * The account is the anchorer's alone: another transaction of it that waits may be replaced. An anchor that was noted and that a
 * reorganization of the chain took back is not sent again from here: the nodes' pools do that, and `AnchorVerifier` says
 * where they did not.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeSigned = Effect.fnUntraced(function*(
  options: SignedOptions
): Effect.fn.Return<Anchorer, never, HttpClient.HttpClient> {
  const { chainId, maxFeePerGas, maxGas = 500_000n, patience = defaultPatience, signer } = options
  const connection = yield* connect(options, signer.address)
  const submit = makeSubmit(connection, signer, {
    chainId,
    maxGas,
    maxFeePerGas,
    patience: Duration.fromInputUnsafe(patience)
  })
  return { find: finder(connection), submit: Effect.fn("EvmAnchorer.submit")(submit) }
})
