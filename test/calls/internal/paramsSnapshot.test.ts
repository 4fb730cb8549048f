import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { createHash } from "node:crypto"
import { type ParamsSnapshot, snapshotParams, snapshotText } from "../../../src/calls/internal/paramsSnapshot.ts"
import { canonicalJson } from "../../../src/internal/canonicalJson.ts"
import { pythonLength } from "../../../src/internal/pythonLength.ts"
import { generateJson, seeded } from "../../support/generateJson.ts"
import { hasPython, python } from "../../support/python.ts"

const taken = (result: ReturnType<typeof snapshotParams>): ParamsSnapshot => Result.getOrThrow(result)

/** The paths of the issues, from the params on, and their messages. */
const issuesOf = (result: ReturnType<typeof snapshotParams>) => {
  assert(Result.isFailure(result))
  for (const { path } of result.failure) assert.deepStrictEqual(path.slice(0, 2), ["body", "params"])
  return result.failure.map(({ message, path }) => [path.slice(2).join("."), message] as const)
}

const isFrozen = (value: unknown): boolean =>
  typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

describe("snapshotParams", () => {
  it("copies what JSON keeps, frozen in depth", () => {
    const params = { b: 1, a: { list: [1, "é", null, -0], none: undefined }, ["__proto__"]: { toJSON: "x" }, "k\\": 2 }
    const { digest, text, value } = taken(snapshotParams(params))
    assert.strictEqual(text, JSON.stringify(params))
    assert.deepStrictEqual(value, JSON.parse(text))
    assert.isTrue(isFrozen(value))
    assert.strictEqual(digest, sha256(canonicalJson(params.b === 1 ? JSON.parse(text) : {})))
    params.a.list[0] = 2
    assert.strictEqual((value["a"] as typeof params.a).list[0], 1)
  })

  it("writes what JSON.stringify writes, and is no longer than the gateway allows", () => {
    const random = seeded(7)
    for (let i = 0; i < 5000; i++) {
      const params = { value: generateJson(random) }
      const result = snapshotParams(params)
      if (Result.isFailure(result)) continue
      assert.strictEqual(result.success.text, JSON.stringify(params))
      assert.isAtMost(pythonLength(params), 65_536)
    }
  })

  it("has one identity for the same params, and another one for all others", () => {
    const identity = (params: object) => taken(snapshotParams(params)).identity
    const params = { b: [{ d: 1, c: 2 }], a: { "\\": "\"" } }
    assert.strictEqual(identity(params), identity({ a: params.a, b: [{ c: 2, d: 1 }] }))
    const all = [params, {}, { a: 1 }, { a: "1" }, { a: [1] }, { a: { 0: 1 } }, { "a\":1,\"b": 2 }, { a: 1, b: 2 }, {
      a: null
    }]
    const long = Array.from({ length: 3 }, (_, n) => ({ b: n, a: "x".repeat(10_000) }))
    assert.strictEqual(new Set([...all, ...long].map(identity)).size, all.length + long.length)
    assert.strictEqual(identity(long[1]!), identity({ a: "x".repeat(10_000), b: 1 }))
    for (const params of long) assert.lengthOf(identity(params), 64)
    assert.notStrictEqual(taken(snapshotText("{\"n\":1.0}")).identity, taken(snapshotText("{\"n\":1}")).identity)
  })

  it("reads every property once", () => {
    const reads = new Map<PropertyKey, number>()
    const spied = <A extends object>(target: A): A =>
      new Proxy(target, {
        get: (object, key) => {
          reads.set(key, (reads.get(key) ?? 0) + 1)
          const value: unknown = Reflect.get(object, key)
          return typeof value === "object" && value !== null ? spied(value) : value
        }
      })
    let shown = 0
    const params = spied({
      target: {
        get dir() {
          return shown++ === 0 ? "/tmp/harmless" : "/etc"
        }
      },
      list: [1, 2]
    })
    const { text } = taken(snapshotParams(params))
    assert.strictEqual(text, "{\"target\":{\"dir\":\"/tmp/harmless\"},\"list\":[1,2]}")
    assert.deepStrictEqual(Object.fromEntries(reads), { target: 1, dir: 1, list: 1, length: 1, 0: 1, 1: 1 })
  })

  it("gives the same again for the value of a snapshot, with the text that it came as", () => {
    const snapshot = taken(snapshotParams({ a: { b: 1 } }))
    assert.deepStrictEqual(taken(snapshotParams(snapshot.value)), snapshot)
    const big = taken(snapshotText("{\"n\": 9007199254740993}"))
    assert.strictEqual(taken(snapshotParams(big.value)), big)
    assert.notStrictEqual(taken(snapshotParams({ ...big.value })).digest, big.digest)
  })

  const cyclic: Record<string, unknown> = { n: 1 }
  cyclic["deep"] = [{ self: cyclic }, 2]
  const wide: Record<string, unknown> = {}
  for (let i = 0; i < 50; i++) wide[`k${i}`] = wide
  const nested = (levels: number) => Array.from({ length: levels }).reduce<unknown>((inner) => ({ a: inner }), 1)
  const endless: object = new Proxy({}, {
    ownKeys: () => ["a", "b"],
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    getPrototypeOf: () => Object.prototype,
    get: () => endless
  })
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const refusals: ReadonlyArray<readonly [title: string, params: unknown, path: string, message: RegExp]> = [
    ["a cycle", cyclic, "deep.0.self", /refers back/],
    ["many cycles", wide, "k0", /refers back/],
    ["20,000 levels", { x: nested(20_000) }, ["x", ...Array.from({ length: 200 }, () => "a")].join("."), /200 levels/],
    ["a proxy without end", endless, "a", /refers back/],
    ["a sparse array", { a: Object.assign([1], { length: 3 }) }, "a.1", /not undefined/],
    ["an array of four billion holes", { a: Object.assign([], { length: 2 ** 32 - 1 }) }, "", /65536/],
    ["a date", { a: new Date(0) }, "a", /plain JSON/],
    ["an object with a prototype", { a: Object.create({ b: 1 }) }, "a", /plain JSON/],
    ["a toJSON of its own", { a: { toJSON: () => "x" } }, "a.toJSON", /not function/],
    ["a bigint", { a: 1n }, "a", /not bigint/],
    ["no number", { a: NaN }, "a", /finite/],
    ["a lone surrogate", { a: ["\ud800"] }, "a.0", /surrogates/],
    ["a lone surrogate in a key", { a: { "\ud800": 1 } }, "a", /surrogates/],
    [
      "a getter that throws",
      {
        a: {
          get b() {
            throw new Error("secret")
          }
        }
      },
      "a.b",
      /^Expected JSON, and reading this throws$/
    ],
    ["a revoked proxy", { a: revoked.proxy }, "a", /reading this throws/],
    ["an array", [1], "", /object/],
    ["a text", "x", "", /object/],
    ["nothing", null, "", /object/]
  ]
  for (const [title, params, path, message] of refusals) {
    it(`refuses ${title}, and says where`, () => {
      const first = issuesOf(snapshotParams(params))[0]!
      assert.strictEqual(first[0], path)
      assert.match(first[1], message)
    })
  }
})

describe("snapshotText", () => {
  it("keeps the text as it came, with numbers that no double holds", () => {
    const text = "{ \"campaign\" : 1915883588174806058, \"price\": 1.0, \"caf\\u00e9\": \"\\u00e9é\" }"
    const snapshot = taken(snapshotText(`\n${text} `))
    assert.strictEqual(snapshot.text, text)
    assert.deepStrictEqual(snapshot.value, JSON.parse(text))
    assert.isTrue(isFrozen(snapshot.value))
    assert.strictEqual(taken(snapshotParams(snapshot.value)).text, text)
    assert.strictEqual(
      snapshot.digest,
      sha256("{\"campaign\":1915883588174806058,\"price\":1.0,\"caf\\u00e9\":\"\\u00e9\\u00e9\"}")
    )
  })

  it("has the digest of the same params as a value, and another one for another number", () => {
    const params = { b: [1, "é", null, true, { c: -1.5e-9 }], ["__proto__"]: { a: "\u0000\"\\" }, "k\\": {} }
    const spaced = JSON.stringify(params, null, 2)
    assert.strictEqual(taken(snapshotText(spaced)).digest, taken(snapshotParams(params)).digest)
    assert.notStrictEqual(
      taken(snapshotText("{\"n\":9007199254740993}")).digest,
      taken(snapshotText("{\"n\":9007199254740992}")).digest
    )
  })

  it("reads what JSON.parse reads", () => {
    const random = seeded(8)
    for (let i = 0; i < 5000; i++) {
      const text = JSON.stringify({ value: generateJson(random) }, null, i % 3)
      const result = snapshotText(text)
      if (Result.isFailure(result)) continue
      assert.deepStrictEqual(result.success.value, JSON.parse(text))
    }
  })

  const spellings = "1 -1 -0 0.0 -0.0 1.0 1E5 1e5 1e15 1e16 -1.5e16 12345678901234567890.0 1e21 1.5E-7 0.00001 1e-5 " +
    "0.0001 123456789012345678901234567890 1e300 5e-324 1e-400 100e-2 0.1000000000000000055511151231257827"

  it.skipIf(!hasPython)("counts as the gateway does, however a number is spelled (needs python3)", () => {
    const texts = spellings.split(" ").map((number) => `{"a":[${number}]}`)
    const program = "import json, sys\nfor line in sys.stdin: print(len(json.dumps(json.loads(line))))"
    const lengths = python(program, texts)
    texts.forEach((text, i) => {
      const room = 65_536 - Number(lengths[i]) - ", \"f\": \"\"".length
      const filled = (excess: number) => `{"f":"${"x".repeat(room + excess)}",${text.slice(1)}`
      assert.isTrue(Result.isSuccess(snapshotText(filled(0))), text)
      assert.match(issuesOf(snapshotText(filled(1)))[0]![1], /65536/, text)
    })
  })

  const deep = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`
  const refusals: ReadonlyArray<readonly [title: string, text: string, path: string, message: RegExp]> = [
    ["a key twice", "{\"a\":[{\"b\":1,\"\\u0062\":2}]}", "a.0.b", /each key once/],
    ["__proto__ twice", "{\"__proto__\":1,\"__proto__\":2}", "__proto__", /each key once/],
    ["201 levels", deep(201), "", /200 levels/],
    ["a million levels", "{\"a\":".repeat(1_000_000), "", /200 levels/],
    ["no JSON", "{\"a\":1", "", /JSON/],
    ["an array", "[1]", "", /object/],
    ["a text", "\"x\"", "", /object/],
    ["a lone surrogate", "{\"a\":[\"\\ud800\"]}", "a.0", /surrogates/],
    ["a number beyond all doubles", "{\"a\":1e400}", "a", /double/],
    ["too long a text", `{"a":"${"é".repeat(11_000)}"}`, "", /65536/]
  ]
  for (const [title, text, path, message] of refusals) {
    it(`refuses ${title}, and says where`, () => {
      const first = issuesOf(snapshotText(text))[0]!
      assert.strictEqual(first[0], path)
      assert.match(first[1], message)
    })
  }

  it("takes 200 levels", () => assert.isTrue(Result.isSuccess(snapshotText(deep(200)))))
})

describe("a snapshot with one more key", () => {
  it.each(["{}", "{ }", "{\"n\":9007199254740993}", "{\"a\":{}}"])("has the rest as it was: %s", (text) => {
    for (const from of [snapshotText(text), snapshotParams(JSON.parse(text))]) {
      const snapshot = taken(from)
      const more = taken(snapshot.with("ref", "0a"))
      assert.strictEqual(more.text.replace(/,?"ref":"0a"/, ""), snapshot.text)
      assert.deepStrictEqual(more.value, { ...snapshot.value, ref: "0a" })
      assert.strictEqual(more.digest, taken(snapshotText(more.text)).digest)
      assert.isTrue(isFrozen(more.value))
    }
  })

  it("is refused where the key is taken, and where it makes the params too long", () => {
    assert.strictEqual(issuesOf(taken(snapshotParams({ ref: 1 })).with("ref", "0"))[0]![0], "ref")
    const full = JSON.stringify({ a: "x".repeat(65_527) })
    for (const snapshot of [snapshotText(full), snapshotParams(JSON.parse(full))].map(taken)) {
      assert.match(issuesOf(snapshot.with("ref", "0"))[0]![1], /65536/)
    }
  })
})
