/** What a reconciler has read of the gateway's log is not read again by the next one. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Approvals, ToolCalls } from "effect-vargate"
import * as ApprovalReconciler from "effect-vargate/workflow/ApprovalReconciler"
import { Journal, layerMemory } from "effect-vargate/workflow/Journal"
import * as JournalSql from "effect-vargate/workflow/JournalSql"
import { TestClock } from "effect/testing"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { approve, hold, options, reject } from "../approvals/pending.ts"
import { inProcess, Wiretap, type World } from "../support/worlds.ts"

const journals = {
  "in memory": layerMemory,
  "in SQLite": JournalSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)
}

/** More than the 50 that the gateway's list shows. */
const waiting = 120
/** Records that came after they had begun to wait, and before the next ones. */
const between = 300

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n)

/** Executions that wait. Returns their actions. */
const begin = (count: number, from = 0) =>
  Effect.forEach(
    numbers(count, from),
    Effect.fnUntraced(function*(n) {
      const journal = yield* Journal
      const actionId = yield* hold("destroy", n)
      const executionId = `e${n}`
      const facts = { workflow: "Pay", agentId: "bot", tool: "db", method: "destroy", paramsDigest: "d" }
      yield* journal.begin({ executionId, ...facts })
      yield* journal.advance(executionId, { state: "held", actionId })
      return actionId
    })
  )

const others = Effect.forEach(numbers(between), (n) => ToolCalls.call({ tool: "db", method: "get", params: { n } }), {
  discard: true
})

/**
 * A process, with a poller and a reconciler of its own: which pages of the log it reads at its first look, and whom it
 * tells what was decided, in all of its `seconds`.
 */
const life = (seconds: number, meanwhile: Effect.Effect<unknown, unknown, World | Journal> = Effect.void) =>
  Effect.scoped(Effect.gen(function*() {
    const { pages } = yield* Wiretap
    const told: Array<string> = []
    const approvals = Context.get(yield* Layer.build(Layer.fresh(Approvals.layer)), Approvals.Approvals)
    const engine = {
      deferredDone: (_: unknown, { executionId }: { readonly executionId: string }) =>
        Effect.sync(() => void told.push(executionId))
    } as unknown as WorkflowEngine["Service"]
    yield* Effect.forkScoped(
      ApprovalReconciler.run().pipe(
        Effect.provideService(Approvals.Approvals, approvals),
        Effect.provideService(WorkflowEngine, engine)
      )
    )
    const before = pages.length
    yield* TestClock.adjust("1 millis")
    const first = pages.slice(before)
    yield* meanwhile
    yield* TestClock.adjust(`${seconds} seconds`)
    return { first, told }
  }))

for (const [name, journal] of Object.entries(journals)) {
  describe(`the position in the log, ${name}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, World | Journal>) =>
      it.effect(
        title,
        () => Effect.provide(body, Layer.merge(inProcess({ ...options, approvals: {} }), Layer.fresh(journal)))
      )

    test(
      "is where the next process begins to read, and finds what was decided meanwhile",
      Effect.gen(function*() {
        const actions = yield* begin(waiting)
        yield* others
        // Down to the record of the oldest one that waits.
        assert.deepStrictEqual(yield* life(12), { first: [200, 200, 200], told: [] })
        assert.deepStrictEqual(yield* life(12), { first: [20], told: [] })

        yield* approve(actions[3]!)
        yield* reject(actions[100]!)
        const { first, told } = yield* life(1)
        assert.deepStrictEqual(first, [20])
        assert.deepStrictEqual(told.toSorted(), ["e100", "e3"])
      })
    )

    test(
      "is not beyond what was found and may not have been told",
      Effect.gen(function*() {
        const actions = yield* begin(waiting)
        yield* others
        const { told } = yield* life(12, approve(actions[3]!))
        assert.deepStrictEqual(told, ["e3"])
        yield* others
        // The execution has not gone on: its decision is looked for again, and told again.
        assert.deepStrictEqual(yield* life(12), { first: [200, 200], told: ["e3"] })
        yield* Journal.use((journal) => journal.advance("e3", { state: "done", outcome: "agent" }))
        assert.deepStrictEqual(yield* life(12), { first: [20], told: [] })
      })
    )

    test(
      "holds for those that waited then, and not for others",
      Effect.gen(function*() {
        yield* begin(waiting)
        yield* others
        yield* life(12)
        // Decided before anybody looked, and not in the list any more.
        const [late] = yield* begin(1, waiting)
        yield* approve(late!)
        yield* others
        const { first, told } = yield* life(12)
        assert.deepStrictEqual([first, told], [[200, 200], [`e${waiting}`]])
      })
    )

    test(
      "is that of one log: in another one it says nothing",
      Effect.gen(function*() {
        const actions = yield* begin(waiting)
        yield* others
        yield* life(12)
        yield* approve(actions[3]!)
        const journal = yield* Journal
        const { recordId } = (yield* journal.readLog("elsewhere"))!
        // As if everything had been read in a log that had another record in this place.
        yield* journal.noteLog("elsewhere", {
          recordId: recordId + 1,
          recordHash: "0".repeat(64),
          open: [],
          closed: []
        })
        const { first, told } = yield* life(1)
        assert.deepStrictEqual([first, told], [[20, 200, 200, 200], ["e3"]])
      })
    )

    test(
      "is not moved by a reader that was replaced",
      Effect.gen(function*() {
        const journal = yield* Journal
        const at = (recordId: number) => ({ recordId, recordHash: "0".repeat(64), open: [], closed: [] })
        assert.isUndefined(yield* journal.readLog("first"))
        assert.isTrue(yield* journal.noteLog("first", at(1)))
        assert.strictEqual((yield* journal.readLog("second"))?.recordId, 1)
        assert.isFalse(yield* journal.noteLog("first", at(2)))
        assert.isTrue(yield* journal.noteLog("second", at(3)))
        assert.strictEqual((yield* journal.readLog("third"))?.recordId, 3)
      })
    )
  })
}
