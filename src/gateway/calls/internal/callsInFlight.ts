/**
 * Calls between the look at their agent's history and their own row in the ledger. Calls that are decided at the same time
 * count one another, in the order of their coming; otherwise together they could pass a limit.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { ActionId } from "../../../model/ActionId.ts"

/**
 * A register of them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = () => {
  const calls = new Map<string, Set<ActionId>>()

  const enter = (agent: string, actionId: ActionId): ReadonlyArray<ActionId> => {
    const own = calls.get(agent) ?? new Set()
    const before = [...own]
    calls.set(agent, own.add(actionId))
    return before
  }

  const leave = (agent: string, actionId: ActionId) => {
    const own = calls.get(agent)
    if (own?.delete(actionId) && own.size === 0) calls.delete(agent)
  }

  return {
    /** Runs the steps up to a call's row in the ledger; they are told which calls of the agent came before. */
    among: <A, E, R>(
      { actionId, agentId, tenantId }: {
        readonly tenantId: string
        readonly agentId: string
        readonly actionId: ActionId
      },
      steps: (before: ReadonlyArray<ActionId>) => Effect.Effect<A, E, R>
    ): Effect.Effect<A, E, R> => {
      // No agent's id has such a character.
      const agent = `${tenantId}\0${agentId}`
      // Inside what `onExit` guards: a call that entered and never left would count from then on.
      return Effect.onExit(
        Effect.suspend(() => steps(enter(agent, actionId))),
        () => Effect.sync(() => leave(agent, actionId))
      )
    }
  }
}
