/**
 * The name of one governed action. Every answer to a tool call, every audit record and every approval carries it.
 *
 * @since 0.1.0
 */
export * as ActionId from "./domain/ActionId.ts"

/**
 * Who acts. The gateway keeps history, anomaly scores and limits per agent id, so give each agent its own.
 *
 * @since 0.1.0
 */
export * as Agent from "./domain/Agent.ts"

/**
 * The policy's yes.
 *
 * @since 0.1.0
 */
export * as Allowed from "./domain/Allowed.ts"

/**
 * Actions that wait for people, and what people decided.
 *
 * @since 0.1.0
 */
export * as Approval from "./domain/Approval.ts"

/**
 * Actions that wait for people, seen from the agent's side: it can look and wait, never decide.
 *
 * @since 0.1.0
 */
export * as Approvals from "./Approvals.ts"

/**
 * The audit log: what was decided, in a chain of hashes.
 *
 * @since 0.1.0
 */
export * as AuditLog from "./AuditLog.ts"

/**
 * The audit log: one record per decision, chained by hashes, one chain per tenant.
 *
 * @since 0.1.0
 */
export * as AuditRecord from "./domain/AuditRecord.ts"

/**
 * What became of the action itself. "Allowed" and "approved" are words about policy; only this says what was done.
 *
 * @since 0.1.0
 */
export * as Execution from "./domain/Execution.ts"

/**
 * The gateway's health.
 *
 * @since 0.1.0
 */
export * as Health from "./domain/Health.ts"

/**
 * Merkle trees over the audit log: one per full hour.
 *
 * @since 0.1.0
 */
export * as Merkle from "./Merkle.ts"

/**
 * Merkle trees over the audit log: one tree per full hour and tenant.
 *
 * @since 0.1.0
 */
export * as MerkleProof from "./domain/MerkleProof.ts"

/**
 * Hashes of the audit log.
 *
 * @since 0.1.0
 */
export * as RecordHash from "./domain/RecordHash.ts"

/**
 * Taking a decision again.
 *
 * @since 0.1.0
 */
export * as Replay from "./Replay.ts"

/**
 * A decision, taken again.
 *
 * @since 0.1.0
 */
export * as ReplayReport from "./domain/ReplayReport.ts"

/**
 * When to try again, as values. Nothing in this package repeats an operation by itself; a program says
 * `Effect.retry(toolCalls.call(request), RetryPolicy.standard)` where it wants that.
 *
 * **Details**
 *
 * Every policy stops at once at an error whose `sideEffect` is not `"none"`: what may have been done is never done again.
 * They are ordinary `Schedule`s and compose with any other.
 *
 * **Gotchas**
 *
 * `Schedule.min`, `Schedule.concat` and the like go on while *one* of their parts does. Wrap the result of such a
 * combination in {@link make} to keep the promise.
 *
 * @since 0.1.0
 */
export * as RetryPolicy from "./RetryPolicy.ts"

/**
 * Decisions of people over held actions. A service of its own, so that a program which is not given it cannot approve
 * its own actions.
 *
 * @since 0.1.0
 */
export * as Reviews from "./Reviews.ts"

/**
 * The gateway itself.
 *
 * @since 0.1.0
 */
export * as System from "./System.ts"

/**
 * A tool call: what an agent wants to do, before anybody has said yes.
 *
 * @since 0.1.0
 */
export * as ToolCall from "./domain/ToolCall.ts"

/**
 * Governed tool calls: ask first, act only on a yes.
 *
 * @since 0.1.0
 */
export * as ToolCalls from "./ToolCalls.ts"

/**
 * The one way to the gateway: base URL, key, deadlines, size limits. Every service stands on it, and its only
 * requirement is an `HttpClient`: a real one, an embedded gateway in the same process, or a script in a test.
 *
 * What other libraries call errors ends here, in one switch.
 *
 * @since 0.1.0
 */
export * as Transport from "./Transport.ts"

/**
 * The front door: every service over one transport.
 *
 * @since 0.1.0
 */
export * as Vargate from "./Vargate.ts"

/**
 * Every failure of this package, as a table.
 *
 * | error | what happened | may something have happened? | try again? |
 * | --- | --- | --- | --- |
 * | `Denied` | policy said no | no | no: change the call or the policy |
 * | `PendingApproval` | held for a human | yes: a reviewer may release it | no: wait for the decision |
 * | `RateLimited` | too many calls in a second | no | after a full second of silence |
 * | `OpaUnavailable` | no policy engine, the tenant fails closed | no | yes, with growing pauses |
 * | `OutcomeUnknown` | the answer was lost | **yes** | never blindly: look it up |
 * | `VargateError` | everything else; see its `reason` | see `sideEffect` | see `isRetryable` |
 *
 * All of them have `sideEffect`, `isRetryable` and `retryAfter`; a `message` that says what to do next; and a `toJSON`
 * that holds no key, no header and no body.
 *
 * @since 0.1.0
 */
export * as VargateError from "./VargateError.ts"
