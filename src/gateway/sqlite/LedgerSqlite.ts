/**
 * A ledger in a SQLite file: it survives the process, however that ends.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { AgentHistory } from "../ledger/AgentHistory.ts"
import { type Entry, isExecution, Ledger } from "../ledger/Ledger.ts"
import { append } from "./appending.ts"
import { Database } from "./Database.ts"
import { heldActions } from "./heldActions.ts"
import { history } from "./history.ts"
import { appendOnce, intend, recordInterrupted } from "./intents.ts"
import { records } from "./records.ts"
import { subjects } from "./subjects.ts"
import { trees } from "./trees.ts"

/** How long the disk is left alone before the next attempt to record what could not be recorded. */
const pause = "1 second"

/** Records executions whose record could not be written when they ended, as soon as that can be done. */
const makeArrears = Effect.fnUntraced(function*(database: Database["Service"]) {
  const scope = yield* Effect.scope
  const entries = new Map<string, Entry>()

  const settle = Effect.gen(function*() {
    while (entries.size > 0) {
      yield* Effect.sleep(pause)
      for (const [key, entry] of entries) {
        const now = yield* DateTime.now
        const exit = yield* Effect.exit(database.commit(() => appendOnce(database, entry, now)))
        if (Exit.isSuccess(exit)) entries.delete(key)
      }
    }
  })

  return {
    add: (entry: Entry) => {
      const isFirst = entries.size === 0
      entries.set(JSON.stringify([entry.tenantId, entry.actionId]), entry)
      return isFirst ? Effect.asVoid(Effect.forkIn(settle, scope)) : Effect.void
    },
    of: (tenantId: string) => Effect.sync(() => [...entries.values()].filter((entry) => entry.tenantId === tenantId))
  }
})

const make = Effect.gen(function*() {
  const database = yield* Database
  yield* recordInterrupted(database)
  const arrears = yield* makeArrears(database)
  const ledger = Ledger.of({
    append: Effect.fnUntraced(function*(entry, hold) {
      const now = yield* DateTime.now
      const appending = database.commit(() => append(database, entry, hold, now))
      // Its intent stays on the disk, for the case that this process ends before there is room for the record.
      return yield* isExecution(entry) ? Effect.onError(appending, () => arrears.add(entry)) : appending
    }),
    intend: (entry) => database.commit(() => intend(database, entry)),
    unrecorded: (tenantId) =>
      Effect.map(arrears.of(tenantId), (entries) => entries.map(({ actionId, executed }) => executed ?? actionId)),
    head: (tenantId) => Effect.sync(() => database.head(tenantId)),
    ...records(database),
    ...heldActions(database),
    ...subjects(database),
    ...trees(database)
  })
  return Context.make(Ledger, ledger).pipe(Context.add(AgentHistory, history(database)))
})

/**
 * The ledger in the database in context, and the history of its agents.
 *
 * **Details**
 *
 * An append is answered once it is on the disk: a process that is killed at any moment loses nothing that it answered,
 * and leaves nothing half written. What one process has kept another finds: chains, pending actions with their time
 * limits, trees, keys, scores and daily counts.
 *
 * An execution that was cut off by the end of the process is found when the layer is built, and recorded as one that may
 * have happened. One that has ended and cannot be recorded, because the disk is full, is recorded as soon as that is
 * possible; until then the log is not called valid.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Ledger | AgentHistory, never, Database> = Layer.effectContext(make)
