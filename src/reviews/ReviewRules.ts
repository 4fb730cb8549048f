/**
 * By which rules a panel decides: which rule applies to an action, who asked for it, who represents whom.
 *
 * **Example** (Two for large refunds)
 *
 * ```ts
 * import { ReviewCondition, ReviewRules } from "effect-vargate"
 *
 * const rules = ReviewRules.make({
 *   rules: [{
 *     when: ReviewCondition.and(ReviewCondition.tool("stripe"), ReviewCondition.amountAbove(1000, "amount")),
 *     rule: ReviewRules.escalateAfter("15 minutes", "board")(ReviewRules.quorum(2, "finance"))
 *   }],
 *   otherwise: ReviewRules.anyOf("support", "finance"),
 *   requesters: ReviewRules.ownersOf({ "support-bot": ["ann"] })
 * })
 * ```
 *
 * @since 0.2.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { PendingAction } from "../approvals/Approval.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { Opening } from "./Ballot.ts"
import { digestOf } from "./internal/ballotText.ts"
import { wordsOfBallot } from "./internal/words.ts"
import { paramAt, type ReviewCondition } from "./ReviewCondition.ts"
import { ReviewerId } from "./Reviewer.ts"
import { Delegation, Rule } from "./ReviewRule.ts"

/**
 * The rules that these are made of.
 *
 * @since 0.2.0
 */
export * from "./ReviewRule.ts"

/**
 * The reviewers who asked for an action, by their ids. They never decide on it.
 *
 * @category models
 * @since 0.2.0
 */
export type Requesters = (action: PendingAction) => ReadonlyArray<string>

/**
 * The rules of a panel.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReviewRules {
  readonly rules: ReadonlyArray<{ readonly when: ReviewCondition; readonly rule: Rule }>
  readonly otherwise: Rule
  readonly requesters: Requesters
  readonly delegations: ReadonlyArray<Delegation>
}

/**
 * What rules are made of.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** The first one whose condition holds applies. Default: none. */
  readonly rules?: ReadonlyArray<{ readonly when: ReviewCondition; readonly rule: Rule }> | undefined
  /** For every other action. */
  readonly otherwise: Rule
  /**
   * Who asked. Default: not known, and then any reviewer may decide. Rely on what an agent cannot choose: its registered
   * owner, or a parameter that a trusted program sets.
   */
  readonly requesters?: Requesters | undefined
  /** Default: none. */
  readonly delegations?: ReadonlyArray<Delegation> | undefined
}

const decodeRule = Schema.decodeUnknownResult(Rule)
const decodeDelegations = Schema.decodeUnknownResult(Schema.toType(Schema.Array(Delegation)))

/**
 * Checks rules. Throws `InvalidRequest` where one could never be met, or would be met at once: a count of 0, no group, an
 * empty list, a time beyond the gateway's hour.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options): ReviewRules => {
  const { delegations = [], otherwise, requesters = () => [], rules = [] } = options
  const check = (rule: Rule, at: ReadonlyArray<string | number>) => {
    const decoded = decodeRule(rule)
    if (Result.isFailure(decoded)) {
      throw invalidRequest("ReviewRules.make", fieldIssues(decoded.failure.issue, at))
    }
    return decoded.success
  }
  const decoded = decodeDelegations(delegations)
  if (Result.isFailure(decoded)) {
    throw invalidRequest("ReviewRules.make", fieldIssues(decoded.failure.issue, ["delegations"]))
  }
  return {
    rules: rules.map(({ rule, when }, index) => ({ when, rule: check(rule, ["rules", index, "rule"]) })),
    otherwise: check(otherwise, ["otherwise"]),
    requesters,
    delegations: decoded.success
  }
}

/**
 * Who asked, by the agent: the reviewers who own it. An agent cannot choose its registered owner.
 *
 * @category requesters
 * @since 0.2.0
 */
export const ownersOf = (owners: Readonly<Record<string, ReadonlyArray<string>>>): Requesters => {
  const known = new Map(Object.entries(owners))
  return ({ agentId }) => known.get(agentId) ?? []
}

/**
 * Who asked, by a parameter of the call, for tools whose params a trusted program sets.
 *
 * **Gotchas**
 *
 * A model that chooses its params can name another one here. Use it only for tools where it cannot.
 *
 * @category requesters
 * @since 0.2.0
 */
export const trustedParam = (tools: ReadonlyArray<string>, ...path: ReadonlyArray<string>): Requesters => (action) => {
  const value = tools.includes(action.tool) ? paramAt(action, path) : undefined
  return typeof value === "string" ? [value] : []
}

/** A condition or a function of the program's that throws must not leave the action to a laxer rule. */
const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

const isReviewerId = Schema.is(ReviewerId)

/**
 * How the ballot on an action begins.
 *
 * @category ballots
 * @since 0.2.0
 */
export const opening = (rules: ReviewRules, action: PendingAction): Opening => {
  const requesters = attempt(() => rules.requesters(action))?.filter((id) => isReviewerId(id))
  const rule = requesters &&
    attempt(() => rules.rules.find(({ when }) => when.matches(action))?.rule ?? rules.otherwise)
  return {
    actionId: action.actionId,
    digest: digestOf(action),
    agentId: action.agentId,
    tool: action.tool,
    method: action.method,
    createdAt: action.createdAt,
    timeoutAt: action.timeoutAt ?? null,
    rule: rule ?? null,
    requesters: requesters ?? [],
    delegations: rules.delegations
  }
}

/**
 * To which actions the rule of this one applies, in words: undefined where it is the rule for all others, or none could be
 * found.
 *
 * @category explaining
 * @since 0.2.0
 */
export const because = ({ rules }: ReviewRules, action: PendingAction): string | undefined =>
  attempt(() => rules.find(({ when }) => when.matches(action)))?.when.words

/**
 * What an action needs, in words, before any vote: a sentence each.
 *
 * @category explaining
 * @since 0.2.0
 */
export const explain = (rules: ReviewRules, action: PendingAction): ReadonlyArray<string> =>
  wordsOfBallot(opening(rules, action), [], action.createdAt.epochMilliseconds)
