/**
 * One node, asked by plain JSON-RPC. What it answers is bounded in size and time, and cut down to what is looked at and to
 * what a third party needs; nothing of its URL, and none of its texts, gets out.
 *
 * @internal
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { isRecord } from "../../../internal/isRecord.ts"
import { BodyTooLarge, boundedBody } from "../../../transport/internal/boundedBody.ts"
import { decodeSubmitted, isAddress, isBytes, isHash, quantityOf, secondsOf } from "./contract.ts"

/**
 * Why a node could not be asked, in words of our own. `code` is that of a JSON-RPC error; a refusal may be about the size of
 * what was asked for, so that less of it may be answered.
 *
 * @internal
 */
export class NodeFailed extends Data.TaggedError("NodeFailed")<{
  readonly why: string
  readonly code?: number | undefined
  readonly isTransient?: boolean | undefined
  readonly isRefusal?: boolean | undefined
}> {}

/**
 * A question and what the node answered, cut down: `result`, or the code of an error.
 *
 * @internal
 */
export const Exchange = Schema.Struct({
  method: Schema.String,
  params: Schema.Array(Schema.Json),
  result: Schema.optionalKey(Schema.Json),
  error: Schema.optionalKey(Schema.Int)
})

/** @internal */
export type Exchange = typeof Exchange.Type

/** @internal */
export type Method =
  | "eth_chainId"
  | "eth_getBlockByNumber"
  | "eth_getCode"
  | "eth_call"
  | "eth_getTransactionReceipt"
  | "eth_getLogs"

/** @internal */
export type Ask = (method: Method, params: ReadonlyArray<Schema.Json>) => Effect.Effect<Schema.Json, NodeFailed>

/** @internal */
export interface Limits {
  readonly timeout: Duration.Duration
  readonly maxAnswerBytes: number
  readonly retries: number
}

const texts = (object: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => typeof value === "string"))

/** Header fields are single texts; the transactions of a block are not looked at. */
const blockOf = (result: unknown): Schema.Json | undefined => {
  if (result === null) return null
  if (!isRecord(result) || !isHash(result["hash"])) return undefined
  return quantityOf(result["number"]) === undefined || secondsOf(result["timestamp"]) === undefined
    ? undefined
    : texts(result) as Schema.Json
}

const receiptOf = (result: unknown): Schema.Json | undefined => {
  if (result === null) return null
  if (!isRecord(result) || !Array.isArray(result["logs"]) || !isHash(result["blockHash"])) return undefined
  if (quantityOf(result["blockNumber"]) === undefined || typeof result["status"] !== "string") return undefined
  const { logsBloom: _, ...fields } = texts(result)
  const logs = result["logs"].filter((log) => isRecord(log) && decodeSubmitted(log) !== undefined)
    .map(({ address, data, topics }) => ({ address, data, topics }))
  return { ...fields, logs } as Schema.Json
}

const isLog = (log: unknown): log is Readonly<Record<string, string>> =>
  isRecord(log) && isAddress(log["address"]) && isBytes(log["data"]) && isHash(log["transactionHash"]) &&
  isHash(log["blockHash"]) && quantityOf(log["blockNumber"]) !== undefined &&
  quantityOf(log["logIndex"]) !== undefined && Array.isArray(log["topics"]) && log["topics"].length <= 4 &&
  log["topics"].every(isHash)

const logsOf = (result: unknown): Schema.Json | undefined =>
  Array.isArray(result) && result.every(isLog)
    ? result.map(({ address, blockHash, blockNumber, data, logIndex, topics, transactionHash }): Schema.Json => ({
      address: address!,
      blockHash: blockHash!,
      blockNumber: blockNumber!,
      data: data!,
      logIndex: logIndex!,
      topics: topics!,
      transactionHash: transactionHash!
    }))
    : undefined

const cutDown: Readonly<Record<Method, (result: unknown) => Schema.Json | undefined>> = {
  eth_chainId: (result) => quantityOf(result) === undefined ? undefined : result as string,
  eth_getBlockByNumber: blockOf,
  eth_getCode: (result) => isBytes(result) ? result : undefined,
  eth_call: (result) => isBytes(result) ? result : undefined,
  eth_getTransactionReceipt: receiptOf,
  eth_getLogs: logsOf
}

/** JSON-RPC's word for a method that a node does not have at all. */
const methodNotFound = -32601

const errorOf = (method: Method, code: number, status = 200) =>
  new NodeFailed({
    why: `answered error ${code} to ${method}`,
    code,
    isTransient: status === 429,
    isRefusal: code !== methodNotFound
  })

/** @internal */
export interface NodeAddress {
  readonly url: Redacted.Redacted | string
  readonly headers?: Readonly<Record<string, Redacted.Redacted | string>> | undefined
}

const reveal = (secret: Redacted.Redacted | string) => typeof secret === "string" ? secret : Redacted.value(secret)

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Asks a node over the network, and notes each exchange. Asking changes nothing, so what fails on the way is asked again.
 *
 * @internal
 */
export const askOver = (
  client: HttpClient.HttpClient,
  { headers = {}, url }: NodeAddress,
  { maxAnswerBytes, retries, timeout }: Limits,
  note: (exchange: Exchange) => void
): Ask => {
  const bare = HttpClientRequest.post(reveal(url)).pipe(
    HttpClientRequest.setHeaders(Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        reveal(value)
      ])
    )),
    HttpClientRequest.acceptJson
  )

  const send = (method: Method, params: ReadonlyArray<Schema.Json>) =>
    client.execute(HttpClientRequest.bodyJsonUnsafe(bare, { jsonrpc: "2.0", id: 1, method, params })).pipe(
      Effect.flatMap((response) => boundedBody(response, maxAnswerBytes)),
      Effect.flatMap((response) => Effect.map(response.text, (text) => ({ status: response.status, text }))),
      // An error of the client names the URL.
      Effect.mapError(({ reason }) =>
        "response" in reason && reason.cause instanceof BodyTooLarge
          ? new NodeFailed({ why: `answered more than ${maxAnswerBytes} bytes to ${method}`, isRefusal: true })
          : new NodeFailed({ why: "could not be reached", isTransient: true })
      ),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () =>
          Effect.fail(
            new NodeFailed({ why: `did not answer ${method} within ${Duration.format(timeout)}`, isTransient: true })
          )
      }),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, undefined),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.flatMap(({ status, text }) => {
        const answer = parse(text)
        if (isRecord(answer) && isRecord(answer["error"])) {
          const { code } = answer["error"]
          return Effect.fail(errorOf(method, Number.isSafeInteger(code) ? code as number : 0, status))
        }
        if (status !== 200) {
          return Effect.fail(
            new NodeFailed({
              why: `answered ${status} to ${method}`,
              isTransient: status === 429 || status >= 500,
              isRefusal: status === 400 || status === 413
            })
          )
        }
        const result = isRecord(answer) && "result" in answer ? cutDown[method](answer["result"]) : undefined
        return result === undefined
          ? Effect.fail(new NodeFailed({ why: `answered ${method} with something else` }))
          : Effect.succeed(result)
      })
    )

  return (method, params) =>
    send(method, params).pipe(
      Effect.retry({
        while: ({ isTransient }) => isTransient === true,
        schedule: Schedule.exponential("250 millis"),
        times: retries
      }),
      Effect.tap((result) => Effect.sync(() => note({ method, params, result }))),
      Effect.tapError(({ code }) =>
        Effect.sync(() => {
          if (code !== undefined) note({ method, params, error: code })
        })
      )
    )
}

const keyOf = (method: string, params: ReadonlyArray<Schema.Json>) => JSON.stringify([method, params])

/**
 * Asks what was noted earlier. What was not asked then cannot be answered now.
 *
 * @internal
 */
export const askNotes = (exchanges: ReadonlyArray<Exchange>): Ask => {
  const byKey = new Map(exchanges.map((exchange) => [keyOf(exchange.method, exchange.params), exchange]))
  return (method, params) => {
    const exchange = byKey.get(keyOf(method, params))
    if (exchange?.error !== undefined) return Effect.fail(errorOf(method, exchange.error))
    const result = exchange?.result === undefined ? undefined : cutDown[method](exchange.result)
    return result === undefined
      // What was too large is not in it, and was asked for in parts.
      ? Effect.fail(new NodeFailed({ why: `has no answer to ${method} in the file`, isRefusal: true }))
      : Effect.succeed(result)
  }
}
