/**
 * What a ballot still needs, in words.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import type { Opening, Vote } from "../Ballot.ts"
import type { Rule } from "../ReviewRule.ts"
import { compile, type Compiled, count, groupsAt, openLeaves, type Standing } from "./tally.ts"

const list = (items: ReadonlyArray<string>, word: string) =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} ${word} ${items.at(-1)}`

const minutes = (millis: number) =>
  millis % 60_000 === 0
    ? `${millis / 60_000} minute${millis === 60_000 ? "" : "s"}`
    : `${millis / 1000} second${millis === 1000 ? "" : "s"}`

/**
 * A rule as a part of a sentence.
 *
 * @internal
 */
export const wordsOfRule = (rule: Rule): string => {
  switch (rule._tag) {
    case "Quorum": {
      const rejections = rule.rejections === 1 ? "" : ` (${rule.rejections} rejections reject)`
      return `${rule.count} of ${list(rule.groups, "or")}${rejections}`
    }
    case "AllOf":
      return list(rule.rules.map(wordsOfPart), "and")
    case "FirstThen":
      return rule.rules.map(wordsOfPart).join(", then ")
    case "EscalateAfter":
      return `${wordsOfPart(rule.rule)}; after ${minutes(rule.afterMillis)} also ${list(rule.groups, "or")}`
    case "RemindAfter":
      return `${wordsOfRule(rule.rule)}; a reminder after ${minutes(rule.afterMillis)}`
    case "Veto":
      return `${wordsOfRule(rule.rule)}; one of ${list(rule.groups, "or")} can reject`
    case "Deadline":
      return `${wordsOfRule(rule.rule)}; rejected after ${minutes(rule.afterMillis)}`
    case "AllowChanges": {
      const editors = rule.groups.length === 0 ? "who is asked" : `one of ${list(rule.groups, "or")}`
      return `${wordsOfRule(rule.rule)}; ${editors} can propose other params`
    }
  }
}

const wordsOfPart = (rule: Rule) => rule._tag === "Quorum" ? wordsOfRule(rule) : `(${wordsOfRule(rule)})`

const nameOf = ({ onBehalfOf, reviewerId }: Vote) =>
  onBehalfOf === null ? reviewerId : `${reviewerId} for ${onBehalfOf}`

const stateOf = (compiled: Compiled, standing: ReadonlyArray<Standing>, now: number): ReadonlyArray<string> => {
  const open = new Set(openLeaves(compiled.root, standing))
  return compiled.leaves.map((leaf) => {
    const of = (choice: "approve" | "reject") =>
      standing.filter(({ leaves, vote }) => vote.choice === choice && leaves.has(leaf)).map(({ vote }) => nameOf(vote))
    const approved = of("approve")
    const rejected = of("reject")
    const told = [
      approved.length === 0 ? "none has approved" : `approved by ${list(approved, "and")}`,
      ...rejected.length === 0 ? [] : [`rejected by ${list(rejected, "and")}`],
      ...open.has(leaf) ? [] : ["asked later"]
    ]
    return `${leaf.count} of ${list([...new Set(groupsAt(leaf, now))], "or")}: ${told.join("; ")}`
  })
}

/**
 * What is still needed, a sentence each.
 *
 * @internal
 */
export const wordsOfBallot = (opening: Opening, votes: ReadonlyArray<Vote>, now: number): ReadonlyArray<string> => {
  const { delegations, proposals = [], requesters, rule } = opening
  if (rule === null) return ["No rule could be found for this action: no vote decides."]
  const compiled = compile(rule, opening)
  const { result, standing } = count(opening, compiled, votes)
  if (result !== undefined) {
    const voters = standing.filter(({ vote }) => vote.choice === result).map(({ vote }) => nameOf(vote))
    const editor = standing.find(({ vote }) => vote.proposal !== undefined)
    if (editor !== undefined) return [`Rejected by ${nameOf(editor.vote)}, who proposes other params.`]
    return [`${result === "approve" ? "Approved" : "Rejected"} by ${list(voters, "and")}.`]
  }
  return [
    `Needs ${wordsOfRule(rule)}.`,
    ...stateOf(compiled, standing, now).map((line) => `${line}.`),
    ...requesters.length === 0 ? [] : [`${list(requesters, "and")} asked for it, and cannot decide.`],
    ...proposals.map(({ actionId, editor }) =>
      `${editor} proposed it instead of ${actionId}${requesters.length === 0 ? "" : ", and cannot approve it alone"}.`
    ),
    ...delegations.flatMap(({ from, groups, to, until }) =>
      DateTime.toEpochMillis(until) > now
        ? [`${to} may vote for ${from} (${list(groups, "and")}) until ${DateTime.formatIso(until)}.`]
        : []
    ),
    ...compiled.closesAt === Infinity
      ? []
      : [
        `Decided until ${new Date(compiled.closesAt).toISOString()}${compiled.hasDeadline ? "" : ", when it expires"}.`
      ]
  ]
}
