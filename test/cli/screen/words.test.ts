import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { ago, brief, count, shortStretch, stamp, stretch } from "../../../src/cli/screen/words.ts"

describe("words", () => {
  it("count", () => {
    assert.deepStrictEqual([count(1, "record"), count(0, "record"), count(12_345, "record")], [
      "1 record",
      "0 records",
      "12,345 records"
    ])
  })

  it("measure time", () => {
    const times = [0, 999, 1000, 59_999, 90_000, 120_000, 600_001, 3_600_000, 5_400_000, 200_000_000]
    assert.deepStrictEqual(times.map(stretch), [
      "0 ms",
      "999 ms",
      "1 s",
      "59 s",
      "1 min 30 s",
      "2 min",
      "10 min",
      "1 h",
      "1 h 30 min",
      "2 days"
    ])
    assert.deepStrictEqual(times.map(shortStretch), ["0s", "0s", "1s", "59s", "1m", "2m", "10m", "1h", "1h", "2d"])
    assert.strictEqual(ago(DateTime.makeUnsafe(5000), DateTime.makeUnsafe(0)), "0 ms ago")
  })

  it("name a moment in UTC, and its day where it is not today", () => {
    const at = DateTime.makeUnsafe("2026-11-23T10:15:02.500Z")
    assert.strictEqual(stamp(at, DateTime.makeUnsafe("2026-11-23T23:00:00Z")), "10:15:02")
    assert.strictEqual(stamp(at, DateTime.makeUnsafe("2027-11-23T10:15:02Z")), "11-23 10:15:02")
  })

  it("give params in one line", () => {
    assert.strictEqual(
      brief({ amount: 50, charge: "ch_1", note: "two words", list: [1], none: null }),
      [
        "amount=50",
        "charge=ch_1",
        "note=\"two words\"",
        "list=[1]",
        "none=null"
      ].join(" ")
    )
    assert.strictEqual(brief({}), "")
    assert.strictEqual(brief([1, 2]), "[1,2]")
    assert.isAtMost(brief({ a: "x".repeat(60_000), b: "y".repeat(60_000) }).length, 500)
  })
})
