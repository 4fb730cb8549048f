/**
 * What to do with a call that is pending: wait, fail, or carry on with a handle. Offered as `Governed.wait`, `fail` and
 * `detach`.
 *
 * @internal
 */
import type * as Approvals from "../../approvals/Approvals.ts"

/**
 * Waits for the decision.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wait extends Approvals.AwaitOptions {
  readonly _tag: "Wait"
}

/**
 * Fails with `PendingApproval`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fail {
  readonly _tag: "Fail"
}

/**
 * Continues with a handle.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detach {
  readonly _tag: "Detach"
}

/**
 * What to do when a call is pending: a reviewer must decide.
 *
 * @category models
 * @since 0.1.0
 */
export type OnPending = Wait | Fail | Detach

/**
 * Waits for the decision: this long at most (default: 65 minutes, until the action has expired), looking at this rhythm.
 *
 * **Details**
 *
 * The three strategies have one form: each is a value (`onPending: Governed.wait`) that can be called, `wait` with
 * options (`onPending: Governed.wait({ timeout: "20 minutes" })`).
 *
 * @category strategies
 * @since 0.1.0
 */
export const wait: Wait & ((options?: Approvals.AwaitOptions) => Wait) = Object.assign(
  (options: Approvals.AwaitOptions = {}): Wait => ({ _tag: "Wait", ...options }),
  { _tag: "Wait" } as const
)

/**
 * Fails with `PendingApproval`. The action stays queued and may still be approved and executed.
 *
 * @category strategies
 * @since 0.1.0
 */
export const fail: Fail & (() => Fail) = Object.assign((): Fail => ({ _tag: "Fail" }), { _tag: "Fail" } as const)

/**
 * Returns a handle and lets the program carry on with other work. `Governed.resume` continues the action in another
 * process.
 *
 * @category strategies
 * @since 0.1.0
 */
export const detach: Detach & (() => Detach) = Object.assign(
  (): Detach => ({ _tag: "Detach" }),
  { _tag: "Detach" } as const
)
