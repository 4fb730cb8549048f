/** The JSON on the wire beside what was captured from a real gateway: no key of a captured answer may be missing. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { existsSync, readFileSync } from "node:fs"
import { PolicyOutage } from "../../../src/gateway/policy/PolicyOutage.ts"
import type { VerificationMail } from "../../../src/gateway/tenants/Signups.ts"
import { Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import { forbidding, tamper } from "./cases.ts"
import { acme, type Answer, type Door, type House, send, wireCall } from "./doors.ts"

const captures = new URL("../../../../shared/gateway-capture/", import.meta.url)

const captured = (name: string): { readonly status: number; readonly body: unknown } => {
  const { response } = JSON.parse(readFileSync(new URL(`${name}.json`, captures), "utf8"))
  return { status: response.status, body: JSON.parse(response.body_text) }
}

const call = (body: Readonly<Record<string, unknown>> = {}) => send("POST", "/mcp/tools/call", { body: wireCall(body) })

const idOf = (answer: Answer): string => JSON.parse(answer.text).action_id

const held = Effect.map(call({ tool: "files", method: "delete" }), idOf)

const review = (verb: "approve" | "reject", id: string) => send("POST", `/${verb}/${id}`, { body: { note: "ok" } })

const replay = (body: unknown) => send("POST", "/audit/replay", { body })

const lastHash = Effect.map(send("GET", "/audit/log?limit=1"), ({ text }) => JSON.parse(text).records[0].record_hash)

/** So many hours with a record each, over. */
const hours = Effect.fnUntraced(function*(count: number) {
  for (let hour = 0; hour < count; hour++) {
    yield* call()
    yield* TestClock.adjust("1 hour")
  }
})

/** An answer about a tenant with a public page, on which there is something. */
const published = (answer: Effect.Effect<Answer, never, House>) =>
  Effect.gen(function*() {
    yield* Tenants.use((tenants) => tenants.put({ ...acme, slug: "acme-corp", publicDashboard: true }))
    yield* call()
    yield* call({ tool: "forbidden" })
    return yield* answer
  })

const createAgent = send("POST", "/managed/agents", {
  body: {
    name: "Research Assistant",
    allowed_tools: ["a"],
    require_human_approval: ["b"],
    governance_profile: {},
    max_daily_sessions: 1
  }
})

const startSession = Effect.flatMap(
  createAgent,
  ({ text }) => send("POST", "/managed/sessions", { body: { agent_id: JSON.parse(text).id } })
)

const inSession = (method: "GET" | "POST", route: string, body?: unknown) =>
  Effect.flatMap(
    startSession,
    ({ text }) =>
      send(method, `/managed/sessions/${JSON.parse(text).session_id}/${route}`, body === undefined ? {} : { body })
  )

const patch = (body: unknown) => send("PATCH", "/dashboard/settings", { body })

const register = send("POST", "/credentials/register", { body: { tool_id: "files", name: "api_key", value: "k" } })

const mails: Array<VerificationMail> = []

const signup = (email: string) => send("POST", "/auth/signup", { body: { email, name: "Acme Widgets" } })

const create = (id: string) => send("POST", "/tenants", { body: { tenant_id: id, name: "x" } })

interface Shape {
  readonly answer: Effect.Effect<Answer, never, House>
  /** What a caller, a tool or the policy engine wrote: its keys are theirs. */
  readonly theirs?: ReadonlyArray<string>
  /** Keys that this gateway has no word for, so that a new one does not go unnoticed. */
  readonly without?: ReadonlyArray<string>
}

const shapes: Readonly<Record<string, Shape>> = {
  "tool-call/allowed-200-brokered": { answer: call({ tool: "files", method: "read" }), theirs: ["execution_result"] },
  "tool-call/allowed-200-agent-direct-opa-down-fail-open": { answer: call() },
  "tool-call/denied-403-high-value": { answer: call({ tool: "forbidden" }) },
  "tool-call/pending-202-requires-human": { answer: call({ tool: "files", method: "delete" }) },
  "tool-call/error-429-rate-limited": {
    answer: Effect.andThen(Tenants.use((tenants) => tenants.put({ ...acme, burst: 0 })), call())
  },
  "tool-call/error-502-opa-down-fail-closed": {
    answer: Effect.andThen(PolicyOutage.use((outage) => outage.set(true)), call())
  },
  "tool-call/auth-401-bad-key": { answer: send("POST", "/mcp/tools/call", { key: "wrong", body: wireCall() }) },
  "tool-call/invalid-agent-id-number": { answer: call({ agent_id: 12 }), without: ["detail[].input"] },
  "tool-call/invalid-body-too-big-413": { answer: call({ padding: "x".repeat(1024 * 1024) }) },

  "approvals/list": {
    answer: Effect.andThen(held, send("GET", "/approvals")),
    theirs: ["pending[].params", "pending[].opa_decision"]
  },
  "approvals/history": {
    answer: Effect.gen(function*() {
      yield* held
      yield* TestClock.adjust("2 hours")
      yield* send("GET", "/approvals")
      yield* review("approve", yield* held)
      return yield* send("GET", "/approvals/history")
    })
  },
  "approvals/approve-200-executed": {
    answer: Effect.flatMap(call({ tool: "files", method: "drop" }), (answer) => review("approve", idOf(answer))),
    theirs: ["params", "execution.result.result"],
    without: ["execution.result.simulated"]
  },
  "approvals/reject-200": { answer: Effect.flatMap(held, (id) => review("reject", id)) },
  "approvals/approve-404-unknown": { answer: review("approve", "00000000-0000-4000-8000-000000000000") },
  "approvals/approve-409-already-approved": {
    answer: Effect.flatMap(held, (id) => Effect.andThen(review("approve", id), review("approve", id)))
  },

  "audit/log-limit-2": {
    answer: Effect.andThen(Effect.andThen(call(), held), send("GET", "/audit/log?limit=2")),
    theirs: ["records[].params"]
  },
  "audit/log-with-pii": {
    answer: Effect.andThen(call({ params: { to: "ann@example.com" } }), send("GET", "/audit/log")),
    theirs: ["records[].params"]
  },
  "audit/log-422-limit-1001": {
    answer: send("GET", "/audit/log?limit=1001"),
    without: ["detail[].ctx", "detail[].ctx.le", "detail[].input"]
  },
  "audit/verify-valid": { answer: Effect.andThen(call(), send("GET", "/audit/verify")) },
  "audit/verify-invalid-record-hash": {
    answer: Effect.gen(function*() {
      yield* call()
      yield* tamper(acme.id, 0, { decision: "deny" })
      return yield* send("GET", "/audit/verify")
    })
  },
  "audit/replay-match-allow": {
    answer: Effect.flatMap(call(), (answer) => replay({ action_id: idOf(answer) })),
    theirs: ["opa_input_used"]
  },
  "audit/replay-match-deny": {
    answer: Effect.andThen(call({ tool: "forbidden" }), replay({ last_block: true })),
    theirs: ["opa_input_used"]
  },
  "audit/replay-400-nothing": { answer: replay({}) },
  "audit/replay-404": { answer: replay({ action_id: "nope" }) },
  "audit/replay-422-approval-record": {
    answer: Effect.andThen(Effect.flatMap(held, (id) => review("approve", id)), replay({ last_block: true }))
  },

  "merkle/roots-limit-2": {
    answer: Effect.gen(function*() {
      for (let hour = 0; hour < 3; hour++) {
        yield* call()
        yield* TestClock.adjust("1 hour")
      }
      return yield* send("GET", "/audit/merkle/roots?limit=2")
    })
  },
  "merkle/proof-tree-of-3-last": {
    answer: Effect.gen(function*() {
      for (let n = 0; n < 3; n++) yield* call()
      const hash = yield* lastHash
      yield* TestClock.adjust("1 hour")
      return yield* send("GET", `/audit/merkle/proof/${hash}`)
    })
  },
  "merkle/proof-404-current-hour": {
    answer: Effect.gen(function*() {
      yield* call()
      return yield* send("GET", `/audit/merkle/proof/${yield* lastHash}`)
    })
  },
  "merkle/verify-valid": { answer: Effect.andThen(hours(2), send("GET", "/audit/merkle/verify")) },
  "merkle/consistency-0-1": { answer: Effect.andThen(hours(2), send("GET", "/audit/merkle/consistency/0/1")) },
  "merkle/consistency-400-equal": { answer: send("GET", "/audit/merkle/consistency/2/2") },
  "merkle/consistency-404": { answer: send("GET", "/audit/merkle/consistency/0/1") },
  "dashboard/me": { answer: Effect.andThen(call(), send("GET", "/dashboard/me")) },
  "dashboard/patch-name": { answer: patch({ name: "x" }) },
  "dashboard/patch-webhook-http-400": { answer: patch({ webhook_url: "http://x" }) },
  "dashboard/patch-failure-config-422": {
    answer: patch({ failure_config: "x" }),
    without: ["detail[].input"]
  },
  "webhook/settings-set-url": { answer: patch({ webhook_url: "https://x.example" }) },
  "webhook/settings-events-only-has-no-secret-in-answer": { answer: patch({ webhook_events: ["action.denied"] }) },
  "webhook/test-400-not-configured": { answer: send("POST", "/webhooks/test") },
  "webhook/test-502-unreachable": {
    answer: Effect.andThen(patch({ webhook_url: "https://x.example" }), send("POST", "/webhooks/test"))
  },

  "policy/templates": { answer: send("GET", "/policy/templates") },
  "policy/rules-with-auto-approve": {
    answer: Effect.andThen(patch({ auto_approve_tools: ["slack/post_message"] }), send("GET", "/policy/rules"))
  },
  "policy/bundle-status": { answer: send("GET", "/bundles/vargate/status") },

  "credentials/register": { answer: register },
  "credentials/list": { answer: Effect.andThen(register, send("GET", "/credentials")) },
  "credentials/status-registered": { answer: Effect.andThen(register, send("GET", "/credentials/files/status")) },
  "credentials/status-unregistered": { answer: send("GET", "/credentials/nope/status") },
  "credentials/delete": { answer: Effect.andThen(register, send("DELETE", "/credentials/files/api_key")) },
  "credentials/delete-404": { answer: send("DELETE", "/credentials/http/api_key") },
  "credentials/access-log": {
    answer: Effect.andThen(
      Effect.andThen(register, call({ tool: "files", method: "read" })),
      send("GET", "/credentials/access-log")
    )
  },

  "auth/session": { answer: send("POST", "/auth/session") },
  "auth/api-keys-rotate": { answer: send("POST", "/api-keys/rotate") },
  "auth/my-tenants": { answer: send("GET", "/auth/my-tenants") },
  "auth/switch-tenant-400": { answer: send("POST", "/auth/switch-tenant", { body: {} }) },
  "auth/switch-tenant-403": { answer: send("POST", "/auth/switch-tenant", { body: { tenant_id: "globex" } }) },
  "auth/signup-200": { answer: signup("dev@acme-widgets.io") },
  "auth/signup-400-disposable": { answer: signup("x@mailinator.com") },
  "auth/signup-400-invalid-email": { answer: signup("nope") },
  "auth/verify-email-200": {
    answer: Effect.andThen(
      signup("dev@acme-widgets.io"),
      Effect.suspend(() => send("GET", `/auth/verify-email?token=${Redacted.value(mails.at(-1)!.token)}`))
    )
  },
  "auth/verify-email-400-bad-token": { answer: send("GET", "/auth/verify-email?token=bad") },
  "auth/verify-email-422": { answer: send("GET", "/auth/verify-email"), without: ["detail[].input"] },

  "tenants/create": { answer: create("lab") },
  "tenants/create-duplicate-409": { answer: create("globex") },
  "tenants/list": { answer: send("GET", "/tenants") },
  "tenants/get": { answer: send("GET", "/tenants/acme") },
  "tenants/get-404": { answer: send("GET", "/tenants/nope") },

  "system/health": {
    answer: send("GET", "/health"),
    without: ["merkle_tree_count"]
  },
  "system/transparency-tenant": {
    answer: published(send("GET", "/transparency/acme")),
    theirs: ["violations", "severity_distribution"]
  },
  "system/transparency": {
    answer: published(send("GET", "/transparency")),
    theirs: ["violations", "severity_distribution"]
  },
  "system/transparency-403": { answer: send("GET", "/transparency/acme") },
  "system/transparency-404": { answer: send("GET", "/transparency/nope") },
  "system/public-dashboard": {
    answer: published(send("GET", "/dashboard/public/acme-corp")),
    theirs: ["violation_breakdown"]
  },
  "system/public-dashboard-404": { answer: send("GET", "/dashboard/public/nope") },

  "agents/anomaly-score": { answer: send("GET", "/agents/a-cool/anomaly_score") },
  "agents/clear-history": { answer: send("DELETE", "/agents/a-cool/history") },
  "agents/clear-counters": { answer: send("DELETE", "/agents/a-cool/counters") },

  "anchor/status": {
    answer: send("GET", "/anchor/status"),
    // Of a mechanism that this gateway never had.
    without: [
      "legacy_hardhat",
      "legacy_hardhat.anchor_count",
      "legacy_hardhat.connected",
      "legacy_hardhat.contract_address",
      "web3_connected"
    ]
  },
  "anchor/verify": { answer: send("GET", "/anchor/verify") },
  "anchor/log": { answer: send("GET", "/anchor/log") },
  "anchor/chain-verify": { answer: send("GET", "/anchor/chain-verify") },
  "anchor/proof-by-action-id": {
    answer: Effect.flatMap(Effect.andThen(call(), call()), (answer) => send("GET", `/anchor/proof/${idOf(answer)}`))
  },
  "anchor/proof-404": { answer: send("GET", "/anchor/proof/nope") },
  "anchor/consistency-proof-400": {
    answer: send("GET", "/anchor/consistency-proof?from_anchor_index=1&to_anchor_index=1")
  },
  "anchor/consistency-proof-404": {
    answer: send("GET", "/anchor/consistency-proof?from_anchor_index=0&to_anchor_index=1")
  },
  "anchor/consistency-proof-422": {
    answer: send("GET", "/anchor/consistency-proof"),
    without: ["detail[].input"]
  },
  "anchor/trigger-no-chain-200-error": { answer: send("POST", "/anchor/trigger") },
  "anchor/trigger-401": { answer: send("POST", "/anchor/trigger", { key: null }) },
  "anchor/merkle-roots": { answer: Effect.andThen(hours(1), send("GET", "/merkle/roots")) },

  "compliance/export-merkle": {
    answer: Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12))
      yield* hours(2)
      return yield* send("GET", "/compliance/export/acme?from=2026-01-01&to=2026-12-31")
    }),
    theirs: ["policy_snapshot.policy_config"],
    // The standard that the measured gateway names is not this one's to claim; its rows repeat whose they are.
    without: ["audit_records[].tenant_id", "metadata.agcs_version"]
  },
  "compliance/export-other-tenant": { answer: send("GET", "/compliance/export/globex") },
  "compliance/export-422-format": {
    answer: send("GET", "/compliance/export/acme?format=xml"),
    without: ["detail[].ctx", "detail[].ctx.pattern", "detail[].input"]
  },

  "managed/agents-create": { answer: createAgent },
  "managed/agents-list": { answer: Effect.andThen(createAgent, send("GET", "/managed/agents")) },
  "managed/agents-get": {
    answer: Effect.flatMap(createAgent, ({ text }) => send("GET", `/managed/agents/${JSON.parse(text).id}`))
  },
  "managed/agents-get-404": { answer: send("GET", "/managed/agents/nope") },
  "managed/agents-create-404-parent": {
    answer: send("POST", "/managed/agents", { body: { name: "x", parent_agent_id: "nope" } })
  },
  "managed/agents-create-422": {
    answer: send("POST", "/managed/agents", { body: { name: "", max_session_hours: 99 } }),
    without: ["detail[].ctx", "detail[].ctx.le", "detail[].ctx.min_length", "detail[].input"]
  },
  "managed/consumers": { answer: send("GET", "/managed/consumers") },
  // Where the agent finds its tools, a gateway that plays it need not say.
  "managed/sessions-create": { answer: startSession, without: ["mcp_server_url"] },
  "managed/sessions-create-404": { answer: send("POST", "/managed/sessions", { body: { agent_id: "nope" } }) },
  "managed/sessions-create-422": {
    answer: send("POST", "/managed/sessions", { body: {} }),
    without: ["detail[].input"]
  },
  "managed/sessions-create-429-agent-daily": {
    answer: Effect.andThen(
      startSession,
      Effect.flatMap(
        send("GET", "/managed/agents"),
        ({ text }) => send("POST", "/managed/sessions", { body: { agent_id: JSON.parse(text).configs[0].id } })
      )
    )
  },
  "managed/sessions-list": { answer: Effect.andThen(startSession, send("GET", "/managed/sessions")) },
  "managed/sessions-status": { answer: inSession("GET", "status") },
  "managed/sessions-status-404": { answer: send("GET", "/managed/sessions/nope/status") },
  "managed/sessions-audit": { answer: inSession("GET", "audit") },
  "managed/sessions-interrupt": { answer: inSession("POST", "interrupt", { reason: "x" }) },
  "managed/sessions-interrupt-422": { answer: inSession("POST", "interrupt", {}), without: ["detail[].input"] },
  "managed/sessions-interrupt-409": {
    answer: Effect.gen(function*() {
      const { session_id } = JSON.parse((yield* startSession).text)
      const interrupt = send("POST", `/managed/sessions/${session_id}/interrupt`, { body: { reason: "x" } })
      return yield* Effect.andThen(interrupt, interrupt)
    })
  },
  "managed/sessions-compliance-after-interrupt": {
    answer: Effect.gen(function*() {
      const { session_id } = JSON.parse((yield* startSession).text)
      yield* call()
      yield* send("POST", `/managed/sessions/${session_id}/interrupt`, { body: { reason: "x" } })
      return yield* send("GET", `/managed/sessions/${session_id}/compliance`)
    })
  }
}

/** Every key with its path and the kinds of its values: `records[].id` -> number. */
const keysOf = (value: unknown, theirs: ReadonlyArray<string>) => {
  const keys = new Map<string, Set<string>>()
  const walk = (value: unknown, path: string) => {
    if (Array.isArray(value)) {
      for (const element of value) walk(element, `${path}[]`)
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        const at = path === "" ? key : `${path}.${key}`
        const kind = inner === null ? "null" : Array.isArray(inner) ? "array" : typeof inner
        keys.set(at, (keys.get(at) ?? new Set()).add(kind))
        if (!theirs.includes(at)) walk(inner, at)
      }
    }
  }
  walk(value, "")
  return keys
}

const absent = !existsSync(captures)

export const shapesOf = (door: Door) =>
  describe.skipIf(absent)(`the wire${absent ? " (needs ../shared/gateway-capture)" : ""}`, () => {
    const options = {
      policy: forbidding,
      tools: { "files/read": () => Effect.succeed({ ok: true }), "files/drop": () => Effect.succeed({ ok: true }) },
      sendMail: (mail: VerificationMail) => Effect.sync(() => void mails.push(mail))
    }

    it.effect.each(Object.entries(shapes))(
      "has the keys of %s",
      ([name, { answer, theirs = [], without = [] }]) =>
        Effect.gen(function*() {
          const { body, status } = captured(name)
          const actual = yield* answer
          assert.strictEqual(actual.status, status, actual.text)
          assert.include(actual.contentType, "application/json")
          const ours = keysOf(JSON.parse(actual.text), theirs)
          const expected = keysOf(body, theirs)
          assert.deepStrictEqual([...expected.keys()].filter((key) => !ours.has(key)).sort(), [...without].sort())
          for (const [key, kinds] of ours) {
            const known = expected.get(key)
            const isAlike = known === undefined || kinds.has("null") || known.has("null") ||
              [...kinds].every((kind) => known.has(kind))
            assert.isTrue(isAlike, `${key}: ${[...kinds].join()} instead of ${[...known ?? []].join()}`)
          }
        }).pipe(Effect.provide(door.layer(options)))
    )

    it.effect("writes times as the gateway does", () =>
      Effect.gen(function*() {
        yield* call({ tool: "files", method: "delete" })
        const [log, list] = [yield* send("GET", "/audit/log"), yield* send("GET", "/approvals")]
        yield* TestClock.adjust("1 hour")
        const roots = yield* send("GET", "/audit/merkle/roots")
        const zoned = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}\+00:00$/
        const bare = /^\d{4}-\d{2}-\d{2}T\d{2}:00:00$/
        const [record] = JSON.parse(log.text).records
        const [row] = JSON.parse(list.text).pending
        const [tree] = JSON.parse(roots.text).trees
        for (const time of [record.requested_at, record.created_at, row.created_at, row.timeout_at, tree.created_at]) {
          assert.match(time, zoned)
        }
        for (const time of [tree.period_start, tree.period_end]) assert.match(time, bare)
      }).pipe(Effect.provide(door.layer(options))))
  })
