/**
 * Which action belongs to which call of this process, so that no two calls take the same record for theirs.
 *
 * @internal
 */
import * as Context from "effect/Context"

/**
 * Remembers the latest action ids that calls of this process were answered with. Older ones are forgotten, and the time
 * until which that happened is known, so that forgetting is never mistaken for knowing.
 *
 * @internal
 */
export class Claims {
  private readonly claimed = new Map<string, number>()
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
}

/**
 * The claims of this process.
 *
 * @internal
 */
export const CurrentClaims = Context.Reference<Claims>("effect-vargate/internal/Claims", {
  defaultValue: () => new Claims()
})
