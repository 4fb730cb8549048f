import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { AuditRecord } from "../../../src/audit/AuditRecord.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { gathered, maxReported } from "../../../src/gateway/reports/gathered.ts"
import * as Compliance from "../../../src/operator/Compliance.ts"
import { inProcess } from "../../support/worlds.ts"

describe("the records of a report", () => {
  it.effect("are so many at most, and no more is read to find that out", () =>
    Effect.gen(function*() {
      let read = 0
      const records = Stream.map(Stream.rechunk(Stream.range(1, 1_000_000), 1), (n) => {
        read++
        return n
      })
      const { detail } = yield* Effect.flip(gathered(records, "Ask for less"))
      assert.strictEqual(detail, "A report has at most 10000 records. Ask for less")
      assert.strictEqual(read, maxReported + 1)
      assert.lengthOf(yield* gathered(Stream.take(records, maxReported), ""), maxReported)
    }))

  it.effect("are those of the days that were asked for", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12))
      yield* ToolCalls.call({ tool: "http", method: "GET" })
      const ledger = yield* Ledger
      const [first] = yield* ledger.records("local")
      const requestedAt = DateTime.makeUnsafe(Date.UTC(2026, 10, 24))
      const more = Array.from({ length: maxReported + 1 }, (_, n) =>
        new AuditRecord({ ...first!, id: n + 2, requestedAt }))
      yield* ledger.replaceRecords("local", [first!, ...more])
      const exported = (from: string, to: string) =>
        Compliance.Compliance.use((compliance) =>
          compliance.export({ from: DateTime.makeUnsafe(from), to: DateTime.makeUnsafe(to) })
        )
      assert.lengthOf((yield* exported("2026-11-23", "2026-11-23")).records, 1)
      const { message } = yield* Effect.flip(exported("2026-11-23", "2026-11-24"))
      assert.match(message, /at most 10000 records. Choose fewer days with from and to/)
    }).pipe(Effect.provide(Layer.provideMerge(Compliance.layer, inProcess()))))
})
