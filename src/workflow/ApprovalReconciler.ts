/**
 * Tells pending workflows what reviewers decided: one watcher for all of them, wherever they run.
 *
 * **Details**
 *
 * It reads from the {@link Journal} who waits, waits with them on one `Approvals` (so one GET /approvals a tick, however
 * many wait), and completes their deferreds. A workflow that has been told and does not go on is told again, and continued
 * where its engine has suspended it. How far the gateway's log was read for them is noted in the journal. It also does what
 * operators ask for (`Journal.request`).
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
import { errorOf, stops, Suspension } from "../governed/Suspension.ts"
import { decision } from "./GovernedWorkflow.ts"
import { registry } from "./internal/registry.ts"
import * as Waits from "./internal/waits.ts"
import { type GovernedExecution, Journal, type LogPosition, type News } from "./Journal.ts"
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
    const told = yield* FiberMap.make<string>()
    const requests = yield* FiberMap.make<string>()
    const tellIn = yield* FiberMap.runtime(told)<WorkflowEngine>()
    const repeat = options.repeat ?? "15 seconds"
    const { afterLook, enter, resume } = yield* Waits.make(
      approvals,
      (wait, decision) => tellIn(wait.executionId, tellUntilItGoesOn(wait, decision, repeat))
    )

    const waits = new Map<string, Waits.Wait>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const wait of waits.values()) wait.leave()
      })
    )

    /** Since when each execution waits. */
    const since = new Map<string, number>()

    /** Those that do not wait any more, and that the journal knows of. */
    const closed = new Set<string>()

    /** Twenty thousand rows have twenty thousand copies of the same few names. */
    const names = new Map<string, string>()
    const nameOf = (name: string) => names.get(name) ?? (names.set(name, name), name)

    const begin = ({ actionId, changedAt, executionId, timeoutAt, workflow }: Change, isKnown: boolean) => {
      since.set(executionId, changedAt.epochMilliseconds)
      waits.set(
        executionId,
        enter({
          executionId,
          workflow: nameOf(workflow),
          actionId: actionId!,
          timeoutAt: isKnown ? timeoutAt : undefined
        })
      )
    }

    /** Drops the waits of those that have gone on, or were interrupted. */
    const end = (executionId: string) => {
      const wait = waits.get(executionId)
      if (wait === undefined) return undefined
      waits.delete(executionId)
      since.delete(executionId)
      wait.leave()
      if (wait.isNoted) closed.add(executionId)
      return wait.isDecided ? FiberMap.remove(told, executionId) : undefined
    }

    /** All at once, so that the first look at the log is for all. */
    const take = (changes: News["changes"], isKnown: boolean) => {
      for (const change of changes) {
        if (change.state === "held" && !waits.has(change.executionId)) begin(change, isKnown)
      }
    }

    /** Of the last looks. Changes that are made at once may appear out of order, so a look begins a little further back. */
    const positions: Array<number> = []
    let scans = 0
    /** Another reader of the gateway's log that was frozen must not note anything from now on. */
    const reader = crypto.randomUUID()
    let isReading = false

    const scan = Effect.gen(function*() {
      // What was missed nevertheless is found by a look at all that wait.
      const isWhole = scans % wholeEvery === 0
      const resumed = isReading ? undefined : yield* journal.readLog(reader)
      const { changes, position } = yield* journal.news(isWhole ? undefined : positions[0])
      scans++
      if (resumed !== undefined) resume(resumed)
      isReading = true
      const present = new Set<string>()
      for (const { executionId, state } of changes) if (state === "held") present.add(executionId)
      const gone = isWhole ? Array.from(waits.keys()) : changes.map(({ executionId }) => executionId)
      for (const executionId of gone) {
        const removed = present.has(executionId) ? undefined : end(executionId)
        if (removed !== undefined) yield* removed
      }
      take(changes, resumed !== undefined)
      positions.push(position)
      if (positions.length > lag) positions.shift()
      yield* WorkflowMetrics.recordWaits(since)
      for (const execution of yield* journal.requested) {
        yield* FiberMap.run(requests, execution.executionId, comply(execution), { onlyIfMissing: true })
      }
    })

    let noted: LogPosition | undefined

    /** Writes down how far the log was read, so that the next process reads it from there. */
    const note = Effect.gen(function*() {
      const { forgotten, found, position } = yield* afterLook((position) => {
        const found: Array<readonly [Waits.Wait, number]> = []
        // What was told may be lost with this process, so it is looked for again.
        const forgotten: Array<Waits.Wait> = []
        for (const wait of waits.values()) {
          if (wait.isDecided) {
            if (wait.isNoted) forgotten.push(wait)
            continue
          }
          const timeoutAt = wait.isNoted ? undefined : wait.timeoutAt()
          if (timeoutAt !== undefined) found.push([wait, timeoutAt])
        }
        return { position, found, forgotten }
      })
      const gone = [...closed]
      const isNew = position.recordId !== noted?.recordId || position.recordHash !== noted.recordHash
      if (!isNew && found.length + forgotten.length + gone.length === 0) return
      const isOurs = yield* journal.noteLog(reader, {
        ...position,
        open: found.map(([{ executionId }, timeoutAt]) => ({ executionId, timeoutAt: DateTime.makeUnsafe(timeoutAt) })),
        closed: [...gone, ...forgotten.map(({ executionId }) => executionId)]
      })
      if (!isOurs) return
      noted = position
      for (const [wait] of found) {
        wait.isNoted = true
        // It has ended meanwhile.
        if (waits.get(wait.executionId) !== wait) closed.add(wait.executionId)
      }
      for (const wait of forgotten) wait.isNoted = false
      for (const executionId of gone) closed.delete(executionId)
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
    yield* Effect.forkScoped(every("5 seconds", note))
    const suspension = yield* Effect.serviceOption(Suspension)
    if (Option.isSome(suspension)) {
      yield* Effect.forkScoped(every("1 second", stopSuspended(journal, suspension.value)))
    }
    return yield* every(options.scan ?? "1 second", scan)
  }))

/** A journal that cannot be read is read the next time. */
const every = <R>(pause: Duration.Input, work: Effect.Effect<void, StorageFailed, R>): Effect.Effect<never, never, R> =>
  work.pipe(
    Effect.catchTag("StorageFailed", (error) => Effect.logWarning("The journal cannot be read", error.message)),
    Effect.repeat(Schedule.spaced(pause)),
    Effect.andThen(Effect.never)
  )

type Change = News["changes"][number]

/** So many looks later a change that was made earlier has appeared. */
const lag = 3

/** One look in so many is at all that wait. */
const wholeEvery = 300

/** Executions that are deleted in one transaction. */
const retireAtOnce = 100

/** Continues an execution that its engine has suspended, though it waits for no reviewer any more. */
const wake = Effect.fnUntraced(function*(
  { executionId, workflow: name }: Pick<GovernedExecution, "executionId" | "workflow">
) {
  const workflow = registry.get(name)
  if (workflow === undefined) return
  const engine = yield* WorkflowEngine
  const result = yield* engine.poll(workflow, executionId)
  if (Option.isSome(result) && result.value._tag === "Suspended") yield* engine.resume(workflow, executionId)
}, Effect.catchCause((cause) => Effect.logDebug("An execution cannot be continued", cause)))

/** Ends the waits of executions that an operator has suspended. */
const stopSuspended = Effect.fnUntraced(function*(
  journal: Journal["Service"],
  suspension: Suspension["Service"]
) {
  const entries = yield* suspension.active
  if (entries.length === 0) return
  for (const execution of yield* journal.held) {
    const { actionId } = execution
    const entry = entries.find((entry) => stops(entry, execution))
    if (entry === undefined || actionId === null) continue
    const wait = { ...execution, actionId }
    yield* tell(wait, Exit.fail(errorOf(entry, "possible", actionId)))
    yield* wake(wait)
  }
})

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

/**
 * What a process has told and the execution has taken is not taken again: where its process was lost just then, it is
 * suspended all the same, and has to be continued.
 */
const tellUntilItGoesOn = (wait: Waits.Wait, decision: Waits.Decision, repeat: Duration.Input) =>
  Effect.andThen(
    tell(wait, decision),
    Effect.forever(Effect.delay(Effect.andThen(tell(wait, decision), wake(wait)), repeat))
  )

const tell = ({ executionId, workflow }: Pick<Waits.Wait, "executionId" | "workflow">, exit: Waits.Decision) =>
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
