/**
 * Standing approvals: what a reviewer has said "always" to, within a scope.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { ActionDigest, Seal } from "./Ballot.ts"
import { Group, ReviewerId } from "./Reviewer.ts"

const Amount = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 4_000_000_000 }))

/** Of objects within objects. */
const deepest = 16

/**
 * What a field of the params may be.
 *
 * **Details**
 *
 * - `Equals`: this JSON, and no other.
 * - `OneOf`: one of these.
 * - `Range`: a number from `min` to `max`, both included.
 * - `Any`: whatever it is. Nothing is any value unless the grant says so.
 * - `Fields`: an object that has no other fields than these. They nest to 16 levels.
 *
 * @category models
 * @since 0.2.0
 */
export type Constraint =
  | { readonly _tag: "Equals"; readonly value: unknown }
  | { readonly _tag: "OneOf"; readonly values: ReadonlyArray<unknown> }
  | { readonly _tag: "Range"; readonly min: number; readonly max: number }
  | { readonly _tag: "Any" }
  | { readonly _tag: "Fields"; readonly fields: Readonly<Record<string, Constraint>> }

const constraints = [
  Schema.TaggedStruct("Equals", { value: Schema.Unknown }),
  Schema.TaggedStruct("OneOf", { values: Schema.Array(Schema.Unknown).check(Schema.isMinLength(1)) }),
  Schema.TaggedStruct("Range", { min: Schema.Finite, max: Schema.Finite }),
  Schema.TaggedStruct("Any", {})
] as const

/** A schema that ends: whatever is read by it nests no deeper. */
const constraintTo = (levels: number): Schema.Codec<Constraint> =>
  levels === 0 ? Schema.Union(constraints) : Schema.Union([
    ...constraints,
    Schema.TaggedStruct("Fields", { fields: Schema.Record(Schema.String, constraintTo(levels - 1)) })
  ])

/**
 * The schema of {@link Constraint}.
 *
 * @category models
 * @since 0.2.0
 */
export const Constraint: Schema.Codec<Constraint> = constraintTo(deepest)

/**
 * How large the sum of a field may be: in each hour or day (UTC), or for the whole of the grant.
 *
 * @category models
 * @since 0.2.0
 */
export const GrantBudget = Schema.Struct({
  /** The field of the params, or the way to it (`"order.total"`). */
  sum: Schema.String.check(Schema.isMinLength(1)),
  per: Schema.Literals(["hour", "day", "grant"]),
  max: Amount
})

/**
 * The type of {@link GrantBudget}.
 *
 * @category models
 * @since 0.2.0
 */
export type GrantBudget = typeof GrantBudget.Type

/**
 * A standing approval of one reviewer: wherever it covers a pending action, the panel casts this reviewer's vote for it.
 *
 * @category models
 * @since 0.2.0
 */
export class Grant extends Schema.Class<Grant>("effect-vargate/Grant")({
  id: Schema.String,
  reviewerId: ReviewerId,
  reviewerName: Schema.String,
  /** Of the reviewer, when the grant was made. */
  groups: Schema.Array(Group),
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  /** By the names of the fields. A call with a field that is not named here is not covered. */
  params: Schema.Record(Schema.String, Constraint),
  /** How often it may be used at most. */
  count: Schema.NullOr(Schema.Int.check(Schema.isGreaterThan(0))),
  budgets: Schema.Array(GrantBudget),
  note: Schema.NullOr(Schema.String),
  createdAt: Schema.DateTimeUtcFromString,
  /** There always is one. */
  expiresAt: Schema.DateTimeUtcFromString,
  /** The panel's signature of all of the above. */
  seal: Seal
}) {}

/**
 * One use of a grant: a vote that was cast under it.
 *
 * @category models
 * @since 0.2.0
 */
export const GrantUse = Schema.Struct({
  actionId: ActionId,
  digest: ActionDigest,
  at: Schema.DateTimeUtcFromString
})

/**
 * The type of {@link GrantUse}.
 *
 * @category models
 * @since 0.2.0
 */
export type GrantUse = typeof GrantUse.Type

/**
 * A grant, and what has become of it.
 *
 * @category models
 * @since 0.2.0
 */
export class GrantStatus extends Schema.Class<GrantStatus>("effect-vargate/GrantStatus")({
  grant: Grant,
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  revokedBy: Schema.NullOr(Schema.String),
  uses: Schema.Int
}) {}
