import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { decide } from "../../src/calls/ToolCalls.ts"
import { Drift, Replayed } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run } from "../support/cli.ts"

const gateway = () =>
  GatewayMemory.layer({ tenants: [{ id: "local", apiKey: "vargate-local-key", policyTemplate: "financial" }] })

/** Allowed, denied, held. */
const some = Effect.forEach(
  [1, 9000, 2000],
  (amount) => decide({ tool: "stripe", method: "create_charge", params: { amount }, isBusinessHours: true })
)

/** The second decision was another one. */
const forge = GatewayMemory.GatewayMemory.use((gateway) =>
  gateway.tamperWithLedger({
    edit: (records) =>
      records.map((record) =>
        record.id === 2 ? new AuditRecord({ ...record, decision: "allow", violations: [] }) : record
      )
  })
)

describe("replay", () => {
  it.effect("of one decision is the same, changed, or not comparable", () =>
    Effect.gen(function*() {
      const [allowed] = yield* some
      const same = yield* run(["replay", allowed!.actionId])
      assert.match(same.out, /✓ the same decision[^]*decision +allow +allow/)
      const held = yield* run(["replay", "3", "--json"])
      assert.strictEqual(decodeLines(Replayed, held.out)[0]?.verdict, "notComparable")
      yield* forge
      const changed = yield* run(["replay", "2"])
      assert.match(changed.out, /✗ changed[^]*decision +allow +deny[^]*violations +none +transaction_exceeds_limit/)
      assert.deepStrictEqual([same.code, held.code, changed.code], [0, 0, 1])
    }).pipe(Effect.provide(gateway())))

  it.effect("of the last ones finds drift", () =>
    Effect.gen(function*() {
      yield* some
      const good = yield* run(["replay", "--last", "10"])
      assert.match(good.out, /✓ no drift: 2 the same\n.*1 pending/)
      yield* forge
      const bad = yield* run(["replay", "--last", "10"])
      assert.match(bad.out, /✗ drift: 1 the same, 1 changed[^]*allow +deny +transaction_exceeds_limit/)
      const [report] = decodeLines(Drift, (yield* run(["replay", "--last", "10", "--json"])).out)
      assert.deepStrictEqual([report?.same, report?.changed.length, report?.leftOut.length], [1, 1, 1])
      assert.deepStrictEqual([good.code, bad.code], [0, 1])
    }).pipe(Effect.provide(gateway())))

  it.effect("wants to know which, and only one way", () =>
    Effect.gen(function*() {
      for (const args of [[], ["1", "--last", "2"], ["--last", "0"]]) {
        assert.strictEqual((yield* run(["replay", ...args])).code, 2)
      }
    }).pipe(Effect.provide(gateway())))

  it.effect("of a decision that a person took is refused", () =>
    Effect.gen(function*() {
      const [, , held] = yield* some
      yield* run(["approvals", "reject", held!.actionId])
      const { code, err } = yield* run(["replay", `rejection-${held!.actionId}`])
      assert.strictEqual(code, 2)
      assert.match(err, /^error: /)
    }).pipe(Effect.provide(gateway())))
})
