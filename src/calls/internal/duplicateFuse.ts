/**
 * The fuse against a second action by mistake: a generic retry around a tool call, or a loop, that submits the same call
 * while the first one waits for a reviewer, may have been executed, or was given up after it was sent.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { DuplicateSubmission, OutcomeUnknown } from "../../errors/VargateError.ts"
import type { ActionId } from "../../model/ActionId.ts"
import type { ToolCall } from "../../model/ToolCall.ts"
import type { Transport } from "../../transport/Transport.ts"
import type { ParamsSnapshot } from "./paramsSnapshot.ts"

/**
 * Set where a second submission is meant, as by `Reconcile.resendAfter`.
 *
 * @internal
 */
export const AllowDuplicate = Context.Reference<boolean>("effect-vargate/internal/AllowDuplicate", {
  defaultValue: () => false
})

/** What tells submissions apart, beside their params. */
type Names = Pick<ToolCall, "agentId" | "tool" | "method">

/** Params as they were given: without the reference, which differs each time. The identity is computed when it is first read. */
type Given = Pick<ParamsSnapshot, "identity">

/** A submission that may have had an effect, or may yet have one. */
interface First extends Names {
  readonly key: string
  readonly fiberId: number
  readonly sentAt: number
  /** The run of a schedule that it was submitted in, if it was in one. Weak: it holds the failure of the run before. */
  readonly run: WeakRef<object> | undefined
  /** While it runs. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  endedAt: number
  state: DuplicateSubmission["first"]
  actionId: ActionId | undefined
}

/** What a schedule that runs a failed effect again says about it. */
interface Round {
  readonly error: Error
  /** When the first run had failed. */
  readonly start: number
  /** Another object for each run. */
  readonly run: object
}

/** Older ones are forgotten: a fuse, and no proof. */
const capacity = 10_000

/** A run ends a moment before the schedule takes over. */
const tolerance = 1000

/** There are no blanks in names. */
const keyOf = ({ agentId, method, tool }: Names, { identity }: Given) => `${agentId} ${tool} ${method} ${identity}`

/**
 * Where a fiber is in a retry: the schedule that runs the effect again puts the last failure into the context, from where
 * also the fibers of a time-out or a race inside the loop have it.
 */
const roundOf = (fiber: Fiber.Fiber<unknown, unknown>): Round | undefined => {
  const run = fiber.getRef(Schedule.CurrentMetadata)
  return run.attempt > 0 && run.input instanceof Error ? { error: run.input, start: run.start, run } : undefined
}

/** An error and those that it was made of, as far as a program wraps them. */
const causesOf = (error: unknown): ReadonlyArray<object> => {
  const causes: Array<object> = []
  let cause = error
  while (typeof cause === "object" && cause !== null && causes.length < 8 && !causes.includes(cause)) {
    causes.push(cause)
    cause = "cause" in cause ? cause.cause : undefined
  }
  return causes
}

/** One of ours, which says that nothing was done by the run before. */
const isHarmless = (cause: object) => "sideEffect" in cause && cause.sideEffect === "none"

/**
 * The submissions over one transport that were neither done nor certainly not done.
 *
 * @internal
 */
export class DuplicateFuse {
  private readonly firsts = new Set<First>()
  /** Kept, since one that starts anew walks over all that was deleted before it. */
  private readonly oldest = this.firsts.values()
  private readonly byFiber = new Map<number, Map<string, First>>()
  private readonly byAction = new Map<string, First>()
  private readonly watched = new WeakSet<Fiber.Fiber<unknown, unknown>>()

  /** What is wrong with a submission that repeats another. */
  check(call: Names, params: Given, fiber: Fiber.Fiber<unknown, unknown>): DuplicateSubmission | undefined {
    if (this.firsts.size === 0) return undefined
    const own = this.byFiber.get(fiber.id)
    const round = roundOf(fiber)
    if (own === undefined && round === undefined) return undefined
    const key = keyOf(call, params)
    const first = own?.get(key)
    const found = first !== undefined && isOpen(first, round) ? first : round && this.findInLoop(key, round)
    return found && new DuplicateSubmission({
      agentId: found.agentId,
      tool: found.tool,
      method: found.method,
      first: found.state,
      sentAt: DateTime.makeUnsafe(found.sentAt),
      actionId: found.actionId
    })
  }

  /** Notes a submission whose effect is open. */
  note(
    { agentId, method, tool }: Names,
    params: Given,
    fiber: Fiber.Fiber<unknown, unknown>,
    open: Pick<First, "sentAt" | "state"> & { readonly actionId?: ActionId }
  ): void {
    const { actionId, sentAt, state } = open
    const key = keyOf({ agentId, tool, method }, params)
    const first: First = {
      key,
      agentId,
      tool,
      method,
      sentAt,
      state,
      actionId,
      run: runOf(fiber),
      fiberId: fiber.id,
      fiber,
      endedAt: Infinity
    }
    this.firsts.add(first)
    this.watch(fiber)
    const own = this.byFiber.get(fiber.id) ?? new Map<string, First>()
    this.byFiber.set(fiber.id, own.set(key, first))
    if (actionId !== undefined) this.noteAction(actionId, first)
    if (this.firsts.size > capacity) this.forget(this.oldest.next().value!)
  }

  /** What the log said about an answer that this fiber had lost. */
  found(call: Names, params: Given, fiber: Fiber.Fiber<unknown, unknown>, decision: Found): void {
    const first = this.byFiber.get(fiber.id)?.get(keyOf(call, params))
    if (first?.state !== "unknown") return
    if (decision._tag === "Denied") return this.forget(first)
    first.state = decision._tag === "PendingApproval" ? "pending" : "approved"
    first.actionId = decision.actionId
    this.noteAction(decision.actionId, first)
  }

  /** A reviewer's decision was learned. */
  decided(actionId: ActionId, outcome: string): void {
    const first = this.byAction.get(actionId)
    if (first === undefined) return
    if (outcome === "Approved") first.state = "approved"
    else if (outcome === "Rejected" || outcome === "Expired") this.forget(first)
  }

  /**
   * A fiber of this process has decided. A rejected action is over; of an approval only the fiber that gave it knows yet,
   * and another one that submits the call again does so by mistake.
   */
  reviewed(actionId: ActionId, outcome: "Approved" | "Rejected", fiber: Fiber.Fiber<unknown, unknown>): void {
    if (outcome === "Rejected" || this.byAction.get(actionId)?.fiberId === fiber.id) this.decided(actionId, outcome)
  }

  private noteAction(actionId: ActionId, first: First): void {
    if (this.byAction.size === 0) enlist(this)
    this.byAction.set(actionId, first)
  }

  /** What an earlier run of this loop left open on a fiber of its own, as under a time-out. */
  private findInLoop(key: string, round: Round): First | undefined {
    const causes = causesOf(round.error)
    if (causes.some(isHarmless)) return undefined
    return Array.from(this.firsts).findLast((first) =>
      first.key === key && isOpen(first, round) &&
      (causes.some((cause) => isAbout(first, cause)) || hasEnded(first) && first.endedAt >= round.start - tolerance)
    )
  }

  /** One observer for each fiber, however many calls it makes. */
  private watch(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (this.watched.has(fiber)) return
    this.watched.add(fiber)
    const clock = fiber.getRef(Clock.Clock)
    fiber.addObserver(() => {
      const endedAt = clock.currentTimeMillisUnsafe()
      for (const first of this.byFiber.get(fiber.id)?.values() ?? []) {
        Object.assign(first, { endedAt, fiber: undefined })
      }
      this.byFiber.delete(fiber.id)
    })
  }

  private forget(first: First): void {
    this.firsts.delete(first)
    if (first.actionId !== undefined) this.byAction.delete(first.actionId)
    const own = this.byFiber.get(first.fiberId)
    if (own?.get(first.key) === first) own.delete(first.key)
    if (own?.size === 0) this.byFiber.delete(first.fiberId)
  }
}

/** Most calls are in none. */
const runOf = (fiber: Fiber.Fiber<unknown, unknown>): WeakRef<object> | undefined => {
  const run = fiber.getRef(Schedule.CurrentMetadata)
  return run.attempt > 0 ? new WeakRef(run) : undefined
}

/** What was approved is over for its caller, but not for a retry of an earlier run. */
const isOpen = ({ run, state }: First, round: Round | undefined) =>
  state !== "approved" || round !== undefined && run?.deref() !== round.run

/** Others may observe its end before this fuse does. */
const hasEnded = ({ fiber }: First) => fiber === undefined || fiber.pollUnsafe() !== undefined

type Found = { readonly _tag: "Allowed" | "Denied" | "PendingApproval"; readonly actionId: ActionId }

const isAbout = ({ actionId, sentAt }: First, cause: object) =>
  cause instanceof OutcomeUnknown
    ? cause.sentAt.epochMilliseconds === sentAt
    : actionId !== undefined && "actionId" in cause && cause.actionId === actionId

/** Those with actions: a reviewer in this process may have a key, and so a transport, of its own. */
const enlisted = new Set<WeakRef<DuplicateFuse>>()

const enlist = (fuse: DuplicateFuse): void => {
  let isThere = false
  for (const other of enlisted) {
    const known = other.deref()
    if (known === undefined) enlisted.delete(other)
    isThere ||= known === fuse
  }
  if (!isThere) enlisted.add(new WeakRef(fuse))
}

/**
 * Notes what a reviewer in this process has decided.
 *
 * @internal
 */
export const reviewed = (
  actionId: ActionId,
  outcome: "Approved" | "Rejected",
  fiber: Fiber.Fiber<unknown, unknown>
): void => {
  for (const fuse of enlisted) fuse.deref()?.reviewed(actionId, outcome, fiber)
}

const fuses = new WeakMap<Transport["Service"], DuplicateFuse>()

/**
 * The fuse of everything that is sent over one transport.
 *
 * @internal
 */
export const fuseOf = (transport: Transport["Service"]): DuplicateFuse => {
  const known = fuses.get(transport)
  if (known !== undefined) return known
  const fuse = new DuplicateFuse()
  fuses.set(transport, fuse)
  return fuse
}
