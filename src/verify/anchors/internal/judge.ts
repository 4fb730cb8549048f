/**
 * Holds what one node says against the trees. No I/O: the same facts lead to the same verdict, now or from a file.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import type { MerkleTree } from "../../MerkleProof.ts"
import {
  AnchoredOtherRoot,
  AnchoredTooEarly,
  type AnchorFinding,
  EntryDiffers,
  ForeignContract,
  ForkedTree,
  LateAnchor,
  MalformedTransaction,
  MissingAnchor,
  NoAnchorWritten,
  NoContract,
  NotOnChain,
  RecordAfterAnchor,
  Reverted,
  RewrittenAfterAnchoring,
  TransactionMissing,
  type TreeAnchor,
  WrongBlock,
  WrongCode,
  WrongOwner
} from "../AnchorsReport.ts"
import { type Entry, isHash } from "./contract.ts"
import type { NodeFacts } from "./nodeFacts.ts"

/**
 * A tree, and what the verification of its records has shown.
 *
 * @internal
 */
export interface CheckedTree {
  readonly tree: MerkleTree
  /** Whether its records lead to its root; undefined where they were not read. */
  readonly isRebuilt: boolean | undefined
  /** When the newest of its records was requested, by what the records say. */
  readonly lastRequest: number | undefined
}

/** @internal */
export interface Pins {
  /** In lower case, as are the owner and the hash. */
  readonly contract: string
  readonly owner: string | undefined
  readonly codeHash: string | undefined
  readonly systemId: string
  readonly maxDelaySeconds: number
  /** When the trees were read, in milliseconds: what was anchored later does not count against them. */
  readonly seenAt: number
}

/**
 * What one node's facts amount to.
 *
 * @internal
 */
export interface Judgement {
  readonly contract: ReadonlyArray<AnchorFinding>
  readonly trees: ReadonlyArray<{
    readonly anchor: TreeAnchor
    readonly findings: ReadonlyArray<AnchorFinding>
  }>
  readonly forks: ReadonlyArray<AnchorFinding>
  readonly otherEntries: number
}

const timeOf = (seconds: number) => DateTime.makeUnsafe(1000 * seconds)

/** @internal */
export const judge = (trees: ReadonlyArray<CheckedTree>, facts: NodeFacts, pins: Pins): Judgement => {
  const contract = judgeContract(facts, pins)
  const isThere = facts.count !== undefined
  const byRoot = Map.groupBy(facts.entries, ([, { root }]) => root)
  const used = new Set<number>()
  const judged = trees.map((checked) =>
    isThere
      ? judgeTree(checked, facts, pins, byRoot.get(checked.tree.root) ?? [], used)
      : { anchor: { index: checked.tree.index, state: "notChecked" as const }, findings: [] }
  )
  const forks = forksOf(trees, facts, pins, used)
  return { contract, trees: judged, forks, otherEntries: facts.entries.size - used.size }
}

const judgeContract = (
  { codeHash, count, owner }: NodeFacts,
  pins: Pins
): ReadonlyArray<AnchorFinding> => [
  ...(count === undefined ? [new NoContract({ contract: pins.contract })] : []),
  ...(codeHash !== undefined && pins.codeHash !== undefined && codeHash !== pins.codeHash
    ? [new WrongCode({ expected: pins.codeHash, found: codeHash })]
    : []),
  ...(count !== undefined && pins.owner !== undefined && owner !== pins.owner
    ? [new WrongOwner({ expected: pins.owner, found: owner })]
    : [])
]

/** Where an entry with the root of a tree is not the tree's. */
const differenceOf = (entry: Entry, tree: MerkleTree, { blocks }: NodeFacts, { systemId }: Pins) => {
  const block = blocks.get(entry.block)
  const fields = [
    ["prevRoot", tree.prevRoot ?? "", entry.prevRoot],
    ["records", tree.records, entry.records],
    ["fromRecordId", tree.fromRecordId ?? "", entry.fromRecord],
    ["toRecordId", tree.toRecordId ?? "", entry.toRecord],
    ["systemId", systemId, entry.systemId],
    ["block", entry.block, block?.number ?? "none"],
    ["time", block?.time ?? "none", entry.time]
  ] as const
  return fields.find(([, expected, found]) => expected !== found)
}

const judgeTree = (
  { isRebuilt, lastRequest, tree }: CheckedTree,
  facts: NodeFacts,
  pins: Pins,
  candidates: ReadonlyArray<readonly [number, Entry]>,
  used: Set<number>
): Judgement["trees"][number] => {
  const { index } = tree
  const findings: Array<AnchorFinding> = []
  const periodEnd = tree.periodEnd.epochMilliseconds / 1000
  const due = periodEnd + pins.maxDelaySeconds
  const mayBeInTime = facts.final.time <= due
  const found = transactionOf(tree, facts, pins, mayBeInTime)
  findings.push(...found.findings)

  const own = candidates.filter(([, entry]) => differenceOf(entry, tree, facts, pins) === undefined)
  for (const [place] of own) used.add(place)
  // A tree that was sent again is on the chain more than once: the first time counts.
  const [place, entry] = own[0] ?? []
  if (entry === undefined || place === undefined) {
    const [otherPlace, other] = candidates[0] ?? []
    const difference = other === undefined ? undefined : differenceOf(other, tree, facts, pins)
    if (difference !== undefined && otherPlace !== undefined) {
      const [field, expected, actual] = difference
      findings.push(
        new EntryDiffers({
          tree: index,
          anchorIndex: otherPlace,
          field,
          expected: String(expected),
          found: String(actual)
        })
      )
    } else if (findings.length === 0 && !mayBeInTime && !found.isPending) {
      findings.push(new MissingAnchor({ tree: index, due: timeOf(due) }))
    }
    return { anchor: { index, state: findings.length > 0 ? "faulty" : "pending" }, findings }
  }

  const delaySeconds = Math.round(entry.time - periodEnd)
  if (entry.time < periodEnd) findings.push(new AnchoredTooEarly({ tree: index, seconds: -delaySeconds }))
  if (entry.time > due) {
    findings.push(new LateAnchor({ tree: index, seconds: delaySeconds, permitted: pins.maxDelaySeconds }))
  }
  if (lastRequest !== undefined && lastRequest > 1000 * (entry.time + 1)) {
    const requestedAt = DateTime.makeUnsafe(lastRequest)
    findings.push(new RecordAfterAnchor({ tree: index, requestedAt, anchoredAt: timeOf(entry.time) }))
  }
  if (isRebuilt === false) findings.push(new RewrittenAfterAnchoring({ tree: index, anchorIndex: place }))
  return {
    anchor: {
      index,
      state: findings.length > 0 ? "faulty" : isRebuilt === undefined ? "notChecked" : "anchored",
      anchorIndex: place,
      block: entry.block,
      blockHash: facts.blocks.get(entry.block)!.hash,
      anchoredAt: timeOf(entry.time),
      delaySeconds
    },
    findings
  }
}

/** What is wrong with the transaction that the gateway names, and whether it is merely not final yet. */
const transactionOf = (
  tree: MerkleTree,
  { blocks, final, receipts }: NodeFacts,
  { contract }: Pins,
  mayBeInTime: boolean
): { readonly isPending: boolean; readonly findings: ReadonlyArray<AnchorFinding> } => {
  const fault = (finding: AnchorFinding) => ({ isPending: false, findings: [finding] })
  const named = tree.anchorTx
  if (named === undefined || named === null) return { isPending: false, findings: [] }
  if (!isHash(named)) return fault(new MalformedTransaction({ tree: tree.index }))
  const tx = named.toLowerCase()
  const about = { tree: tree.index, tx }
  const receipt = receipts.get(tx)
  if (receipt === undefined) {
    // It may be waiting for its block.
    return mayBeInTime ? { isPending: true, findings: [] } : fault(new TransactionMissing(about))
  }
  const { block, blockHash, events, isSuccess } = receipt
  if (!isSuccess) return fault(new Reverted(about))
  const own = events.filter(({ address }) => address === contract)
  const [foreign] = events
  if (own.length === 0) {
    return fault(
      foreign === undefined ? new NoAnchorWritten(about) : new ForeignContract({ ...about, found: foreign.address })
    )
  }
  if (!own.some(({ root }) => root === tree.root)) {
    return fault(new AnchoredOtherRoot({ ...about, expected: tree.root, found: own[0]!.root }))
  }
  if (blocks.get(block)?.hash !== blockHash) return fault(new NotOnChain({ ...about, block }))
  if (typeof tree.anchorBlock === "number" && tree.anchorBlock !== block) {
    return fault(new WrongBlock({ ...about, expected: tree.anchorBlock, found: block }))
  }
  return { isPending: block > final.number, findings: [] }
}

/**
 * Entries that follow one of our trees and are not the next one. A root over the whole log may be that of a first tree, and
 * what follows it then begins with the first record: a tree begins after the last record of the one before.
 */
const forksOf = (
  trees: ReadonlyArray<CheckedTree>,
  { entries }: NodeFacts,
  { seenAt, systemId }: Pins,
  used: ReadonlySet<number>
): ReadonlyArray<AnchorFinding> => {
  const byRoot = new Map<string, MerkleTree>(trees.map(({ tree }) => [tree.root, tree]))
  const byIndex = new Map(trees.map(({ tree }) => [tree.index, tree]))
  return [...entries].flatMap(([anchorIndex, entry]) => {
    const before = byRoot.get(entry.prevRoot)
    if (used.has(anchorIndex) || before === undefined || entry.systemId !== systemId) return []
    if (entry.fromRecord <= (before.toRecordId ?? Infinity)) return []
    const tree = before.index + 1
    const stored = byIndex.get(tree)?.root
    // The next tree may have been built after the trees were read.
    if (stored === entry.root || (stored === undefined && 1000 * entry.time >= seenAt)) return []
    return [new ForkedTree({ tree, anchorIndex, anchored: entry.root, stored })]
  })
}
