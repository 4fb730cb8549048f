import { assert, describe, it } from "@effect/vitest"
import { Duration, Option } from "effect"
import { parseDuration } from "../../../src/cli/core/flags.ts"

describe("durations", () => {
  it.each([
    ["250ms", 250],
    ["90s", 90_000],
    ["5m", 300_000],
    ["1.5h", 5_400_000],
    ["2d", 172_800_000],
    ["10 seconds", 10_000],
    [" 5m ", 300_000]
  ])("%s", (text, millis) => {
    assert.strictEqual(Duration.toMillis(Option.getOrThrow(parseDuration(text))), millis)
  })

  it.each(["", "5", "m", "5 parsecs", "-5m", "infinity", "2026-11-23"])("%j is none", (text) => {
    assert.isTrue(Option.isNone(parseDuration(text)))
  })
})
