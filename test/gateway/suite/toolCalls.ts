/** What a tool call comes to: executed, left to the agent, denied, held, limited, or undecided. */
import { assert, describe } from "@effect/vitest"
import { Data, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Replay } from "../../../src/audit/Replay.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import type { Tool } from "../../../src/gateway/calls/ToolRunner.ts"
import type { TenantOptions } from "../../../src/gateway/tenants/Tenants.ts"
import { allowed, denied, destructive, forbidding, history, log, newest, pending, upTo } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send } from "./doors.ts"

class MailboxFull extends Data.TaggedError("MailboxFull")<{ readonly message: string }> {}

const tools: Record<string, Tool> = {
  "tool/echoes": (params) => Effect.succeed({ ok: true, params }),
  "tool/answersNull": () => Effect.succeed(null),
  "tool/answersNothing": () => Effect.void,
  "tool/answersObject": () => Effect.succeed({ at: new Date(0), gone: undefined }),
  "tool/answersBigInt": () => Effect.succeed({ total: 1n }),
  "tool/reports": () => Effect.succeed({ error: "card declined" }),
  "tool/fails": () => Effect.fail(new MailboxFull({ message: "mailbox full" })),
  "tool/failsOddly": () => Effect.fail(Object.create(null)),
  "tool/dies": () => Effect.die(new Error("no such host")),
  "tool/throws": () => {
    throw new Error("thrown at once")
  },
  "tool/stops": () => Effect.interrupt,
  "tool/meddles": (params) =>
    Effect.sync(() => {
      Object.assign(params, { amount: 1 })
      ;(params.list as Array<number>).push(2)
    })
}

const run = (method: string, params = {}) =>
  Effect.map(ToolCalls.call({ tool: "tool", method, params }), ({ execution }) => execution)

export const toolCalls = (door: Door) => {
  describe("tool calls", () => {
    const test = caseOf(door, { policy: forbidding, tools })

    test("are left to the agent where the gateway has no tool", function*() {
      const { actionId, execution } = yield* ToolCalls.call(allowed)
      assert.strictEqual(execution._tag, "NotExecuted")
      const record = yield* newest
      assert.strictEqual(record.actionId, actionId)
      assert.strictEqual(record.decision, "allow")
      assert.strictEqual(record.executionMode, "agent_direct")
      assert.deepStrictEqual(record.params, allowed.params)
      const answer = yield* send("POST", "/mcp/tools/call", {
        body: { agent_id: "a", tool: "slack", method: "post_message" }
      })
      assert.deepStrictEqual(Object.keys(JSON.parse(answer.text)).sort(), ["action_id", "status"])
    })

    test("are executed by the tool of the gateway", function*() {
      const execution = yield* run("echoes", { n: 1 })
      assert(execution._tag === "Executed")
      assert.deepStrictEqual(execution.result, { ok: true, params: { n: 1 } })
      assert.strictEqual(execution.latency.executionMs, 0)
      assert.strictEqual((yield* newest).executionMode, "vargate_brokered")
    })

    test("are recorded as they were asked, whatever the tool does with its params", function*() {
      const { actionId } = yield* ToolCalls.call({ tool: "tool", method: "meddles", params: { list: [1] } })
      assert.deepStrictEqual((yield* newest).params, { list: [1] })
      assert.strictEqual((yield* Replay.use((replays) => replays.replay(actionId))).consistent, true)
    })

    test("pass on an empty answer of the tool", function*() {
      for (const method of ["answersNull", "answersNothing"]) {
        const execution = yield* run(method)
        assert(execution._tag === "Executed", method)
        assert.isTrue(execution.result === null || execution.result === undefined, method)
      }
    })

    test("pass on the tool's answer as JSON", function*() {
      const execution = yield* run("answersObject")
      assert(execution._tag === "Executed")
      assert.deepStrictEqual(execution.result, { at: "1970-01-01T00:00:00.000Z" })
    })

    test("say that a tool failed", function*() {
      const words = {
        reports: "card declined",
        fails: "mailbox full",
        failsOddly: "execution_failed",
        dies: "no such host",
        throws: "thrown at once",
        stops: "execution_failed",
        answersBigInt: "execution_failed"
      }
      for (const [method, word] of Object.entries(words)) {
        const execution = yield* run(method)
        assert(execution._tag === "ExecutionFailed", method)
        assert.include(String(execution.error), word)
        const record = yield* newest
        assert.deepStrictEqual([record.method, record.decision, record.executionMode], [
          method,
          "allow",
          "vargate_brokered"
        ])
      }
      assert.strictEqual((yield* log()).total, 7)
    })

    test("are denied with the names of the violated rules and the worst severity", function*() {
      const error = yield* Effect.flip(ToolCalls.call(denied))
      assert(error._tag === "Denied")
      assert.deepStrictEqual(error.violations, ["and_seen", "tool_forbidden"])
      assert.strictEqual(error.severity, "critical")
      assert.strictEqual(error.alertTier, "soc_page")
      const record = yield* newest
      assert.strictEqual(record.actionId, error.actionId)
      assert.strictEqual(record.decision, "deny")
      assert.deepStrictEqual(record.violations, ["and_seen", "tool_forbidden"])
      assert.strictEqual(record.severity, "critical")
      assert.strictEqual(record.alertTier, "soc_page")
    })

    test("are held for a human", function*() {
      const error = yield* Effect.flip(ToolCalls.call(destructive))
      assert(error._tag === "PendingApproval")
      const { pending: [action], stats } = yield* pending
      assert.strictEqual(action?.actionId, error.actionId)
      assert.deepStrictEqual(action?.params, destructive.params)
      assert.strictEqual(
        action!.timeoutAt!.epochMilliseconds - action!.createdAt.epochMilliseconds,
        60 * 60 * 1000
      )
      assert.deepStrictEqual(stats, { pending: 1, approved: 0, rejected: 0, expired: 0 })
      assert.deepStrictEqual(yield* history, [])
      assert.strictEqual((yield* newest).decision, "pending_approval")
    })

    test("answer 200, 202 and 403", function*() {
      const status = (call: { readonly tool: string; readonly method: string }) =>
        Effect.map(send("POST", "/mcp/tools/call", { body: { agent_id: "a", ...call } }), ({ status }) => status)
      assert.strictEqual(yield* status({ tool: "slack", method: "x" }), 200)
      assert.strictEqual(yield* status({ tool: "files", method: "delete" }), 202)
      assert.strictEqual(yield* status({ tool: "forbidden", method: "x" }), 403)
    })
  })

  describe("auto_approve_tools", () => {
    const test = caseOf(door, {
      policy: forbidding,
      tools: { "files/delete": () => Effect.succeed("gone") },
      tenants: [{ ...acme, autoApproveTools: ["files/delete", "forbidden/use"] }]
    })

    test("allows and executes what would be held, and marks the record", function*() {
      const { execution } = yield* ToolCalls.call(destructive)
      assert.strictEqual(execution._tag, "Executed")
      const record = yield* newest
      assert.strictEqual(record.decision, "allow")
      assert.deepStrictEqual(record.violations, ["auto_approved"])
      assert.strictEqual(record.severity, "none")
      assert.deepStrictEqual((yield* pending).pending, [])
    })

    test("holds other pairs and denies what is denied", function*() {
      assert.strictEqual((yield* ToolCalls.decide({ tool: "files", method: "purge" }))._tag, "PendingApproval")
      assert.strictEqual((yield* ToolCalls.decide({ tool: "other", method: "delete" }))._tag, "PendingApproval")
      const decision = yield* ToolCalls.decide(denied)
      assert(decision._tag === "Denied")
      assert.notInclude(decision.violations, "auto_approved")
    })

    test("leaves calls without a need of approval unmarked", function*() {
      yield* ToolCalls.call(allowed)
      assert.deepStrictEqual((yield* newest).violations, [])
    })
  })

  describe("templates", () => {
    const financial: TenantOptions = { ...acme, policyTemplate: "financial", policyConfig: { transactionLimit: 2000 } }
    const test = caseOf(door, { tenants: [financial, globex] })
    const pay = (amount: number, isBusinessHours = true) => ({
      tool: "stripe",
      method: "charge",
      params: { amount },
      isBusinessHours
    })

    test("apply to their tenant with its parameters", function*() {
      assert.strictEqual((yield* ToolCalls.decide(pay(999)))._tag, "Allowed")
      assert.strictEqual((yield* ToolCalls.decide(pay(1000)))._tag, "PendingApproval")
      const tooMuch = yield* ToolCalls.decide(pay(2000))
      assert(tooMuch._tag === "Denied")
      assert.deepStrictEqual(tooMuch.violations, ["transaction_exceeds_limit"])
      assert.deepStrictEqual([tooMuch.severity, tooMuch.alertTier], ["high", "soc_ticket"])
    })

    test("do not apply to another tenant", function*() {
      assert.strictEqual((yield* as(globex)(ToolCalls.decide(pay(2000))))._tag, "Allowed")
    })

    test("see the clock unless the caller says what time it is", function*() {
      // The test begins on a Thursday at midnight.
      const { isBusinessHours: _, ...night } = pay(500)
      const atNight = yield* ToolCalls.decide(night)
      assert(atNight._tag === "Denied")
      assert.deepStrictEqual(atNight.violations, ["transaction_outside_business_hours"])
      assert.strictEqual((yield* ToolCalls.decide(pay(500, true)))._tag, "Allowed")
      assert.strictEqual((yield* ToolCalls.decide(pay(500, false)))._tag, "Denied")
    })
  })

  describe("history", () => {
    const test = caseOf(door, { policy: forbidding })
    const rascal = { id: "rascal" }

    test("cools an agent down after three violations, for an hour, and no other agent", function*() {
      for (const _ of upTo(3)) yield* ToolCalls.decide({ ...denied, agent: rascal })
      const cooling = yield* ToolCalls.decide({ ...allowed, agent: rascal })
      assert(cooling._tag === "Denied")
      assert.deepStrictEqual(cooling.violations, ["violation_cooldown_active"])
      assert.strictEqual((yield* ToolCalls.decide(allowed))._tag, "Allowed")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* ToolCalls.decide({ ...allowed, agent: rascal }))._tag, "Allowed")
    })

    test("records the anomaly score that the decision saw", function*() {
      for (const _ of upTo(3)) yield* ToolCalls.decide({ ...denied, agent: rascal })
      const { records } = yield* log()
      assert.deepStrictEqual(records.map(({ anomalyScore }) => anomalyScore), [0.2925, 0.15, 0])
    })
  })
}
