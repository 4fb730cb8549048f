/**
 * Rebuilds stored Merkle trees from records as they are read, in any order.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { KnownRoot } from "../../../audit/Checkpoint.ts"
import type { HasherService } from "../../Hasher.ts"
import type { MerkleTree } from "../../MerkleProof.ts"
import {
  BrokenTreeChain,
  ErasedLeaves,
  MissingTree,
  RootChanged,
  Tampered,
  type TreeFinding,
  TreesReport,
  UncoveredRecords
} from "../../TreesReport.ts"
import { rootWith } from "./merkleNodes.ts"

/**
 * Called with each tree whose records were all there: whether they lead to its root, and when the newest of them was requested,
 * where that is known.
 *
 * @internal
 */
export type OnTree = (tree: MerkleTree, isRebuilt: boolean, lastRequest: number | undefined) => void

/** SHA-256 of `VARGATE_GENESIS`: what stands before the first tree. */
const genesis = "985b9a42b5bb7f8c229b6dfd8d10624037c02eaad045ebe6bbf77b2689cc4d83"

/** Which of many erased records were still there when their tree was stored is found out by trying. */
const maxTrials = 4096

interface Leaf {
  readonly hash: string
  readonly isErased: boolean
}

interface Rebuilt {
  readonly tree: MerkleTree
  readonly from: number
  readonly to: number
  /** By id, which also drops what was read twice. Emptied when the tree is done. */
  readonly leaves: Map<number, Leaf>
  state: "open" | "done" | "bad"
  lastRequest: number | undefined
}

/** @internal */
export class TreeRebuild {
  private readonly trees: ReadonlyArray<Rebuilt>
  private readonly all: ReadonlyArray<MerkleTree>
  private readonly touched = new Set<Rebuilt>()
  private readonly findings: Array<TreeFinding> = []
  private current: Rebuilt | undefined
  private lowest = Infinity
  private highest = -Infinity
  private uncovered = 0
  private firstUncovered = Infinity

  private readonly onTree: OnTree | undefined

  constructor(trees: ReadonlyArray<MerkleTree>, known: ReadonlyArray<KnownRoot>, onTree?: OnTree) {
    this.onTree = onTree
    this.all = trees.toSorted((a, b) => a.index - b.index)
    this.trees = this.all.flatMap((tree) =>
      tree.fromRecordId === undefined || tree.toRecordId === undefined ? [] : [{
        tree,
        from: tree.fromRecordId,
        to: tree.toRecordId,
        leaves: new Map<number, Leaf>(),
        state: "open" as const,
        lastRequest: undefined
      }]
    ).sort((a, b) => a.from - b.from)
    this.checkChain()
    this.checkKnown(known)
  }

  readonly add = (id: number, hash: string, isErased: boolean, requestedAt?: string): void => {
    if (id < this.lowest) this.lowest = id
    if (id > this.highest) this.highest = id
    const tree = this.treeOf(id)
    if (tree === undefined) {
      const first = this.trees[0]
      if (first !== undefined && id > first.from && id < this.trees.at(-1)!.to) {
        this.uncovered++
        this.firstUncovered = Math.min(id, this.firstUncovered)
      }
    } else if (tree.state === "open") {
      tree.leaves.set(id, { hash, isErased })
      if (requestedAt !== undefined) tree.lastRequest = later(tree.lastRequest, requestedAt)
      this.touched.add(tree)
    }
  }

  /** Rebuilds the trees whose records are all there, so that they need not be remembered. */
  settle(hasher: HasherService): Effect.Effect<void> {
    const ready = [...this.touched].filter(({ from, leaves, to, tree }) =>
      leaves.size >= tree.records && leaves.has(from) && leaves.has(to)
    )
    this.touched.clear()
    return Effect.forEach(ready, (tree) => this.judge(tree, hasher, false), { discard: true })
  }

  finish(hasher: HasherService): Effect.Effect<TreesReport> {
    const left = this.trees.filter(({ from, state, to }) =>
      state === "open" && from >= this.lowest && to <= this.highest
    )
    return Effect.map(Effect.forEach(left, (tree) => this.judge(tree, hasher, true), { discard: true }), () => {
      if (this.uncovered > 0) {
        this.findings.push(new UncoveredRecords({ firstId: this.firstUncovered, records: this.uncovered }))
      }
      const rebuilt = this.trees.filter(({ state }) => state !== "open").length
      return new TreesReport({
        valid: this.findings.every(({ _tag }) => _tag === "ErasedLeaves"),
        rebuilt,
        notRead: this.all.length - rebuilt,
        findings: this.findings
      })
    })
  }

  private treeOf(id: number): Rebuilt | undefined {
    const { current, trees } = this
    if (current !== undefined && current.from <= id && id <= current.to) return current
    let low = 0
    let high = trees.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (trees[middle]!.to < id) low = middle + 1
      else high = middle
    }
    const found = trees[low]
    return found !== undefined && found.from <= id ? this.current = found : undefined
  }

  private readonly judge = (
    rebuilt: Rebuilt,
    hasher: HasherService,
    isFinal: boolean
  ): Effect.Effect<void> => {
    const { tree } = rebuilt
    const leaves = [...rebuilt.leaves].sort(([a], [b]) => a - b).map(([, leaf]) => leaf)
    const erased = leaves.filter(({ isErased }) => isErased).length
    const done = (state: "done" | "bad", finding?: TreeFinding) => {
      rebuilt.state = state
      rebuilt.leaves.clear()
      this.onTree?.(tree, state === "done", rebuilt.lastRequest)
      if (finding !== undefined) this.findings.push(finding)
    }
    const rootOf = (chosen: ReadonlyArray<Leaf>) => rootWith(hasher, chosen.map(({ hash }) => hash))
    return Effect.gen(function*() {
      for (const chosen of choices(leaves, leaves.length - tree.records)) {
        if ((yield* rootOf(chosen)) === tree.root) {
          return done("done", erased === 0 ? undefined : new ErasedLeaves({ index: tree.index, erased }))
        }
      }
      if (!isFinal) return
      const root = yield* rootOf(leaves)
      done(
        "bad",
        new Tampered({
          index: tree.index,
          stored: tree.root,
          rebuilt: root ?? "",
          found: leaves.length,
          expected: tree.records
        })
      )
    })
  }

  private checkKnown(known: ReadonlyArray<KnownRoot>): void {
    const roots = new Map(this.all.map(({ index, root }) => [index, root]))
    const first = this.all[0]?.index ?? 0
    for (const { index, root: expected } of known) {
      const found = roots.get(index)
      // The gateway lists the newest trees only.
      if (found !== expected && index >= first) this.findings.push(new RootChanged({ index, expected, found }))
    }
  }

  private checkChain(): void {
    this.all.forEach((tree, place) => {
      const before = this.all[place - 1]
      if (before === undefined && tree.index !== 0) return
      if (before !== undefined && before.index !== tree.index - 1) {
        this.findings.push(new MissingTree({ index: tree.index - 1 }))
        return
      }
      const found = before?.root ?? genesis
      const expected = tree.prevRoot ?? ""
      if (expected !== found) this.findings.push(new BrokenTreeChain({ index: tree.index, expected, found }))
    })
  }
}

/** Without a zone, a time of the gateway's is UTC. What is no time says nothing. */
const later = (known: number | undefined, text: string): number | undefined => {
  const time = Date.parse(/(?:Z|[+-]\d{2}:?\d{2})$/.test(text) ? text : `${text}Z`)
  return Number.isNaN(time) || (known !== undefined && known >= time) ? known : time
}

/** The leaves without `surplus` of the erased ones, in every way; all of them where nothing is in surplus. */
function* choices(leaves: ReadonlyArray<Leaf>, surplus: number): Generator<ReadonlyArray<Leaf>> {
  if (surplus < 0) return
  if (surplus === 0) return yield leaves
  const erased = leaves.flatMap(({ isErased }, place) => isErased ? [place] : [])
  function* without(from: number, count: number, left: ReadonlySet<number>): Generator<ReadonlySet<number>> {
    if (count === 0) return yield left
    for (let i = from; i + count <= erased.length; i++) {
      yield* without(i + 1, count - 1, new Set(left).add(erased[i]!))
    }
  }
  let trials = 0
  for (const left of without(0, surplus, new Set())) {
    if (++trials > maxTrials) return
    yield leaves.filter((_, place) => !left.has(place))
  }
}
