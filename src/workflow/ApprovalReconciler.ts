/**
 * Tells pending workflows what reviewers decided: one watcher for all of them, wherever they run.
 *
 * **Details**
 *
 * It reads from the {@link Journal} who waits, waits with them on one `Approvals` (so one GET /approvals a tick, however
 * many wait), and completes their deferreds. A workflow that has been told and does not go on is told again. It also does
 * what operators ask for (`Journal.request`).
 *
 * @since 0.1.0
 */
import type { Sharding } from "effect/cluster/Sharding"
import * as Singleton from "effect/cluster/Singleton"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import { Approvals } from "../approvals/Approvals.ts"
import type { StorageFailed } from "../errors/VargateError.ts"
import { decision } from "./GovernedWorkflow.ts"
import { registry } from "./internal/registry.ts"
import { type GovernedExecution, Journal, type News } from "./Journal.ts"
import * as WorkflowMetrics from "./WorkflowMetrics.ts"

/**
 * How the reconciler works.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How often to look for executions that have begun to wait. Default: every second. */
  readonly scan?: Duration.Input | undefined
  /** When to tell an execution again that has not gone on. Default: every 15 seconds. */
  readonly repeat?: Duration.Input | undefined
  /**
   * How long the results of executions that have ended are kept. Then they are deleted with everything that is stored of
   * them, but for a tombstone: their keys never execute again. Default: 30 days; `"Infinity"` keeps them permanently.
   */
  readonly retention?: Duration.Input | undefined
}

/**
 * Reconciles permanently.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  options: Options = {}
): Effect.Effect<never, never, Approvals | Journal | WorkflowEngine> =>
  Effect.scoped(Effect.gen(function*() {
    const approvals = yield* Approvals
    const journal = yield* Journal
    const waits = yield* FiberMap.make<string>()
    const requests = yield* FiberMap.make<string>()
    const attendIn = yield* FiberMap.runtime(waits)<WorkflowEngine>()
    const repeat = options.repeat ?? "15 seconds"

    const attend = (execution: Waiting) =>
      approvals.await(execution.actionId!, { timeout: "10000 days" }).pipe(
        // The wait has no deadline of its own: the workflow keeps it.
        Effect.catchTag("ApprovalTimeout", () => Effect.never),
        Effect.exit,
        Effect.flatMap((exit) =>
          Exit.hasInterrupts(exit)
            ? Effect.interrupt
            : Effect.repeat(tell(execution, exit), Schedule.spaced(repeat))
        )
      )

    /** Since when each execution waits. */
    const since = new Map<string, number>()

    /** All at once, so that the first look at the log is for all. */
    const take = (changes: News["changes"]) => {
      for (const change of changes) {
        if (change.state !== "held") since.delete(change.executionId)
        else if (!since.has(change.executionId)) {
          since.set(change.executionId, change.changedAt.epochMilliseconds)
          attendIn(change.executionId, attend(change))
        }
      }
    }

    /** Drops the waits of those that have gone on, or were interrupted. */
    const dropOthers = (executionIds: Iterable<string>) =>
      Effect.forEach(
        [...executionIds].filter((executionId) => !since.has(executionId)),
        (executionId) => FiberMap.remove(waits, executionId),
        { discard: true }
      )

    /** Of the last looks. Changes that are made at once may appear out of order, so a look begins a little further back. */
    const positions: Array<number> = []
    let scans = 0

    const scan = Effect.gen(function*() {
      // What was missed nevertheless is found by a look at all that wait.
      const isWhole = scans % wholeEvery === 0
      const { changes, position } = yield* journal.news(isWhole ? undefined : positions[0])
      scans++
      if (isWhole) {
        const waiting = new Set(changes.map(({ executionId }) => executionId))
        for (const executionId of since.keys()) if (!waiting.has(executionId)) since.delete(executionId)
      }
      take(changes)
      yield* dropOthers(isWhole ? Array.from(waits, ([id]) => id) : changes.map(({ executionId }) => executionId))
      positions.push(position)
      if (positions.length > lag) positions.shift()
      yield* WorkflowMetrics.recordWaits(since)
      for (const execution of yield* journal.requested) {
        yield* FiberMap.run(requests, execution.executionId, comply(execution), { onlyIfMissing: true })
      }
    })

    // A process that shuts down leaves what it has not begun, and code that can read what is blocked may have come.
    const wakeLeft = Effect.gen(function*() {
      for (const execution of yield* journal.underWay) yield* wake(execution)
    })

    const retention = Duration.fromInputUnsafe(options.retention ?? "30 days")
    const retire = Effect.gen(function*() {
      if (!Duration.isFinite(retention)) return
      const before = DateTime.subtractDuration(yield* DateTime.now, retention)
      // In small steps, between which others have the database.
      while ((yield* journal.retire(before, retireAtOnce)) === retireAtOnce) yield* Effect.sleep("100 millis")
    })

    yield* Effect.forkScoped(every(repeat, wakeLeft))
    yield* Effect.forkScoped(every("1 minute", retire))
    return yield* every(options.scan ?? "1 second", scan)
  }))

/** A journal that cannot be read is read the next time. */
const every = <R>(pause: Duration.Input, work: Effect.Effect<void, StorageFailed, R>): Effect.Effect<never, never, R> =>
  work.pipe(
    Effect.catchTag("StorageFailed", (error) => Effect.logWarning("The journal cannot be read", error.message)),
    Effect.repeat(Schedule.spaced(pause)),
    Effect.andThen(Effect.never)
  )

type Waiting = News["changes"][number]

/** So many looks later a change that was made earlier has appeared. */
const lag = 3

/** One look in so many is at all that wait. */
const wholeEvery = 300

/** Executions that are deleted in one transaction. */
const retireAtOnce = 100

/** Continues an execution that its engine has suspended, though it waits for no reviewer. */
const wake = Effect.fnUntraced(function*({ executionId, workflow: name }: GovernedExecution) {
  const workflow = registry.get(name)
  if (workflow === undefined) return
  const engine = yield* WorkflowEngine
  const result = yield* engine.poll(workflow, executionId)
  if (Option.isSome(result) && result.value._tag === "Suspended") yield* engine.resume(workflow, executionId)
}, Effect.catchCause((cause) => Effect.logDebug("An execution cannot be continued", cause)))

/** Does what an operator asked for. A machine that does not know the workflow leaves it to one that does. */
const comply = Effect.fnUntraced(function*({ executionId, request, workflow: name }: GovernedExecution) {
  const workflow = registry.get(name)
  if (workflow === undefined) return
  const engine = yield* WorkflowEngine
  const journal = yield* Journal
  if (request === "resume") {
    yield* engine.resume(workflow, executionId)
  } else {
    yield* engine.interrupt(workflow, executionId)
    yield* journal.advance(executionId, { state: "done", outcome: "Interrupted" })
  }
  yield* journal.fulfil(executionId)
}, Effect.catchTag("StorageFailed", (error) => Effect.logWarning("The journal cannot be written", error.message)))

const tell = (
  { executionId, workflow }: Waiting,
  exit: Exit.Exit<typeof decision.successSchema.Type, typeof decision.errorSchema.Type>
) =>
  WorkflowEngine.use((engine) =>
    engine.deferredDone(decision, { workflowName: workflow, executionId, deferredName: decision.name, exit })
  )

/**
 * The reconciler of a process that is alone.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<never, never, Approvals | Journal | WorkflowEngine> =>
  Layer.effectDiscard(Effect.forkScoped(run(options)))

/**
 * The reconciler of a cluster: it runs on one machine at a time, and on another one when that machine is gone.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSingleton = (
  options: Options = {}
): Layer.Layer<never, never, Sharding | Approvals | Journal | WorkflowEngine> =>
  Singleton.make("effect-vargate/ApprovalReconciler", run(options))
