import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import * as LedgerMemory from "../../../src/gateway/ledger/LedgerMemory.ts"
import * as SubjectKeys from "../../../src/gateway/ledger/SubjectKeys.ts"

const fieldsOf = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "12-34-56"]))

layer(SubjectKeys.layer.pipe(Layer.provideMerge(LedgerMemory.layer)))("SubjectKeys", (it) => {
  it.effect("writes a long name into no field, and reads what was written with it in full", () =>
    Effect.gen(function*() {
      const keys = yield* SubjectKeys.SubjectKeys
      const subject = "s".repeat(30_000)
      const params = { customer_id: subject, ...fieldsOf(1000) }
      const sealed = yield* keys.encryptFields("t", subject, params, Object.keys(fieldsOf(1000)))
      // 30 MB where each field repeats the name
      assert.isBelow(JSON.stringify(sealed).length, 4 * JSON.stringify(params).length + 1000 * 100)
      assert.strictEqual(yield* keys.decrypt("t", subject, String(sealed["k7"])), "12-34-56")

      const [key] = yield* Ledger.use((ledger) => ledger.subjectKeys("t", subject))
      assert.strictEqual(key?.version, 1)
      const inFull = String(sealed["k7"]).replace(/sha256-[0-9a-f]{64}/, subject)
      assert.include(inFull, subject)
      assert.strictEqual(yield* keys.decrypt("t", subject, inFull), "12-34-56")
      assert.isUndefined(yield* keys.decrypt("t", subject, inFull.replace("key-s", "key-t")))
    }))

  it.effect("writes a short name as it is", () =>
    Effect.gen(function*() {
      const keys = yield* SubjectKeys.SubjectKeys
      const sealed = yield* keys.encryptFields("t", "ann", { name: "Ann" }, ["name"])
      assert.match(String(sealed["name"]), /^\[ENCRYPTED:key-ann-v1:/)
    }))
})
