/**
 * The file of `inbox --panel`: who reviews, and by which rules, as JSON that is written by hand.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import { VargateError } from "../../errors/VargateError.ts"
import { TokenEntry } from "../../reviews/Authenticator.ts"
import * as ReviewCondition from "../../reviews/ReviewCondition.ts"
import { Group, ReviewerId } from "../../reviews/Reviewer.ts"
import * as ReviewRules from "../../reviews/ReviewRules.ts"
import { FileFailed, Usage } from "../core/failure.ts"
import { parseDuration } from "../core/flags.ts"
import { readText } from "../core/readText.ts"

const Groups = Schema.Union([Group, Schema.Array(Group).check(Schema.isMinLength(1))])

const Time = Schema.String.check(
  Schema.makeFilter((text: string) => Option.isSome(parseDuration(text)) || "Expected a time like 15m, 90s or 1h")
)

const Modifiers = {
  /** Who is asked as well, after that time. */
  escalate: Schema.optionalKey(Schema.Struct({ after: Time, groups: Groups })),
  remind: Schema.optionalKey(Time),
  /** Groups of which one member can reject. */
  veto: Schema.optionalKey(Groups),
  /** Who can propose other params: those who are asked (`true`), or these groups. */
  changes: Schema.optionalKey(Schema.Union([Schema.Literal(true), Groups])),
  /** What is not decided by then is rejected. */
  deadline: Schema.optionalKey(Time)
}

interface Modified {
  readonly escalate?: { readonly after: string; readonly groups: typeof Groups.Type }
  readonly remind?: string
  readonly veto?: typeof Groups.Type
  readonly changes?: true | typeof Groups.Type
  readonly deadline?: string
}

type RuleText =
  | typeof Groups.Type
  | (Modified & { readonly quorum: number; readonly groups: typeof Groups.Type; readonly rejections?: number })
  | (Modified & { readonly allOf: ReadonlyArray<RuleText> })
  | (Modified & { readonly firstThen: ReadonlyArray<RuleText> })

const Parts = Schema.Array(Schema.suspend((): Schema.Codec<RuleText> => RuleText)).check(Schema.isMinLength(1))

const RuleText: Schema.Codec<RuleText> = Schema.Union([
  Groups,
  Schema.Struct({
    quorum: Schema.Int,
    groups: Groups,
    rejections: Schema.optionalKey(Schema.Int),
    ...Modifiers
  }),
  Schema.Struct({ allOf: Parts, ...Modifiers }),
  Schema.Struct({ firstThen: Parts, ...Modifiers })
])

const Names = Schema.Union([Schema.String, Schema.Array(Schema.String)])

const Condition = Schema.Struct({
  tool: Schema.optionalKey(Names),
  method: Schema.optionalKey(Names),
  agent: Schema.optionalKey(Names),
  /** The path of a number among the params, like `order.amount`, and above how much. */
  above: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite))
})

const Oidc = Schema.Struct({
  issuer: Schema.String,
  clientId: Schema.String,
  name: Schema.optionalKey(Schema.String),
  scopes: Schema.optionalKey(Schema.Array(Schema.String)),
  idClaim: Schema.optionalKey(Schema.String),
  nameClaim: Schema.optionalKey(Schema.String),
  groupsClaim: Schema.optionalKey(Schema.String)
})

const PanelFile = Schema.fromJsonString(Schema.Struct({
  reviewers: Schema.optionalKey(Schema.Array(TokenEntry)),
  oidc: Schema.optionalKey(Oidc),
  rules: Schema.optionalKey(Schema.Array(Schema.Struct({ when: Condition, rule: RuleText }))),
  otherwise: RuleText,
  /** The reviewers who own an agent: they do not decide on what it asks for. */
  owners: Schema.optionalKey(Schema.Record(Schema.String, Schema.Array(ReviewerId))),
  delegations: Schema.optionalKey(Schema.Array(ReviewRules.Delegation)),
  /** Hashes of the tokens of agents' processes, which submit what reviewers propose. */
  agentTokenHashes: Schema.optionalKey(TokenEntry.fields.tokenHashes)
}))

const decode = Schema.decodeEffect(PanelFile)

const listOf = (groups: typeof Groups.Type): ReadonlyArray<string> => typeof groups === "string" ? [groups] : groups

const durationOf = (text: string) => Option.getOrElse(parseDuration(text), () => Duration.zero)

const withModifiers = (
  rule: ReviewRules.Rule,
  { changes, deadline, escalate, remind, veto }: Modified
): ReviewRules.Rule => {
  let made = rule
  if (escalate !== undefined) {
    made = ReviewRules.escalateAfter(durationOf(escalate.after), ...listOf(escalate.groups))(made)
  }
  if (remind !== undefined) made = ReviewRules.remindAfter(durationOf(remind))(made)
  if (changes !== undefined) made = ReviewRules.allowChanges(...changes === true ? [] : listOf(changes))(made)
  if (veto !== undefined) made = ReviewRules.veto(...listOf(veto))(made)
  return deadline === undefined ? made : ReviewRules.deadline(durationOf(deadline))(made)
}

const ruleOf = (text: RuleText): ReviewRules.Rule => {
  if (typeof text === "string") return ReviewRules.anyOf(text)
  if (Array.isArray(text)) return ReviewRules.anyOf(...text as ReadonlyArray<string>)
  const rule = text as Exclude<RuleText, typeof Groups.Type>
  if ("quorum" in rule) {
    const { groups, quorum, rejections } = rule
    return withModifiers(ReviewRules.quorum(quorum, listOf(groups), { rejections }), rule)
  }
  return "allOf" in rule
    ? withModifiers(ReviewRules.allOf(...rule.allOf.map(ruleOf)), rule)
    : withModifiers(ReviewRules.firstThen(...rule.firstThen.map(ruleOf)), rule)
}

const conditionOf = ({ above, agent, method, tool }: typeof Condition.Type): ReviewCondition.ReviewCondition => {
  const names = (value: string | ReadonlyArray<string>) => typeof value === "string" ? [value] : value
  const conditions = [
    ...tool === undefined ? [] : [ReviewCondition.tool(...names(tool))],
    ...method === undefined ? [] : [ReviewCondition.method(...names(method))],
    ...agent === undefined ? [] : [ReviewCondition.agent(...names(agent))],
    ...Object.entries(above ?? {}).map(([path, limit]) => ReviewCondition.amountAbove(limit, ...path.split(".")))
  ]
  return conditions.length === 0 ? ReviewCondition.always : ReviewCondition.and(...conditions)
}

/** @internal */
export interface Panel {
  readonly reviewers: ReadonlyArray<TokenEntry>
  readonly oidc: typeof Oidc.Type | undefined
  readonly rules: ReviewRules.ReviewRules
  readonly agentTokenHashes: ReadonlyArray<string>
}

/**
 * Reads the file. What is wrong with it is said by field; it holds no secrets, only hashes of tokens.
 *
 * @internal
 */
export const readPanel = Effect.fnUntraced(function*(path: string) {
  const text = yield* Effect.mapError(readText(path), FileFailed.of("read", path))
  const faulty = (faults: ReadonlyArray<string>) =>
    new Usage({ message: `--panel: ${path} cannot be used (${faults.slice(0, 3).join("; ")}).` })
  const worded = (issues: ReadonlyArray<{ readonly path: ReadonlyArray<unknown>; readonly message: string }>) =>
    issues.map(({ message, path }) => [...path, message].join(": "))
  const file = yield* decode(text, { onExcessProperty: "error" }).pipe(
    Effect.mapError(({ issue }) => faulty(worded(fieldIssues(issue, []))))
  )
  const { agentTokenHashes = [], delegations = [], oidc, otherwise, owners = {}, reviewers = [], rules = [] } = file
  if (reviewers.length === 0 && oidc === undefined) {
    return yield* faulty(["reviewers: name some, with hashes of their tokens, or a provider as oidc"])
  }
  const made = yield* Effect.try({
    try: () =>
      ReviewRules.make({
        rules: rules.map(({ rule, when }) => ({ when: conditionOf(when), rule: ruleOf(rule) })),
        otherwise: ruleOf(otherwise),
        requesters: ReviewRules.ownersOf(owners),
        delegations
      }),
    catch: (error) =>
      faulty(
        error instanceof VargateError && error.reason._tag === "InvalidRequest"
          ? worded(error.reason.issues)
          : [String(error)]
      )
  })
  return { reviewers, oidc, rules: made, agentTokenHashes } satisfies Panel
})
