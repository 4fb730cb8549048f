/** A chain in memory with the contract that keeps anchors, and nodes of it that answer JSON-RPC, honestly or not. */
import { DateTime } from "effect"
import { hash } from "node:crypto"
import { RecordHash } from "../../../src/model/RecordHash.ts"
import * as ScriptedTransport from "../../../src/testing/ScriptedTransport.ts"
import { submitAnchorData, submittedTopic, transferredTopic } from "../../../src/verify/anchors/internal/contract.ts"
import { MerkleTree } from "../../../src/verify/MerkleProof.ts"

export const contract = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
export const otherContract = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"
export const owner = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
export const chainId = 137
export const code = "0x6080604052"
export const hour = 3600
export const genesisRoot = "985b9a42b5bb7f8c229b6dfd8d10624037c02eaad045ebe6bbf77b2689cc4d83"

export const digest = (text: string): string => hash("sha256", text, "hex")

/** Stored trees, one an hour from `start` (in seconds) on, as a gateway lists them. */
export const treesOf = (count: number, { salt = "", start = 0 } = {}): ReadonlyArray<MerkleTree> => {
  const trees: Array<MerkleTree> = []
  for (let index = 0; index < count; index++) {
    trees.push(
      new MerkleTree({
        index,
        root: RecordHash.make(digest(`tree ${index}${salt}`)),
        records: 10 + index,
        fromRecordId: 1 + 100 * index,
        toRecordId: 90 + 100 * index,
        periodStart: DateTime.makeUnsafe(1000 * (start + hour * index)),
        periodEnd: DateTime.makeUnsafe(1000 * (start + hour * (index + 1))),
        prevRoot: trees.at(-1)?.root ?? RecordHash.make(genesisRoot),
        anchorTx: null,
        anchorChain: null
      })
    )
  }
  return trees
}

export interface Anchoring {
  readonly root: string
  readonly prevRoot: string
  readonly records: number
  readonly fromRecord: number
  readonly toRecord: number
  readonly systemId: string
}

export const anchoringOf = (tree: MerkleTree): Anchoring => ({
  root: tree.root,
  prevRoot: tree.prevRoot ?? genesisRoot,
  records: tree.records,
  fromRecord: tree.fromRecordId ?? 0,
  toRecord: tree.toRecordId ?? 0,
  systemId: "vargate-v1"
})

interface Block {
  readonly number: number
  readonly hash: string
  readonly time: number
}

interface Submission {
  readonly tx: string
  readonly block: Block
  readonly to: string
  readonly isSuccess: boolean
  readonly index: number
  readonly anchoring: Anchoring
}

interface Transfer {
  readonly tx: string
  readonly block: Block
  readonly from: string
  readonly to: string
}

export type Params = ReadonlyArray<unknown>

interface Call {
  readonly data: string
  readonly to: string
}

/** What `eth_call` is asked with. */
export const callOf = ([call]: Params) => call as Call

const hex = (number: number) => `0x${number.toString(16)}`
const word = (number: number) => number.toString(16).padStart(64, "0")

const submittedLog = ({ anchoring, index }: Submission) => ({
  topics: [submittedTopic, `0x${word(index)}`],
  data: `0x${anchoring.root}${anchoring.prevRoot}${word(anchoring.records)}`
})

export class ScriptedChain {
  chainId = chainId
  owner = owner
  code = code
  confirmed = 0
  blocks: Array<Block> = [{ number: 0, hash: `0x${digest("block 0")}`, time: 0 }]
  submissions: Array<Submission> = []
  transfers: Array<Transfer> = []

  readonly salt: string

  constructor(salt = "") {
    this.salt = salt
  }

  get head(): Block {
    return this.blocks.at(-1)!
  }

  mine(time: number): Block {
    const number = this.blocks.length
    const block = { number, hash: `0x${digest(`block ${number}${this.salt}`)}`, time }
    this.blocks.push(block)
    return block
  }

  entries(address: string): ReadonlyArray<Submission> {
    return this.submissions.filter(({ isSuccess, to }) => isSuccess && to === address)
  }

  /** Writes an anchor in a block of its own, and says by which transaction. */
  submit(anchoring: Anchoring, time: number, { isSuccess = true, to = contract } = {}): string {
    const block = this.mine(time)
    const tx = `0x${digest(`tx ${block.number}${this.salt}`)}`
    this.submissions.push({ tx, block, to, isSuccess, anchoring, index: this.entries(to).length })
    return tx
  }

  /** Anchors all trees, each a minute after its hour. */
  anchor(trees: ReadonlyArray<MerkleTree>): ReadonlyArray<MerkleTree> {
    return trees.map((tree) => {
      const anchorTx = this.submit(anchoringOf(tree), tree.periodEnd.epochMilliseconds / 1000 + 60)
      return new MerkleTree({ ...tree, anchorTx, anchorChain: "polygon", anchorBlock: this.head.number })
    })
  }

  /** Hands the contract to another owner, in a block of its own. */
  transfer(to: string, time: number): void {
    const block = this.mine(time)
    this.transfers.push({ tx: `0x${digest(`transfer ${block.number}`)}`, block, from: this.owner, to })
    this.owner = to
  }

  answer(method: string, params: Params): unknown {
    switch (method) {
      case "eth_getLogs":
        return this.logs(params[0] as { readonly fromBlock: string; readonly toBlock: string })
      case "eth_chainId":
        return hex(this.chainId)
      case "eth_getBlockByNumber": {
        const [at] = params
        const number = at === "latest" || at === "finalized" ? this.blocks.length - 1 : Number(at)
        const block = this.blocks[number]
        return block === undefined ? null : {
          number: hex(block.number),
          hash: block.hash,
          timestamp: hex(block.time),
          parentHash: this.blocks[number - 1]?.hash ?? `0x${"0".repeat(64)}`,
          transactions: []
        }
      }
      case "eth_getCode":
        return params[0] === contract ? this.code : "0x"
      case "eth_getTransactionReceipt":
        return this.receipt(String(params[0]))
      case "eth_call":
        return this.call(callOf(params), (params[1] as { readonly blockHash: string }).blockHash)
    }
    throw new Error(`not asked for in this scope: ${method}`)
  }

  private logs({ fromBlock, toBlock }: { readonly fromBlock: string; readonly toBlock: string }): unknown {
    const placed = ({ block, tx }: Submission | Transfer) => ({
      address: contract,
      blockHash: block.hash,
      blockNumber: hex(block.number),
      logIndex: "0x0",
      transactionHash: tx
    })
    const padded = (address: string) => `0x${address.slice(2).padStart(64, "0")}`
    return [
      ...this.entries(contract).map((submission) => ({ ...placed(submission), ...submittedLog(submission) })),
      ...this.transfers.map((transfer) => ({
        ...placed(transfer),
        topics: [transferredTopic, padded(transfer.from), padded(transfer.to)],
        data: "0x"
      }))
    ].filter(({ blockNumber }) => Number(blockNumber) >= Number(fromBlock) && Number(blockNumber) <= Number(toBlock))
  }

  private receipt(tx: string): unknown {
    const found = this.submissions.find((submission) => submission.tx === tx)
    if (found === undefined) return null
    const { block, isSuccess, to } = found
    return {
      transactionHash: tx,
      blockHash: block.hash,
      blockNumber: hex(block.number),
      status: isSuccess ? "0x1" : "0x0",
      logsBloom: `0x${"0".repeat(512)}`,
      logs: isSuccess ? [{ address: to, ...submittedLog(found) }] : []
    }
  }

  private call({ data, to }: Call, blockHash: string): unknown {
    const at = this.blocks.find(({ hash }) => hash === blockHash)!
    const entries = this.entries(to).filter(({ block }) => block.number <= at.number)
    if (data === "0x8da5cb5b") return `0x${this.owner.slice(2).padStart(64, "0")}`
    if (data === "0xd3182bed") return `0x${word(entries.length)}`
    const { anchoring, block } = entries[Number(`0x${data.slice(10)}`)]!
    // The call data has the same words in the same order, but for the two that the contract adds.
    const words = submitAnchorData(anchoring).slice(10).match(/.{64}/g)!
    return `0x${
      [word(32), ...words.slice(0, 5), word(block.number), word(block.time), word(256), ...words.slice(6)].join("")
    }`
  }
}

export type Answer = (method: string, params: Params, honest: () => unknown) => unknown

/** What a node is made to answer otherwise: a JSON-RPC result, or a step of the wire. */
export const nodes = (answers: Readonly<Record<string, { readonly chain: ScriptedChain; readonly answer?: Answer }>>) =>
  ScriptedTransport.layer(({ body, path }) => {
    const { method, params } = body as { readonly method: string; readonly params: Params }
    const { answer, chain } = answers[path.slice(1).split("?")[0]!]!
    const honest = () => chain.answer(method, params)
    const result = answer === undefined ? honest() : answer(method, params, honest)
    return typeof result === "object" && result !== null && "_tag" in result
      ? result as ScriptedTransport.Step
      : ScriptedTransport.json(200, { jsonrpc: "2.0", id: 1, result })
  })
