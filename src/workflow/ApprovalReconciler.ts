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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import { Approvals } from "../approvals/Approvals.ts"
import { decision } from "./GovernedWorkflow.ts"
import { registry } from "./internal/registry.ts"
import { type GovernedExecution, Journal } from "./Journal.ts"
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

    const attend = (execution: GovernedExecution) =>
      approvals.await(execution.actionId!, { timeout: "10000 days" }).pipe(
        // The wait has no deadline of its own: the workflow keeps it.
        Effect.catchTag("ApprovalTimeout", () => Effect.never),
        Effect.exit,
        Effect.flatMap((exit) =>
          Exit.hasInterrupts(exit)
            ? Effect.interrupt
            : Effect.repeat(tell(execution, exit), Schedule.spaced(options.repeat ?? "15 seconds"))
        )
      )

    const scan = Effect.gen(function*() {
      const executions = yield* journal.held
      yield* WorkflowMetrics.recordWaits(executions)
      const pending = new Map(executions.map((execution) => [execution.executionId, execution]))
      for (const [executionId] of waits) {
        // It has gone on, or was interrupted.
        if (!pending.has(executionId)) yield* FiberMap.remove(waits, executionId)
      }
      for (const [executionId, execution] of pending) {
        yield* FiberMap.run(waits, executionId, attend(execution), { onlyIfMissing: true })
      }
      for (const execution of yield* journal.requested) {
        yield* FiberMap.run(requests, execution.executionId, comply(execution), { onlyIfMissing: true })
      }
    })

    // A process that shuts down leaves what it has not begun, and code that can read what is blocked may have come.
    const wakeLeft = Effect.gen(function*() {
      for (const execution of yield* journal.underWay) yield* wake(execution)
    })

    yield* wakeLeft.pipe(
      Effect.catchTag("StorageFailed", (error) => Effect.logDebug("The journal cannot be read", error.message)),
      Effect.repeat(Schedule.spaced(options.repeat ?? "15 seconds")),
      Effect.forkScoped
    )

    return yield* scan.pipe(
      Effect.catchTag("StorageFailed", (error) => Effect.logWarning("The journal cannot be read", error.message)),
      Effect.repeat(Schedule.spaced(options.scan ?? "1 second")),
      Effect.andThen(Effect.never)
    )
  }))

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
  { executionId, workflow }: GovernedExecution,
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
