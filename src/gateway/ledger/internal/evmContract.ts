/**
 * A node and the contract that keeps anchors, for anchorers: what is asked, and what was written there before.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Redacted from "effect/Redacted"
import { isRecord } from "../../../internal/isRecord.ts"
import { boundedBody } from "../../../transport/internal/boundedBody.ts"
import {
  decodeEntry,
  decodeNumber,
  decodeSubmitted,
  getAnchorData,
  isAddress,
  isHash,
  quantity,
  quantityOf,
  selectors,
  submitAnchorData
} from "../../../verify/anchors/internal/contract.ts"
import { AnchorFailed, type Place, type Root } from "../Anchoring.ts"

/**
 * A node of a chain, and the contract.
 *
 * @category options
 * @since 0.2.0
 */
export interface Target {
  /** It may carry a key, and is never shown. */
  readonly url: Redacted.Redacted | string
  /** No other chain is written to. */
  readonly chainId: number
  readonly contract: string
  /** What the chain is called in records and routes. Default: `evm-` and its id. */
  readonly name?: string | undefined
  /** Default: `vargate-v1`. */
  readonly systemId?: string | undefined
  /** How long a transaction may wait for its block. Default: 2 minutes. */
  readonly patience?: Duration.Input | undefined
  /** So many of the newest entries are looked at for what was written before. Default: 1000. */
  readonly lookBack?: number | undefined
}

/**
 * A block as `eth_call` names it: by its hash where several answers must be about the same one.
 *
 * @internal
 */
export type At = "latest" | { readonly blockHash: string; readonly requireCanonical: true }

/**
 * What a node refuses, in words of our own; its text is only looked at, since nodes do not agree about codes.
 *
 * @internal
 */
export type Refusal = "underpriced" | "funds" | "other"

const maxAnswerBytes = 1024 * 1024
const timeout = "10 seconds"
/** Questions about entries at a time. */
const concurrency = 8

/** @internal */
export const failed = (detail: string): AnchorFailed => new AnchorFailed({ detail })

const refusalOf = (message: unknown): Refusal =>
  typeof message !== "string"
    ? "other"
    : /underpriced|fee too low|replacement/i.test(message)
    ? "underpriced"
    : /insufficient funds/i.test(message)
    ? "funds"
    : "other"

type Answer =
  | { readonly _tag: "Result"; readonly result: unknown }
  | { readonly _tag: "Refused"; readonly code: number | undefined; readonly refusal: Refusal }

/** @internal */
export const connect = Effect.fnUntraced(function*(target: Target, account: string) {
  const client = yield* HttpClient.HttpClient
  const { chainId, lookBack = 1000, name = `evm-${chainId}`, systemId = "vargate-v1" } = target
  const contract = String(target.contract).toLowerCase()
  const url = typeof target.url === "string" ? target.url : Redacted.value(target.url)

  /** Its words are our own: an error of the client names the URL. */
  const send = (method: string, params: ReadonlyArray<unknown>): Effect.Effect<Answer, AnchorFailed> =>
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
        Effect.map((answer): Answer => {
          if (isRecord(answer) && "result" in answer) return { _tag: "Result", result: answer["result"] }
          const error = isRecord(answer) && isRecord(answer["error"]) ? answer["error"] : {}
          const code = typeof error["code"] === "number" ? error["code"] : undefined
          return { _tag: "Refused", code, refusal: refusalOf(error["message"]) }
        })
      )

  const ask = (method: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, AnchorFailed> =>
    Effect.flatMap(send(method, params), (answer) =>
      answer._tag === "Result"
        ? Effect.succeed(answer.result)
        : Effect.fail(failed(`the node answered ${method} with error ${answer.code ?? "unknown"}`)))

  const call = (data: string, at: At) => ask("eth_call", [{ to: contract, data }, at])

  const onChain = Effect.gen(function*() {
    if (!isAddress(contract) || !isAddress(account)) {
      return yield* failed("the contract and the account must be addresses")
    }
    const found = quantityOf(yield* ask("eth_chainId", []))
    if (found !== chainId) return yield* failed(`the node is on chain ${found ?? "unknown"}, not on ${chainId}`)
  })

  const entryAt = Effect.fnUntraced(function*(index: number, at: At) {
    const entry = decodeEntry(yield* call(getAnchorData(index), at))
    return entry ?? (yield* failed("there is no contract that keeps anchors"))
  })

  /** What was written in the place of a tree, by the newest entry that follows the same root and begins with the same record. */
  const findAt = Effect.fnUntraced(function*(root: Root, at: At): Effect.fn.Return<Place | undefined, AnchorFailed> {
    const count = decodeNumber(yield* call(selectors.getAnchorCount, at))
    if (count === undefined) return yield* failed("there is no contract that keeps anchors")
    const oldest = Math.max(0, count - lookBack)
    for (let end = count; end > oldest; end -= concurrency) {
      const indexes = Array.from({ length: concurrency }, (_, i) => end - 1 - i).filter((index) => index >= oldest)
      const entries = yield* Effect.forEach(indexes, (index) => entryAt(index, at), { concurrency })
      const place = entries.findIndex(({ fromRecord, prevRoot, systemId: system }) =>
        prevRoot === root.prevRoot && fromRecord === root.fromRecordId && system === systemId
      )
      const entry = entries[place]
      if (entry !== undefined) {
        // The contract does not keep the transaction: the entry names the writing as well.
        const tx = yield* transactionOf(entry.block, indexes[place]!)
        return { root: entry.root, tx, chain: name, block: entry.block }
      }
    }
    return undefined
  })

  /** The transaction of an entry, by the events of its block. */
  const transactionOf = Effect.fnUntraced(function*(block: number, index: number) {
    const logs = yield* ask("eth_getLogs", [{
      address: contract,
      fromBlock: quantity(block),
      toBlock: quantity(block)
    }])
    const own = Array.isArray(logs)
      ? logs.find((log) => isRecord(log) && decodeSubmitted(log)?.index === index && isHash(log["transactionHash"]))
      : undefined
    return own === undefined
      ? yield* failed("the node does not show the transaction of an anchor")
      : String(own.transactionHash)
  })

  const dataOf = (root: Root): string =>
    submitAnchorData({
      root: root.root,
      prevRoot: root.prevRoot,
      records: root.records,
      fromRecord: root.fromRecordId,
      toRecord: root.toRecordId,
      systemId
    })

  /** Where a transaction wrote the root; undefined while it has no block. */
  const placeOf = Effect.fnUntraced(function*(
    { root }: Root,
    tx: string
  ): Effect.fn.Return<Place | undefined, AnchorFailed> {
    const receipt = yield* ask("eth_getTransactionReceipt", [tx])
    if (!isRecord(receipt)) return undefined
    if (quantityOf(receipt["status"]) !== 1) return yield* failed("its transaction was reverted")
    const logs = Array.isArray(receipt["logs"]) ? receipt["logs"] : []
    const isWritten = logs.some((log) => {
      const submitted = isRecord(log) ? decodeSubmitted(log) : undefined
      return submitted?.address === contract && submitted.root === root
    })
    return isWritten
      ? { root, tx, chain: name, block: quantityOf(receipt["blockNumber"]) }
      : yield* failed("its transaction wrote no anchor")
  })

  return { ask, call, contract, dataOf, findAt, onChain, placeOf, send }
})

/** @internal */
export type Connection = Effect.Success<ReturnType<typeof connect>>
