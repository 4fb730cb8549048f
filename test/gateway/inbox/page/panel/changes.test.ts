import { assert, describe, it } from "@effect/vitest"
import { changesBetween } from "../../../../../src/gateway/inbox/page/panel/changes.ts"
import { summaryOf } from "../../../../../src/gateway/inbox/page/summary.ts"

describe("changesBetween", () => {
  it("finds what was added, removed and changed, what is near the top first", () => {
    const before = { order: { items: [{ price: 1 }, { price: 2 }], gone: null }, amount: 10, same: { a: [1] } }
    const after = { order: { items: [{ price: 1 }, { price: 3 }] }, amount: "10", same: { a: [1] }, extra: false }
    assert.deepStrictEqual(changesBetween(before, after), {
      changes: [
        { path: "amount", before: 10, after: "10" },
        { path: "extra", after: false },
        { path: "order.gone", before: null },
        { path: "order.items[1].price", before: 2, after: 3 }
      ],
      more: 0,
      sealed: []
    })
    assert.deepStrictEqual(changesBetween(before, before).changes, [])
  })

  it("takes lists of another length, and other kinds of values, as one change", () => {
    assert.deepStrictEqual(changesBetween({ a: [1, 2] }, { a: [1] }).changes, [
      { path: "a", before: [1, 2], after: [1] }
    ])
    assert.deepStrictEqual(changesBetween({ a: [] }, { a: {} }).changes, [{ path: "a", before: [], after: {} }])
    assert.deepStrictEqual(changesBetween("x", null).changes, [{ path: "", before: "x", after: null }])
  })

  it("compares no personal data that the log keeps encrypted, and keys like __proto__ as any other", () => {
    const before = JSON.parse(`{"to":"[ENCRYPTED:k1:abc]","__proto__":{"a":1}}`)
    const after = JSON.parse(`{"to":"ann@example.com","__proto__":{"a":2}}`)
    assert.deepStrictEqual(changesBetween(before, after), {
      changes: [{ path: "__proto__.a", before: 1, after: 2 }],
      more: 0,
      sealed: ["to"]
    })
  })

  it("is short and quick, however much has changed", () => {
    const many = (value: number) => Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, value]))
    const { changes, more } = changesBetween(many(1), many(2))
    assert.deepStrictEqual([changes.length, more], [12, 188])
    const deep = (value: number) => JSON.parse(`${"[".repeat(5_000)}${value}${"]".repeat(5_000)}`)
    assert.strictEqual(changesBetween(deep(1), deep(2)).changes.length, 1)
  })
})

describe("summaryOf", () => {
  it("has the top-level values in a few words, and says how many more there are", () => {
    const { more, values } = summaryOf({
      path: "/x",
      n: 1,
      list: [1, 2],
      one: [1],
      object: { a: 1, b: 2 },
      none: null,
      empty: {},
      long: "x".repeat(500)
    })!
    assert.deepStrictEqual(values.slice(0, 7), [
      ["path", `"/x"`],
      ["n", "1"],
      ["list", "[2 items]"],
      ["one", "[1 item]"],
      ["object", "{2 fields}"],
      ["none", "null"],
      ["empty", "{}"]
    ])
    assert.strictEqual(values[7]![1].length, 81)
    assert.strictEqual(more, 0)
    assert.strictEqual(summaryOf(Object.fromEntries(Array.from({ length: 12 }, (_, n) => [n, n])))!.more, 2)
    for (const none of [{}, [], [1], "x", null]) assert.isUndefined(summaryOf(none))
  })
})
