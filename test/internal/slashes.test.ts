import { assert, describe, it } from "@effect/vitest"
import { withoutTrailingSlashes } from "../../src/internal/slashes.ts"
import { looksAt } from "../support/countedText.ts"

describe("withoutTrailingSlashes", () => {
  it.each([
    ["https://a/", "https://a"],
    ["https://a/api///", "https://a/api"],
    ["a//b", "a//b"],
    ["", ""],
    ["///", ""]
  ])("of %j is %j", (url, trimmed) => assert.strictEqual(withoutTrailingSlashes(url), trimmed))

  it("looks at each slash once", () => {
    const [one, two] = looksAt(withoutTrailingSlashes, (n) => `${"/".repeat(n)}x${"/".repeat(n)}`, 1000)
    assert.isAtMost(two, 2 * one + 10)
  })
})
