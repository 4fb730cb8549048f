import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { join } from "node:path"
import { ExecutionEntry, ExecutionRequested } from "../../src/cli/Output.ts"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { ActionId } from "../../src/model/ActionId.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { Journal } from "../../src/workflow/Journal.ts"
import * as JournalSql from "../../src/workflow/JournalSql.ts"
import { decodeLines, run, type RunOptions } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const workflows = (args: ReadonlyArray<string>, options: RunOptions = {}) =>
  run(["workflows", ...args], { hasFiles: true, ...options })

const actionId = Schema.decodeSync(ActionId)("9c96cc23-0d04-4613-a3b5-9c9af2bb811c")

/** A journal with three executions, one of which waits, while the engine has its file open. */
const engine = Effect.gen(function*() {
  const filename = join(yield* folder, "workflows.db")
  const context = yield* Layer.build(JournalSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename }))))
  const journal = yield* Effect.provide(Journal, context)
  for (const executionId of ["aaaa1111", "aaaa2222", "bbbb3333"]) {
    yield* journal.begin({
      executionId,
      workflow: "Refund",
      agentId: "bot",
      tool: "stripe",
      method: "create_refund",
      paramsDigest: "d"
    })
  }
  yield* journal.advance("aaaa1111", { state: "held", actionId })
  yield* journal.advance("bbbb3333", { state: "done", outcome: "OutcomeUnknown" })
  return { filename, journal }
})

describe("workflows", () => {
  it.effect("lists them, all or in one state", () =>
    Effect.gen(function*() {
      const { filename } = yield* engine
      const all = yield* workflows(["list", "--data", filename], { columns: 80 })
      assert.match(all.out, /^EXECUTION +WORKFLOW +CALL +STATE +SINCE\n/)
      assert.match(all.out, /aaaa1111 +Refund +stripe\/create_refund +waits/)
      assert.match(all.out, /bbbb3333 .* unknown/)
      const held = yield* workflows(["list", "--data", filename, "--state", "held", "--json"])
      assert.deepStrictEqual(
        decodeLines(ExecutionEntry, held.out).map(({ actionId, executionId }) => [executionId, actionId]),
        [["aaaa1111", actionId]]
      )
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("takes the file before its subcommand and after it", () =>
    Effect.gen(function*() {
      const { filename } = yield* engine
      const before = yield* workflows(["--data", filename, "list", "--json"])
      const after = yield* workflows(["list", "--data", filename, "--json"])
      assert.lengthOf(decodeLines(ExecutionEntry, before.out), 3)
      assert.deepStrictEqual(before, after)
      const shown = yield* workflows(["--data", filename, "show", "b"])
      assert.match(shown.out, /Execution +bbbb3333\n/)
      const misplaced = yield* workflows(["--limit", "1", "list", "--data", filename])
      assert.match(misplaced.err, /--limit/)
      assert.strictEqual(misplaced.code, 2)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("shows one by the beginning of its id", () =>
    Effect.gen(function*() {
      const { filename } = yield* engine
      const one = yield* workflows(["show", "b", "--data", filename])
      assert.match(one.out, /Execution +bbbb3333\n(?:.*\n)*State +unknown/)
      const several = yield* workflows(["show", "aaaa", "--data", filename])
      assert.deepStrictEqual([several.code, /2 ids begin with aaaa/.test(several.err)], [2, true])
      const none = yield* workflows(["show", "c", "--data", filename])
      assert.deepStrictEqual([none.code, /No execution begins with c/.test(none.err)], [2, true])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("shows what was approved of one that no code can read", () =>
    Effect.gen(function*() {
      const { filename, journal } = yield* engine
      const params = JSON.stringify({ charge: "ch_1" })
      yield* journal.advance("aaaa2222", { state: "blocked", actionId, problem: "params.amount: Missing key", params })
      const one = yield* workflows(["show", "aaaa2", "--data", filename])
      assert.match(
        one.out,
        /State +blocked\nProblem +params.amount: Missing key\nParams +\{"charge":"ch_1"\}\nAction +9c96/
      )
      const entry = decodeLines(ExecutionEntry, (yield* workflows(["show", "aaaa2", "--data", filename, "--json"])).out)
      assert.deepStrictEqual(entry.map(({ params, state }) => [state, params]), [["blocked", params]])
      assert.match((yield* workflows(["list", "--data", filename])).out, /aaaa2222 .* blocked/)
      assert.strictEqual((yield* workflows(["resume", "aaaa2", "--data", filename])).code, 0)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("asks the engine to end or wake one", () =>
    Effect.gen(function*() {
      const { filename, journal } = yield* engine
      const asked = yield* workflows(["interrupt", "aaaa1", "--data", filename, "--json"])
      assert.deepStrictEqual(decodeLines(ExecutionRequested, asked.out), [
        { executionId: "aaaa1111", request: "interrupt" }
      ])
      assert.deepStrictEqual((yield* journal.requested).map(({ executionId }) => executionId), ["aaaa1111"])
      assert.match((yield* workflows(["list", "--data", filename])).out, /aaaa1111 .* to be ended/)
      const done = yield* workflows(["resume", "bbbb", "--data", filename])
      assert.deepStrictEqual([done.code, /has ended/.test(done.err)], [2, true])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("says what is missing, and makes no file", () =>
    Effect.gen(function*() {
      const nowhere = yield* workflows(["list"])
      assert.deepStrictEqual([nowhere.code, /--data FILE/.test(nowhere.err)], [2, true])
      const path = join(yield* folder, "none.db")
      const missing = yield* workflows(["list", "--data", path])
      assert.match(missing.err, /none\.db cannot be read: there is no such file/)
      assert.notStrictEqual((yield* workflows(["list", "--data", path])).code, 0)
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
