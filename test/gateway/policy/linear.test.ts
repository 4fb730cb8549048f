/** What the gateway does with the params of a call grows with them, and no faster: one call must not stop all others. */
import { assert, describe, it } from "@effect/vitest"
import { addressesIn, keysOf, namesAmong, unexpectedIn } from "../../../src/gateway/policy/GovernedFields.ts"
import * as PersonalData from "../../../src/gateway/policy/PersonalData.ts"
import { recipients } from "../../../src/gateway/policy/PolicyInput.ts"
import { parametersOf } from "../../../src/gateway/policy/PolicyRule.ts"
import * as PolicyTemplates from "../../../src/gateway/policy/PolicyTemplates.ts"
import { countedWork } from "../../support/countedWork.ts"
import { document } from "./policyDocument.ts"

type Params = Readonly<Record<string, unknown>>

const nested = (key: string, levels: number, leaf: unknown): Params => {
  let value = { [key]: leaf }
  for (let level = 1; level < levels; level++) value = { [key]: value }
  return value
}

const many = (n: number, entry: (i: number) => readonly [string, unknown]): Params =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => entry(i)))

/** Params of every shape that could be looked at more than once: one number says how large. */
const shapes: Readonly<Record<string, (n: number) => Params>> = {
  ...Object.fromEntries(
    ["fields", "to", "amount", "limit", "record_count", "region", "masked", "name", "other", "n-a-m-e.\u00e9"].map((
      key
    ) => [`levels of ${key}`, (n: number) => nested(key, n, many(n, (i) => [`k${i}`, 1]))])
  ),
  "a path under levels of fields": (n) => nested("fields", n, { ["a.".repeat(n)]: 1, ["\u00e9.".repeat(n)]: 1 }),
  "different paths": (n) => ({ fields: { [Array.from({ length: n }, (_, i) => `k${i}`).join(".")]: 1 } }),
  "letters of others": (n) => ({ fields: many(n, (i) => [`\u0451${i.toString(36)}\u0435r`, 1]) }),
  ...Object.fromEntries(
    ["x", "n-a-m-e", "fields.", "to.", "\u00e9"].flatMap((unit) => [
      [`objects under a long key of ${unit}`, (n: number) => ({
        [unit.repeat(n)]: Array.from({ length: n }, () => ({ a: "x" }))
      })],
      [`texts under a long key of ${unit}`, (n: number) => ({
        [unit.repeat(n)]: Array.from({ length: n }, () => "x")
      })],
      [`levels under a long key of ${unit}`, (n: number) => ({ [unit.repeat(n)]: nested("a", n, "x") })]
    ])
  ),
  "a long name": (n) => ({ ["n-a-m-e" + "-x".repeat(n)]: many(n, (i) => [`k${i}`, "x"]) }),
  "a name and its padding": (n) => ({ ["n-a-m-e" + "-".repeat(n)]: many(n, (i) => [`k${i}`, "x"]) }),
  "addresses in a list": (n) => ({ to: Array.from({ length: n }, (_, i) => `a${i}@b.example`) }),
  "addresses in a text": (n) => ({ to: Array.from({ length: n }, (_, i) => `a${i}@b.example`).join() }),
  "one address": (n) => ({ to: `a@${"b.".repeat(n)}example` }),
  "a text": (n) => ({ name: " ".repeat(n), text: "a@b-12-12-AB 12".repeat(n) }),
  "texts": (n) => many(n, (i) => [`k${i}`, "ann@example.org"])
}

const walks: Readonly<Record<string, (params: Params) => unknown>> = {
  "personal data, detected": PersonalData.detect,
  "personal data, as policies see it": PersonalData.inspect,
  "recipients": recipients,
  "addresses": (params) => addressesIn(params["to"]),
  "keys within a field": (params) => keysOf(params, "fields"),
  "names among keys": (params) => namesAmong(keysOf(params, "fields"), ["owner", "revenue", "x", "_"]),
  "shapes": (params) => unexpectedIn(params, { fields: "object", to: "recipients", amount: "quantity" }),
  "the largest amount": PolicyTemplates.largestAmount,
  "a high value": PolicyTemplates.isHighValue,
  ...Object.fromEntries(
    PolicyTemplates.all.map((template) => [`the template ${template.id}`, (params: Params) => {
      const input = document(template.id, { params })
      const parameters = parametersOf(template, {})
      for (const { when } of template.rules) when(input, parameters)
      template.approval(input, parameters)
    }])
  )
}

describe.each(Object.entries(shapes))("%s", (_, paramsOf) => {
  it.each(Object.entries(walks))("are walked over in proportion to their size: %s", (_, walk) => {
    const [one, two] = [200, 400].map((n) => {
      const params = paramsOf(n)
      return countedWork(() => walk(params))
    }) as [number, number]
    assert.isAbove(one, 0)
    assert.isAtMost(two, 2.2 * one + 200)
  })
})

it("names that are looked for do not make keys be read again", () => {
  const keys = [...Array.from({ length: 500 }, (_, i) => `k${i}`), "a.".repeat(5000), "\u0451".repeat(500)]
  const names = Array.from({ length: 500 }, (_, i) => `name_${i}`)
  const few = countedWork(() => namesAmong(keys, names.slice(0, 1)))
  const all = countedWork(() => namesAmong(keys, names))
  assert.isAtMost(all - few, 500 * 40)
  assert.deepStrictEqual(namesAmong(["Own-er", "a/R\u0435venue", "_"], ["owner", "revenue", "_", "x"]), [
    "owner",
    "revenue",
    "_"
  ])
})
