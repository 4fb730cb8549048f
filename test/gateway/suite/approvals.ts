/** Held actions: how people settle them, how time does, and what the lists show. */
import { assert, describe } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Reviews } from "../../../src/approvals/Reviews.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { noRevision } from "../../../src/gateway/policy/PolicyEngine.ts"
import type { ActionId } from "../../../src/model/ActionId.ts"
import { allowed, approve, destructive, history, hold, log, pending, reasonOf, reject, upTo } from "./cases.ts"
import { as, caseOf, type Door, globex, send } from "./doors.ts"

const tools = {
  "files/purge": (params: Readonly<Record<string, unknown>>) => Effect.succeed({ purged: params }),
  "files/drop": () => Effect.succeed({ error: "read-only disk" })
}

const unknownId = "00000000-0000-4000-8000-000000000000"

const stats = Effect.map(pending, (list) => list.stats)

/** A review on the bare wire: the service looks again at a conflict and may call it a success. */
const review = (verb: "approve" | "reject", id: string, key?: string) =>
  Effect.map(
    send("POST", `/${verb}/${id}`, { body: {}, ...(key === undefined ? {} : { key }) }),
    ({ status, text }) => `${status} ${JSON.parse(text).detail}`
  )

export const approvals = (door: Door) => {
  const test = caseOf(door, { tools })

  describe("reviews", () => {
    test("an approval executes where the gateway has the tool", function*() {
      const id = yield* hold({ tool: "files", method: "purge", params: { path: "/a" } })
      const receipt = yield* approve(id, "fine")
      assert.strictEqual(receipt.actionId, id)
      assert.strictEqual(receipt.reviewer, "unknown")
      assert.deepStrictEqual([receipt.tool, receipt.method, receipt.params], ["files", "purge", { path: "/a" }])
      assert(receipt.execution._tag === "Executed")
      assert.deepStrictEqual(receipt.execution.result, { purged: { path: "/a" } })
    })

    test("an approval without a tool leaves the action to the agent", function*() {
      const receipt = yield* approve(yield* hold())
      assert.strictEqual(receipt.execution._tag, "NotExecuted")
    })

    test("an approval says that the tool failed", function*() {
      const receipt = yield* approve(yield* hold({ tool: "files", method: "drop" }))
      assert(receipt.execution._tag === "ExecutionFailed")
      assert.strictEqual(receipt.execution.error, "read-only disk")
    })

    test("a second decision comes too late", function*() {
      const [approved, rejected] = [yield* hold(), yield* hold()]
      yield* approve(approved)
      yield* reject(rejected)
      assert.strictEqual(yield* review("approve", approved), "409 Action already approved")
      assert.strictEqual(yield* review("reject", approved), "409 Action already approved")
      assert.strictEqual(yield* review("approve", rejected), "409 Action already rejected")
      assert.strictEqual(yield* review("reject", rejected), "409 Action already rejected")
      assert.strictEqual((yield* log()).total, 4)
    })

    test("unknown actions and those of another tenant are not found", function*() {
      const ours = yield* hold()
      const allowedId = (yield* ToolCalls.call(allowed)).actionId
      for (const verb of ["approve", "reject"] as const) {
        assert.strictEqual(yield* review(verb, unknownId), "404 Action not found")
        assert.strictEqual(yield* review(verb, "not-a-uuid"), "404 Action not found")
        assert.strictEqual(yield* review(verb, allowedId), "404 Action not found")
        assert.strictEqual(yield* review(verb, ours, globex.apiKey), "404 Action not found")
      }
      assert.match(yield* as(globex)(reasonOf(approve(ours))), /^NotFound/)
      assert.strictEqual((yield* as(globex)(pending)).pending.length, 0)
      assert.strictEqual((yield* pending).pending.length, 1)
      assert.strictEqual((yield* as(globex)(log())).total, 0)
    })
  })

  describe("a review and its execution", () => {
    const started = Deferred.makeUnsafe<void>()
    const released = Deferred.makeUnsafe<void>()
    const test = caseOf(door, {
      tools: {
        "files/delete": () => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(released))
      }
    })

    test("of two reviewers only one executes, and the record comes after the execution", function*() {
      const id = yield* hold()
      const first = yield* Effect.forkChild(approve(id), { startImmediately: true })
      yield* Deferred.await(started)
      assert.strictEqual(yield* review("approve", id), "409 Action already approved")
      assert.strictEqual((yield* history)[0]?.status, "approved")
      assert.strictEqual((yield* log()).total, 1)
      yield* Deferred.succeed(released, undefined)
      assert.strictEqual((yield* Fiber.join(first)).execution._tag, "Executed")
      assert.strictEqual((yield* log()).total, 2)
    })
  })

  describe("the ledger", () => {
    test("lets an action be settled once, even where two reviewers found it waiting", function*() {
      const ledger = yield* Ledger
      const settlement = { status: "approved", reviewer: "a", note: "", reviewedAt: yield* DateTime.now } as const
      const id = yield* hold()
      assert.isTrue(yield* ledger.settle("acme", id, settlement))
      assert.isFalse(yield* ledger.settle("acme", id, { ...settlement, status: "rejected" }))
      assert.strictEqual((yield* history)[0]?.status, "approved")
      const expired = yield* hold()
      yield* ledger.expire("acme", DateTime.makeUnsafe("1970-01-01T02:00:00Z"))
      assert.isFalse(yield* ledger.settle("acme", expired, settlement))
      assert.isFalse(yield* ledger.settle("globex", expired, settlement))
    })
  })

  describe("time", () => {
    test("is over after one hour: an approval expires the action, and the next finds it expired", function*() {
      const id = yield* hold()
      yield* TestClock.adjust("61 minutes")
      assert.strictEqual(yield* review("approve", id), "409 Action has expired")
      assert.strictEqual(yield* review("approve", id), "409 Action already expired")
      assert.strictEqual(yield* review("reject", id), "409 Action already expired")
    })

    test("is not over within the hour", function*() {
      const id = yield* hold()
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual((yield* approve(id)).actionId, id)
    })

    test("does not hinder a rejection", function*() {
      const id = yield* hold()
      yield* TestClock.adjust("2 hours")
      yield* reject(id, "late")
      const [decided] = yield* history
      assert.deepStrictEqual([decided?.status, decided?.note], ["rejected", "late"])
    })

    test("is noticed by the pending list, and not by the history", function*() {
      const old = yield* hold()
      yield* TestClock.adjust("61 minutes")
      const fresh = yield* hold()
      assert.deepStrictEqual(yield* history, [])
      const list = yield* pending
      assert.deepStrictEqual(list.pending.map(({ actionId }) => actionId), [fresh])
      assert.deepStrictEqual(list.stats, { pending: 1, approved: 0, rejected: 0, expired: 1 })
      const [expired] = yield* history
      assert.strictEqual(expired?.actionId, old)
      assert.deepStrictEqual([expired?.status, expired?.reviewer, expired?.note, expired?.reviewedAt], [
        "expired",
        null,
        null,
        null
      ])
    })

    test("records nothing when it is over", function*() {
      yield* hold()
      yield* TestClock.adjust("61 minutes")
      yield* pending
      const { records } = yield* log()
      assert.deepStrictEqual(records.map(({ decision }) => decision), ["pending_approval"])
    })
  })

  describe("the lists", () => {
    test("show the newest 50 by the time of queueing, and the counts of all", function*() {
      const ids: Array<ActionId> = []
      for (const n of upTo(60)) {
        ids.push(yield* hold({ ...destructive, params: { n } }))
        yield* TestClock.adjust("1 second")
      }
      const newest50 = ids.toReversed().slice(0, 50)
      const list = yield* pending
      assert.deepStrictEqual(list.pending.map(({ actionId }) => actionId), newest50)
      assert.deepStrictEqual(list.stats, { pending: 60, approved: 0, rejected: 0, expired: 0 })

      // Decided from the newest to the oldest, so that the order of deciding is not that of queueing.
      for (const id of ids.toReversed()) {
        yield* TestClock.adjust("1 second")
        yield* reject(id)
      }
      assert.deepStrictEqual((yield* history).map(({ actionId }) => actionId), newest50)
      assert.deepStrictEqual(yield* stats, { pending: 0, approved: 0, rejected: 60, expired: 0 })
    })

    test("may hide for ever what was decided late", function*() {
      const old = yield* hold()
      for (const _ of upTo(50)) yield* reject(yield* hold())
      yield* approve(old)
      assert.notInclude((yield* history).map(({ actionId }) => actionId), old)
      assert.deepStrictEqual(yield* stats, { pending: 0, approved: 1, rejected: 50, expired: 0 })
    })

    test("ignore limit and offset", function*() {
      for (const _ of upTo(3)) yield* hold()
      const answer = yield* send("GET", "/approvals?limit=1&offset=1")
      assert.strictEqual(JSON.parse(answer.text).pending.length, 3)
    })

    test("name reviewer, note and times", function*() {
      const [approved, rejected] = [yield* hold(), yield* hold()]
      yield* TestClock.adjust("5 minutes")
      yield* approve(approved, "fine")
      yield* reject(rejected)
      const [second, first] = yield* history
      assert.deepStrictEqual([first?.status, first?.reviewer, first?.note], ["approved", "unknown", "fine"])
      assert.deepStrictEqual([second?.status, second?.reviewer, second?.note], ["rejected", "unknown", ""])
      assert.strictEqual(DateTime.toEpochMillis(first!.createdAt!), 0)
      assert.strictEqual(DateTime.toEpochMillis(first!.reviewedAt!), 5 * 60 * 1000)
    })
  })

  describe("records of reviews", () => {
    test("of an approval with its execution", function*() {
      const id = yield* hold({ tool: "files", method: "purge", params: { path: "/a" } })
      yield* approve(id, "ok ✓")
      const { records: [review, original] } = yield* log()
      assert.strictEqual(review!.actionId, `approval-${id}`)
      assert.strictEqual(review!.bundleRevision, noRevision)
      assert.deepStrictEqual([review!.agentId, review!.tool, review!.method, review!.decision], [
        "human-reviewer",
        "approval_queue",
        "approve",
        "allow"
      ])
      assert.deepStrictEqual(review!.params, {
        target_action: id,
        note: "ok ✓",
        executed: true,
        execution_result: { result: { purged: { path: "/a" } }, execution_ms: 0 }
      })
      assert.strictEqual(original!.actionId, id)
      assert.deepStrictEqual([original!.decision, original!.executionMode], ["pending_approval", "vargate_brokered"])
    })

    test("of an approval whose tool failed", function*() {
      yield* approve(yield* hold({ tool: "files", method: "drop" }))
      const { records: [review] } = yield* log()
      const params = review!.params as Record<string, unknown>
      assert.strictEqual(params.executed, true)
      assert.strictEqual(params.execution_error, "read-only disk")
      assert.deepStrictEqual(params.execution_result, { result: { error: "read-only disk" }, execution_ms: 0 })
    })

    test("of an approval that executed nothing", function*() {
      const id = yield* hold()
      yield* approve(id)
      const { records: [review, original] } = yield* log()
      assert.deepStrictEqual(review!.params, { target_action: id, note: "", executed: false })
      assert.deepStrictEqual([original!.decision, original!.executionMode], ["pending_approval", "agent_direct"])
    })

    test("of a rejection", function*() {
      const id = yield* hold()
      yield* reject(id, "too risky")
      const { records: [review, original] } = yield* log()
      assert.strictEqual(review!.actionId, `rejection-${id}`)
      assert.deepStrictEqual([review!.agentId, review!.tool, review!.method, review!.decision], [
        "human-reviewer",
        "approval_queue",
        "reject",
        "deny"
      ])
      assert.deepStrictEqual(review!.params, { target_action: id, note: "too risky" })
      assert.strictEqual(original!.decision, "pending_approval")
    })

    test("keep an absent note apart from null and from a text", function*() {
      const notes = [[{}, ""], [{ note: null }, null], [{ note: "" }, ""], [{ note: "text" }, "text"]] as const
      for (const [body, note] of notes) {
        const id = yield* hold()
        assert.strictEqual((yield* send("POST", `/approve/${id}`, { body })).status, 200)
        const { records: [review] } = yield* log({ limit: 1 })
        assert.strictEqual((review!.params as Record<string, unknown>).note, note)
      }
    })

    test("leave a chain that verifies", function*() {
      yield* approve(yield* hold({ tool: "files", method: "purge" }), "ok")
      yield* Reviews.use((reviews) => Effect.flatMap(hold(), (id) => reviews.reject(id)))
      const answer = yield* send("GET", "/audit/verify")
      assert.deepStrictEqual(JSON.parse(answer.text), { valid: true, record_count: 4, tenant_id: "acme" })
    })
  })

  describe("email and its first contact", () => {
    const test = caseOf(door, { tenants: [{ id: "acme", apiKey: "acme-key", policyTemplate: "email" }] })
    const mail = (to: string) => ({ tool: "gmail", method: "send", params: { to, body: "AI-generated" } })

    test("needs an approval once, and a rejection does not count", function*() {
      yield* reject(yield* hold(mail("ann@example.com")))
      const id = yield* hold(mail("ann@example.com"))
      yield* approve(id)
      assert.strictEqual(
        (yield* ToolCalls.decide({ ...mail("ann@example.com"), allowDuplicate: true }))._tag,
        "Allowed"
      )
      assert.strictEqual((yield* ToolCalls.decide(mail("bob@example.com")))._tag, "PendingApproval")
    })
  })
}
