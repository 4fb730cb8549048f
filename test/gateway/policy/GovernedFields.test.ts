import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Governed from "../../../src/gateway/policy/GovernedFields.ts"
import * as PolicyEngine from "../../../src/gateway/policy/PolicyEngine.ts"
import { hasMethod, hasTool, unexpectedShape } from "../../../src/gateway/policy/PolicyRule.ts"
import { document } from "./policyDocument.ts"

describe("GovernedFields", () => {
  const alike = [
    "Record_Count",
    "recordCount",
    "record-count ",
    "record\u200bcount.",
    "\uff52ecord_count",
    "r\u0435cord_count"
  ]
  for (const text of alike) {
    it(`reads ${JSON.stringify(text)} as record_count`, () => assert.isTrue(Governed.readsLike(text, "record_count")))
  }

  for (
    const text of ["", "record", "record_counts", "records_counted", "\u0437\u0430\u043f\u0438\u0441\u044c", "\u200b"]
  ) {
    it(`does not read ${JSON.stringify(text)} as record_count`, () =>
      assert.isFalse(Governed.readsLike(text, "record_count")))
  }

  it("takes a name without letters and digits for itself alone", () => {
    assert.isTrue(Governed.readsLike("_", "_"))
    assert.isFalse(Governed.readsLike("", "_"))
  })

  it("finds values at any depth, but not in a text", () => {
    const params = {
      amount: 1,
      Payment: [[{ AMOUNT: 2 }], { deep: { "/x/amount": 3 } }],
      text: "{\"amount\":4}",
      absent: { amount: undefined }
    }
    assert.sameMembers([...Governed.valuesOf(params, "amount")], [1, 2, 3])
  })

  it("goes as deep as params can be nested", () => {
    let params: Record<string, unknown> = { amount: 9 }
    for (let level = 0; level < 100_000; level++) params = { a: params }
    assert.deepStrictEqual(Governed.numbersOf(params, "amount"), [9])
  })

  it("names the keys within a field", () => {
    assert.deepStrictEqual(Governed.keysOf({ fields: { a: [{ b: 1 }], c: 2 }, d: 3 }, "fields"), ["a", "c", "b"])
  })

  it.effect.prop(
    "gives values of any params",
    [Schema.Record(Schema.String, Schema.Json)],
    ([params]) =>
      Effect.sync(() => {
        for (const [key, value] of Object.entries(params)) {
          if (/[a-z]/.test(key)) assert.include(Governed.valuesOf(params, key), value)
        }
      })
  )
})

describe("rules of a program", () => {
  const engine = PolicyEngine.make({
    rules: [
      unexpectedShape({ amount: "quantity", to: "recipients", change: "object" }),
      {
        name: "refund_too_high",
        severity: "high",
        when: (input) =>
          hasTool(input, "shop") && hasMethod(input, "refund") &&
          Governed.numbersOf(input.action.params, "amount").some((amount) => amount > 100)
      }
    ]
  })
  const violations = (params: Record<string, unknown>, method = "refund", tool = "shop") =>
    Effect.map(
      engine.evaluate(document("general", { tool, method, params })),
      ({ decision }) => decision.violations
    )

  it.effect("deny in any spelling what they deny in one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* violations({ amount: 100 }), [])
      assert.deepStrictEqual(yield* violations({ amount: 101 }), ["refund_too_high"])
      assert.deepStrictEqual(yield* violations({ payment: { Amount: 101 } }, "Refund.", "SHOP "), ["refund_too_high"])
      assert.deepStrictEqual(yield* violations({ amount: "101" }), ["unexpected_shape_amount"])
      assert.deepStrictEqual(
        yield* violations({ amount: [101], to: [["a@b.example"]], Change: "owner" }),
        ["unexpected_shape_amount", "unexpected_shape_change", "unexpected_shape_to"]
      )
    }))
})
