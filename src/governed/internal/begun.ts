/**
 * Which approved actions this process has begun: an approval allows one, however many calls wait for it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Approvals from "../../approvals/Approvals.ts"
import { Conflict, VargateError } from "../../errors/VargateError.ts"
import type { ActionId } from "../../model/ActionId.ts"

/** By the services that waited for them. The newest 10,000. */
const actionsOf = new WeakMap<Approvals.Approvals["Service"], Set<ActionId>>()

/**
 * Begins an action, unless another wait for its approval has.
 *
 * @internal
 */
export const begun = <A, E, R>(
  actionId: ActionId,
  action: Effect.Effect<A, E, R>
): Effect.Effect<A, E | VargateError, R | Approvals.Approvals> =>
  Effect.flatMap(Approvals.Approvals, (approvals): Effect.Effect<A, E | VargateError, R> => {
    const actions = actionsOf.get(approvals) ?? new Set()
    actionsOf.set(approvals, actions)
    if (actions.has(actionId)) {
      const reason = new Conflict({ detail: `this process has begun ${actionId} before` })
      return Effect.fail(new VargateError({ operation: "Governed.resume", reason }))
    }
    actions.add(actionId)
    if (actions.size > 10_000) actions.delete(actions.values().next().value!)
    return action
  })
