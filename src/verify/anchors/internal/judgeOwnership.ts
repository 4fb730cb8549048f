/**
 * Whether the contract has changed its owner, by the logs of all nodes that have shown them.
 *
 * @internal
 */
import * as Result from "effect/Result"
import {
  AnchoredByAnother,
  type AnchorFinding,
  NodesDisagree,
  type NodeState,
  type Ownership,
  OwnershipTransferred,
  type TreeAnchor
} from "../AnchorsReport.ts"
import type { NodeFailed } from "./node.ts"
import { ownerAt, type OwnerHistory } from "./ownerHistory.ts"

/**
 * What a node has shown, or why it has not.
 *
 * @internal
 */
export interface ShownHistory {
  readonly label: string
  /** The owner that the contract should have: the pinned one, or the one that it has. */
  readonly owner: string
  readonly history: Result.Result<OwnerHistory, NodeFailed>
}

const zeroAddress = `0x${"0".repeat(40)}`

const findingsOf = (
  history: OwnerHistory,
  owner: string,
  trees: ReadonlyArray<TreeAnchor>
): ReadonlyArray<OwnershipTransferred | AnchoredByAnother> => [
  ...history.transfers
    // What a contract does when it is made.
    .filter(({ from, to }) => from !== zeroAddress || to !== owner)
    .map(({ block, from, to, tx }) => new OwnershipTransferred({ block, tx, from, to })),
  ...trees.flatMap(({ anchorIndex, index }) => {
    const position = anchorIndex === undefined ? undefined : history.anchors.get(anchorIndex)
    const then = position === undefined ? owner : ownerAt(history, position, owner)
    return then === owner ? [] : [new AnchoredByAnother({ tree: index, anchorIndex: anchorIndex!, owner: then })]
  })
]

const wordOf = ({ transfers }: OwnerHistory) => {
  const [last] = transfers.slice(-1)
  return last === undefined
    ? "no transfer"
    : `${transfers.length} of them, the last to ${last.to} in block ${last.block}`
}

/** @internal */
export const judgeOwnership = (
  shown: ReadonlyArray<ShownHistory>,
  trees: ReadonlyArray<TreeAnchor>,
  { minNodes, since }: { readonly minNodes: number; readonly since: number }
): { readonly ownership: Ownership; readonly findings: ReadonlyArray<AnchorFinding> } => {
  const nodes = shown.map(({ history, label }): NodeState =>
    Result.isSuccess(history) ? { label, isChecked: true } : { label, isChecked: false, why: history.failure.why }
  )
  const heard = shown.flatMap(({ history, label, owner }) =>
    Result.isSuccess(history)
      ? [{ label, history: history.success, findings: findingsOf(history.success, owner, trees) }]
      : []
  )
  const [first] = heard
  const key = ({ findings, history }: typeof heard[number]) => JSON.stringify([history.transfers, findings])
  if (first !== undefined && heard.some((other) => key(other) !== key(first))) {
    const answers = heard.map(({ history, label }) => ({ node: label, answer: wordOf(history) }))
    return {
      ownership: { since, state: "disputed", nodes },
      findings: [new NodesDisagree({ about: "transfers", answers })]
    }
  }
  const findings = first?.findings ?? []
  // What one node has shown is found, also where that is too few to say that there is nothing.
  const state = findings.length > 0 ? "changed" : heard.length < minNodes ? "notChecked" : "unchanged"
  return { ownership: { since, state, nodes }, findings }
}
