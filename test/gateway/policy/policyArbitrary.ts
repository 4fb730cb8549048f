/** Decision documents at random: near every boundary, and with what no rule expects. */
import { Arbitrary, Schema } from "effect"
import type { PolicyInput } from "../../../src/gateway/policy/PolicyInput.ts"
import * as PolicyTemplates from "../../../src/gateway/policy/PolicyTemplates.ts"
import { document } from "./policyDocument.ts"

const index = (length: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: length - 1 })))

const oneOf = <A>(...values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(index(values.length), (chosen) => values[chosen]!)

const anyOf = <A>(...arbitraries: ReadonlyArray<Arbitrary.Arbitrary<A>>): Arbitrary.Arbitrary<A> =>
  Arbitrary.flatMap(index(arbitraries.length), (chosen) => arbitraries[chosen]!)

/** The limits of the templates, and numbers on either side of them. */
const edges = [0.7, 3, 10, 50, 100, 200, 500, 1000, 5000, 10_000]
  .flatMap((limit) => [limit, limit - 0.01, limit + 0.01, limit - 1, limit + 1])
const counts = edges.filter((edge) => Number.isInteger(edge) && edge >= 0)
const extremes = [0, -0, -1, 0.1 + 0.2, 5e-324, 1e21, 2 ** 53, -(2 ** 53) - 2, 1e308, Number.MAX_VALUE]
const none: ReadonlyArray<number> = [NaN, Infinity, -Infinity]
const numbers = oneOf<unknown>(...edges, ...edges, ...extremes, ...none)

const booleans = oneOf<unknown>(true, false)
/** U+FFFF comes before U+1F600 by bytes, and after it by code units. */
const words = [
  "owner",
  "revenue",
  "eu-west-1",
  "EUR",
  "gmail.com",
  "",
  "a\"b\n",
  "__proto__",
  "constructor",
  "\uffff",
  "\u{1f600}"
]
const texts = oneOf<unknown>(...words, "9000", "true", "AI-generated", "an automated note", "Ann <ann@gmail.com.>")
const lists = Arbitrary.array(anyOf(texts, texts, texts, texts, numbers), { maxLength: 4 })
const objects = Arbitrary.map(
  Arbitrary.array(oneOf(...words), { maxLength: 4 }),
  (keys): unknown => JSON.parse(`{${keys.map((key) => `${JSON.stringify(key)}:null`).join()}}`)
)
const anything = anyOf<unknown>(
  oneOf(undefined, null),
  numbers,
  booleans,
  texts,
  lists,
  objects,
  Arbitrary.schema(Schema.Json)
)

const absent = oneOf<unknown>(undefined)
const typed = { number: numbers, boolean: booleans, string: texts, object: lists }

/** Any parameter of any template: mostly as it should be, or not set. */
const config = Arbitrary.all(Object.fromEntries(
  PolicyTemplates.all.flatMap(({ defaults }) => Object.entries(defaults)).map(([name, standard]) => [
    name,
    anyOf(absent, absent, typed[typeof standard as keyof typeof typed], anything)
  ])
))

const params = Arbitrary.all({
  amount: anyOf(numbers, numbers, anything),
  currency: anyOf(absent, absent, oneOf<unknown>("EUR"), texts, anything),
  to: anyOf(texts, lists, anything),
  body: anyOf(oneOf<unknown>("This is an AI-generated mail."), texts, anything),
  fields: anyOf<unknown>(objects, objects, anything),
  record_count: anyOf(numbers, anything),
  limit: anyOf(numbers, anything),
  region: anyOf(absent, texts, anything),
  masked: anyOf(booleans, anything)
})

const moment = Date.parse("2026-11-23T12:00:00Z")
const hour = 60 * 60 * 1000
const notations: ReadonlyArray<(time: Date) => string> = [
  (time) => time.toISOString(),
  (time) => time.toISOString().replace("Z", "999Z"),
  (time) => time.toISOString().replace(/\.\d+Z$/, "Z"),
  (time) => new Date(time.getTime() + 5.5 * hour).toISOString().replace("Z", "000+05:30"),
  () => "lately",
  () => ""
]
const lastViolation = anyOf<string | null>(
  oneOf(null),
  Arbitrary.map(
    Arbitrary.all({
      ago: oneOf(0, 1, hour - 1000, hour - 1, hour, hour + 1, hour + 1000, -hour, 40 * hour),
      notation: oneOf(...notations)
    }),
    ({ ago, notation }) => notation(new Date(moment - ago))
  )
)

/** Decision documents of all templates. */
export const documents: Arbitrary.Arbitrary<PolicyInput> = Arbitrary.map(
  Arbitrary.all({
    template: oneOf("general", "financial", "email", "crm", "data_access", "other"),
    tool: oneOf("email", "gmail", "resend", "crm"),
    method: oneOf("create", "delete", "destroy", "purge", "drop", "export", "Delete", "deleted"),
    config,
    params,
    businessHours: oneOf(true, false),
    pii: oneOf(true, false),
    known: oneOf(true, false),
    score: oneOf(0, 0.3, 0.69, 0.7, 0.7001, 1),
    actions: anyOf(oneOf(0), oneOf(...counts)),
    violations: oneOf(0, 1, 2, 3, 4, 50),
    lastViolation
  }),
  ({ template, ...call }) => document(template, call)
)
