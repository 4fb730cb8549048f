import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { AuditRecord } from "../../../src/audit/AuditRecord.ts"
import { AuditRow } from "../../../src/audit/wire/AuditApi.ts"
import { wireRecord } from "../../../src/gateway/http/wireRecord.ts"

const encode = Schema.encodeEffect(AuditRow)

describe("a record as it is sent", () => {
  it.effect.prop(
    "is what the schema of the route writes",
    { record: AuditRecord },
    ({ record }) =>
      Effect.gen(function*() {
        assert.strictEqual(JSON.stringify(wireRecord(record)), JSON.stringify(yield* encode(record)))
      }),
    { arbitrary: { runs: 300 } }
  )
})
