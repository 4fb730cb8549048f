import { assert, describe, it } from "@effect/vitest"
import { isNestedDeeper } from "../../src/internal/jsonNesting.ts"
import { generateJson, seeded } from "../support/generateJson.ts"

/** The depth as parsing shows it. */
const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0

describe("isNestedDeeper", () => {
  it("agrees with what parsing shows, to the level", () => {
    const random = seeded(1)
    const depths = new Set<number>()
    for (let i = 0; i < 500; i++) {
      const value = generateJson(random)
      const depth = depthOf(value)
      depths.add(depth)
      for (const text of [JSON.stringify(value), JSON.stringify(value, undefined, 1)]) {
        assert.isFalse(isNestedDeeper(text, depth), text)
        if (depth > 0) assert.isTrue(isNestedDeeper(text, depth - 1), text)
      }
    }
    assert.isAtLeast(depths.size, 3)
  })

  it("does not count what stands in strings", () => {
    for (const value of ["[[[", "\\", "\\\"[[[", "\"{{{", "]]]"]) {
      assert.isFalse(isNestedDeeper(JSON.stringify([value]), 1), value)
      assert.isTrue(isNestedDeeper(JSON.stringify([value, []]), 1), value)
      assert.isTrue(isNestedDeeper(JSON.stringify([{ [value]: 1 }]), 1), value)
    }
  })

  it("needs no stack, and no JSON", () => {
    assert.isTrue(isNestedDeeper("[".repeat(1_000_000), 999_999))
    assert.isFalse(isNestedDeeper("[".repeat(1_000_000), 1_000_000))
    for (const text of ["", "\"", "\"\\", "]]]", "[\"", "nonsense"]) assert.isFalse(isNestedDeeper(text, 1), text)
  })
})
