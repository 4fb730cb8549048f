import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { AuditRecord } from "../../src/audit/AuditRecord.ts"
import { decide } from "../../src/calls/ToolCalls.ts"
import { Status } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { answering, decodeLines, run } from "../support/cli.ts"

const some = Effect.gen(function*() {
  yield* decide({ tool: "http", method: "GET" })
  yield* decide({ tool: "db", method: "drop" })
})

describe("status", () => {
  it.effect("tells of gateway, tenant, queue and log", () =>
    Effect.gen(function*() {
      yield* some
      const { code, err, out } = yield* run(["status"])
      assert.strictEqual(err, "")
      assert.match(out, /^Gateway +http:\/\/localhost +ok/m)
      assert.match(out, /^Tenant +local \(Local\) +policy general +key from VARGATE_API_KEY/m)
      assert.match(out, /^Approvals +1 waiting, next expires in 1 h/m)
      assert.match(out, /^Audit log +2 records, newest 0 ms ago: pending db\/drop/m)
      assert.match(out, /^Chain +valid, says the gateway/m)
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("is one line for scripts", () =>
    Effect.gen(function*() {
      yield* some
      const { out } = yield* run(["status", "--json"])
      const [status] = decodeLines(Status, out)
      assert.deepInclude({ ...status }, {
        url: "http://localhost",
        keyFrom: "environment",
        tenantId: "local",
        records: 2
      })
      assert.strictEqual(status?.approvals?.pending, 1)
      assert.strictEqual(status?.nextExpiry?.epochMilliseconds, 3_600_000)
      assert.isTrue(status?.chain?.valid)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("ends with 1 where the gateway itself finds its chain broken", () =>
    Effect.gen(function*() {
      yield* some
      const gateway = yield* GatewayMemory.GatewayMemory
      yield* gateway.tamperWithLedger({
        edit: (records) =>
          records.map((record, index) => index === 0 ? new AuditRecord({ ...record, tool: "x" }) : record)
      })
      const { code, out } = yield* run(["status"])
      assert.match(out, /^Chain +broken, says the gateway: record_hash mismatch at/m)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("does not wait for a gateway that reads its whole log", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(run(["status"]), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      const { code, out } = yield* Fiber.join(fiber)
      assert.match(out, /^Chain +not told within 5 seconds/m)
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(Layer.provideMerge(answering("/audit/verify", () => Effect.never), GatewayMemory.layer()))))
})
