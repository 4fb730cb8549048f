/**
 * Asks every node the same questions, about the same block, and returns one report.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ChainReport } from "../../ChainReport.ts"
import { type AnchorFinding, AnchorsReport, ForeignChain, type NodeState, type TreeAnchor } from "../AnchorsReport.ts"
import { agree, type Heard } from "./agreement.ts"
import { type CheckedTree, judge } from "./judge.ts"
import { judgeOwnership, type ShownHistory } from "./judgeOwnership.ts"
import { type Ask, NodeFailed } from "./node.ts"
import { type Block, type Finality, readFacts, readTip } from "./nodeFacts.ts"
import { readOwnerHistory } from "./ownerHistory.ts"

/** @internal */
export interface Settings {
  readonly chainId: number
  readonly contract: string
  readonly owner: string | undefined
  readonly ownerSince: number | undefined
  readonly codeHash: string | undefined
  readonly systemId: string
  readonly finality: Finality
  readonly fromTree: number
  readonly maxDelaySeconds: number
  readonly minNodes: number
  readonly logRange: number
  readonly maxEntries: number
  readonly maxFindings: number
  readonly maxLag: Duration.Duration
  readonly nodeTimeout: Duration.Duration
}

/** @internal */
export interface Question {
  readonly label: string
  readonly ask: Ask
}

/** @internal */
export interface Examination {
  readonly questions: ReadonlyArray<Question>
  readonly trees: ReadonlyArray<CheckedTree>
  readonly settings: Settings
  /** When the trees were read, and when the nodes are asked, in milliseconds. */
  readonly seenAt: number
  readonly now: number
  readonly chain: ChainReport | undefined
}

/** @internal */
export const examineAnchors = Effect.fnUntraced(function*(
  { chain, now, questions, seenAt, settings, trees: allTrees }: Examination
): Effect.fn.Return<AnchorsReport> {
  const { chainId, contract, fromTree, logRange, maxEntries, maxFindings, maxLag, minNodes, nodeTimeout, ownerSince } =
    settings
  const trees = allTrees.filter(({ tree }) => tree.index >= fromTree).toSorted((a, b) => a.tree.index - b.tree.index)
  const within = <A>(asking: Effect.Effect<A, NodeFailed>) =>
    Effect.result(Effect.timeoutOrElse(asking, {
      duration: nodeTimeout,
      orElse: () => Effect.fail(new NodeFailed({ why: `was not done within ${Duration.format(nodeTimeout)}` }))
    }))

  const tips = yield* Effect.forEach(
    questions,
    ({ ask }) => within(readTip(ask, settings.finality)),
    { concurrency: "unbounded" }
  )
  const foreign = tips.flatMap((tip, place) =>
    Result.isSuccess(tip) && tip.success.chainId !== chainId
      ? [new ForeignChain({ node: questions[place]!.label, expected: chainId, found: tip.success.chainId })]
      : []
  )
  const followers = tips.map((tip): Result.Result<Block, NodeFailed> => {
    if (Result.isFailure(tip)) return Result.fail(tip.failure)
    const { final, chainId: found } = tip.success
    if (found !== chainId) return Result.fail(new NodeFailed({ why: `is on chain ${found}` }))
    return now - 1000 * final.time > Duration.toMillis(maxLag)
      ? Result.fail(
        new NodeFailed({ why: `does not follow the chain: its last final block is of ${isoOf(final.time)}` })
      )
      : Result.succeed(final)
  })

  // The lowest of those that follow the chain: all of them know it.
  const lowest = Math.min(...followers.flatMap((final) => Result.isSuccess(final) ? [final.success.number] : []))
  const answers = yield* Effect.forEach(questions, ({ ask }, place) => {
    const final = followers[place]!
    if (Result.isFailure(final)) return Effect.succeed(Result.fail(final.failure))
    const plan = { contract, maxEntries, trees: trees.map(({ tree }) => tree) }
    return within(readFacts(ask, lowest, plan))
  }, { concurrency: "unbounded" })

  const heard = answers.flatMap((answer, place): ReadonlyArray<Heard> =>
    Result.isSuccess(answer)
      ? [{
        label: questions[place]!.label,
        facts: answer.success,
        judgement: judge(trees, answer.success, { ...settings, seenAt })
      }]
      : []
  )
  const nodes = questions.map(({ label }, place): NodeState => {
    const answer = answers[place]!
    return Result.isSuccess(answer) ? { label, isChecked: true } : { label, isChecked: false, why: answer.failure.why }
  })
  const { findings: agreed, trees: judged } = agree(heard)
  const owned = ownerSince === undefined ? undefined : judgeOwnership(
    yield* Effect.forEach(questions, ({ ask, label }, place): Effect.Effect<ShownHistory> => {
      const answer = answers[place]!
      if (Result.isFailure(answer)) return Effect.succeed({ label, owner: "", history: Result.fail(answer.failure) })
      const { entries, final, owner = "" } = answer.success
      const plan = { contract, since: ownerSince, until: final.number, logRange, entries }
      return Effect.map(within(readOwnerHistory(ask, plan)), (history) => ({
        label,
        owner: settings.owner ?? owner,
        history
      }))
    }, { concurrency: "unbounded" }),
    judged,
    { minNodes, since: ownerSince }
  )
  const findings: ReadonlyArray<AnchorFinding> = [...foreign, ...agreed, ...owned?.findings ?? []]
  const isChecked = heard.length >= minNodes && owned?.ownership.state !== "notChecked"
  const byAnother = new Set(
    owned?.findings.flatMap((finding) => finding._tag === "AnchoredByAnother" ? [finding.tree] : [])
  )
  const notChecked = trees.map(({ tree }): TreeAnchor => ({ index: tree.index, state: "notChecked" }))
  const [first] = heard
  return new AnchorsReport({
    valid: isChecked && findings.length === 0 && chain?.valid !== false,
    isChecked,
    chainId,
    contract,
    block: first === undefined ? undefined : {
      number: first.facts.final.number,
      hash: first.facts.final.hash,
      at: DateTime.makeUnsafe(1000 * first.facts.final.time)
    },
    nodes,
    ownership: owned?.ownership,
    trees: heard.length === 0
      ? notChecked
      : judged.map((anchor) => byAnother.has(anchor.index) ? { ...anchor, state: "faulty" as const } : anchor),
    entries: first?.facts.entries.size ?? 0,
    otherEntries: first?.judgement.otherEntries ?? 0,
    findings: findings.slice(0, maxFindings),
    omittedFindings: Math.max(0, findings.length - maxFindings),
    chain
  })
})

const isoOf = (seconds: number) => DateTime.formatIso(DateTime.makeUnsafe(1000 * seconds))
