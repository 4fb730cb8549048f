import { assert, describe, it } from "@effect/vitest"
import {
  constraintOf,
  fieldsOf,
  type Filled,
  kindsOf,
  mostFields,
  numberOf
} from "../../../../../src/gateway/inbox/page/panel/scope.ts"

const filled = (kind: Filled["kind"], more: Partial<Filled> = {}): Filled => ({
  kind,
  from: "",
  to: "",
  list: "",
  ...more
})

describe("the scope of a standing approval", () => {
  it("has the fields of an object, without the reference of the call, as far as a form can show them", () => {
    assert.deepStrictEqual(fieldsOf({ a: 1, vargate_reference: "x", b: [2] }), [["a", 1], ["b", [2]]])
    assert.deepStrictEqual(fieldsOf({}), [])
    for (const none of [undefined, null, 5, "x", [1]]) assert.isUndefined(fieldsOf(none))
    const fields = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, i]))
    assert.lengthOf(fieldsOf(fields(mostFields))!, mostFields)
    assert.isUndefined(fieldsOf(fields(mostFields + 1)))
  })

  it("offers for each value what can be said of it, the narrowest first", () => {
    assert.deepStrictEqual(kindsOf(5), ["exactly", "between", "anything"])
    assert.deepStrictEqual(kindsOf("a"), ["exactly", "one of", "anything"])
    for (const value of [true, null, { a: 1 }, [1], "a\nb", "x".repeat(201)]) {
      assert.deepStrictEqual(kindsOf(value), ["exactly", "anything"])
    }
    // What is kept from readers can be compared with nothing.
    for (const value of ["[ENCRYPTED:email]", { to: ["[ENCRYPTED:email]"] }, "[ERASED]"]) {
      assert.deepStrictEqual(kindsOf(value), ["anything"])
    }
  })

  it("reads numbers as they are typed, and nothing else", () => {
    assert.deepStrictEqual(["5", " 1e2 ", "-0.5"].map(numberOf), [5, 100, -0.5])
    for (const text of ["", " ", "x", "1,5", "Infinity", "NaN"]) assert.isUndefined(numberOf(text))
  })

  it("makes constraints that this action's own value fits, and says what is missing of others", () => {
    assert.deepStrictEqual(constraintOf({ a: 1 }, filled("exactly")), { _tag: "Equals", value: { a: 1 } })
    assert.deepStrictEqual(constraintOf("x", filled("anything")), { _tag: "Any" })
    assert.deepStrictEqual(constraintOf(5, filled("between", { from: "0", to: "5" })), {
      _tag: "Range",
      min: 0,
      max: 5
    })
    assert.deepStrictEqual(constraintOf("a", filled("one of", { list: "a\n\nb\na" })), {
      _tag: "OneOf",
      values: ["a", "b"]
    })
    for (const [from, to] of [["", "5"], ["0", ""], ["6", "5"], ["x", "5"], ["0", "4"], ["6", "9"]]) {
      assert.isString(constraintOf(5, filled("between", { from: from!, to: to! })))
    }
    for (const list of ["", "b", "A", " a"]) assert.isString(constraintOf("a", filled("one of", { list })))
  })
})
