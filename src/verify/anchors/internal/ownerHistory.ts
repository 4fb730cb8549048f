/**
 * Who owned the contract since a block, by its logs at one node.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  decodeSubmitted,
  decodeTransferred,
  type Entry,
  quantity,
  quantityOf,
  submittedTopic,
  transferredTopic
} from "./contract.ts"
import { type Ask, NodeFailed } from "./node.ts"

/** Where a log stands on the chain. */
interface Position {
  readonly block: number
  readonly logIndex: number
}

/** @internal */
export interface Transfer extends Position {
  readonly tx: string
  readonly from: string
  readonly to: string
}

/**
 * The logs of the contract, as far as they are about its owner.
 *
 * @internal
 */
export interface OwnerHistory {
  /** Oldest first. */
  readonly transfers: ReadonlyArray<Transfer>
  /** Where the log of each entry stands, by the entry's index. */
  readonly anchors: ReadonlyMap<number, Position>
}

/** @internal */
export interface HistoryPlan {
  readonly contract: string
  readonly since: number
  /** The final block. */
  readonly until: number
  readonly logRange: number
  readonly entries: ReadonlyMap<number, Entry>
}

const maxQuestions = 10_000
/** Beside the logs of its anchors, which are as many as its entries. */
const maxTransfers = 10_000
/** Questions to one node at a time. */
const concurrency = 4

type Log = Readonly<Record<string, string>> & { readonly topics: ReadonlyArray<string> }

/** Asks for the logs in ranges, smaller ones where the node refuses; what it refuses of a single block, it refuses. */
const readLogs = Effect.fnUntraced(function*(ask: Ask, { contract, entries, logRange, since, until }: HistoryPlan) {
  const logs: Array<Log> = []
  let questions = 0
  let size = logRange
  for (let at = since; at <= until;) {
    const starts = Array.from({ length: concurrency }, (_, i) => at + i * size).filter((start) => start <= until)
    questions += starts.length
    if (questions > maxQuestions) {
      return yield* new NodeFailed({ why: `needs more than ${maxQuestions} questions for its logs since ${since}` })
    }
    const answers = yield* Effect.forEach(starts, (start) => {
      const end = Math.min(until, start + size - 1)
      const filter = {
        address: contract,
        fromBlock: quantity(start),
        toBlock: quantity(end),
        topics: [[submittedTopic, transferredTopic]]
      }
      return Effect.map(Effect.result(ask("eth_getLogs", [filter])), (answer) => ({ answer, end, start }))
    }, { concurrency })
    for (const { answer, end, start } of answers) {
      if (Result.isFailure(answer)) {
        if (answer.failure.isRefusal !== true || end === start) return yield* answer.failure
        size = Math.ceil((end - start + 1) / 2)
        break
      }
      const found = answer.success as unknown as ReadonlyArray<Log>
      const isAsked = found.every(({ address, blockNumber }) => {
        const block = quantityOf(blockNumber)!
        return address!.toLowerCase() === contract && block >= start && block <= end
      })
      if (!isAsked) return yield* new NodeFailed({ why: "answered eth_getLogs with something else" })
      if (logs.length + found.length > entries.size + maxTransfers) {
        return yield* new NodeFailed({ why: `shows more than ${maxTransfers} changes of the owner` })
      }
      for (const log of found) logs.push(log)
      at = end + 1
    }
  }
  return logs
})

/**
 * Reads the transfers of the contract since a block.
 *
 * The logs of its anchors are asked for as well: each entry must have one, or else the node does not show all its logs, and
 * a transfer that is missing would not be missed.
 *
 * @internal
 */
export const readOwnerHistory = Effect.fnUntraced(function*(ask: Ask, plan: HistoryPlan) {
  const { entries, since, until } = plan
  if (since > until) return yield* new NodeFailed({ why: `has no final block ${since} yet` })
  const transfers: Array<Transfer> = []
  const anchors = new Map<number, Position>()
  for (const log of yield* readLogs(ask, plan)) {
    const position = { block: quantityOf(log["blockNumber"])!, logIndex: quantityOf(log["logIndex"])! }
    const submitted = decodeSubmitted(log)
    if (submitted !== undefined && entries.get(submitted.index)?.block === position.block) {
      anchors.set(submitted.index, position)
    }
    const transferred = decodeTransferred(log)
    if (transferred !== undefined) {
      transfers.push({ ...position, ...transferred, tx: log["transactionHash"]!.toLowerCase() })
    }
  }
  for (const [index, { block }] of entries) {
    if (block >= since && !anchors.has(index)) {
      return yield* new NodeFailed({ why: `does not show all its logs: that of entry ${index} is missing` })
    }
  }
  const history: OwnerHistory = { transfers: transfers.sort(inOrder), anchors }
  return history
})

const inOrder = (a: Position, b: Position) => a.block - b.block || a.logIndex - b.logIndex

/**
 * The owner when a log was written: that of the last transfer before it. `otherwise` where there was no transfer at all.
 *
 * @internal
 */
export const ownerAt = ({ transfers }: OwnerHistory, position: Position, otherwise: string): string =>
  transfers.findLast((transfer) => inOrder(transfer, position) < 0)?.to ?? transfers[0]?.from ?? otherwise
