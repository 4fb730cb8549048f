/**
 * What trials and explanations of policies say, as schemas.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"

/**
 * What becomes of a call.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PolicyOutcome = Schema.Literals(["allowed", "pending", "denied"])

/**
 * The type of {@link PolicyOutcome}.
 *
 * @category models
 * @since 0.2.0
 */
export type PolicyOutcome = typeof PolicyOutcome.Type

/**
 * Why a record is no decision to compare with.
 *
 * | reason | meaning |
 * | --- | --- |
 * | `HumanDecision` | a reviewer decided, no policy was asked |
 * | `GatewayDecision` | the gateway itself decided or noted it, without a policy or against it |
 * | `NoDocument` | its document is not there: it was erased, or the gateway does not give it |
 *
 * @category schemas
 * @since 0.2.0
 */
export const NotCompared = Schema.Literals(["HumanDecision", "GatewayDecision", "NoDocument"])

const Changes = Schema.Struct({
  /** Calls that would be denied and were not. */
  denied: Schema.Int,
  /** Calls that would need an approval and did not, or were denied. */
  pending: Schema.Int,
  /** Calls that would be allowed at once and were not. */
  allowed: Schema.Int
})

/**
 * What would change for one rule, agent or tool.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ChangesFor = Schema.Struct({ name: Schema.String, ...Changes.fields })

/**
 * A call that would be decided otherwise.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ChangedCall = Schema.Struct({
  actionId: Schema.String,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  from: PolicyOutcome,
  to: PolicyOutcome,
  /** What would deny or hold it; of a call that would be allowed, what denied it or `requires_human`. */
  rules: Schema.Array(Schema.String)
})

const Counted = Schema.Struct({ field: Schema.String, documents: Schema.Int })

/**
 * What a trial has found.
 *
 * @category models
 * @since 0.2.0
 */
export class TrialReport extends Schema.Class<TrialReport>("effect-vargate/TrialReport")({
  candidate: Schema.String,
  /** Decisions of the past that were tried: the same, changed, undecided and failed ones together. */
  tried: Schema.Int,
  same: Schema.Int,
  newly: Changes,
  /** The document lacks what the candidate asks for. */
  undecided: Schema.Int,
  /** The candidate gave no decision. */
  failed: Schema.Int,
  byRule: Schema.Array(ChangesFor),
  byAgent: Schema.Array(ChangesFor),
  /** By `tool/method`. */
  byTool: Schema.Array(ChangesFor),
  /** The newest of those that would change. */
  examples: Schema.Array(ChangedCall),
  /** What the documents of undecided calls lack, the most frequent first. */
  lacking: Schema.Array(Counted),
  /** Fields that documents lack and that others of their fields determine. */
  derived: Schema.Array(Counted),
  failures: Schema.Array(Schema.Struct({ detail: Schema.String, documents: Schema.Int })),
  leftOut: Schema.Array(Schema.Struct({ reason: NotCompared, records: Schema.Int }))
}) {
  /** How many would change. */
  get changed(): number {
    const { allowed, denied, pending } = this.newly
    return allowed + denied + pending
  }
  /** One line to read. */
  get summary(): string {
    const { failed, newly: { allowed, denied, pending }, same, tried, undecided } = this
    return `${tried} decisions: ${denied} newly denied, ${pending} newly pending, ${allowed} newly allowed, ${same} the same, ` +
      `${undecided} undecided, ${failed} failed`
  }
}

/**
 * A limit that was exceeded.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Excess = Schema.Struct({
  what: Schema.Literals(["denied", "pending", "allowed", "undecided", "failed", "tried"]),
  found: Schema.Int,
  /** The most that was permitted; of `tried`, the least. */
  limit: Schema.Finite
})

const Seen = Schema.Struct({ field: Schema.String, value: Schema.Unknown })

/**
 * A rule that has fired, with what it saw.
 *
 * @category schemas
 * @since 0.2.0
 */
export const FiredRule = Schema.Struct({
  /** As it stands among the violations, or the name of an approval. */
  name: Schema.String,
  /** What it does: deny the call, or hold it. */
  type: Schema.Literals(["deny", "approval"]),
  severity: Schema.Literals(["none", "low", "medium", "high", "critical"]),
  /** The values of the document that it read, and of parameters (`policy_config.{name}`). */
  saw: Schema.Array(Seen)
})

/**
 * A rule that could not be judged, since the document lacks what it asks for.
 *
 * @category schemas
 * @since 0.2.0
 */
export const UnjudgedRule = Schema.Struct({ name: Schema.String, lacking: Schema.Array(Schema.String) })

/**
 * What a policy says about a document, and why.
 *
 * @category models
 * @since 0.2.0
 */
export class Explanation extends Schema.Class<Explanation>("effect-vargate/Explanation")({
  /** Undefined where what the document lacks may decide. */
  outcome: Schema.optionalKey(PolicyOutcome),
  violations: Schema.Array(Schema.String),
  rules: Schema.Array(FiredRule),
  unjudged: Schema.Array(UnjudgedRule)
}) {}
