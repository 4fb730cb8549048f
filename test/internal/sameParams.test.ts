import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { sameParams } from "../../src/internal/sameParams.ts"

const recorded = (text: string): unknown => JSON.parse(text)

describe("sameParams", () => {
  const same: ReadonlyArray<readonly [title: string, sent: unknown, recorded: string]> = [
    ["floats that are whole", { a: 1, b: 100000 }, "{\"a\":1.0,\"b\":100000.0}"],
    ["exponents", { a: 1e21, b: 1e-7, c: 1e16 }, "{\"a\":1e+21,\"b\":1e-07,\"c\":10000000000000000}"],
    ["minus zero", { a: -0 }, "{\"a\":-0.0}"],
    ["big integers, as far as numbers go", { a: Number("9007199254740993") }, "{\"a\":9007199254740992}"],
    ["unicode", { "ключ": "é😀\u007f" }, "{\"\\u043a\\u043b\\u044e\\u0447\":\"\\u00e9\\ud83d\\ude00\\u007f\"}"],
    [
      "nested, keys in another order",
      { a: { x: [1, { y: null }], z: true } },
      "{\"a\":{\"z\":true,\"x\":[1,{\"y\":null}]}}"
    ],
    ["an encrypted field", { email: "a@b.c", n: 1 }, "{\"email\":\"[ENCRYPTED:key-a-v1:Zm9v]\",\"n\":1}"],
    ["a key that was undefined", { a: 1, b: undefined }, "{\"a\":1}"],
    ["a key that the gateway hides", { a: 1, _sa_x: 2 }, "{\"a\":1}"],
    ["a hidden key that is shown", { a: 1, _sa_x: 2 }, "{\"a\":1,\"_sa_x\":2}"],
    ["a key named __proto__", JSON.parse("{\"__proto__\":1}"), "{\"__proto__\":1}"]
  ]
  for (const [title, sent, text] of same) {
    it(`same: ${title}`, () => assert.isTrue(sameParams(sent, recorded(text))))
  }

  const different: ReadonlyArray<readonly [title: string, sent: unknown, recorded: string]> = [
    ["another number", { a: 1 }, "{\"a\":1.5}"],
    ["a number and its text", { a: 1 }, "{\"a\":\"1\"}"],
    ["a missing key", { a: 1, b: 2 }, "{\"a\":1}"],
    ["an extra key", { a: 1 }, "{\"a\":1,\"b\":2}"],
    ["null and nothing", { a: null }, "{}"],
    ["arrays in another order", { a: [1, 2] }, "{\"a\":[2,1]}"],
    ["an array and an object", { a: [1] }, "{\"a\":{\"0\":1}}"],
    ["composed and decomposed letters", { a: "é" }, "{\"a\":\"e\\u0301\"}"],
    ["an inherited key", { toString: 1 }, "{\"a\":1}"],
    ["no object at all", { a: 1 }, "null"]
  ]
  for (const [title, sent, text] of different) {
    it(`different: ${title}`, () => assert.isFalse(sameParams(sent, recorded(text))))
  }

  const unseen: ReadonlyArray<readonly [title: string, sent: unknown, recorded: string, same: boolean]> = [
    ["a key that the record hides", { a: 1, _sa_x: 2 }, "{\"a\":1}", false],
    ["a key that the call hides", { a: 1 }, "{\"a\":1,\"_sa_x\":2}", false],
    ["a hidden key that is shown", { a: 1, _sa_x: 2 }, "{\"a\":1,\"_sa_x\":2}", true],
    ["a hidden key of another value", { a: 1, _sa_x: 2 }, "{\"a\":1,\"_sa_x\":3}", false],
    ["an encrypted field", { email: "a@b.c" }, "{\"email\":\"[ENCRYPTED:key-a-v1:Zm9v]\"}", false]
  ]
  for (const [title, sent, text, same] of unseen) {
    it(`where everything must be seen, ${same ? "same" : "different"}: ${title}`, () =>
      assert.strictEqual(sameParams(sent, recorded(text), false), same))
  }
})

const folder = new URL("../../../shared/gateway-capture/audit-log/adversarial/", import.meta.url)
const isThere = existsSync(folder)

interface Captured {
  readonly name: string
  readonly params_text: string
  readonly action_id?: string
}

describe.skipIf(!isThere)("against the captured log (skipped where ../shared is not beside the project)", () => {
  it("finds each record by the params that were sent, and no other record by them", () => {
    const read = (name: string) => JSON.parse(readFileSync(new URL(name, folder), "utf8"))
    const sent: ReadonlyArray<Captured> = read("requests.json")
    const log = JSON.parse(read("limit-1000.json").response?.body_text ?? JSON.stringify(read("limit-1000.json")))
    const records: ReadonlyArray<{ readonly action_id: string; readonly params: unknown }> = log.records
    let compared = 0
    for (const { action_id, name, params_text } of sent) {
      const own = records.find((record) => record.action_id === action_id)
      // Long params are cut in the list of requests.
      if (own === undefined || params_text.includes("…<")) continue
      let params: unknown
      try {
        params = JSON.parse(params_text)
      } catch {
        continue
      }
      assert.isTrue(sameParams(params, own.params), name)
      compared++
    }
    assert.isAbove(compared, 20)
  })
})
