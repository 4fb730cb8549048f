import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { asciiString, auditPayload, canonicalJson } from "../../src/internal/canonicalJson.ts"
import { generateJson, seeded } from "../support/generateJson.ts"
import { hasPython, python } from "../support/python.ts"

describe("asciiString", () => {
  it("escapes as Python does", () => {
    assert.strictEqual(asciiString("a\"\\/\b\f\n\r\t"), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\"")
    assert.strictEqual(asciiString("\x00\x1f ~\x7f\x80é"), "\"\\u0000\\u001f ~\\u007f\\u0080\\u00e9\"")
    assert.strictEqual(asciiString("😀\ud83d\u2028\uffff"), "\"\\ud83d\\ude00\\ud83d\\u2028\\uffff\"")
  })
})

describe("canonicalJson", () => {
  it("leaves out blanks and keeps the order of Object.keys", () => {
    assert.strictEqual(
      canonicalJson(JSON.parse("{ \"b\": [ 1, {}, [], null, true, false, \"x\" ], \"a\": { \"10\": 1, \"2\": 2 } }")),
      "{\"b\":[1,{},[],null,true,false,\"x\"],\"a\":{\"2\":2,\"10\":1}}"
    )
  })

  it("spells numbers as JSON.stringify does", () => {
    for (const number of [0, -0, 1.0, 1e21, 1e-7, 123456789012345680000, 5e-324, 0.1, Infinity]) {
      assert.strictEqual(canonicalJson(number), JSON.stringify(number))
    }
  })

  it("keeps own keys named __proto__, toJSON and the empty key", () => {
    const text = "{\"__proto__\":{\"a\":1},\"toJSON\":2,\"\":3}"
    assert.strictEqual(canonicalJson(JSON.parse(text)), text)
  })

  it("throws where a value contains itself, and takes one that is there twice", () => {
    const cyclic: Record<string, unknown> = { a: "x".repeat(1000) }
    cyclic["b"] = [1, { c: cyclic }]
    assert.throws(() => canonicalJson(cyclic), TypeError)
    const wide: Array<unknown> = []
    wide.push(wide, wide)
    assert.throws(() => canonicalJson(wide), TypeError)
    let deep: unknown = {}
    for (let i = 0; i < 300; i++) deep = [deep]
    assert.strictEqual(canonicalJson([deep, deep]), JSON.stringify([deep, deep]))
  })

  it("writes nesting of 100,000 without overflowing the stack", () => {
    const depth = 100_000
    let arrays: unknown = []
    let objects: unknown = {}
    for (let i = 1; i < depth; i++) {
      arrays = [arrays]
      objects = { a: objects }
    }
    assert.isTrue(canonicalJson(arrays) === "[".repeat(depth) + "]".repeat(depth))
    assert.isTrue(canonicalJson(objects) === "{\"a\":".repeat(depth - 1) + "{}" + "}".repeat(depth - 1))
  })

  it.skipIf(!hasPython)("agrees with python3's json.dumps on 20,000 values (needs python3)", () => {
    const random = seeded(1)
    const values = Array.from({ length: 20_000 }, () => generateJson(random))
    // Floats go through Python as marked strings: here they keep their spelling, in `json.dumps` they would not.
    const program = [
      "import json, re, sys",
      "mark = re.compile(r'\"\\\\u0000float:([^\"]*)\"')",
      "for line in sys.stdin:",
      "  value = json.loads(line, parse_float=lambda token: '\\0float:' + token)",
      "  print(mark.sub(r'\\1', json.dumps(value, separators=(',', ':'), ensure_ascii=True)))"
    ].join("\n")
    const expected = python(program, values.map((value) => JSON.stringify(value)))
    assert.strictEqual(expected.length, values.length)
    values.forEach((value, i) => assert.strictEqual(canonicalJson(value), expected[i]))
  })
})

describe("auditPayload", () => {
  it("recomputes the hash of a record that a gateway wrote", () => {
    const payload = auditPayload({
      actionId: "7ab2be6b-969b-4811-b093-77352889bd5c",
      agentId: "advq4",
      tool: "slack",
      method: "post_message",
      paramsText: "{\"channel\":\"#c\",\"text\":\"q4 \\u00e9\\ud83d\\ude00\",\"10\":1.0,\"2\":1e+16}",
      requestedAt: "2026-11-23T00:45:04.599247+00:00",
      decision: "pending_approval",
      violationsText: "[]",
      severity: "none",
      bundleRevision: "v1.0.0-1795393667",
      prevHash: "be8a0b639b990c2fcb62dc91fd8b4680435ad06879cdbd483b285278a6e97d97"
    })
    assert.strictEqual(
      createHash("sha256").update(payload).digest("hex"),
      "7aa3a4975f439d2a9f808724f0730d9dfeaea7411caf9b84a1e463ee2c0391ed"
    )
  })
})
