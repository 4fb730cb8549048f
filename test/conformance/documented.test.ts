/** The published guide's dialect, which differs from what a gateway was measured to answer. Both are read. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { actionId, agentId, type OperationName, recordHash, run, sessionId } from "../support/operations.ts"
import { plain } from "./captures.ts"

const { json } = ScriptedTransport

const answered = (name: OperationName, status: number, body: unknown) => run(name, json(status, body))

const minute = Date.UTC(2026, 10, 23, 0, 30)
const extra = { unknown_field: { deep: [1, null] }, another: "x" }

describe("tool calls", () => {
  it.effect("allowed with execution_mode agent_direct: the agent acts itself", () =>
    Effect.gen(function*() {
      const body = { status: "allowed", action_id: actionId, execution_mode: "agent_direct", ...extra }
      const allowed = yield* answered("ToolCalls.call", 200, body)
      assert.deepInclude<object>(plain(allowed) as object, {
        _tag: "Allowed",
        actionId,
        execution: { _tag: "NotExecuted" }
      })
    }))

  it.effect("allowed with nulls for what is absent", () =>
    Effect.gen(function*() {
      const body = { status: "allowed", action_id: actionId, execution_mode: null, latency: null }
      const allowed = yield* answered("ToolCalls.call", 200, body)
      assert.deepInclude<object>(plain(allowed) as object, {
        _tag: "Allowed",
        actionId,
        execution: { _tag: "NotExecuted" }
      })
    }))

  it.effect("403 without a status", () =>
    Effect.gen(function*() {
      const detail = { action_id: actionId, violations: ["v"], severity: "low", alert_tier: "P1", ...extra }
      const denied = yield* answered("ToolCalls.decide", 403, { detail, ...extra })
      const { _tag, alertTier, severity, violations } = plain(denied) as Record<string, unknown>
      assert.deepStrictEqual([_tag, severity, alertTier, violations], ["Denied", "low", "P1", ["v"]])
    }))

  it.effect("403 with words that nobody has heard of", () =>
    Effect.gen(function*() {
      const detail = { action_id: actionId, violations: [], severity: "apocalyptic", alert_tier: "call_the_president" }
      const denied = yield* answered("ToolCalls.decide", 403, { detail })
      assert.include(plain(denied) as object, { severity: "apocalyptic", alertTier: "call_the_president" })
    }))

  it.effect("403 without severity and alert tier", () =>
    Effect.gen(function*() {
      const denied = yield* answered("ToolCalls.decide", 403, { detail: { action_id: actionId, violations: ["v"] } })
      assert.include(plain(denied) as object, { severity: "none", alertTier: "none" })
    }))

  it.effect("202 with and without a message", () =>
    Effect.gen(function*() {
      for (const more of [{}, { message: "queued" }, extra]) {
        const pending = yield* answered("ToolCalls.decide", 202, {
          status: "pending_approval",
          action_id: actionId,
          ...more
        })
        assert.include(plain(pending) as object, { _tag: "PendingApproval", actionId })
      }
    }))

  const limit = { error: "rate_limit_exceeded", tenant_id: "t-1", rate_limit_rps: 10, rate_limit_burst: 20 }

  it.effect.each([
    ["bare", limit],
    ["bare with more fields", { ...limit, ...extra }],
    ["under detail", { detail: limit }],
    ["under detail with more fields", { detail: { ...limit, ...extra }, ...extra }]
  ])("429 %s", ([, body]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(answered("ToolCalls.call", 429, body))
      assert(error._tag === "RateLimited")
      assert.deepStrictEqual([error.tenantId, error.limit, error.burst], ["t-1", 10, 20])
      assert.strictEqual(Duration.toSeconds(error.retryAfter), 1)
    }))
})

describe("approvals", () => {
  const row = { action_id: actionId, agent_id: "a-1", tool: "slack", method: "post_message", params: {} }

  it.effect("pending with queued_at and opa_result, without stats", () =>
    Effect.gen(function*() {
      const opaResult = { allow: false }
      const body = { pending: [{ ...row, queued_at: "2026-11-23T00:30:00Z", opa_result: opaResult, ...extra }] }
      assert.deepStrictEqual(plain(yield* answered("Approvals.pending", 200, body)), {
        pending: [{
          actionId,
          agentId: "a-1",
          tool: "slack",
          method: "post_message",
          params: {},
          violations: [],
          severity: "none",
          createdAt: minute,
          policyDecision: opaResult
        }]
      })
    }))

  it.effect("pending without any time is not the gateway's", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(answered("Approvals.pending", 200, { pending: [row] }))
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, "UnexpectedResponse")
    }))

  it.effect("history with a status that nobody has heard of, and little else", () =>
    Effect.gen(function*() {
      const body = { history: [{ ...row, status: "withdrawn", ...extra }], ...extra }
      const [decided] = plain(yield* answered("Approvals.history", 200, body)) as ReadonlyArray<object>
      assert.include(decided!, { status: "withdrawn", severity: "none", reviewer: null, note: null, reviewedAt: null })
    }))

  it.effect("receipts with little in them", () =>
    Effect.gen(function*() {
      const receipt = { action_id: actionId, reviewed_at: "2026-11-23T00:30:00Z", ...extra }
      assert.deepStrictEqual(
        plain(yield* answered("Reviews.approve", 200, { ...receipt, status: "approved" })),
        { actionId, reviewer: "unknown", reviewedAt: minute, execution: { _tag: "NotExecuted" } }
      )
      assert.deepStrictEqual(
        plain(yield* answered("Reviews.reject", 200, { ...receipt, status: "rejected" })),
        { actionId, reviewer: "unknown", reviewedAt: minute }
      )
    }))
})

describe("audit", () => {
  const row = {
    id: 1,
    action_id: actionId,
    agent_id: "a-1",
    tool: "slack",
    method: "post_message",
    params: {},
    requested_at: "2026-11-23T00:30:00Z",
    decision: "postponed",
    violations: [],
    severity: "apocalyptic",
    alert_tier: "P4",
    bundle_revision: null,
    prev_hash: "GENESIS",
    record_hash: recordHash
  }

  it.effect("records with times in Z, words that nobody has heard of and more fields", () =>
    Effect.gen(function*() {
      const body = { records: [{ ...row, ...extra }], count: 1, ...extra }
      const page = plain(yield* answered("AuditLog.page", 200, body)) as { records: ReadonlyArray<object> }
      assert.deepInclude<object>(page, { offset: 0, total: 1 })
      assert.include(page.records[0]!, {
        requestedAt: minute,
        decision: "postponed",
        severity: "apocalyptic",
        alertTier: "P4"
      })
    }))

  it.effect.each([
    "2026-11-23T00:30:00Z",
    "2026-11-23T00:30:00.000000+00:00",
    "2026-11-23T00:30:00",
    "2026-11-23T00:30:00.000999",
    "2026-11-23T02:30:00+02:00"
  ])("reads the time %s", (text) =>
    Effect.gen(function*() {
      const page = plain(yield* answered("AuditLog.page", 200, { records: [{ ...row, requested_at: text }] }))
      assert.deepInclude((page as { records: ReadonlyArray<object> }).records[0], { requestedAt: minute })
    }))

  it.effect("verify with a record count and the guide's reason", () =>
    Effect.gen(function*() {
      const body = { valid: false, record_count: 3, failed_at_action_id: actionId, reason: "hash_mismatch", ...extra }
      assert.deepStrictEqual(
        plain(yield* answered("AuditLog.verify", 200, body)),
        { valid: false, records: 3, failedAt: actionId, reason: "hash_mismatch" }
      )
    }))

  it.effect.each([true, false])("replay that is consistent: %s", (consistent) =>
    Effect.gen(function*() {
      const body = { original_decision: "allow", replay_decision: "postponed", consistent, ...extra }
      assert.deepStrictEqual(
        plain(yield* answered("Replay.replay", 200, body)),
        { consistent, original: { decision: "allow" }, replayed: { decision: "postponed" } }
      )
    }))
})

describe("merkle", () => {
  it.effect("proof with merkle_root and bare siblings", () =>
    Effect.gen(function*() {
      const siblings = ["cd".repeat(32), "ef".repeat(32)]
      const body = { record_hash: recordHash, merkle_root: "01".repeat(32), proof: siblings, ...extra }
      assert.deepStrictEqual(plain(yield* answered("Merkle.proof", 200, body)), {
        recordHash,
        root: "01".repeat(32),
        steps: siblings.map((sibling) => ({ sibling }))
      })
    }))

  it.effect("roots with hours in Z and more fields", () =>
    Effect.gen(function*() {
      const tree = {
        tree_index: 0,
        merkle_root: recordHash,
        record_count: 1,
        period_start: "2026-11-23T00:30:00Z",
        period_end: "2026-11-23T00:30:00",
        ...extra
      }
      const roots = plain(yield* answered("Merkle.roots", 200, { trees: [tree], ...extra }))
      assert.deepStrictEqual(roots, [{
        index: 0,
        root: recordHash,
        records: 1,
        periodStart: minute,
        periodEnd: minute
      }])
    }))
})

describe("system", () => {
  it.effect("health with only a status that nobody has heard of", () =>
    Effect.gen(function*() {
      const health = plain(yield* answered("System.health", 200, { status: "sleepy", ...extra }))
      assert.deepStrictEqual(health, { status: "sleepy" })
    }))
})

describe("managed agents", () => {
  const created = "2026-11-23T00:30:00Z"

  it.effect("a status with its counts at the top level", () =>
    Effect.gen(function*() {
      const status = plain(
        yield* answered("ManagedAgents.status", 200, {
          session_id: sessionId,
          agent_id: agentId,
          status: "hibernating",
          created_at: created,
          total_governed_calls: 4,
          total_observed_calls: 3,
          total_denied: 2,
          total_pending: 1,
          ...extra
        })
      )
      assert.deepStrictEqual(status, {
        id: sessionId,
        agentId,
        status: "hibernating",
        createdAt: minute,
        calls: { governed: 4, observed: 3, denied: 2, pending: 1 }
      })
    }))

  it.effect("an agent with lists, or the texts of lists, or nothing", () =>
    Effect.gen(function*() {
      const agent = { id: agentId, name: "m" }
      for (const tools of [["a"], "[\"a\"]"]) {
        const read = yield* answered("ManagedAgents.agent", 200, { ...agent, allowed_tools: tools, ...extra })
        assert.deepStrictEqual(plain(read), { ...agent, allowedTools: ["a"] })
      }
      assert.deepStrictEqual(plain(yield* answered("ManagedAgents.agent", 200, agent)), agent)
      for (const tools of ["[", "{}", "[1]", 1]) {
        const error = yield* Effect.flip(answered("ManagedAgents.agent", 200, { ...agent, allowed_tools: tools }))
        assert(error._tag === "VargateError")
        assert.strictEqual(error.reason._tag, "UnexpectedResponse")
      }
    }))
})

describe("anchors on a chain", () => {
  const hash = "ab".repeat(32)
  const receipt = {
    merkle_root: hash,
    tx_hash: "0x1",
    anchor_index: 3,
    record_count: 10,
    from_record: 1,
    to_record: 10,
    block_number: 7,
    anchored_at: "2026-11-23T00:30:00Z",
    chain: "polygon",
    explorer_url: "https://polygonscan.com/tx/0x1",
    sepolia_explorer_url: "https://sepolia.etherscan.io/tx/0x1"
  }
  const anchor = {
    index: 3,
    root: hash,
    tx: "0x1",
    block: 7,
    chain: "polygon",
    records: 10,
    fromRecordId: 1,
    toRecordId: 10,
    anchoredAt: minute,
    explorerUrl: "https://polygonscan.com/tx/0x1"
  }

  it.effect("a trigger that wrote to the chain, and one that did not", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(plain(yield* answered("Anchors.trigger", 200, receipt)), anchor)
      for (const body of [{}, { ...receipt, tx_hash: null }, { status: "ok" }]) {
        const error = yield* Effect.flip(answered("Anchors.trigger", 200, body))
        assert(error._tag === "VargateError")
        assert.strictEqual(error.reason._tag, "UnexpectedResponse")
        assert.strictEqual(error.sideEffect, "possible")
      }
    }))

  it.effect("a log of both mechanisms", () =>
    Effect.gen(function*() {
      const { chain: _, explorer_url: __, ...row } = receipt
      const rows = [
        {
          ...row,
          id: 1,
          anchor_chain: "polygon",
          prev_merkle_root: hash,
          root_chain_hash: hash,
          source: "sepolia_merkle"
        },
        { id: 2, chain_tip_hash: hash, merkle_root: null, tx_hash: "0x2", record_count: 1, source: "hardhat_legacy" }
      ]
      // The link is that of another chain.
      const { explorerUrl: ___, ...linked } = anchor
      assert.deepStrictEqual(plain(yield* answered("Anchors.log", 200, { anchors: rows, count: 2 })), [
        {
          ...linked,
          prevRoot: hash,
          rootChainHash: hash,
          source: "sepolia_merkle"
        },
        { root: hash, tx: "0x2", records: 1, source: "hardhat_legacy" }
      ])
    }))

  it.effect("a check by either mechanism", () =>
    Effect.gen(function*() {
      const merkle = {
        match: true,
        on_chain_root: hash,
        computed_root: hash,
        record_count: 4,
        on_chain_record_count: 3,
        anchor_index: 1,
        anchor_mode: "full",
        chain: "polygon",
        last_anchor_tx: "0x1",
        last_anchor_time: "2026-11-23T00:30:00Z"
      }
      assert.deepStrictEqual(plain(yield* answered("Anchors.verify", 200, { ...merkle, error: null })), {
        matches: true,
        computedRoot: hash,
        onChainRoot: hash,
        records: 4,
        onChainRecords: 3,
        anchorIndex: 1,
        mode: "full",
        chain: "polygon",
        lastTx: "0x1",
        lastAnchoredAt: minute
      })
      const legacy = {
        match: false,
        current_chain_tip: hash,
        current_record_count: 4,
        latest_anchor: { chain_tip_hash: hash, record_count: 3, anchor_index: 1, block_number: 7 },
        blockchain_connected: true,
        interpretation: "1 new records pending."
      }
      assert.deepStrictEqual(plain(yield* answered("Anchors.verify", 200, legacy)), {
        matches: false,
        computedRoot: hash,
        onChainRoot: hash,
        records: 4,
        onChainRecords: 3,
        anchorIndex: 1,
        interpretation: "1 new records pending."
      })
    }))

  it.effect("a way between two anchors", () =>
    Effect.gen(function*() {
      const from = { index: 0, merkle_root: hash, record_range: [1, 3] }
      const to = { index: 1, merkle_root: hash, record_range: [1, 5] }
      const body = { from_anchor: from, to_anchor: to, consistent: true, added_records: 2, verification: "ok" }
      assert.deepStrictEqual(plain(yield* answered("Anchors.consistency", 200, body)), {
        claimedConsistent: true,
        from: { index: 0, root: hash, records: [1, 3] },
        to: { index: 1, root: hash, records: [1, 5] },
        addedRecords: 2,
        detail: "ok"
      })
      assert.deepStrictEqual(
        plain(yield* answered("Anchors.consistency", 200, { consistent: false, reason: "No records found" })),
        { claimedConsistent: false, detail: "No records found" }
      )
    }))

  it.effect("links of the chain of anchors", () =>
    Effect.gen(function*() {
      const link = {
        anchor_index: 0,
        merkle_root: hash,
        prev_merkle_root: hash,
        root_chain_hash: hash,
        expected_hash: hash,
        match: false
      }
      const body = { valid: false, anchor_count: 1, broken_at: 0, chain: [link] }
      assert.deepStrictEqual(plain(yield* answered("Anchors.verifyChain", 200, body)), {
        claimedValid: false,
        brokenAt: 0,
        links: [{
          index: 0,
          root: hash,
          prevRoot: hash,
          rootChainHash: hash,
          expectedHash: hash,
          claimedValid: false
        }]
      })
    }))

  it.effect.each(["Anchors.verify", "Anchors.verifyChain", "Anchors.proof", "Anchors.consistency"] as const)(
    "%s that says error is a failure, whatever else it says",
    (name) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(answered(name, 200, { error: "rpc down", match: true, ...receipt }))
        assert(error._tag === "VargateError" && error.reason._tag === "ReportedFailure")
        assert.strictEqual(error.reason.detail, "rpc down")
        assert.strictEqual(error.operation, name)
      })
  )
})

describe("refusals", () => {
  it.effect("422 with more fields and without a type", () =>
    Effect.gen(function*() {
      const body = { detail: [{ loc: ["body", "tool", 0], msg: "no", input: "secret", ...extra }], ...extra }
      const error = yield* Effect.flip(answered("ToolCalls.call", 422, body))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(error.reason.issues, [{ path: ["body", "tool", 0], message: "no" }])
      assert.notInclude(JSON.stringify(error), "secret")
    }))

  it.effect("401 with more fields", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(answered("System.health", 401, { detail: "no", ...extra }))
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, "Unauthenticated")
    }))
})
