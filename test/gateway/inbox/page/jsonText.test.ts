import { assert, describe, it } from "@effect/vitest"
import { jsonText } from "../../../../src/gateway/inbox/page/jsonText.ts"
import { generateJson, seeded } from "../../../support/generateJson.ts"

describe("jsonText", () => {
  it("is what JSON.stringify writes with two blanks, where nothing is deep", () => {
    const values = [
      {},
      [],
      null,
      "text",
      -0.5,
      true,
      { a: 1, b: [1, [2, { c: null }], []], d: {} },
      [[[]], [{}], {}],
      { "\"quoted\"": "line\nfeed", "\u0000": "\ud800" },
      JSON.parse(`{"__proto__":{"isAdmin":true},"constructor":1,"10":"ten","2":"two"}`)
    ]
    for (const value of values) assert.strictEqual(jsonText(value), JSON.stringify(value, null, 2))
  })

  it("has the same meaning as the value, whatever it is", () => {
    const random = seeded(7)
    for (let n = 0; n < 500; n++) {
      const value = JSON.parse(JSON.stringify(generateJson(random)))
      assert.deepStrictEqual(JSON.parse(jsonText(value)), value)
    }
  })

  it("neither overflows nor explodes where values are deep", () => {
    for (const [open, close] of [["[", "]"], [`{"a":`, "}"]] as const) {
      const depth = 20_000
      const text = jsonText(JSON.parse(`${open.repeat(depth)}1${close.repeat(depth)}`))
      assert.isBelow(text.length, depth * 8)
      assert.strictEqual(text.split("\n").length, 34)
    }
  })

  it("shows a text of 64 kB whole", () => {
    const long = "x".repeat(65_000)
    assert.strictEqual(jsonText({ long }), `{\n  "long": "${long}"\n}`)
  })
})
