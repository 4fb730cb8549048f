/** The audit log and its chain of hashes, also as somebody sees it who has nothing but the answers. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { AuditLog } from "../../../src/audit/AuditLog.ts"
import type { AuditRecord } from "../../../src/audit/AuditRecord.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { allowed, approve, denied, forbidding, history, hold, log, tamper, upTo } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send, wireCall } from "./doors.ts"

/** The chain's hash, written down from its description without the package's own code. */
const ascii = (value: unknown) =>
  JSON.stringify(value).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

const hashOf = (row: Readonly<Record<string, unknown>>) =>
  createHash("sha256").update(ascii({
    action_id: row.action_id,
    agent_id: row.agent_id,
    tool: row.tool,
    method: row.method,
    params: ascii(row.params),
    requested_at: row.requested_at,
    decision: row.decision,
    violations: ascii(row.violations),
    severity: row.severity,
    bundle_revision: row.bundle_revision,
    prev_hash: row.prev_hash
  })).digest("hex")

/** All records of a tenant, oldest first, as they stand in the answer; their chain must hold. */
const chain = Effect.fnUntraced(function*(tenant: { readonly apiKey: string } = acme) {
  const answer = yield* send("GET", "/audit/log?limit=1000", { key: tenant.apiKey })
  assert.strictEqual(answer.status, 200, answer.text.slice(0, 200))
  const rows: ReadonlyArray<Record<string, unknown>> = JSON.parse(answer.text).records.toReversed()
  let previous: unknown = "GENESIS"
  let id = 0
  for (const row of rows) {
    assert.strictEqual(row.prev_hash, previous, String(row.action_id))
    assert.strictEqual(row.record_hash, hashOf(row), String(row.action_id))
    assert.isAbove(Number(row.id), id)
    previous = row.record_hash
    id = Number(row.id)
  }
  return rows
})

const verify = AuditLog.use((auditLog) => auditLog.verify)

export const audit = (door: Door) => {
  const test = caseOf(door, {
    policy: forbidding,
    tools: {
      "files/drop": () => Effect.succeed({ gone: undefined }),
      "slack/slow": () => Effect.repeat(Effect.yieldNow, { times: 20 })
    }
  })

  describe("the audit log", () => {
    test("is empty at first", function*() {
      assert.deepStrictEqual(JSON.parse((yield* send("GET", "/audit/log")).text), {
        records: [],
        count: 0,
        offset: 0,
        total: 0,
        tenant_id: "acme"
      })
      assert.deepStrictEqual(JSON.parse((yield* send("GET", "/audit/verify")).text), {
        valid: true,
        record_count: 0,
        tenant_id: "acme"
      })
    })

    test("shows pages, newest first", function*() {
      for (const n of upTo(7)) yield* ToolCalls.call({ ...allowed, params: { n } })
      const ns = Effect.fnUntraced(function*(limit?: number, offset?: number) {
        const page = yield* log({
          ...(limit === undefined ? {} : { limit }),
          ...(offset === undefined ? {} : { offset })
        })
        assert.deepStrictEqual([page.total, page.offset, page.tenantId], [7, offset ?? 0, "acme"])
        return page.records.map(({ params }) => (params as { n: number }).n)
      })
      assert.deepStrictEqual(yield* ns(), [6, 5, 4, 3, 2, 1, 0])
      assert.deepStrictEqual(yield* ns(2), [6, 5])
      assert.deepStrictEqual(yield* ns(2, 2), [4, 3])
      assert.deepStrictEqual(yield* ns(3, 5), [1, 0])
      assert.deepStrictEqual(yield* ns(1000, 6), [0])
      assert.deepStrictEqual(yield* ns(5, 7), [])
      assert.deepStrictEqual(yield* ns(5, 100_000), [])
      assert.deepStrictEqual(yield* ns(0), [])
      assert.deepStrictEqual(yield* ns(-1), [6, 5, 4, 3, 2, 1, 0])
    })

    test("shows 200 records by default, and refuses a page over 1000", function*() {
      for (const n of upTo(202)) yield* ToolCalls.call({ ...allowed, agent: { id: `a-${n % 2}` } })
      assert.strictEqual((yield* log()).records.length, 200)
      for (const query of ["limit=1001", "offset=-1", "limit=x", "limit=1.5"]) {
        const answer = yield* send("GET", `/audit/log?${query}`)
        assert.strictEqual(answer.status, 422, query)
        assert.deepStrictEqual(JSON.parse(answer.text).detail[0].loc, ["query", query.split("=")[0]])
      }
      assert.strictEqual((yield* send("GET", "/audit/log?limit=1000")).status, 200)
    })

    test("keeps the tenants apart", function*() {
      yield* ToolCalls.call(allowed)
      const other = yield* as(globex)(ToolCalls.call(allowed))
      yield* ToolCalls.call(allowed)
      assert.strictEqual((yield* chain()).length, 2)
      const rows = yield* chain(globex)
      assert.deepStrictEqual(rows.map((row) => row.action_id), [other.actionId])
      assert.strictEqual(rows[0]!.prev_hash, "GENESIS")
      assert.strictEqual((yield* as(globex)(verify)).records, 1)
    })

    test("notes personal data", function*() {
      yield* ToolCalls.call({ ...allowed, params: { to: "ann@example.com", n: 1 } })
      const { records: [record] } = yield* log()
      assert.deepStrictEqual([record!.containsPii, record!.piiFields], [true, ["to"]])
    })
  })

  describe("the chain", () => {
    test("holds over every kind of record, seen from outside", function*() {
      yield* ToolCalls.call(allowed)
      yield* ToolCalls.decide(denied)
      yield* approve(yield* hold({ tool: "files", method: "drop" }), "gut ✓ \u007f 😀 \"quoted\" \\ \n")
      const rows = yield* chain()
      assert.deepStrictEqual(rows.map((row) => row.decision), ["allow", "deny", "pending_approval", "allow"])
      const status = yield* verify
      assert.deepStrictEqual([status.valid, status.records, status.tenantId], [true, 4, "acme"])
    })

    test("holds over calls at the same time", function*() {
      yield* Effect.forEach(upTo(40), (n) => ToolCalls.call({ ...allowed, method: n % 2 === 0 ? "slow" : "fast" }), {
        concurrency: "unbounded"
      })
      assert.strictEqual((yield* chain()).length, 40)
      assert.strictEqual((yield* verify).valid, true)
    })

    test("holds over strange params, which come back as they went", function*() {
      const deep = `${"[".repeat(150)}${"]".repeat(150)}`
      const texts = [
        `{"__proto__":{"polluted":true},"constructor":1,"toString":null}`,
        `{"10":1,"2":2,"b":3,"a":4,"01":5}`,
        `{"é 漢字 \\u2028":"😀 \\ud83d\\ude00 \\u007f \\u0000","":"empty key"}`,
        `{"big":1e21,"small":1e-7,"tiny":5e-324,"minus":-0.5,"long":12345678901234567890,"float":1.0,"exp":1E+2}`,
        `{"deep":${deep}}`,
        `{"a":{"__proto__":[{"__proto__":1}]},"nothing":null,"no":false,"empty":{},"list":[]}`,
        `{"lone":"\\ud800"}`
      ]
      for (const text of texts) {
        const sent = JSON.stringify(wireCall()).replace(`{"channel":"#general"}`, () => text)
        const answer = yield* send("POST", "/mcp/tools/call", { text: sent })
        assert.strictEqual(answer.status, 200, answer.text)
      }
      const rows = yield* chain()
      for (const [index, text] of texts.entries()) {
        // Texts, because two objects are equal to an assertion whatever their prototypes hold.
        assert.strictEqual(JSON.stringify(rows[index]!.params), JSON.stringify(JSON.parse(text)))
      }
      assert.strictEqual((yield* verify).valid, true)
    })

    test("holds over strange people and notes, which come back as they went", function*() {
      const names = [
        "NUL \u0000 within",
        "half a pair \ud800",
        "\udfff",
        "\u0001\"marked\"",
        "é 漢字 😀 \u2028",
        "' OR 1=1 --"
      ]
      for (const name of names) {
        const sent = { method: "delete", params: { customer_id: name, to: "ann@example.com" } }
        const { text } = yield* send("POST", "/mcp/tools/call", { body: wireCall(sent) })
        yield* send("POST", `/approve/${JSON.parse(text).action_id}`, { body: { note: name } })
      }
      const rows = yield* chain()
      const [holds, reviews] = [0, 1].map((kind) => rows.filter((_, index) => index % 2 === kind))
      assert.deepStrictEqual(holds!.map((row) => row.pii_subject_id), names)
      assert.deepStrictEqual(reviews!.map((row) => (row.params as { note: string }).note), names)
      assert.strictEqual((yield* verify).valid, true)
      const subjects = yield* AuditLog.use((auditLog) => auditLog.subjects)
      assert.sameMembers(subjects.map(({ id }) => id), names)
      const decided = yield* history
      assert.deepStrictEqual(decided.map(({ note }) => note), names.toReversed())
    })

    test("holds over strange params of the service", function*() {
      const params = JSON.parse(`{"__proto__":{"a":1},"10":1,"2":2,"é":1e21,"x":{"__proto__":null}}`)
      yield* ToolCalls.call({ ...allowed, params })
      const [row] = yield* chain()
      assert.strictEqual(JSON.stringify(row!.params), JSON.stringify(params))
    })

    test("breaks where a record was changed, and says why", function*() {
      const changes: ReadonlyArray<readonly [Partial<AuditRecord>, string]> = [
        [{ params: { channel: "#other" } }, "record_hash mismatch"],
        [{ decision: "deny" }, "record_hash mismatch"],
        [{ violations: ["x"] }, "record_hash mismatch"],
        [{ bundleRevision: "v0" }, "record_hash mismatch"],
        [{ prevHash: "f".repeat(64) }, "prev_hash mismatch"]
      ]
      for (const _ of upTo(7)) yield* ToolCalls.call(allowed)
      for (const [index, [change, reason]] of changes.entries()) {
        // Each break is before the one of the round before, so it is found first.
        const failedAt = yield* tamper("acme", changes.length - index, change)
        const status = yield* verify
        assert.deepStrictEqual([status.valid, status.failedAt, status.reason, status.tenantId], [
          false,
          failedAt,
          reason,
          "acme"
        ])
        assert.strictEqual(status.records, undefined)
      }
      assert.strictEqual((yield* as(globex)(verify)).valid, true)
    })

    test("does not cover what the hash leaves out", function*() {
      for (const _ of upTo(2)) yield* ToolCalls.call(allowed)
      yield* tamper("acme", 0, {
        alertTier: "soc_page",
        executionMode: "vargate_brokered",
        containsPii: true,
        source: "x"
      })
      assert.strictEqual((yield* verify).valid, true)
    })
  })
}
