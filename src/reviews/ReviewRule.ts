/**
 * Who has to agree before an action is approved, as plain data: a rule is stored with each ballot, so that it can be
 * verified later by which rule a decision was made.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { Group, ReviewerId } from "./Reviewer.ts"

const Groups = Schema.Array(Group).check(Schema.isMinLength(1))

/** The gateway lets an action expire after an hour. */
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_600_000 }))

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

/**
 * So many different reviewers of these groups have to approve. So many rejections of theirs reject the action.
 *
 * @category models
 * @since 0.2.0
 */
export interface Quorum {
  readonly _tag: "Quorum"
  readonly count: number
  readonly groups: ReadonlyArray<string>
  readonly rejections: number
}

/**
 * All of these rules have to be met, and no reviewer counts for two of them.
 *
 * @category models
 * @since 0.2.0
 */
export interface AllOf {
  readonly _tag: "AllOf"
  readonly rules: ReadonlyArray<Rule>
}

/**
 * One rule after the other: the groups of a later one are asked once those before it are met.
 *
 * @category models
 * @since 0.2.0
 */
export interface FirstThen {
  readonly _tag: "FirstThen"
  readonly rules: ReadonlyArray<Rule>
}

/**
 * So long after the action was queued, these groups are asked as well.
 *
 * @category models
 * @since 0.2.0
 */
export interface EscalateAfter {
  readonly _tag: "EscalateAfter"
  readonly afterMillis: number
  readonly groups: ReadonlyArray<string>
  readonly rule: Rule
}

/**
 * So long after the action was queued, channels remind those who are still asked.
 *
 * @category models
 * @since 0.2.0
 */
export interface RemindAfter {
  readonly _tag: "RemindAfter"
  readonly afterMillis: number
  readonly rule: Rule
}

/**
 * One rejection of a member of these groups rejects the action, whether the rule asks them or not.
 *
 * @category models
 * @since 0.2.0
 */
export interface Veto {
  readonly _tag: "Veto"
  readonly groups: ReadonlyArray<string>
  readonly rule: Rule
}

/**
 * What is not decided so long after the action was queued is rejected.
 *
 * @category models
 * @since 0.2.0
 */
export interface Deadline {
  readonly _tag: "Deadline"
  readonly afterMillis: number
  readonly rule: Rule
}

/**
 * A member of these groups can change the params: the action is rejected, and what the reviewer proposes instead is
 * submitted. Without groups, those whom the rule asks can.
 *
 * @category models
 * @since 0.2.0
 */
export interface AllowChanges {
  readonly _tag: "AllowChanges"
  readonly groups: ReadonlyArray<string>
  readonly rule: Rule
}

/**
 * A rule over one action.
 *
 * @category models
 * @since 0.2.0
 */
export type Rule = Quorum | AllOf | FirstThen | EscalateAfter | RemindAfter | Veto | Deadline | AllowChanges

const inner = Schema.suspend((): Schema.Codec<Rule> => Rule)
const parts = Schema.Array(inner).check(Schema.isMinLength(1))

/**
 * The schema of {@link Rule}.
 *
 * @category models
 * @since 0.2.0
 */
export const Rule: Schema.Codec<Rule> = Schema.Union([
  Schema.TaggedStruct("Quorum", { count: Count, groups: Groups, rejections: Count }),
  Schema.TaggedStruct("AllOf", { rules: parts }),
  Schema.TaggedStruct("FirstThen", { rules: parts }),
  Schema.TaggedStruct("EscalateAfter", { afterMillis: Millis, groups: Groups, rule: inner }),
  Schema.TaggedStruct("RemindAfter", { afterMillis: Millis, rule: inner }),
  Schema.TaggedStruct("Veto", { groups: Groups, rule: inner }),
  Schema.TaggedStruct("Deadline", { afterMillis: Millis, rule: inner }),
  Schema.TaggedStruct("AllowChanges", { groups: Schema.Array(Group), rule: inner })
])

/**
 * A reviewer represents another one until a time, with the groups that are named. The two count as one.
 *
 * @category models
 * @since 0.2.0
 */
export const Delegation = Schema.Struct({
  from: ReviewerId,
  to: ReviewerId,
  groups: Groups,
  until: Schema.DateTimeUtcFromString
})

/**
 * The type of {@link Delegation}.
 *
 * @category models
 * @since 0.2.0
 */
export type Delegation = typeof Delegation.Type

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/**
 * So many different reviewers of these groups.
 *
 * **Details**
 *
 * `rejections` is how many of them reject the action. Default: one is enough.
 *
 * @category constructors
 * @since 0.2.0
 */
export const quorum = (
  count: number,
  groups: string | ReadonlyArray<string>,
  options?: { readonly rejections?: number | undefined }
): Quorum => ({
  _tag: "Quorum",
  count,
  groups: typeof groups === "string" ? [groups] : [...groups],
  rejections: options?.rejections ?? 1
})

/**
 * One reviewer of any of these groups.
 *
 * @category constructors
 * @since 0.2.0
 */
export const anyOf = (...groups: ReadonlyArray<string>): Quorum => quorum(1, groups)

/** A group stands for one of its reviewers. */
const ruleOf = (rule: Rule | string): Rule => typeof rule === "string" ? anyOf(rule) : rule

/**
 * All of these; a group stands for one of its reviewers. No reviewer counts twice.
 *
 * @category constructors
 * @since 0.2.0
 */
export const allOf = (...rules: ReadonlyArray<Rule | string>): AllOf => ({ _tag: "AllOf", rules: rules.map(ruleOf) })

/**
 * One after the other; a group stands for one of its reviewers. No reviewer counts twice.
 *
 * @category constructors
 * @since 0.2.0
 */
export const firstThen = (...rules: ReadonlyArray<Rule | string>): FirstThen => ({
  _tag: "FirstThen",
  rules: rules.map(ruleOf)
})

/**
 * Asks more groups once an action has been pending for so long.
 *
 * @category combinators
 * @since 0.2.0
 */
export const escalateAfter =
  (after: Duration.Input, ...groups: ReadonlyArray<string>) => (rule: Rule): EscalateAfter => ({
    _tag: "EscalateAfter",
    afterMillis: millis(after),
    groups: [...groups],
    rule
  })

/**
 * Reminds those who are still asked once an action has been pending for so long.
 *
 * @category combinators
 * @since 0.2.0
 */
export const remindAfter = (after: Duration.Input) => (rule: Rule): RemindAfter => ({
  _tag: "RemindAfter",
  afterMillis: millis(after),
  rule
})

/**
 * Lets one member of these groups reject what the rule would approve.
 *
 * @category combinators
 * @since 0.2.0
 */
export const veto = (...groups: ReadonlyArray<string>) => (rule: Rule): Veto => ({
  _tag: "Veto",
  groups: [...groups],
  rule
})

/**
 * Rejects what is not decided in time. The gateway's own limit is an hour.
 *
 * @category combinators
 * @since 0.2.0
 */
export const deadline = (after: Duration.Input) => (rule: Rule): Deadline => ({
  _tag: "Deadline",
  afterMillis: millis(after),
  rule
})

/**
 * Lets members of these groups, or without groups those whom the rule asks, propose other params instead of those that are
 * pending.
 *
 * **Details**
 *
 * A proposal rejects the action. The agent's process submits what was proposed as an action of its own, which is decided
 * by the policy and by the rule for it. Who proposed it has one vote on it; where it is known who asked for it, that vote
 * alone never approves.
 *
 * @category combinators
 * @since 0.2.0
 */
export const allowChanges = (...groups: ReadonlyArray<string>) => (rule: Rule): AllowChanges => ({
  _tag: "AllowChanges",
  groups: [...groups],
  rule
})
