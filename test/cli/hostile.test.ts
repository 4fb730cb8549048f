/** Whatever a gateway or an agent puts into its data, a terminal is only ever given what it shows. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { prepare, run } from "../support/cli.ts"

const evil = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u009b1A\r\n\u202eevil\u2028\u200b\x7f\x08"
const actionId = "4d465787-db20-457e-b4af-cc17a467d679"
const now = "1970-01-01T00:00:00.000000+00:00"
const hash = "a".repeat(64)

const row = {
  action_id: actionId,
  agent_id: evil,
  tool: evil,
  method: evil,
  params: { [evil]: [evil], text: evil },
  violations: [evil],
  severity: evil,
  alert_tier: evil
}

const record = {
  ...row,
  id: 1,
  requested_at: now,
  decision: evil,
  bundle_revision: evil,
  prev_hash: evil,
  record_hash: hash,
  execution_mode: evil,
  contains_pii: true,
  pii_subject_id: evil,
  erasure_status: evil
}

const side = { decision: evil, violations: [evil], severity: evil, bundle_revision: evil, recorded_at: now }

/** A gateway that has gone mad. */
const answers: ReadonlyArray<readonly [path: RegExp, body: unknown]> = [
  [/\/health$/, { status: evil, service: evil, connected_chains: [evil], blockchain: true, redis: true }],
  [/\/approvals$/, { pending: [{ ...row, created_at: now, timeout_at: "1970-01-01T01:00:00+00:00" }] }],
  [/\/approvals\/history$/, {
    history: [{
      ...row,
      status: "rejected",
      reviewer_email: evil,
      review_note: evil,
      created_at: now,
      reviewed_at: now
    }]
  }],
  [/\/audit\/log$/, { records: [record], count: 1, offset: 0, total: 1, tenant_id: evil }],
  [/\/audit\/verify$/, { valid: false, failed_at_action_id: evil, reason: evil, tenant_id: evil }],
  [/\/audit\/replay$/, {
    action_id: actionId,
    replay_status: "MISMATCH",
    original: side,
    replayed: side,
    match: { decision: false },
    interpretation: evil
  }],
  [/\/audit\/merkle\/roots$/, {
    trees: [{
      tree_index: 0,
      merkle_root: hash,
      record_count: 1,
      tree_height: 1,
      from_record_id: 1,
      to_record_id: 1,
      period_start: now,
      period_end: now,
      created_at: now,
      prev_tree_root: hash,
      anchor_tx_hash: evil,
      anchor_chain: evil
    }],
    count: 1,
    tenant_id: evil
  }],
  [/\/audit\/merkle\/proof\//, {
    record_hash: hash,
    action_id: actionId,
    leaf_index: 0,
    tree_index: 0,
    tree_root: hash,
    tree_size: 1,
    tree_height: 1,
    period_start: now,
    period_end: now,
    proof: [{ sibling: hash, position: "right" }],
    proof_depth: 1,
    verified: true,
    anchor_tx_hash: evil,
    anchor_chain: evil
  }],
  [/\/dashboard\/me$/, {
    tenant_id: evil,
    name: evil,
    email: evil,
    github_login: evil,
    api_key_prefix: evil,
    slug: evil,
    public_dashboard: true,
    anchor_chain: evil,
    auto_approve_tools: [evil],
    policy_template: evil,
    policy_config: { [evil]: evil },
    failure_config: { opa: evil },
    webhook_url: evil,
    webhook_events: [evil]
  }],
  [/\/credentials$/, { credentials: [{ tool_id: evil, name: evil, created_at: now }] }],
  [/\/credentials\/access-log$/, {
    entries: [{ tool_id: evil, name: evil, action_id: evil, agent_id: evil, accessed_at: now }]
  }],
  [/\/auth\/session$/, { session_token: evil, tenant_id: evil }],
  [/\/auth\/my-tenants$/, { tenants: [{ tenant_id: evil, name: evil, current: true }] }],
  [/\/mcp\/tools\/call$/, {
    status: "allowed",
    action_id: actionId,
    execution_mode: "vargate_brokered",
    execution_result: { [evil]: evil },
    latency: {}
  }]
]

const mad = ScriptedTransport.layer(({ path }) => {
  const { pathname } = new URL(path, "http://localhost")
  const answer = answers.find(([pattern]) => pattern.test(pathname))
  return answer === undefined ? ScriptedTransport.json(404, { detail: evil }) : ScriptedTransport.json(200, answer[1])
})

/** Our own colours, and nothing else that a terminal obeys. */
const assertHarmless = (text: string) => {
  assert.notStrictEqual(text, "")
  // oxlint-disable-next-line no-control-regex
  for (const line of text.replaceAll(/\x1b\[[\d;]+m/g, "").split("\n")) {
    assert.notMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
  }
}

const lines: ReadonlyArray<string> = [
  "status",
  "call http GET",
  "approvals list",
  `approvals show ${actionId}`,
  "approvals show 4d46",
  `approvals approve ${actionId}`,
  `approvals reject ${actionId}`,
  "audit",
  "audit show 1",
  "verify --trees",
  "proof 1",
  `replay ${actionId}`,
  "replay --last 1",
  "doctor",
  "settings get",
  "credentials list",
  "credentials log",
  "session",
  "session tenants",
  "evidence export /nowhere/\x1b[2J"
]

describe("a mad gateway", () => {
  it.effect.each(lines)("cannot make a terminal obey it: %s", (line) =>
    Effect.gen(function*() {
      for (const options of [{}, { columns: 80, isColored: true }, { columns: 40 }]) {
        const { code, err, out } = yield* run(line.split(" "), options)
        assert.notStrictEqual(code, 70, err)
        assertHarmless(out + err.replaceAll("\r\x1b[2K", ""))
      }
      const { err, out } = yield* run([...line.split(" "), "--json"])
      assertHarmless(out + err)
      for (const line of [...out.trimEnd().split("\n"), ...err.trimEnd().split("\n")]) {
        if (line !== "") JSON.parse(line)
      }
    }).pipe(Effect.provide(mad)))

  it.effect("cannot do it while the queue is watched either", () =>
    Effect.gen(function*() {
      const command = prepare(["approvals", "watch"], { columns: 80 })
      const fiber = yield* Effect.forkChild(command.end, { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(fiber)
      // oxlint-disable-next-line no-control-regex
      assertHarmless(command.out().replaceAll(/\x1b\[\d+A\x1b\[0J/g, ""))
    }).pipe(Effect.provide(mad)))

  it.effect("is heard in errors without being obeyed", () =>
    Effect.gen(function*() {
      for (const options of [{}, { columns: 80, isColored: true }]) {
        assertHarmless((yield* run(["status"], options)).err)
      }
      assertHarmless((yield* run(["status", "--json"])).err)
    }).pipe(
      Effect.provide(
        ScriptedTransport.layer(() => ScriptedTransport.text(500, evil, { "content-type": `text/plain; ${"x"}` }))
      )
    ))
})
