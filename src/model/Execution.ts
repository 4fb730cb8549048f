/**
 * What became of the action itself. "Allowed" and "approved" are words about policy; only this says what was done.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The gateway executed nothing: the agent acts itself (the guide calls this `agent_direct`).
 *
 * @category models
 * @since 0.1.0
 */
export class NotExecuted extends Schema.TaggedClass<NotExecuted>("effect-vargate/NotExecuted")("NotExecuted", {}) {}

/**
 * Times that the gateway measured, in milliseconds. Absent where the gateway did not report one.
 *
 * @category models
 * @since 0.1.0
 */
export const Latency = Schema.Struct({
  policyMs: Schema.optional(Schema.Finite),
  credentialMs: Schema.optional(Schema.Finite),
  executionMs: Schema.optional(Schema.Finite),
  totalMs: Schema.optional(Schema.Finite)
})

/**
 * The type of {@link Latency}.
 *
 * @category models
 * @since 0.1.0
 */
export type Latency = typeof Latency.Type

/**
 * The gateway executed the action and the tool answered: `result` is the tool's own JSON.
 *
 * @category models
 * @since 0.1.0
 */
export class Executed extends Schema.TaggedClass<Executed>("effect-vargate/Executed")("Executed", {
  result: Schema.Unknown,
  latency: Latency
}) {}

/**
 * The gateway tried to execute the action and the tool failed: `error` is the tool's own word on it.
 *
 * **Gotchas**
 *
 * The gateway reports these under a 200, even under an inner `status: "success"`. A tool that failed may still have
 * done part of its work.
 *
 * @category models
 * @since 0.1.0
 */
export class ExecutionFailed extends Schema.TaggedClass<ExecutionFailed>("effect-vargate/ExecutionFailed")(
  "ExecutionFailed",
  {
    error: Schema.Unknown,
    latency: Latency
  }
) {}

/**
 * The gateway executed the action, and it is not known what the tool said, nor whether it failed: the answer was lost and
 * the audit log does not tell (reconciliation finds this), or it cannot be used (`isTooDeep`).
 *
 * @category models
 * @since 0.1.0
 */
export class ExecutedUnseen extends Schema.TaggedClass<ExecutedUnseen>("effect-vargate/ExecutedUnseen")(
  "ExecutedUnseen",
  {
    /** True where the log says that the gateway stopped during the execution: then it may not have been executed at all. */
    isCutOff: Schema.optionalKey(Schema.Boolean),
    /** True where the tool's answer nests more than 1,000 levels deep, which no program could write or show. */
    isTooDeep: Schema.optionalKey(Schema.Boolean)
  }
) {}

/**
 * What the gateway did about an allowed or approved action.
 *
 * @category models
 * @since 0.1.0
 */
export const Execution = Schema.Union([NotExecuted, Executed, ExecutionFailed])

/**
 * The type of {@link Execution}.
 *
 * @category models
 * @since 0.1.0
 */
export type Execution = typeof Execution.Type
