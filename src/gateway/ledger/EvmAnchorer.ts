/**
 * Anchors on an EVM chain, through a node that signs: plain JSON-RPC to a contract that keeps anchors.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Redacted from "effect/Redacted"
import { isRecord } from "../../internal/isRecord.ts"
import { boundedBody } from "../../transport/internal/boundedBody.ts"
import {
  decodeEntry,
  decodeNumber,
  decodeSubmitted,
  getAnchorData,
  isAddress,
  isHash,
  quantityOf,
  selectors,
  submitAnchorData
} from "../../verify/anchors/internal/contract.ts"
import { type Anchorer, AnchorFailed, type Place, type Root } from "./Anchoring.ts"

/**
 * A node that signs, and the contract.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** It may carry a key, and is never shown. */
  readonly url: Redacted.Redacted | string
  /** No other chain is written to. */
  readonly chainId: number
  readonly contract: string
  /** The account that the node signs for, and that the contract belongs to. */
  readonly from: string
  /** What the chain is called in records and routes. Default: `evm-` and its id. */
  readonly name?: string | undefined
  /** Default: `vargate-v1`. */
  readonly systemId?: string | undefined
  /** How long a transaction may wait for its block. Default: 2 minutes. */
  readonly patience?: Duration.Input | undefined
  /** So many of the newest entries are looked at for what was written before. Default: 1000. */
  readonly lookBack?: number | undefined
}

const maxAnswerBytes = 1024 * 1024
const timeout = "10 seconds"
const pollEvery = "2 seconds"

/**
 * Makes an anchorer over the `HttpClient` in context.
 *
 * **Details**
 *
 * `find` looks among the newest entries for one that follows the same root and begins with the same record. `submit` sends one
 * transaction (`eth_sendTransaction`) and waits for its block. Where the wait is over, it fails, and the transaction may yet
 * be mined: the next `find` sees it. At worst the same root is written twice, which is honest.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Anchorer, never, HttpClient.HttpClient> {
  const client = yield* HttpClient.HttpClient
  const { chainId, contract, from, lookBack = 1000, name = `evm-${chainId}`, systemId = "vargate-v1" } = options
  const url = typeof options.url === "string" ? options.url : Redacted.value(options.url)
  const failed = (detail: string) => new AnchorFailed({ detail })

  /** Its words are our own: an error of the client names the URL. */
  const ask = (method: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, AnchorFailed> =>
    client.execute(
      HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(url), { jsonrpc: "2.0", id: 1, method, params })
    )
      .pipe(
        Effect.flatMap((response) => boundedBody(response, maxAnswerBytes)),
        Effect.flatMap((response) => response.json),
        Effect.mapError(() => failed(`the node did not answer ${method}`)),
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => Effect.fail(failed(`the node did not answer ${method} within ${timeout}`))
        }),
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
        Effect.provideService(HttpIncomingMessage.MaxBodySize, undefined),
        Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
        Effect.flatMap((answer) => {
          if (isRecord(answer) && "result" in answer) return Effect.succeed(answer["result"])
          const code = isRecord(answer) && isRecord(answer["error"]) ? answer["error"]["code"] : undefined
          return Effect.fail(
            failed(`the node answered ${method} with error ${typeof code === "number" ? code : "unknown"}`)
          )
        })
      )

  const call = (data: string) => ask("eth_call", [{ to: contract, data }, "latest"])

  const onChain = Effect.gen(function*() {
    if (!isAddress(contract) || !isAddress(from)) return yield* failed("the contract and the account must be addresses")
    const found = quantityOf(yield* ask("eth_chainId", []))
    if (found !== chainId) return yield* failed(`the node is on chain ${found ?? "unknown"}, not on ${chainId}`)
  })

  const find = Effect.fn("EvmAnchorer.find")(function*(root: Root): Effect.fn.Return<Place | undefined, AnchorFailed> {
    yield* onChain
    const count = decodeNumber(yield* call(selectors.getAnchorCount))
    if (count === undefined) return yield* failed("there is no contract that keeps anchors")
    for (let index = count - 1; index >= Math.max(0, count - lookBack); index--) {
      const entry = decodeEntry(yield* call(getAnchorData(index)))
      if (entry === undefined) return yield* failed("there is no contract that keeps anchors")
      if (
        entry.prevRoot === root.prevRoot && entry.fromRecord === root.fromRecordId && entry.systemId === systemId
      ) {
        // The contract does not keep the transaction: the entry names the writing as well.
        return { root: entry.root, tx: yield* transactionOf(entry.block, index), chain: name, block: entry.block }
      }
    }
    return undefined
  })

  /** The transaction of an entry, by the events of its block. */
  const transactionOf = Effect.fnUntraced(function*(block: number, index: number) {
    const logs = yield* ask("eth_getLogs", [{
      address: contract,
      fromBlock: `0x${block.toString(16)}`,
      toBlock: `0x${block.toString(16)}`
    }])
    const own = Array.isArray(logs)
      ? logs.find((log) => isRecord(log) && decodeSubmitted(log)?.index === index && isHash(log["transactionHash"]))
      : undefined
    return own === undefined
      ? yield* failed("the node does not show the transaction of an anchor")
      : String(own.transactionHash)
  })

  const submit = Effect.fn("EvmAnchorer.submit")(function*(root: Root): Effect.fn.Return<Place, AnchorFailed> {
    yield* onChain
    const data = submitAnchorData({
      root: root.root,
      prevRoot: root.prevRoot,
      records: root.records,
      fromRecord: root.fromRecordId,
      toRecord: root.toRecordId,
      systemId
    })
    const tx = yield* ask("eth_sendTransaction", [{ from, to: contract, data }])
    if (!isHash(tx)) return yield* failed("the node answered eth_sendTransaction with no transaction")
    const mined = Effect.gen(function*() {
      while (true) {
        const receipt = yield* ask("eth_getTransactionReceipt", [tx])
        if (isRecord(receipt)) return receipt
        yield* Effect.sleep(pollEvery)
      }
    })
    const patience = options.patience ?? "2 minutes"
    const receipt = yield* Effect.timeoutOrElse(mined, {
      duration: patience,
      orElse: () => Effect.fail(failed("its transaction has no block yet; it is looked for again"))
    })
    return quantityOf(receipt["status"]) === 1
      ? { root: root.root, tx, chain: name, block: quantityOf(receipt["blockNumber"]) }
      : yield* failed("its transaction was reverted")
  })

  return { find, submit }
})
