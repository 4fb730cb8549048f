import { assert, describe, it } from "@effect/vitest"
import { pythonLength } from "../../src/internal/pythonLength.ts"
import { generateJson, seeded } from "../support/generateJson.ts"
import { hasPython, python } from "../support/python.ts"

describe("pythonLength", () => {
  it("counts Python's separators and escapes", () => {
    assert.strictEqual(pythonLength({}), 2)
    assert.strictEqual(pythonLength({ a: [1, 2], b: null }), "{\"a\": [1, 2], \"b\": null}".length)
    assert.strictEqual(pythonLength("é"), "\"\\u00e9\"".length)
    assert.strictEqual(pythonLength("😀\x7f\n\"\\/,:"), "\"\\ud83d\\ude00\\u007f\\n\\\"\\\\/,:\"".length)
    assert.strictEqual(pythonLength("\ud800"), "\"\\ud800\"".length)
  })

  it("counts numbers in Python's spelling", () => {
    const spellings: ReadonlyArray<readonly [number, string]> = [
      [-0, "0"],
      [1e20, "100000000000000000000"],
      [1e21, "1e+21"],
      [0.0001, "0.0001"],
      [0.00012, "0.00012"],
      [0.00001, "1e-05"],
      [-0.000012, "-1.2e-05"],
      [0.000001, "1e-06"],
      [1e-7, "1e-07"],
      [-1.5e-9, "-1.5e-09"],
      [1e-10, "1e-10"],
      [5e-324, "5e-324"]
    ]
    for (const [number, spelling] of spellings) assert.strictEqual(pythonLength(number), spelling.length, spelling)
  })

  it("measures what JSON.stringify sends", () => {
    assert.strictEqual(pythonLength({ a: undefined, b: new Date(0) }), "{\"b\": \"1970-01-01T00:00:00.000Z\"}".length)
    assert.strictEqual(pythonLength(undefined), 0)
  })

  it("puts the gateway's limit where the gateway has it", () => {
    assert.strictEqual(pythonLength({ a: "x".repeat(65_527) }), 65_536)
    assert.strictEqual(pythonLength({ a: "é".repeat(10_921) + "x" }), 65_536)
  })

  it.skipIf(!hasPython)("agrees with python3's json.dumps on 20,000 values (needs python3)", () => {
    const random = seeded(2)
    const values = Array.from({ length: 20_000 }, () => generateJson(random))
    const program = "import json, sys\nfor line in sys.stdin: print(len(json.dumps(json.loads(line))))"
    const expected = python(program, values.map((value) => JSON.stringify(value)))
    assert.strictEqual(expected.length, values.length)
    values.forEach((value, i) => assert.strictEqual(pythonLength(value), Number(expected[i]), JSON.stringify(value)))
  })
})
