/** Decisions taken again. */
import { assert, describe } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Replay } from "../../../src/audit/Replay.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { PolicyOutage } from "../../../src/gateway/policy/PolicyOutage.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import { allowed, approve, denied, forbidding, hold, newest, reasonOf, upTo } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send } from "./doors.ts"

const replay = (id: ActionId) => Replay.use((replays) => replays.replay(id))

const replayBy = Effect.fnUntraced(function*(body: unknown) {
  const answer = yield* send("POST", "/audit/replay", { body })
  return { status: answer.status, body: JSON.parse(answer.text) }
})

export const replays = (door: Door) => {
  const options = { policy: forbidding, tenants: [{ ...acme, autoApproveTools: ["files/purge"] }, globex] }
  const test = caseOf(door, options)

  describe("replay", () => {
    test("is consistent for an allowed and for a denied call", function*() {
      const { actionId } = yield* ToolCalls.call(allowed)
      const report = yield* replay(actionId)
      assert.deepStrictEqual([report.actionId, report.consistent], [actionId, true])
      assert.deepStrictEqual([report.original.decision, report.replayed.decision], ["allow", "allow"])

      const denial = yield* ToolCalls.decide(denied)
      const again = yield* replay(denial.actionId)
      assert.strictEqual(again.consistent, true)
      assert.deepStrictEqual(again.replayed.violations, ["and_seen", "tool_forbidden"])
      assert.deepStrictEqual([again.replayed.decision, again.replayed.severity], ["deny", "critical"])
      assert.strictEqual(again.original.bundleRevision, again.replayed.bundleRevision)
    })

    test("sees what the decision saw, and not what came later", function*() {
      const first = yield* ToolCalls.call(allowed)
      for (const _ of upTo(4)) yield* ToolCalls.decide(denied)
      assert.strictEqual((yield* ToolCalls.decide(allowed))._tag, "Denied")
      const report = yield* replay(first.actionId)
      assert.strictEqual(report.consistent, true)
      const input = report.input as { readonly history: { readonly last_24h: { readonly policy_violations: number } } }
      assert.strictEqual(input.history.last_24h.policy_violations, 0)
    })

    test("never matches what a human or a switch decided", function*() {
      const held = yield* replay(yield* hold())
      assert.strictEqual(held.consistent, false)
      assert.deepStrictEqual([held.original.decision, held.replayed.decision], ["pending_approval", "allow"])

      const { actionId } = yield* ToolCalls.call({ tool: "files", method: "purge" })
      const auto = yield* replay(actionId)
      assert.strictEqual(auto.consistent, false)
      assert.deepStrictEqual([auto.original.violations, auto.replayed.violations], [["auto_approved"], []])
    })

    test("finds records by number and the last one", function*() {
      const first = yield* ToolCalls.call(allowed)
      const second = yield* ToolCalls.call(allowed)
      assert.strictEqual((yield* replayBy({ record_number: 1 })).body.action_id, first.actionId)
      assert.strictEqual((yield* replayBy({ record_number: 2 })).body.action_id, second.actionId)
      assert.strictEqual((yield* replayBy({ last_block: true })).body.action_id, second.actionId)
      assert.deepStrictEqual(yield* replayBy({ record_number: 3 }), {
        status: 404,
        body: { detail: "Record not found" }
      })
    })

    test("wants to know which record", function*() {
      for (const body of [{}, { record_number: 0 }, { last_block: false }]) {
        assert.deepStrictEqual(yield* replayBy(body), {
          status: 400,
          body: { detail: "Provide action_id, record_number, or last_block=true" }
        })
      }
      const wrong = yield* replayBy({ record_number: "x" })
      assert.strictEqual(wrong.status, 422)
      assert.deepStrictEqual(wrong.body.detail[0].loc, ["body", "record_number"])
    })

    test("does not find what is unknown or another tenant's", function*() {
      const { actionId } = yield* ToolCalls.call(allowed)
      const notFound = "NotFound: Record not found"
      assert.strictEqual(yield* reasonOf(replay(ActionId.make("nope"))), notFound)
      assert.strictEqual(yield* as(globex)(reasonOf(replay(actionId))), notFound)
      assert.strictEqual((yield* replayBy({ last_block: true })).status, 200)
    })

    test("refuses the records of reviewers with a text", function*() {
      yield* approve(yield* hold())
      const { actionId } = yield* newest
      assert.match(yield* reasonOf(replay(actionId)), /^InvalidRequest/)
      const { body, status } = yield* replayBy({ action_id: actionId })
      assert.strictEqual(status, 422)
      assert.include(body.detail, actionId)
    })

    test("needs the policy engine", function*() {
      const { actionId } = yield* ToolCalls.call(allowed)
      // The switch takes the engine away from decisions only; a replay asks the engine itself.
      yield* PolicyOutage.use((outage) => outage.set(true))
      assert.strictEqual((yield* replay(actionId)).consistent, true)
    })

    const open = caseOf(door, { tenants: [{ ...acme, opaFailure: "fail_open" }] })
    open("finds no archived rules where a switch decided", function*() {
      const outage = yield* PolicyOutage
      yield* outage.set(true)
      const { actionId } = yield* ToolCalls.call(allowed)
      yield* outage.set(false)
      assert.strictEqual(
        yield* reasonOf(replay(actionId)),
        "GatewayFault: Archived bundle none not found (HTTP 404)"
      )
    })

    test("finds no archived rules once they have changed", function*() {
      const { actionId } = yield* ToolCalls.call(allowed)
      const ledger = yield* Ledger
      const changed = {
        ...options,
        policy: { rules: [...forbidding.rules!, { ...forbidding.rules![0]!, name: "new" }] }
      }
      const parts = Layer.merge(Layer.orDie(Gateway.layerParts(changed)), Layer.succeed(Ledger, ledger))
      yield* Effect.gen(function*() {
        assert.match(
          yield* reasonOf(replay(actionId)),
          /^GatewayFault: Archived bundle builtin-2\+[0-9a-f]{8} not found/
        )
        assert.strictEqual((yield* replayBy({ action_id: actionId })).status, 502)
        const fresh = yield* ToolCalls.call(allowed)
        assert.strictEqual((yield* replay(fresh.actionId)).consistent, true)
      }).pipe(Effect.provide(door.layer(changed, parts), { local: true }))
    })
  })
}
