/**
 * Which action belongs to which call of this process, so that no two calls take the same record for theirs.
 *
 * @internal
 */
import * as Context from "effect/Context"
import { sameParams } from "../../internal/sameParams.ts"
import type { ToolCall } from "../../model/ToolCall.ts"

/**
 * What tells calls apart in the log.
 *
 * @internal
 */
export type CallFacts = Pick<ToolCall, "agentId" | "tool" | "method" | "params">

/** Every answer adds an id, and an id is looked up only for a lost answer: the index is built then. */
class Generation {
  private readonly ids: Array<string> = []
  private readonly index = new Set<string>()
  private indexed = 0

  /** How many there are now. */
  add(id: string): number {
    return this.ids.push(id)
  }

  has(id: string): boolean {
    while (this.indexed < this.ids.length) this.index.add(this.ids[this.indexed++]!)
    return this.index.has(id)
  }
}

/**
 * Remembers the latest action ids that calls of this process were answered with. Older ones are forgotten, and the time
 * until which that happened is known, so that forgetting is never mistaken for knowing.
 *
 * @internal
 */
export class Claims {
  /** Half of the capacity each: forgetting a whole generation costs nothing, forgetting one id a call does. */
  private claimed = new Generation()
  private claimedBefore = new Generation()
  private lastClaimedBefore = -Infinity
  private readonly underWay = new Set<CallFacts>()
  /** In the order of giving up: until when each counts, in monotonic milliseconds. */
  private readonly abandoned = new Map<CallFacts, number>()
  private readonly generation: number
  /** Records requested up to this time (epoch milliseconds) may belong to a call that is forgotten. */
  forgottenUntil = -Infinity
  /** When the first call departed. */
  private since = Infinity

  constructor(capacity = 16_384) {
    this.generation = Math.ceil(capacity / 2)
  }

  /** Claims an action for one call. False when another call has it. */
  claim(actionId: string, now: number): boolean {
    if (this.has(actionId)) return false
    this.answered(actionId, now)
    return true
  }

  /** Claims an action for the call that the gateway itself gave it to. */
  answered(actionId: string, now: number): void {
    if (this.claimed.add(actionId) < this.generation) return
    this.forgottenUntil = this.lastClaimedBefore
    this.claimedBefore = this.claimed
    this.lastClaimedBefore = Math.max(this.lastClaimedBefore, now)
    this.claimed = new Generation()
  }

  has(actionId: string): boolean {
    return this.claimed.has(actionId) || this.claimedBefore.has(actionId)
  }

  /** A call is on its way: a record that fits it may be its own, until its answer says which one is. */
  depart(call: CallFacts, now = Infinity): void {
    this.since = Math.min(this.since, now)
    this.underWay.add(call)
  }

  /**
   * Whether a record that fits a call sent at `sentAt` may belong to one that is not remembered here: since that is
   * forgotten, or was made by a process before this one.
   */
  mayBeOfAnother(requestedAt: number, sentAt: number): boolean {
    return requestedAt <= this.forgottenUntil || requestedAt < Math.min(this.since, sentAt)
  }

  arrive(call: CallFacts): void {
    this.underWay.delete(call)
  }

  /**
   * A call was given up without an answer: for a while its record may still appear, and belongs to no call. `now` is
   * monotonic, as it is where that is asked.
   */
  abandon(call: CallFacts, now: number): void {
    this.arrive(call)
    this.forget(now)
    this.abandoned.set(call, now + abandonedFor)
  }

  /** Whether a record that fits this call may belong to another that it fits as well and that has no answer yet. */
  isContended(call: CallFacts, now: number, fits = (other: CallFacts) => isLike(call, other)): boolean {
    this.forget(now)
    return [...this.underWay, ...this.abandoned.keys()].some((other) => other !== call && fits(other))
  }

  private forget(now: number): void {
    for (const [call, until] of this.abandoned) {
      if (until >= now) return
      this.abandoned.delete(call)
    }
  }
}

/** Two minutes: longer than a gateway lets a tool run. */
const abandonedFor = 120_000

const isLike = (a: CallFacts, b: CallFacts) =>
  a.agentId === b.agentId && a.tool === b.tool && a.method === b.method && sameParams(a.params, b.params)

/**
 * The claims of this process.
 *
 * @internal
 */
export const CurrentClaims = Context.Reference<Claims>("effect-vargate/internal/Claims", {
  defaultValue: () => new Claims()
})
