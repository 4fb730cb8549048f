/**
 * Counts the votes of a ballot under its rule. The votes are read in their order, and one counts only where it could be
 * cast at its own time: whatever a store claims, the same votes have the same result.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import type { Opening, Vote } from "../Ballot.ts"
import type { Refusal } from "../ReviewError.ts"
import type { Rule } from "../ReviewRule.ts"

/** So many reviewers of these groups, with the groups that are asked later. */
interface Leaf {
  readonly _tag: "Leaf"
  readonly count: number
  readonly rejections: number
  readonly groups: ReadonlyArray<string>
  readonly later: ReadonlyArray<{ readonly at: number; readonly groups: ReadonlyArray<string> }>
}

type Node = Leaf | { readonly _tag: "All" | "Then"; readonly parts: ReadonlyArray<Node> }

/**
 * A rule over one action, with its times on the clock.
 *
 * @internal
 */
export interface Compiled {
  readonly root: Node
  readonly leaves: ReadonlyArray<Leaf>
  readonly vetoers: ReadonlySet<string>
  /** Who can propose other params: these groups, those who are asked, or none. */
  readonly editors: ReadonlySet<string> | "asked" | undefined
  /** When the ballot is closed, in epoch milliseconds. */
  readonly closesAt: number
  /** Whether that is a deadline of the rule's, and not the gateway's hour. */
  readonly hasDeadline: boolean
  readonly remindersAt: ReadonlyArray<number>
}

/** @internal */
export const compile = (rule: Rule, { createdAt, timeoutAt }: Pick<Opening, "createdAt" | "timeoutAt">): Compiled => {
  const start = createdAt.epochMilliseconds
  const leaves: Array<Leaf> = []
  const vetoers = new Set<string>()
  let editors: Set<string> | "asked" | undefined
  const remindersAt = new Set<number>()
  let deadline = Infinity
  const walk = (rule: Rule, later: Leaf["later"]): Node => {
    switch (rule._tag) {
      case "Quorum": {
        const { count, groups, rejections } = rule
        const leaf: Leaf = { _tag: "Leaf", count, groups, rejections, later }
        leaves.push(leaf)
        return leaf
      }
      case "AllOf":
        return { _tag: "All", parts: rule.rules.map((part) => walk(part, later)) }
      case "FirstThen":
        return { _tag: "Then", parts: rule.rules.map((part) => walk(part, later)) }
      case "EscalateAfter":
        return walk(rule.rule, [...later, { at: start + rule.afterMillis, groups: rule.groups }])
      case "RemindAfter":
        remindersAt.add(start + rule.afterMillis)
        return walk(rule.rule, later)
      case "Veto":
        for (const group of rule.groups) vetoers.add(group)
        return walk(rule.rule, later)
      case "Deadline":
        deadline = Math.min(deadline, start + rule.afterMillis)
        return walk(rule.rule, later)
      case "AllowChanges":
        editors = rule.groups.length === 0 || editors === "asked"
          ? "asked"
          : new Set([...editors ?? [], ...rule.groups])
        return walk(rule.rule, later)
    }
  }
  const root = walk(rule, [])
  const end = timeoutAt?.epochMilliseconds ?? Infinity
  return {
    root,
    leaves,
    vetoers,
    editors,
    closesAt: Math.min(deadline, end),
    hasDeadline: deadline < end,
    remindersAt: [...remindersAt].sort((a, b) => a - b)
  }
}

/**
 * A vote that counts, with the parts of the rule that asked its reviewer when it was cast.
 *
 * @internal
 */
export interface Standing {
  readonly vote: Vote
  readonly leaves: ReadonlySet<Leaf>
  /** Whether it rejects alone. */
  readonly isVeto: boolean
}

/** Who counts: a reviewer and the one who represents them are one. */
const seatOf = ({ onBehalfOf, reviewerId }: Pick<Vote, "onBehalfOf" | "reviewerId">) => onBehalfOf ?? reviewerId

const leavesOf = (node: Node): ReadonlyArray<Leaf> => node._tag === "Leaf" ? [node] : node.parts.flatMap(leavesOf)

/** Fills each place of these leaves with another approval that may have it; false where one stays empty. */
const isFilled = (leaves: ReadonlyArray<Leaf>, standing: ReadonlyArray<Standing>): boolean => {
  const approvals = standing.filter(({ vote }) => vote.choice === "approve")
  const places = leaves.flatMap((leaf) => Array.from({ length: leaf.count }, () => leaf))
  if (places.length > approvals.length) return false
  /** The place that each approval has. */
  const placeOf = new Map<number, number>()
  const place = (index: number, tried: Set<number>): boolean =>
    approvals.some(({ leaves }, approval) => {
      if (tried.has(approval) || !leaves.has(places[index]!)) return false
      tried.add(approval)
      const taken = placeOf.get(approval)
      if (taken !== undefined && !place(taken, tried)) return false
      placeOf.set(approval, index)
      return true
    })
  return places.every((_, index) => place(index, new Set()))
}

const isMet = (node: Node, standing: ReadonlyArray<Standing>): boolean => isFilled(leavesOf(node), standing)

/**
 * The parts of the rule that ask now. Those before them still do, so that who approved may still reject.
 *
 * @internal
 */
export const openLeaves = (node: Node, standing: ReadonlyArray<Standing>): ReadonlyArray<Leaf> => {
  if (node._tag === "Leaf") return [node]
  if (node._tag === "All") return node.parts.flatMap((part) => openLeaves(part, standing))
  const next = node.parts.findIndex((part) => !isMet(part, standing))
  return (next < 0 ? node.parts : node.parts.slice(0, next + 1)).flatMap((part) => openLeaves(part, standing))
}

/**
 * The groups that a part of the rule asks at a time.
 *
 * @internal
 */
export const groupsAt = (leaf: Leaf, at: number): ReadonlyArray<string> => [
  ...leaf.groups,
  ...leaf.later.flatMap((later) => at >= later.at ? later.groups : [])
]

const meets = (groups: ReadonlyArray<string>, others: { readonly includes: (group: string) => boolean }) =>
  groups.some((group) => others.includes(group))

/** A vote that is about to be cast: not yet signed, nor in a chain. */
export type Cast = Pick<Vote, "reviewerId" | "groups" | "onBehalfOf" | "choice" | "at" | "proposal">

const mayChange = (
  editors: Compiled["editors"],
  groups: ReadonlyArray<string>,
  leaves: ReadonlySet<Leaf>
): boolean =>
  editors === "asked" ? leaves.size > 0 : editors !== undefined && groups.some((group) => editors.has(group))

type Judged = { readonly refusal: Refusal } | Omit<Standing, "vote">

const judge = (opening: Opening, compiled: Compiled, standing: ReadonlyArray<Standing>, vote: Cast): Judged => {
  const { onBehalfOf, reviewerId } = vote
  const at = vote.at.epochMilliseconds
  if (opening.requesters.some((id) => id === reviewerId || id === onBehalfOf)) return { refusal: "Requester" }
  if (at >= compiled.closesAt) return { refusal: "TooLate" }
  const groups = onBehalfOf === null ?
    vote.groups :
    opening.delegations.flatMap(({ from, groups, to, until }) =>
      from === onBehalfOf && to === reviewerId && at < DateTime.toEpochMillis(until) ? groups : []
    )
  if (onBehalfOf !== null && groups.length === 0) return { refusal: "NoDelegation" }
  const seat = seatOf(vote)
  const isRepeated = standing.some((other) =>
    other.vote.reviewerId === reviewerId && seatOf(other.vote) === seat && other.vote.choice === vote.choice &&
    vote.proposal === undefined
  )
  if (isRepeated) return { refusal: "AlreadyVoted" }
  const leaves = new Set(openLeaves(compiled.root, standing).filter((leaf) => meets(groupsAt(leaf, at), groups)))
  const isChange = vote.proposal !== undefined
  if (isChange && (vote.choice !== "reject" || !mayChange(compiled.editors, groups, leaves))) {
    return { refusal: "NoChanges" }
  }
  const isVeto = isChange || (vote.choice === "reject" && groups.some((group) => compiled.vetoers.has(group)))
  if (leaves.size > 0 || isVeto) return { leaves, isVeto }
  const isAskedLater = compiled.leaves.some((leaf) =>
    meets([...leaf.groups, ...leaf.later.flatMap(({ groups }) => groups)], groups)
  )
  return { refusal: isAskedLater ? "NotYet" : "NotAsked" }
}

/**
 * The count of a ballot.
 *
 * @internal
 */
export interface Tally {
  readonly standing: ReadonlyArray<Standing>
  /** Votes that count for nothing, with why. None is in a ballot of an honest store. */
  readonly ignored: ReadonlyArray<{ readonly vote: Vote; readonly refusal: Refusal }>
  readonly result: "approve" | "reject" | undefined
}

/**
 * The result of the votes. It stays once it is there: later votes count for nothing.
 *
 * @internal
 */
export const tally = (opening: Opening, votes: ReadonlyArray<Vote>): Tally =>
  opening.rule === null
    ? { standing: [], ignored: votes.map((vote) => ({ vote, refusal: "NotAsked" })), result: undefined }
    : count(opening, compile(opening.rule, opening), votes)

/** The same under a rule that is compiled: votes that count refer to its parts. */
export const count = (opening: Opening, compiled: Compiled, votes: ReadonlyArray<Vote>): Tally => {
  let standing: ReadonlyArray<Standing> = []
  const ignored: Array<{ readonly vote: Vote; readonly refusal: Refusal }> = []
  let result: Tally["result"]
  for (const vote of votes) {
    const judged: Judged = result === undefined ? judge(opening, compiled, standing, vote) : { refusal: "Ended" }
    if ("refusal" in judged) {
      ignored.push({ vote, refusal: judged.refusal })
      continue
    }
    const seat = seatOf(vote)
    standing = [
      ...standing.filter((other) => seatOf(other.vote) !== seat && other.vote.reviewerId !== vote.reviewerId),
      { ...judged, vote }
    ]
    result = resultOf(opening, compiled, standing)
  }
  return { standing, ignored, result }
}

/** Where it is known who asked, four eyes decide: those of the one who proposed the action alone are not enough. */
const isOfEditorAlone = ({ proposals = [], requesters }: Opening, standing: ReadonlyArray<Standing>): boolean => {
  const [approval, ...others] = standing.filter(({ vote }) => vote.choice === "approve")
  return requesters.length > 0 && others.length === 0 && approval !== undefined &&
    proposals.some(({ editor }) => editor === approval.vote.reviewerId || editor === approval.vote.onBehalfOf)
}

const resultOf = (
  opening: Opening,
  { leaves, root }: Compiled,
  standing: ReadonlyArray<Standing>
): Tally["result"] => {
  const rejections = standing.filter(({ vote }) => vote.choice === "reject")
  const isRejected = rejections.some(({ isVeto }) => isVeto) ||
    leaves.some((leaf) => rejections.filter((rejection) => rejection.leaves.has(leaf)).length >= leaf.rejections)
  if (isRejected) return "reject"
  return isMet(root, standing) && !isOfEditorAlone(opening, standing) ? "approve" : undefined
}

/**
 * Why a vote would not count, or undefined where it would.
 *
 * @internal
 */
export const refusalOf = (opening: Opening, votes: ReadonlyArray<Vote>, vote: Cast): Refusal | undefined => {
  if (opening.rule === null) return "NotAsked"
  const compiled = compile(opening.rule, opening)
  const { result, standing } = count(opening, compiled, votes)
  if (result !== undefined) return "Ended"
  const judged = judge(opening, compiled, standing, vote)
  return "refusal" in judged ? judged.refusal : undefined
}
