/**
 * To which actions a rule applies: conditions over a pending action, each with its words.
 *
 * @since 0.2.0
 */
import type { PendingAction } from "../approvals/Approval.ts"

/**
 * A condition over a pending action.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReviewCondition {
  /** As a part of a sentence: `tool stripe`. */
  readonly words: string
  readonly matches: (action: PendingAction) => boolean
}

/**
 * Any condition at all. Where it throws, the action can be decided by no vote.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (words: string, matches: (action: PendingAction) => boolean): ReviewCondition => ({
  words,
  matches
})

/**
 * Every action.
 *
 * @category constructors
 * @since 0.2.0
 */
export const always: ReviewCondition = make("every action", () => true)

/**
 * Calls of one of these tools.
 *
 * @category constructors
 * @since 0.2.0
 */
export const tool = (...tools: ReadonlyArray<string>): ReviewCondition =>
  make(`tool ${tools.join(" or ")}`, (action) => tools.includes(action.tool))

/**
 * Calls of one of these methods.
 *
 * @category constructors
 * @since 0.2.0
 */
export const method = (...methods: ReadonlyArray<string>): ReviewCondition =>
  make(`method ${methods.join(" or ")}`, (action) => methods.includes(action.method))

/**
 * Calls of one of these agents.
 *
 * @category constructors
 * @since 0.2.0
 */
export const agent = (...agents: ReadonlyArray<string>): ReviewCondition =>
  make(`agent ${agents.join(" or ")}`, (action) => agents.includes(action.agentId))

/**
 * The value at a path of the params, like `["order", "amount"]`; undefined where there is none.
 *
 * @category params
 * @since 0.2.0
 */
export const paramAt = (action: PendingAction, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Readonly<Record<string, unknown>>)[key]
        : undefined,
    action.params
  )

const isAtMost = (value: unknown, limit: number) => typeof value === "number" && value <= limit

/**
 * Calls whose amount is more than this. An amount that is missing or is no number counts as more: what cannot be
 * compared is under the stricter rule.
 *
 * @category constructors
 * @since 0.2.0
 */
export const amountAbove = (limit: number, ...path: ReadonlyArray<string>): ReviewCondition =>
  make(`${path.join(".")} above ${limit}`, (action) => !isAtMost(paramAt(action, path), limit))

/**
 * Calls whose amount is a number, and at most this.
 *
 * @category constructors
 * @since 0.2.0
 */
export const amountUpTo = (limit: number, ...path: ReadonlyArray<string>): ReviewCondition =>
  make(`${path.join(".")} up to ${limit}`, (action) => isAtMost(paramAt(action, path), limit))

/**
 * All of these conditions.
 *
 * @category combinators
 * @since 0.2.0
 */
export const and = (...conditions: ReadonlyArray<ReviewCondition>): ReviewCondition =>
  make(
    conditions.map(({ words }) => words).join(" and "),
    (action) => conditions.every(({ matches }) => matches(action))
  )

/**
 * One of these conditions.
 *
 * @category combinators
 * @since 0.2.0
 */
export const or = (...conditions: ReadonlyArray<ReviewCondition>): ReviewCondition =>
  make(
    `(${conditions.map(({ words }) => words).join(" or ")})`,
    (action) => conditions.some(({ matches }) => matches(action))
  )

/**
 * The opposite of a condition.
 *
 * @category combinators
 * @since 0.2.0
 */
export const not = (condition: ReviewCondition): ReviewCondition =>
  make(`not (${condition.words})`, (action) => !condition.matches(action))
