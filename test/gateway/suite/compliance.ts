/** Compliance exports of the tenant's real log. */
import { assert, describe } from "@effect/vitest"
import { DateTime, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { AuditRecord } from "../../../src/audit/AuditRecord.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { Compliance, type ExportOptions } from "../../../src/operator/Compliance.ts"
import type { ComplianceExport } from "../../../src/operator/ComplianceExport.ts"
import { Merkle } from "../../../src/verify/Merkle.ts"
import { allowed, log, reasonOf, upTo } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send } from "./doors.ts"

const exported = (options?: ExportOptions) => Compliance.use((compliance) => compliance.export(options))
const printed = (options?: ExportOptions) =>
  Compliance.use((compliance) => Stream.runCollect(compliance.pdf(options))).pipe(
    Effect.map((pieces) => Buffer.concat(pieces).toString("latin1"))
  )
const act = (count: number) => Effect.forEach(upTo(count), (n) => ToolCalls.call({ ...allowed, params: { n } }))
const day = (text: string) => DateTime.makeUnsafe(text)

/** Python's `json.dumps(..., sort_keys=True)`, for ASCII. */
const sortedJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(", ")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  return `{${
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, inner]) =>
      `${JSON.stringify(key)}: ${sortedJson(inner)}`
    ).join(", ")
  }}`
}

export const compliance = (door: Door) => {
  describe("compliance exports", () => {
    const test = caseOf(door, {
      tenants: [{ ...acme, name: "Acme", policyConfig: { dailyActionLimit: 1000 } }, globex]
    })

    test("hold the whole log of the key's tenant, oldest first, without params", function*() {
      yield* as(globex)(act(1))
      yield* act(3)
      const report = yield* exported()
      assert.include(report, { tenantId: "acme", tenantName: "Acme", from: "2020-01-01", to: "1970-01-01" })
      assert.deepStrictEqual(report.records, [])

      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12))
      yield* act(2)
      const later = yield* exported()
      const { records } = yield* log({ limit: 2 })
      assert.deepStrictEqual(
        later.records.map(({ actionId, prevHash, recordHash }) => [actionId, prevHash, recordHash]),
        records.toReversed().map(({ actionId, prevHash, recordHash }) => [actionId, prevHash, recordHash])
      )
      assert.deepStrictEqual(later.chain, {
        claimedValid: true,
        firstRecordId: records[1]!.id,
        lastRecordId: records[0]!.id,
        verified: 2,
        brokenLinks: []
      })
      assert.deepStrictEqual(later.policy, { template: "general", config: { daily_action_limit: 1000 } })
      assert.notInclude((yield* send("GET", "/compliance/export/acme")).text, "\"params\"")
    })

    test("go by days in UTC, the first and the last included", function*() {
      for (const time of ["2026-11-22T23:59:59.999Z", "2026-11-23T00:00:00Z", "2026-11-24T23:59:59.999Z"]) {
        yield* TestClock.setTime(Date.parse(time))
        yield* act(1)
      }
      const count = (from: string, to: string) =>
        Effect.map(exported({ from: day(from), to: day(to) }), ({ records }) => records.length)
      assert.strictEqual(yield* count("2026-11-22", "2026-11-24"), 3)
      assert.strictEqual(yield* count("2026-11-23", "2026-11-23"), 1)
      assert.strictEqual(yield* count("2026-11-23", "2026-11-24"), 2)
      assert.strictEqual(yield* count("2026-11-25", "2026-11-26"), 0)
      for (const query of ["from=zzz", "to=2026-1-1", "format=xml"]) {
        assert.strictEqual((yield* send("GET", `/compliance/export/acme?${query}`)).status, 422, query)
      }
    })

    test("show trees, and proofs that lead to their roots", function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12))
      yield* act(101)
      yield* TestClock.adjust("1 hour")
      yield* act(1)
      const report = yield* exported()
      const trees = yield* Merkle.use((merkle) => merkle.roots())
      assert.deepStrictEqual(report.trees.map(({ index, root }) => [index, root]), [[0, trees[0]!.root]])
      assert.deepStrictEqual(
        report.proofs.map(({ claimedValid, recordHash, root }) => [recordHash, root, claimedValid]),
        [
          [report.records[0]!.recordHash, trees[0]!.root, true],
          [report.records[100]!.recordHash, trees[0]!.root, true],
          [report.records[101]!.recordHash, null, false]
        ]
      )
      for (const { path, recordHash, root } of report.proofs.slice(0, 2)) {
        const climbed = (path as ReadonlyArray<{ readonly sibling: string; readonly position: string }>).reduce<string>(
          (node, { position, sibling }) =>
            createHash("sha256").update(Buffer.from(position === "left" ? sibling + node : node + sibling, "hex"))
              .digest("hex"),
          recordHash
        )
        assert.strictEqual(climbed, root)
      }
    })

    test("claim no more of a log that was tampered with", function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12))
      yield* act(3)
      yield* Ledger.use((ledger) =>
        Effect.flatMap(ledger.records("acme"), ([first, second, third]) =>
          ledger.replaceRecords("acme", [
            first!,
            new AuditRecord({ ...second!, recordHash: first!.recordHash }),
            third!
          ]))
      )
      const { chain, records } = yield* exported()
      assert.isFalse(chain.claimedValid)
      assert.deepStrictEqual(chain.brokenLinks, [{
        recordId: records[2]!.id,
        expectedPrevHash: records[0]!.recordHash,
        actualPrevHash: records[2]!.prevHash
      }])
    })

    test("carry a hash over themselves", function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12))
      yield* act(2)
      const body = JSON.parse((yield* send("GET", "/compliance/export/acme")).text)
      const hash = body.metadata.export_hash
      body.metadata.export_hash = ""
      assert.strictEqual(hash, `sha256:${createHash("sha256").update(sortedJson(body)).digest("hex")}`)
    })

    test("are for the tenant itself alone", function*() {
      const foreign = "Forbidden: You can only export your own tenant's data"
      for (const tenantId of ["globex", "nobody"]) {
        assert.strictEqual(yield* reasonOf(exported({ tenantId })), foreign)
        assert.strictEqual(yield* reasonOf(printed({ tenantId })), foreign)
      }
      assert.strictEqual((yield* send("GET", "/compliance/export/acme", { key: null })).status, 401)
    })

    test("are not printed without a printer", function*() {
      assert.match(yield* reasonOf(printed()), /^NotSupported: PDF generation requires a printer: .*printPdf/)
    })
  })

  describe("printed exports", () => {
    const seen: Array<ComplianceExport> = []
    const test = caseOf(door, {
      printPdf: (report) => {
        seen.push(report)
        return report.records.length === 0
          ? Effect.fail("nothing to print")
          : Effect.succeed(new TextEncoder().encode(`%PDF-1.7 of ${report.records.length}\n`.padEnd(300_000, "x")))
      }
    })

    test("are what the printer makes of the export", function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12))
      yield* act(2)
      const text = yield* printed({ from: day("2026-11-23"), to: day("2026-11-23") })
      assert.match(text, /^%PDF-1\.7 of 2\n/)
      assert.lengthOf(text, 300_000)
      assert.deepStrictEqual(
        seen.at(-1)?.records.map(({ recordHash }) => recordHash),
        (yield* exported()).records.map(({ recordHash }) => recordHash)
      )
    })

    test("are a fault of the gateway where the printer fails", function*() {
      const error = yield* Effect.flip(printed())
      assert(error._tag === "VargateError" && error.reason._tag === "GatewayFault")
      assert.include(error.reason, { status: 500, detail: "Internal Server Error" })
    })
  })
}
