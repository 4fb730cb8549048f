/**
 * A ledger in a SQLite file: it survives the process, however that ends.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AgentHistory } from "../ledger/AgentHistory.ts"
import { Ledger } from "../ledger/Ledger.ts"
import { append } from "./appending.ts"
import { Database } from "./Database.ts"
import { heldActions } from "./heldActions.ts"
import { history } from "./history.ts"
import { recordInterrupted } from "./interruptedReviews.ts"
import { records } from "./records.ts"
import { subjects } from "./subjects.ts"
import { trees } from "./trees.ts"

const make = Effect.gen(function*() {
  const database = yield* Database
  yield* recordInterrupted(database)
  const ledger = Ledger.of({
    append: (entry, hold) => Effect.flatMap(DateTime.now, (now) => database.commit(append(database, entry, hold, now))),
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
 * An approval whose execution was cut off is found when the layer is built, and recorded as one whose outcome is
 * unknown.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Ledger | AgentHistory, never, Database> = Layer.effectContext(make)
