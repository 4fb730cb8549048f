import { assert, describe, it } from "@effect/vitest"
import { type Segment, Segments } from "../../../../src/verify/internal/chain/segments.ts"
import { seeded } from "../../../support/generateJson.ts"

const ref = { id: 1, actionId: "a", recordHash: "h", prevHash: "p" }

/** A segment of one record that counts how often its place is looked at. */
const counted = (top: number, count: () => void): Segment => ({
  get top() {
    count()
    return top
  },
  bottom: top,
  newest: ref,
  oldest: ref
})

describe("Segments", () => {
  it("keeps any order sorted, and knows neighbours", () => {
    const random = seeded(7)
    const tops = Array.from({ length: 3000 }, () => random.below(2000))
    const segments = new Segments()
    const added = tops.map((top) => counted(top, () => {}))
    for (const segment of added) segments.add(segment)
    assert.deepStrictEqual([...segments].map(({ top }) => top), tops.toSorted((a, b) => b - a))
    const order = [...segments]
    for (const [index, segment] of order.entries()) {
      assert.deepStrictEqual(segments.neighbours(segment), { newer: order[index - 1], older: order[index + 1] })
    }
    for (const segment of added.slice(0, 2900)) segments.remove(segment)
    assert.deepStrictEqual([...segments].map(({ top }) => top), tops.slice(2900).toSorted((a, b) => b - a))
    assert.strictEqual(segments.newest, [...segments][0])
    assert.strictEqual(segments.oldest, [...segments].at(-1))
    for (const segment of added.slice(2900)) segments.remove(segment)
    assert.deepStrictEqual([segments.newest, segments.oldest], [undefined, undefined])
  })

  it("looks at twice as many places for twice as many segments, whatever their order", () => {
    const random = seeded(8)
    const orders: Record<string, (n: number) => (index: number) => number> = {
      ascending: () => (index) => 2 * index,
      descending: (n) => (index) => 2 * (n - index),
      random: () => () => random.below(1e9)
    }
    for (const [name, order] of Object.entries(orders)) {
      const [one, two] = [10_000, 20_000].map((n) => {
        let looks = 0
        const segments = new Segments()
        const placeOf = order(n)
        for (let index = 0; index < n; index++) segments.add(counted(placeOf(index), () => looks++))
        return looks
      }) as [number, number]
      assert.isAtMost(two / one, 2.2, name)
    }
  })
})
