/**
 * The executions that wait for a reviewer, in the process that reconciles. There may be twenty thousand, so that each is
 * one small object, without a fiber.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { Approved } from "../../approvals/Approval.ts"
import type { Approvals } from "../../approvals/Approvals.ts"
import type { Verdict, Watch } from "../../approvals/internal/approvalLook.ts"
import type { Waiter } from "../../approvals/internal/approvalPoller.ts"
import { watchingOf } from "../../approvals/internal/watching.ts"
import type { ApprovalError, ApprovalTimeout } from "../../errors/VargateError.ts"
import { monotonicMillisOf } from "../../internal/elapsed.ts"
import type { ActionId } from "../../model/ActionId.ts"
import type { LogPosition } from "../Journal.ts"

/**
 * An execution that begins to wait.
 *
 * @internal
 */
export interface Waiting {
  readonly executionId: string
  readonly workflow: string
  readonly actionId: ActionId
  /** What the journal knows of it. */
  readonly timeoutAt?: DateTime.Utc | undefined
}

/**
 * What a wait ends with.
 *
 * @internal
 */
export type Decision = Exit.Exit<Approved, Exclude<ApprovalError, ApprovalTimeout>>

/**
 * One that waits.
 *
 * @internal
 */
export interface Wait extends Omit<Waiting, "timeoutAt"> {
  /** Its decision was found. */
  readonly isDecided: boolean
  /** When the gateway gives up on it, where nothing was decided on it up to the position of the last look. */
  readonly timeoutAt: () => number | undefined
  readonly leave: () => void
  /** The journal knows `timeoutAt`. */
  isNoted: boolean
}

/**
 * How to wait.
 *
 * @internal
 */
export interface Waits {
  readonly enter: (waiting: Waiting) => Wait
  /** Reads the log from where an earlier process had arrived, for those that enter next. */
  readonly resume: (position: LogPosition) => void
  /** Runs as soon as a look has arrived at a position, and what it has found is handed over. */
  readonly afterLook: <A>(f: (position: LogPosition) => A) => Effect.Effect<A>
}

/** Hears of each decision, perhaps before `enter` has returned. */
type OnDecision = (wait: Wait, decision: Decision) => void

/**
 * Waits on the poller of `Approvals`, with all others.
 *
 * @internal
 */
export const make = (
  approvals: Approvals["Service"],
  onDecision: OnDecision
): Effect.Effect<Waits, never, Scope.Scope> => {
  const watching = watchingOf(approvals)
  if (watching === undefined) return overAwait(approvals, onDecision)
  const { afterLook, decided, enter, leave, resume } = watching
  return Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)

    class Watched implements Wait, Waiter {
      readonly executionId: string
      readonly workflow: string
      readonly actionId: ActionId
      readonly deadline = undefined
      readonly since = monotonicMillisOf(clock)
      readonly watch: Watch
      isDecided = false
      isNoted: boolean

      constructor({ actionId, executionId, timeoutAt, workflow }: Waiting) {
        this.executionId = executionId
        this.workflow = workflow
        this.actionId = actionId
        this.isNoted = timeoutAt !== undefined
        this.watch = enter(actionId, this, timeoutAt?.epochMilliseconds)
      }

      timeoutAt() {
        return this.watch.anchored ? this.watch.timeoutAt : undefined
      }

      leave() {
        leave(this.actionId, this)
      }

      onVerdict(verdict: Verdict) {
        this.isDecided = true
        decided(this.actionId, verdict, (monotonicMillisOf(clock) - this.since) / 1000, fiber.context)
        onDecision(this, verdict._tag === "Approved" ? Exit.succeed(verdict) : Exit.fail(verdict))
      }

      onDeadline() {}

      onClose() {}
    }

    const waits: Waits = { enter: (waiting) => new Watched(waiting), afterLook, resume }
    return Effect.succeed(waits)
  })
}

/** Another implementation of `Approvals` waits in a fiber for each, and does not say how far it has read. */
const overAwait = (
  approvals: Approvals["Service"],
  onDecision: OnDecision
): Effect.Effect<Waits, never, Scope.Scope> =>
  Effect.map(Effect.flatMap(FiberSet.make(), (fibers) => FiberSet.runtime(fibers)()), (run) => ({
    enter: ({ actionId, executionId, workflow }) => {
      const state = { isDecided: false, leave: () => {} }
      const wait: Wait = {
        actionId,
        executionId,
        workflow,
        get isDecided() {
          return state.isDecided
        },
        isNoted: false,
        timeoutAt: () => undefined,
        leave: () => state.leave()
      }
      const fiber = run(
        approvals.await(actionId, { timeout: "10000 days" }).pipe(
          // The wait has no deadline of its own: the workflow keeps it.
          Effect.catchTag("ApprovalTimeout", () => Effect.never),
          Effect.exit,
          Effect.map((exit) => {
            if (Exit.hasInterrupts(exit)) return
            state.isDecided = true
            onDecision(wait, exit)
          })
        )
      )
      state.leave = () => fiber.interruptUnsafe()
      return wait
    },
    resume: () => {},
    afterLook: () => Effect.never
  }))
