import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as PersonalData from "../../../src/gateway/policy/PersonalData.ts"

const none = { contains_pii: false, pii_types: [], pii_fields: [] }

const found: ReadonlyArray<readonly [string, Record<string, unknown>, ReadonlyArray<string>]> = [
  ["a name under name", { name: "Ann" }, ["name"]],
  ["a name under customer_name", { customer_name: "Ann Example" }, ["name"]],
  ["a name under full_name", { full_name: "Ann Example" }, ["name"]],
  ["a name under first_name", { first_name: "Ann" }, ["name"]],
  ["a name under Last_Name, whatever its case", { Last_Name: "Example" }, ["name"]],
  ["an e-mail address", { to: "ann@example.org" }, ["email"]],
  ["an e-mail address within a text", { text: "Ask Ann <Ann.O'Hara+x@mail.example.co.uk>, please." }, ["email"]],
  ["an international e-mail address", { text: "jürgen@bücher.example" }, ["email"]],
  ["a sort code", { text: "pay to 12-34-56 today" }, ["sort_code"]],
  ["a national insurance number", { ni: "AB123456C" }, ["national_insurance"]],
  ["a national insurance number with spaces, in lower case", { ni: "ab 12 34 56 c" }, ["national_insurance"]]
]

const notFound: ReadonlyArray<readonly [string, Record<string, unknown>]> = [
  ["nothing", {}],
  ["a blank name", { name: "  " }],
  ["a name that is not a text", { name: 42, full_name: null, first_name: ["Ann"] }],
  ["a key that only resembles a name", { username: "ann", filename: "a.txt" }],
  ["an @ without a domain", { text: "meet @ noon, @ann, a@b, x@y." }],
  ["an address within an object or a list", { nested: { email: "deep@example.org" }, list: ["x@y.org"] }],
  ["an ISO date", { on: "2026-11-23" }],
  ["a longer run of digits", { n: "112-34-567" }],
  ["an order number", { n: "XAB123456C, AB1234567C, AB123456Z" }]
]

describe("PersonalData", () => {
  for (const [title, params, types] of found) {
    it(`finds ${title}`, () => {
      assert.deepStrictEqual(PersonalData.detect(params), {
        contains_pii: true,
        pii_types: types,
        pii_fields: Object.keys(params)
      })
    })
  }

  for (const [title, params] of notFound) {
    it(`does not find ${title}`, () => assert.deepStrictEqual(PersonalData.detect(params), none))
  }

  it("names each type and each field once", () => {
    const params = { note: "a@b.example and c@d.example", id: 7, name: "e@f.example", code: "12-34-56 AB123456C" }
    assert.deepStrictEqual(PersonalData.detect(params), {
      contains_pii: true,
      pii_types: ["name", "email", "sort_code", "national_insurance"],
      pii_fields: ["note", "name", "code"]
    })
  })

  // Quadratic steps would take hours. The patterns are shown to be linear by .ci/regex.ts.
  it("stays quick on long texts that nearly match", () => {
    const units = ["a", "@", "a@", "a.", "a@a.", "a@a-", "12-", "1", "AB12 ", "AB", " ", "a@a.1."]
    for (const unit of units) {
      const text = unit.repeat(65_536 / unit.length)
      assert.isBoolean(PersonalData.detect({ text, tail: `x@${text}` }).contains_pii)
    }
  })

  const hidden: ReadonlyArray<readonly [string, Record<string, unknown>, ReadonlyArray<string>]> = [
    ["an address within an object or a list", { to: { list: ["deep@example.org"] } }, ["email"]],
    ["a name in a list", { first_name: ["Ann"] }, ["name"]],
    ["a name in parts", { customer: { name: { first: "Ann" } } }, ["name"]],
    ["a name under another spelling", { customerName: "Ann" }, ["name"]],
    ["an address with a zero-width space", { text: "ann@\u200bexample.org" }, ["email"]],
    ["an address with a fullwidth @", { text: "ann\uff20example.org" }, ["email"]],
    ["a sort code in fullwidth digits", { text: "\uff11\uff12-34-56" }, ["sort_code"]],
    ["a national insurance number in circled letters", { text: "\u24b6\u24b7123456C" }, ["national_insurance"]]
  ]
  for (const [title, params, types] of hidden) {
    it(`tells policies of ${title}, which is not encrypted`, () => {
      assert.deepStrictEqual(PersonalData.detect(params), none)
      assert.deepStrictEqual(PersonalData.inspect(params), { contains_pii: true, pii_types: types, pii_fields: [] })
    })
  }

  it("tells policies of what is encrypted, too", () => {
    for (const [, params] of found) assert.deepStrictEqual(PersonalData.inspect(params), PersonalData.detect(params))
    assert.deepStrictEqual(PersonalData.inspect({ username: "ann", n: 7, none: null }), none)
  })

  it.effect.prop(
    "answers for params of any shape",
    [Schema.Record(Schema.String, Schema.Json)],
    ([params]) =>
      Effect.sync(() => {
        const { contains_pii, pii_fields, pii_types } = PersonalData.detect(params)
        assert.strictEqual(contains_pii, pii_fields.length > 0)
        assert.strictEqual(contains_pii, pii_types.length > 0)
        for (const field of pii_fields) assert.isString(params[field])
      })
  )
})
