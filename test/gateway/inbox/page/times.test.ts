import { assert, describe, it } from "@effect/vitest"
import { clockTime, timeLeft } from "../../../../src/gateway/inbox/page/times.ts"

const minute = 60_000

describe("timeLeft", () => {
  const cases: ReadonlyArray<readonly [number, string]> = [
    [60 * minute, "60 min left"],
    [59.99 * minute, "59 min left"],
    [10 * minute, "10 min left"],
    [10 * minute - 1, "10:00 min left"],
    [9 * minute + 5_000, "9:05 min left"],
    [minute, "1:00 min left"],
    [59_001, "60 s left"],
    [1, "1 s left"],
    [0, "time is up"],
    [-5, "time is up"],
    [72 * 60 * minute, "72 h left"]
  ]
  for (const [milliseconds, text] of cases) {
    it(`says "${text}" for ${milliseconds} ms`, () => assert.strictEqual(timeLeft(milliseconds), text))
  }
})

describe("clockTime", () => {
  it("names the day only where it is another one", () => {
    const now = new Date(2026, 0, 30, 12)
    assert.notInclude(clockTime(new Date(2026, 0, 30, 3, 4, 5), now), "30")
    assert.include(clockTime(new Date(2026, 0, 29, 3, 4, 5), now), "29")
  })
})
