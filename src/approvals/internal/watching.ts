/**
 * Waiting without a fiber for each action, and with a position in the log that outlives the process: for what waits for
 * twenty thousand of them on behalf of others.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ApprovalError } from "../../errors/VargateError.ts"
import type { ActionId } from "../../model/ActionId.ts"
import type { Approved } from "../Approval.ts"
import type { LogPosition, Look } from "./approvalLook.ts"
import type { ApprovalPoller } from "./approvalPoller.ts"

/**
 * The poller of a layer, which its waits share.
 *
 * @internal
 */
export interface Watching extends Pick<ApprovalPoller, "enter" | "leave">, Pick<Look, "resume"> {
  /** Runs once a look has ended that knows where in the log it has arrived, and what it found was handed over. */
  readonly afterLook: <A>(f: (position: LogPosition) => A) => Effect.Effect<A>
  /** Notes what a wait has ended with, as every wait does. */
  readonly decided: (
    actionId: ActionId,
    outcome: Approved | ApprovalError,
    seconds: number,
    context: Context.Context<never>
  ) => void
}

const byService = new WeakMap<object, Watching>()

/**
 * Remembers the poller of a service.
 *
 * @internal
 */
export const offersWatching = (approvals: object, watching: Watching): void => {
  byService.set(approvals, watching)
}

/**
 * The poller of a service. Another implementation of it has none.
 *
 * @internal
 */
export const watchingOf = (approvals: object): Watching | undefined => byService.get(approvals)
