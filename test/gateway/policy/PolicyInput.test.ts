import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { contextAt, recipients } from "../../../src/gateway/policy/PolicyInput.ts"

describe("PolicyInput", () => {
  const moments: ReadonlyArray<readonly [string, number, number, boolean]> = [
    ["2026-11-22T12:00:00Z", 12, 0, false],
    ["2026-11-23T08:59:59.999Z", 8, 1, false],
    ["2026-11-23T09:00:00Z", 9, 1, true],
    ["2026-11-27T17:59:59.999Z", 17, 5, true],
    ["2026-11-27T18:00:00Z", 18, 5, false],
    ["2026-11-28T12:00:00Z", 12, 6, false]
  ]
  for (const [time, hour_of_day, day_of_week, is_business_hours] of moments) {
    it(`${is_business_hours ? "counts" : "does not count"} ${time} as business hours`, () => {
      const now = DateTime.makeUnsafe(time)
      const context = { time_utc: DateTime.formatIso(now), hour_of_day, day_of_week, is_business_hours }
      assert.deepStrictEqual(contextAt(now), context)
      assert.deepStrictEqual(contextAt(now, {}), context)
      assert.isTrue(contextAt(now, { is_business_hours: true }).is_business_hours)
      assert.isFalse(contextAt(now, { is_business_hours: false }).is_business_hours)
    })
  }

  it("reads recipients in lower case, each once", () => {
    const to = ["Ann <Ann@A.example>; bob@b.example", "ann@a.example", { email: "c@c.example" }, 7]
    assert.deepStrictEqual(recipients({ to }), ["ann@a.example", "bob@b.example"])
    assert.deepStrictEqual(recipients({ to: "mailto:ann@a.example" }), ["ann@a.example"])
    assert.deepStrictEqual(recipients({}), [])
  })

  it("reads recipients of long texts quickly", () => {
    // Quadratic steps would take hours. The patterns are shown to be linear by .ci/regex.ts.
    for (const unit of ["a", "@", " ", "<", ",a", "a@"]) {
      assert.isArray(recipients({ to: unit.repeat(65_536 / unit.length) }))
    }
  })
})
