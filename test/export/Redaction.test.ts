import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { inspect } from "node:util"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import * as AuditExport from "../../src/export/AuditExport.ts"
import * as Redaction from "../../src/export/Redaction.ts"
import { collecting, exporting, serving, wireRecords } from "../support/exporting.ts"

const mark = Redaction.mark

const params = {
  amount: 12,
  note: "card 4111111111111111, thanks",
  customer: { email: "ada@example.org", name: "Ada", tags: ["vip", "4111111111111111"] },
  items: [{ sku: "a", price: 1, note: "x" }, { sku: "b", price: 2, token: "t-1" }]
}

/** The record of a call as it leaves, and everything that can be got out of the event. */
const exported = (redact: Redaction.Redaction | undefined, fields: object = {}) =>
  Effect.gen(function*() {
    const { layer } = serving(wireRecords(2, () => ({ params, ...fields })))
    const { events, sink } = collecting()
    yield* AuditExport.run({ sink, ...redact === undefined ? {} : { redact } }).pipe(Effect.provide(layer))
    const [event] = events
    assert(event?._tag === "Record")
    const everything = [JSON.stringify(event), inspect(event, { depth: 9, showHidden: true }), event.json].join("\n")
    return { event, record: event.fields as Record<string, unknown> & { readonly params: unknown }, everything }
  })

describe("Redaction", () => {
  it.effect("withholds params and data subjects unless it is told otherwise", () =>
    Effect.gen(function*() {
      const { event, everything, record } = yield* exported(undefined, { pii_subject_id: "ada@example.org" })
      assert.isNull(record.params)
      assert.isNull(record["pii_subject_id"])
      assert.isTrue(event.isRedacted)
      assert.strictEqual(record["record_hash"], event.id)
      for (const secret of ["ada@example.org", "4111", "sku"]) assert.notInclude(everything, secret)
    }))

  it.effect("withholds both in whatever order they come, and either by itself", () =>
    Effect.gen(function*() {
      const records = wireRecords(3, () => ({ params }))
      const sent = params
      const pii_subject_id = "ada@example.org"
      const orders = [
        records.map((record) => ({ pii_subject_id, ...record })),
        records.map((record) => ({ ...record, pii_subject_id }))
      ]
      for (const order of orders) {
        for (const params of ["withhold", "keep"] as const) {
          for (const subject of ["withhold", "keep"] as const) {
            const { events, sink } = collecting()
            yield* AuditExport.run({ sink, redact: { params, subject } }).pipe(Effect.provide(serving(order).layer))
            const expected = order.map((record) => ({
              ...record,
              params: params === "keep" ? sent : null,
              pii_subject_id: subject === "keep" ? pii_subject_id : null
            }))
            assert.deepStrictEqual(
              events.map((event) => event._tag === "Record" && event.json),
              expected.map((record) => JSON.stringify(record))
            )
          }
        }
      }
    }))

  it.effect("withholds them of records as a gateway sends them, in pages of every size", () =>
    Effect.gen(function*() {
      const secrets = Array.from({ length: 12 }, (_, index) => `secret-${index}-\u00fc"\\`)
      yield* Effect.forEach(secrets, (note) =>
        ToolCalls.use((calls) =>
          calls.decide({ tool: "stripe", method: "refund", params: { note, amount: 1 } })
        ))
      for (const pageSize of [1, 7, 1000]) {
        for (const redact of [Redaction.withheld, Redaction.only(["amount"]), Redaction.paths(["note"])]) {
          const { events, sink } = collecting()
          yield* AuditExport.run({ sink, pageSize, redact })
          assert.strictEqual(events.length, 12)
          assert.notInclude(JSON.stringify(events), "secret-")
          for (const event of events) {
            assert(event._tag === "Record")
            const { params } = event.fields
            if (redact === Redaction.withheld) assert.isNull(params)
            else assert.deepInclude(params as object, { amount: 1, note: mark })
          }
        }
        const { events, sink } = collecting()
        yield* AuditExport.run({ sink, pageSize, redact: Redaction.none })
        assert.deepStrictEqual(
          events.map((event) => event._tag === "Record" && (event.fields["params"] as { note: string }).note),
          secrets
        )
      }
    }).pipe(Effect.provide(exporting())))

  it.effect("lets everything out where that is said", () =>
    Effect.gen(function*() {
      const { event, record } = yield* exported(Redaction.none, { pii_subject_id: "ada@example.org" })
      assert.deepStrictEqual(record.params, params)
      assert.strictEqual(record["pii_subject_id"], "ada@example.org")
      assert.isFalse(event.isRedacted)
    }))

  it.effect("takes out what stands at a path", () =>
    Effect.gen(function*() {
      const redact = Redaction.paths(["customer.email", "items.*.note", "**.token", "missing.path", "customer.tags.1"])
      const { record } = yield* exported(redact)
      assert.deepStrictEqual(record.params, {
        ...params,
        customer: { email: mark, name: "Ada", tags: ["vip", mark] },
        items: [{ sku: "a", price: 1, note: mark }, { sku: "b", price: 2, token: mark }]
      })
    }))

  it.effect("takes out what stands at a path of a text that is JSON, and leaves other texts as they are", () =>
    Effect.gen(function*() {
      const inner = "{ \"token\": \"t-1\", \"n\": 1.0 }"
      const redact = Redaction.paths(["**.token", "customer.email"])
      const { everything, record } = yield* exported(redact, {
        params: {
          body: inner,
          twice: JSON.stringify([JSON.stringify({ token: "t-1" })]),
          customer: JSON.stringify({ email: "t-1", name: "Ada" }),
          repeated: "{\"a\":{\"token\":\"t-1\"},\"a\":1}",
          broken: "{\"token\":",
          brackets: "[see] below"
        }
      })
      assert.deepStrictEqual(record.params, {
        body: `{"token":"${mark}","n":1}`,
        twice: JSON.stringify([JSON.stringify({ token: mark })]),
        customer: JSON.stringify({ email: mark, name: "Ada" }),
        repeated: "{\"a\":1}",
        broken: "{\"token\":",
        brackets: "[see] below"
      })
      assert.notInclude(everything, "t-1")
    }))

  it.effect("withholds params with a text that nests deeper than the stack", () =>
    Effect.gen(function*() {
      const deep = `${"[".repeat(100_000)}{"token":"t-1"}${"]".repeat(100_000)}`
      const { everything, record } = yield* exported(Redaction.paths(["**.token"]), { params: { deep } })
      assert.isNull(record.params)
      assert.notInclude(everything, "t-1")
    }))

  it.effect("takes out what stands under keys that objects have by themselves", () =>
    Effect.gen(function*() {
      const hostile = JSON.parse("{\"__proto__\":{\"token\":\"t-1\"},\"constructor\":{\"token\":\"t-1\",\"x\":1}}")
      const { everything, record } = yield* exported(Redaction.paths(["**.token"]), { params: hostile })
      assert.notInclude(everything, "t-1")
      assert.strictEqual(
        JSON.stringify(record.params),
        `{"__proto__":{"token":"${mark}"},"constructor":{"token":"${mark}","x":1}}`
      )
    }))

  it.effect("lets out only what stands at a path", () =>
    Effect.gen(function*() {
      const { record } = yield* exported(Redaction.only(["amount", "items.*.sku", "customer.name.first"]))
      assert.deepStrictEqual(record.params, {
        amount: 12,
        note: mark,
        customer: { email: mark, name: mark, tags: mark },
        items: [{ sku: "a", price: mark, note: mark }, { sku: "b", price: mark, token: mark }]
      })
    }))

  it.effect("takes out what matches, in keys, violations and names too, and leaves ids and hashes alone", () =>
    Effect.gen(function*() {
      const { everything, record } = yield* exported(Redaction.patterns([/4\d{15}/, /ada@[a-z.]+/]), {
        params: { ...params, "ada@example.org": { 4111111111111111: true } },
        violations: ["ada@example.org may not"],
        agent_id: "agent of ada@example.org"
      })
      assert.notInclude(everything, "ada@example.org")
      assert.notInclude(everything, "4111111111111111")
      assert.strictEqual((record.params as typeof params).note, `card ${mark}, thanks`)
      assert.deepStrictEqual(record["violations"], [`${mark} may not`])
      assert.strictEqual(record["action_id"], "a-0")
    }))

  it.effect("takes out numbers that match as a whole, in params and nowhere else", () =>
    Effect.gen(function*() {
      const redact = Redaction.patterns([/\d{16}/, /^1$/])
      const { record } = yield* exported(redact, {
        params: { items: [{ amount: 4111111111111111 }, { amount: 5, 4111111111111111: 12 }], count: 1 }
      })
      assert.deepStrictEqual(record.params, {
        items: [{ amount: mark }, { amount: 5, [mark]: 12 }],
        count: mark
      })
      assert.strictEqual(record["id"], 1)
    }))

  it.effect("takes out a key at any depth, and what matches in the rest", () =>
    Effect.gen(function*() {
      const redact = Redaction.all(
        Redaction.paths(["card.number", "items.*.note.deep", "**.token", "**.cvc"]),
        Redaction.patterns([/\d{16}/])
      )
      const { record } = yield* exported(redact, {
        params: {
          charge: "ch_1",
          card: { number: "4111 1111 1111 1111", cvc: 123 },
          token: "abc",
          items: [{ note: "card 4111111111111111", amount: 4111111111111111 }, { inner: [{ token: { a: "b" } }] }]
        }
      })
      assert.deepStrictEqual(record.params, {
        charge: "ch_1",
        card: { number: mark, cvc: mark },
        token: mark,
        items: [{ note: `card ${mark}`, amount: mark }, { inner: [{ token: mark }] }]
      })
    }))

  it.effect("takes out what a schema marks, and what it does not describe", () =>
    Effect.gen(function*() {
      const Params = Schema.Struct({
        amount: Schema.Finite,
        note: Redaction.sensitive(Schema.String.check(Schema.isMaxLength(100))),
        customer: Schema.Struct({
          email: Schema.optional(Redaction.sensitive(Schema.String)),
          tags: Schema.Array(Schema.String)
        }),
        items: Schema.Array(Schema.Struct({ sku: Schema.String, price: Schema.NumberFromString }))
      })
      const redact = Redaction.schemas({ "stripe/refund": Params })
      const { everything, record } = yield* exported(redact)
      assert.deepStrictEqual(record.params, {
        amount: 12,
        note: mark,
        customer: { email: mark, name: mark, tags: ["vip", "4111111111111111"] },
        items: [{ sku: "a", price: 1, note: mark }, { sku: "b", price: 2, token: mark }]
      })
      assert.notInclude(everything, "ada@example.org")
      const other = yield* exported(Redaction.schemas({ "stripe/charge": Params }))
      assert.isNull(other.record.params)
    }))

  it.effect("withholds by schema where the value is of another shape", () =>
    Effect.gen(function*() {
      const redact = Redaction.schemas({
        stripe: Schema.Struct({
          amount: Schema.Union([Schema.Struct({ value: Schema.Finite }), Redaction.sensitive(Schema.Finite)]),
          note: Schema.Struct({ text: Schema.String }),
          customer: Schema.Unknown,
          items: Schema.String
        })
      })
      const { record } = yield* exported(redact)
      assert.deepStrictEqual(record.params, { amount: mark, note: mark, customer: mark, items: mark })
    }))

  it.effect("withholds the params where the redaction itself fails", () =>
    Effect.gen(function*() {
      const failing: ReadonlyArray<(params: unknown) => unknown> = [
        () => {
          throw new Error("a bug")
        },
        () => undefined,
        () => 1n,
        () => () => 1
      ]
      for (const change of failing) {
        const { everything, record } = yield* exported({ params: change })
        assert.isNull(record.params)
        assert.notInclude(everything, "4111")
      }
    }))

  it.effect("combines: what one withholds stays withheld", () =>
    Effect.gen(function*() {
      const both = Redaction.all(Redaction.only(["note", "amount"]), Redaction.patterns([/4\d{15}/]))
      assert.deepInclude((yield* exported(both)).record.params as object, { amount: 12, note: `card ${mark}, thanks` })
      assert.isNull((yield* exported(Redaction.all(Redaction.none, Redaction.withheld))).record.params)
      assert.isNull((yield* exported(Redaction.all())).record.params)
    }))
})
