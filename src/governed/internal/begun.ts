/**
 * Which approved actions this process has begun: an approval allows one, however many calls wait for it, and through
 * however many layers.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Approvals from "../../approvals/Approvals.ts"
import { gateways, ledgerOf } from "../../approvals/internal/ledgers.ts"
import { Conflict, VargateError } from "../../errors/VargateError.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { Transport } from "../../transport/Transport.ts"

/** Of each ledger the newest: an approval that is older than so many others is not resumed any more. */
const capacity = 100_000

/** The newest actions that were begun. */
class Begun {
  private readonly actions = new Set<ActionId>()
  /** Kept, since one that starts anew walks over all that was deleted before it. */
  private readonly oldest = this.actions.values()

  /** Whether this action was not there before. */
  add(actionId: ActionId): boolean {
    const isNew = !this.actions.has(actionId)
    this.actions.add(actionId)
    if (this.actions.size > capacity) this.actions.delete(this.oldest.next().value!)
    return isNew
  }
}

const begunOf = new WeakMap<object, Begun>()

/**
 * Begins an action, unless another wait for its approval has.
 *
 * @internal
 */
export const begun = <A, E, R>(
  actionId: ActionId,
  action: Effect.Effect<A, E, R>
): Effect.Effect<A, E | VargateError, R | Approvals.Approvals> =>
  Effect.gen(function*() {
    const approvals = yield* Approvals.Approvals
    const transport = yield* Effect.serviceOption(Transport)
    // Approvals of a program's own stand before a gateway too, where there is a transport, and else for themselves.
    const ledger = ledgerOf(approvals) ?? (Option.isSome(transport) ? gateways : approvals)
    const actions = begunOf.get(ledger) ?? new Begun()
    begunOf.set(ledger, actions)
    if (!actions.add(actionId)) {
      const reason = new Conflict({ detail: `this process has begun ${actionId} before` })
      return yield* new VargateError({ operation: "Governed.resume", reason })
    }
    return yield* action
  })
