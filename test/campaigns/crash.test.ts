/**
 * A server under load is killed with -9 at a random moment and started again, over and over on one file. Whatever was
 * answered must be there, and whatever is there must be whole.
 *
 * `CRASH_ROUNDS` says how often. It is 50 where `VARGATE_FULL_CAMPAIGNS` is set, and 4 otherwise.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { copyFileSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as AuditLog from "../../src/audit/AuditLog.ts"
import { makeRandom } from "../../src/internal/seededRandom.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as Vargate from "../../src/Vargate.ts"
import * as ChainVerifier from "../../src/verify/ChainVerifier.ts"
import { wireCall } from "../gateway/suite/doors.ts"
import { folder } from "../support/folder.ts"
import { isFull } from "../support/isFull.ts"
import { end, type ServerProcess, start } from "../support/servers.ts"

const rounds = Number(process.env.CRASH_ROUNDS ?? (isFull ? 50 : 4))
const connections = 8

/** A call whose answer has arrived in full. */
interface Answered {
  readonly actionId: string
  readonly decision: string
}

const random = makeRandom(20_261_123)

/** Submits, approves and rejects over one connection after another, until the server is gone. */
const load = ({ apiKey, url }: ServerProcess, held: Array<string>, answered: Array<Answered>) => {
  const post = async (path: string, body: object) => {
    const response = await fetch(url + path, {
      method: "POST",
      headers: { "x-api-key": apiKey, "content-type": "application/json" },
      body: JSON.stringify(body)
    })
    return { status: response.status, body: await response.json() }
  }

  const submit = async (tool: string, method: string) => {
    const n = Math.floor(random() * 1e12)
    const agent_id = `agent-${Math.floor(random() * 1e6)}`
    const params = random() < 0.2 ? { n, customer_id: "c-1", to: "ann@example.com" } : { n, text: "é😀".repeat(50) }
    const { body, status } = await post("/mcp/tools/call", wireCall({ agent_id, tool, method, params }))
    switch (status) {
      case 200:
        return answered.push({ actionId: body.action_id, decision: "allow" })
      case 202:
        held.push(body.action_id)
        return answered.push({ actionId: body.action_id, decision: "pending_approval" })
      default:
        assert.strictEqual(status, 403, JSON.stringify(body))
        return answered.push({ actionId: body.detail.action_id, decision: "deny" })
    }
  }

  const review = async (verb: "approve" | "reject", id: string) => {
    const { body, status } = await post(`/${verb}/${id}`, { note: "seen" })
    // An action whose review was cut off by an earlier crash may be over already.
    if (status === 409) return
    assert.strictEqual(status, 200, JSON.stringify(body))
    answered.push(
      verb === "approve"
        ? { actionId: `approval-${id}`, decision: "allow" }
        : { actionId: `rejection-${id}`, decision: "deny" }
    )
  }

  const step = () => {
    const event = random()
    if (event < 0.4) return submit("slack", "post_message")
    if (event < 0.5) return submit("forbidden", "use")
    if (event < 0.6) return submit("files", "delete")
    if (event < 0.75 || held.length === 0) return submit("files", "purge")
    const [id] = held.splice(Math.floor(random() * held.length), 1)
    return review(event < 0.92 ? "approve" : "reject", id!)
  }

  const worker = async () => {
    for (;;) {
      try {
        await step()
      } catch (error) {
        if (error instanceof TypeError || error instanceof SyntaxError || error instanceof DOMException) return
        throw error
      }
    }
  }
  return Promise.all(Array.from({ length: connections }, worker))
}

/** Looks at a copy of the file, past all interfaces. Every query must find nothing. */
const contradictions: Readonly<Record<string, string>> = {
  "a gap in the chain's places": `
    SELECT position FROM records r
    WHERE position > 1 AND NOT EXISTS (
      SELECT 1 FROM records p
      WHERE p.tenant_id = r.tenant_id AND p.position = r.position - 1 AND p.record_hash = r.prev_hash
    )`,
  "a held action without its record": `
    SELECT action_id FROM held_actions h WHERE NOT EXISTS (
      SELECT 1 FROM records r
      WHERE r.tenant_id = h.tenant_id AND r.action_id = h.action_id AND r.decision = 'pending_approval'
    )`,
  "a record of a held action without the action": `
    SELECT action_id FROM records r WHERE decision = 'pending_approval' AND NOT EXISTS (
      SELECT 1 FROM held_actions h WHERE h.tenant_id = r.tenant_id AND h.action_id = r.action_id
    )`,
  "a review without its record": `
    SELECT action_id FROM held_actions h WHERE status IN ('approved', 'rejected') AND NOT EXISTS (
      SELECT 1 FROM records r WHERE r.tenant_id = h.tenant_id
        AND r.action_id = CASE status WHEN 'approved' THEN 'approval-' ELSE 'rejection-' END || h.action_id
    )`,
  "a record of a review without the review": `
    SELECT action_id FROM records r WHERE agent_id = 'human-reviewer' AND NOT EXISTS (
      SELECT 1 FROM held_actions h WHERE h.tenant_id = r.tenant_id
        AND r.action_id = CASE h.status WHEN 'approved' THEN 'approval-' ELSE 'rejection-' END || h.action_id
    )`,
  "an execution that still runs": "SELECT action_id FROM intents",
  "a decision without what the policy was asked": `
    SELECT id FROM records WHERE agent_id <> 'human-reviewer' AND id NOT IN (SELECT record_id FROM policy_inputs)`,
  "an action that its agent's history does not know": `
    SELECT id FROM records WHERE agent_id <> 'human-reviewer' AND id NOT IN (SELECT record_id FROM agent_actions)`,
  "a wrong count": `
    SELECT agent_id FROM agents a WHERE actions <> (
      SELECT count(*) FROM agent_actions c WHERE c.tenant_id = a.tenant_id AND c.agent_id = a.agent_id
    )
    UNION ALL SELECT agent_id FROM agent_activity a WHERE total <> (
      SELECT count(*) FROM records r WHERE r.tenant_id = a.tenant_id AND r.agent_id = a.agent_id
    )
    UNION ALL SELECT status FROM held_action_counts c WHERE actions <> (
      SELECT count(*) FROM held_actions h WHERE h.tenant_id = c.tenant_id AND h.status = c.status
    )`
}

const inspect = (data: string, copy: string) => {
  for (const suffix of ["", "-wal"]) if (existsSync(data + suffix)) copyFileSync(data + suffix, copy + suffix)
  const db = new DatabaseSync(copy)
  try {
    assert.deepStrictEqual(db.prepare("PRAGMA integrity_check").all().map((row) => row.integrity_check), ["ok"])
    for (const [name, query] of Object.entries(contradictions)) {
      assert.deepStrictEqual(db.prepare(query).all(), [], name)
    }
    return Number(db.prepare("SELECT count(*) AS n FROM records WHERE params LIKE '%execution_note%'").get()!.n)
  } finally {
    db.close()
  }
}

/** The log as a client sees it: verified from its beginning by our own verifier, then read. */
const readLog = ({ apiKey, url }: ServerProcess) =>
  Effect.gen(function*() {
    const report = yield* ChainVerifier.verify()
    assert.strictEqual(report.valid, true, JSON.stringify(report))
    const decisions = new Map<string, string>()
    const { total } = yield* AuditLog.AuditLog.use((log) => log.page({ limit: 1 }))
    for (let offset = 0; offset < total; offset += 1000) {
      const { records } = yield* AuditLog.AuditLog.use((log) => log.page({ limit: 1000, offset }))
      for (const { actionId, decision } of records) decisions.set(actionId, decision)
    }
    assert.strictEqual(decisions.size, total, "an action is recorded twice")
    assert.strictEqual(report.records, total)
    return decisions
  }).pipe(
    Effect.provide(
      Vargate.layer({ apiKey, url }).pipe(Layer.provide(FetchHttpClient.layer), Layer.provideMerge(NodeHasher.layer))
    )
  )

describe("a server that is killed", () => {
  it.live(`loses nothing that it answered (${rounds} rounds)`, () =>
    Effect.gen(function*() {
      const root = yield* folder
      const data = join(root, "vargate.db")
      const answered: Array<Answered> = []
      const held: Array<string> = []
      let interrupted = 0
      for (let round = 1; round <= rounds; round++) {
        yield* Effect.scoped(Effect.gen(function*() {
          const server = yield* start({ data, burst: 1e9 })
          const enough = answered.length + 30 + random() * 120
          const loaded = load(server, held, answered)
          yield* Effect.repeat(Effect.sleep(5), { until: () => answered.length >= enough })
          yield* Effect.sleep(random() * 50)
          yield* end(server, "SIGKILL")
          yield* Effect.promise(() => loaded)
        }))
        yield* Effect.scoped(Effect.gen(function*() {
          const server = yield* start({ data, burst: 1e9 })
          interrupted = inspect(data, join(root, `copy-${round}.db`))
          const decisions = yield* readLog(server)
          for (const { actionId, decision } of answered) {
            assert.strictEqual(decisions.get(actionId), decision, `${actionId} in round ${round}`)
          }
          yield* end(server, "SIGKILL")
        }))
      }
      const done = readFileSync(`${data}.done`, "utf8").trimEnd().split("\n")
      assert.strictEqual(new Set(done).size, done.length, "an action was executed twice")
      console.log(
        `${rounds} kills: ${answered.length} answered calls, all recorded as answered; ` +
          `${interrupted} executions cut off and recorded as such; ${done.length} executions, none twice`
      )
    }), 3_600_000)
})
