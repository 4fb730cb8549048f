import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Reviews from "../../src/approvals/Reviews.ts"
import { decide } from "../../src/calls/ToolCalls.ts"
import { Failure, Notice, Outcome, Pending } from "../../src/cli/Output.ts"
import { ActionId } from "../../src/model/ActionId.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { answering, decodeLines, outage, prepare, run } from "../support/cli.ts"

const gateway = () =>
  GatewayMemory.layer({
    tools: {
      "db/drop": ({ table }) =>
        table === "t"
          ? Effect.fail("no")
          : Effect.delay(Effect.succeed("gone"), table === "slow" ? "20 seconds" : 0)
    }
  })

const hold = (table: string, agent = "janitor") =>
  Effect.map(
    decide({ tool: "db", method: "drop", params: { table }, agent: { id: agent }, allowDuplicate: true }),
    ({ actionId }) => actionId
  )

describe("approvals list", () => {
  it.effect("is a table that fits the screen", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("a-table-with-a-name-that-is-longer-than-any-screen-could-ever-show-in-one-line")
      yield* TestClock.adjust("3 minutes")
      const { code, out } = yield* run(["approvals", "list"], { columns: 80 })
      const [head, , titles, row] = out.split("\n")
      assert.match(head!, /^1 action waits +0 approved, 0 rejected, 0 expired so far$/)
      assert.match(titles!, /^ID +WAITED +LEFT +AGENT +ACTION +PARAMS$/)
      assert.match(row!, new RegExp(`^${actionId.slice(0, 8)}  3m +57m +janitor +db/drop +table=a-table.*…$`))
      assert.isAtMost(row!.length, 80)
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("is one action a line for scripts, and nothing at all where nothing waits", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* run(["approvals", "list", "--json"])).out, "")
      assert.include((yield* run(["approvals", "list"])).out, "Nothing waits")
      const actionId = yield* hold("a")
      const [action] = decodeLines(Pending, (yield* run(["approvals", "list", "--json"])).out)
      assert.deepInclude({ ...action }, { actionId, tool: "db", params: { table: "a" } })
    }).pipe(Effect.provide(gateway())))
})

describe("approvals approve and reject", () => {
  it.effect("decide by id or its beginning, with a note", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* hold("a"), yield* hold("b")]
      const approved = yield* run(["approvals", "approve", one.slice(0, 8), "--note", "fine", "--json"])
      assert.deepInclude({ ...decodeLines(Outcome, approved.out)[0] }, {
        _tag: "Approved",
        actionId: one,
        note: "fine"
      })
      const rejected = yield* run(["approvals", "reject", two, "-n", "no"])
      assert.match(rejected.out, /rejected by a reviewer/)
      assert.deepStrictEqual([approved.code, rejected.code], [0, 0])
    }).pipe(Effect.provide(gateway())))

  it.effect("say that the tool failed", () =>
    Effect.gen(function*() {
      const { code, out } = yield* run(["approvals", "approve", yield* hold("t")])
      assert.match(out, /approved, but the tool failed/)
      assert.strictEqual(code, 9)
    }).pipe(Effect.provide(gateway())))

  it.effect("are too late with 8, as is an action that nobody knows", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("a")
      yield* run(["approvals", "reject", actionId])
      const late = yield* run(["approvals", "approve", actionId, "--json"])
      assert.deepInclude(decodeLines(Failure, late.err)[0], { error: "Conflict", exitCode: 8 })
      const unknown = yield* run(["approvals", "approve", "00000000"])
      assert.match(unknown.err, /no action that waits, or was decided lately, begins with 00000000/)
      assert.deepStrictEqual([late.code, unknown.code], [8, 8])
    }).pipe(Effect.provide(gateway())))

  it.effect("are not made a second time: what is on record is shown, and they end with 8", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("a")
      const first = yield* run(["approvals", "approve", actionId, "--note", "first"])
      const again = yield* run(["approvals", "approve", actionId, "--note", "second", "--json"])
      assert.deepInclude({ ...decodeLines(Outcome, again.out)[0] }, { _tag: "Approved", note: "first" })
      assert.deepInclude(decodeLines(Failure, again.err)[0], { error: "Conflict", exitCode: 8 })
      const other = yield* hold("b")
      yield* run(["approvals", "reject", other, "--note", "first"])
      const rejected = yield* run(["approvals", "reject", other, "--note", "second"])
      assert.match(rejected.out, /by API key: first/)
      assert.match(rejected.err, /had been rejected before\. What is shown is on record/)
      assert.deepStrictEqual([first.code, again.code, rejected.code], [0, 8, 8])
    }).pipe(Effect.provide(gateway())))

  it.effect("are said to be waited for while the gateway executes", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("slow")
      const terminal = prepare(["approvals", "approve", actionId, "-y"], { columns: 80 })
      const fiber = yield* Effect.forkChild(terminal.end, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.match(terminal.err(), /waiting for the gateway to approve [^]* 3 s/)
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).code, 0)

      const script = prepare(["approvals", "approve", yield* hold("slow"), "--json"])
      const running = yield* Effect.forkChild(script.end, { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.match(decodeLines(Notice, script.err())[0]!.warning, /no answer after 5 s, still waiting/)
      yield* Fiber.interrupt(running)
      assert.match(script.err(), /It is unknown whether the gateway did approve/)
    }).pipe(Effect.provide(gateway())))

  it.effect("refuse what is no id", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["approvals", "approve", "../x"])
      assert.include(err, "not the id of an action")
      assert.strictEqual(code, 2)
    }).pipe(Effect.provide(gateway())))

  it.effect("show the action at a terminal, and ask", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("a")
      const no = yield* run(["approvals", "approve", actionId], { columns: 80, keys: ["n", "\r"] })
      assert.match(
        no.err,
        /Action +db\/drop[^]*Params +\{"table":"a"\}[^]*Approve this action\?[^]*Nothing was decided/
      )
      assert.deepStrictEqual([no.code, no.out], [130, ""])
      const yes = yield* run(["approvals", "approve", actionId], { columns: 80, keys: ["y", "\r"] })
      assert.match(yes.out, /approved, and executed/)
      assert.strictEqual(yes.code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("do not ask with --yes", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["approvals", "approve", yield* hold("a"), "-y"], { columns: 80, keys: [] })
      assert.deepStrictEqual([code, err], [0, ""])
    }).pipe(Effect.provide(gateway())))
})

describe("approvals show", () => {
  it.effect("tells what waits, and what became of it", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("a")
      const waiting = yield* run(["approvals", "show", actionId.slice(0, 8)])
      assert.match(waiting.out, /pending: a reviewer must decide[^]*db\/drop[^]*Agent +janitor/)
      yield* Reviews.Reviews.use((reviews) => reviews.reject(actionId, "no"))
      const rejected = yield* run(["approvals", "show", actionId, "--json"])
      assert.deepInclude({ ...decodeLines(Outcome, rejected.out)[0] }, { _tag: "Rejected", note: "no" })
      assert.deepStrictEqual([waiting.code, rejected.code], [4, 3])
    }).pipe(Effect.provide(gateway())))

  it.effect("waits", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("a")
      const fiber = yield* Effect.forkChild(run(["approvals", "show", actionId, "--wait"]), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Reviews.Reviews.use((reviews) => reviews.approve(actionId))
      yield* TestClock.adjust("2 seconds")
      const { code, out } = yield* Fiber.join(fiber)
      assert.match(out, /approved, and executed by the gateway/)
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("knows no action that there is none of", () =>
    Effect.gen(function*() {
      const { code } = yield* run(["approvals", "show", ActionId.make("3f0e8b0e-0000-4000-8000-000000000000")])
      assert.strictEqual(code, 8)
    }).pipe(Effect.provide(gateway())))
})

describe("approvals of a gateway that died meanwhile", () => {
  /** An approval that is in the history, while no record says what became of its execution. */
  const unrecorded = answering("/audit/log", (own) =>
    Effect.map(own, (text) => {
      const page = JSON.parse(text)
      const records = page.records.filter(({ agent_id }: { readonly agent_id: string }) => agent_id === "janitor")
      return Response.json({ ...page, records, count: records.length })
    }))

  it.effect("say one thing only: approved, and its execution unknown", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("a")
      yield* Reviews.Reviews.use((reviews) => reviews.approve(actionId))
      const shown = yield* run(["approvals", "show", actionId])
      assert.match(shown.out, /approved; whether it was executed is unknown/)
      const waited = yield* Effect.forkChild(
        run(["approvals", "show", actionId, "--wait=5s"]),
        { startImmediately: true }
      )
      yield* TestClock.adjust("10 seconds")
      const { code, err, out } = yield* Fiber.join(waited)
      assert.match(out, /approved; whether it was executed is unknown/)
      assert.notMatch(err, /may still be approved/)
      assert.deepStrictEqual([shown.code, code], [6, 6])
    }).pipe(Effect.provide(Layer.provideMerge(unrecorded, gateway()))))
})

describe("approvals watch", () => {
  it.effect("goes on after minutes without a gateway, says so, and shows nothing twice", () =>
    Effect.gen(function*() {
      const one = yield* hold("a")
      const command = prepare(["approvals", "watch", "--json"])
      const fiber = yield* Effect.forkChild(command.end, { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      outage.isOn = true
      yield* TestClock.adjust("10 minutes")
      assert.match(decodeLines(Notice, command.err())[0]!.warning, /cannot be reached.* Looking again until/)
      assert.lengthOf(decodeLines(Notice, command.err()), 1)
      outage.isOn = false
      const two = yield* hold("b")
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(decodeLines(Pending, command.out()).map(({ actionId }) => actionId), [one, two])
      assert.match(decodeLines(Notice, command.err())[1]!.warning, /answers again, after 10 min/)
    }).pipe(
      Effect.provide(Layer.provideMerge(outage.layer, gateway())),
      Effect.ensuring(Effect.sync(() => outage.isOn = false))
    ))

  it.effect("ends where no gateway ever answered", () =>
    Effect.gen(function*() {
      outage.isOn = true
      const fiber = yield* Effect.forkChild(run(["approvals", "watch", "--json"]), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).code, 5)
    }).pipe(
      Effect.provide(Layer.provideMerge(outage.layer, gateway())),
      Effect.ensuring(Effect.sync(() => outage.isOn = false))
    ))

  it.effect("tells each action once in a pipe", () =>
    Effect.gen(function*() {
      const one = yield* hold("a")
      const command = prepare(["approvals", "watch", "--json"])
      const fiber = yield* Effect.forkChild(command.end, { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      const two = yield* hold("b")
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(decodeLines(Pending, command.out()).map(({ actionId }) => actionId), [one, two])
    }).pipe(Effect.provide(gateway())))

  it.effect("is drawn again and again at a terminal, and tells what was decided", () =>
    Effect.gen(function*() {
      const actionId = yield* hold("a")
      const command = prepare(["approvals", "watch", "--every", "5s"], { columns: 80 })
      const fiber = yield* Effect.forkChild(command.end, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const first = command.out()
      assert.match(first, /^1 action waits/)
      yield* Reviews.Reviews.use((reviews) => reviews.reject(actionId, "too risky"))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(fiber)
      const second = command.out().slice(first.length)
      const lines = first.split("\n").length - 1
      assert.isTrue(second.startsWith(`\x1b[${lines}A\x1b[0JNothing waits`), JSON.stringify(second))
      assert.match(second, new RegExp(`rejected +${actionId.slice(0, 8)}  db/drop  too risky`))
    }).pipe(Effect.provide(gateway())))
})
