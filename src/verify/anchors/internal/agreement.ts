/**
 * Puts the judgements of several nodes together. What they do not agree on is a finding, and nothing else is said of it.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { AnchorFinding, NodesDisagree, type TreeAnchor } from "../AnchorsReport.ts"
import type { Judgement } from "./judge.ts"
import type { NodeFacts } from "./nodeFacts.ts"

/** @internal */
export interface Heard {
  readonly label: string
  readonly facts: NodeFacts
  readonly judgement: Judgement
}

const encode = Schema.encodeSync(Schema.Array(AnchorFinding))

const tagsOf = (findings: ReadonlyArray<AnchorFinding>) => [...new Set(findings.map(({ _tag }) => _tag))].join(", ")

const wordOf = ({ anchorIndex, blockHash, state }: TreeAnchor, findings: ReadonlyArray<AnchorFinding>) =>
  findings.length > 0
    ? tagsOf(findings)
    : anchorIndex === undefined
    ? state
    : `${state} as entry ${anchorIndex} in block ${blockHash}`

/** @internal */
export const agree = (
  heard: ReadonlyArray<Heard>
): { readonly trees: ReadonlyArray<TreeAnchor>; readonly findings: ReadonlyArray<AnchorFinding> } => {
  const [first] = heard
  if (first === undefined) return { trees: [], findings: [] }
  const differ = <A>(of: (one: Heard) => A, key: (value: A) => string) =>
    heard.some((one) => key(of(one)) !== key(of(first)))
  const answers = (word: (one: Heard) => string) => heard.map((one) => ({ node: one.label, answer: word(one) }))
  const disputed = first.judgement.trees.map(({ anchor: { index } }) => ({ index, state: "disputed" as const }))

  const blockWord = ({ facts: { final } }: Heard) => `${final.number} is ${final.hash}`
  if (differ(blockWord, String)) {
    return { trees: disputed, findings: [new NodesDisagree({ about: "block", answers: answers(blockWord) })] }
  }
  const findings: Array<AnchorFinding> = []
  const codeWord = ({ facts }: Heard) => facts.codeHash ?? "none"
  const ownerWord = ({ facts }: Heard) => facts.owner ?? "none"
  const entriesWord = ({ facts, judgement: { forks } }: Heard) =>
    `${facts.count ?? "no"} entries${forks.length > 0 ? `, ${tagsOf(forks)}` : ""}`
  const entriesKey = ({ facts, judgement: { forks } }: Heard) => JSON.stringify([facts.count ?? null, encode(forks)])
  if (differ(codeWord, String)) findings.push(new NodesDisagree({ about: "code", answers: answers(codeWord) }))
  if (differ(ownerWord, String)) findings.push(new NodesDisagree({ about: "owner", answers: answers(ownerWord) }))
  if (findings.length === 0) findings.push(...first.judgement.contract)

  const trees = first.judgement.trees.map(({ anchor, findings: own }, place): TreeAnchor => {
    const of = (one: Heard) => one.judgement.trees[place]!
    const key = ({ anchor, findings }: ReturnType<typeof of>) =>
      JSON.stringify([anchor.state, anchor.anchorIndex, anchor.blockHash, encode(findings)])
    if (!differ(of, key)) {
      findings.push(...own)
      return anchor
    }
    const word = (one: Heard) => wordOf(of(one).anchor, of(one).findings)
    findings.push(new NodesDisagree({ about: "tree", tree: anchor.index, answers: answers(word) }))
    return { index: anchor.index, state: "disputed" }
  })
  if (differ(entriesKey, String)) {
    findings.push(new NodesDisagree({ about: "entries", answers: answers(entriesWord) }))
  } else {
    findings.push(...first.judgement.forks)
  }
  return { trees, findings }
}
