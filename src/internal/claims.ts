/**
 * Which action belongs to which call of this process, so that no two calls take the same record for theirs.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type { ToolCall } from "../domain/ToolCall.ts"
import { sameParams } from "./sameParams.ts"

/**
 * Remembers the latest action ids that calls of this process were answered with. Older ones are forgotten, and the time
 * until which that happened is known, so that forgetting is never mistaken for knowing.
 *
 * @internal
 */
export class Claims {
  private readonly claimed = new Map<string, number>()
  private readonly unsettled = new Map<ToolCall, number>()
  private readonly capacity: number
  /** Records requested up to this time (epoch milliseconds) may belong to a call that is forgotten. */
  forgottenUntil = -Infinity

  constructor(capacity = 16_384) {
    this.capacity = capacity
  }

  /** Claims an action for one call. False when another call has it. */
  claim(actionId: string, now: number): boolean {
    if (this.claimed.has(actionId)) return false
    this.claimed.set(actionId, now)
    if (this.claimed.size > this.capacity) {
      const [oldest, at] = this.claimed.entries().next().value!
      this.claimed.delete(oldest)
      this.forgottenUntil = at
    }
    return true
  }

  has(actionId: string): boolean {
    return this.claimed.has(actionId)
  }

  /** A call is on its way: a record that fits it may be its own, until its answer says which one is. */
  depart(call: ToolCall): void {
    this.unsettled.set(call, Infinity)
  }

  arrive(call: ToolCall): void {
    this.unsettled.delete(call)
  }

  /** A call was given up without an answer: for a while its record may still appear, and belongs to nobody. */
  abandon(call: ToolCall, now: number): void {
    this.unsettled.set(call, now + abandonedFor)
  }

  /** Whether a record that fits this call may belong to a like one that has no answer yet. */
  isContended(call: ToolCall, now: number): boolean {
    for (const [other, until] of this.unsettled) {
      if (until < now) this.unsettled.delete(other)
      else if (other !== call && isLike(call, other)) return true
    }
    return false
  }
}

/** Two minutes: longer than a gateway lets a tool run. */
const abandonedFor = 120_000

const isLike = (a: ToolCall, b: ToolCall) =>
  a.agentId === b.agentId && a.tool === b.tool && a.method === b.method && sameParams(a.params, b.params)

/**
 * The claims of this process.
 *
 * @internal
 */
export const CurrentClaims = Context.Reference<Claims>("effect-vargate/internal/Claims", {
  defaultValue: () => new Claims()
})
