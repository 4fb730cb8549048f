/** The ledger in memory and the one on disk, through the same stories: nobody must be able to tell them apart. */
import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { PendingAction } from "../../../src/approvals/Approval.ts"
import { AgentHistory } from "../../../src/gateway/ledger/AgentHistory.ts"
import { type Entry, Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import * as LedgerMemory from "../../../src/gateway/ledger/LedgerMemory.ts"
import { layer as database } from "../../../src/gateway/sqlite/Database.ts"
import * as LedgerSqlite from "../../../src/gateway/sqlite/LedgerSqlite.ts"
import { makeRandom } from "../../../src/internal/seededRandom.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import { RecordHash } from "../../../src/model/RecordHash.ts"
import { MerkleTree } from "../../../src/verify/MerkleProof.ts"
import { document } from "../policy/policyDocument.ts"
import { upTo } from "../suite/cases.ts"

type Kept = Context.Context<Ledger | AgentHistory>

const ledgers = Effect.all({
  memory: Layer.build(LedgerMemory.layer),
  sqlite: Layer.build(LedgerSqlite.layer.pipe(Layer.provide(database({ filename: ":memory:" })), Layer.orDie))
})

const tenants = ["t", "u"]
/** SQLite has no word for half a surrogate pair, and some versions of Node cut a text at its NUL. */
const agents = ["a", "b\u0000\"c\"", "\ud800"]
const people = ["ann", "\udfff\u0001"]
const addresses = ["x@example.com", "y@example.com", "z@example.com"]

/** A story of entries, holds, reviews and erasures, the same for every seed. */
const story = (seed: number, length: number) => {
  const random = makeRandom(seed)
  const pick = <A>(list: ReadonlyArray<A>): A => list[Math.floor(random() * list.length)]!
  const chance = (part: number) => random() < part
  const held: Array<{ readonly tenantId: string; readonly actionId: ActionId }> = []

  const entryAt = (n: number, now: DateTime.Utc, actionId: string, tenantId: string): Entry => {
    const agentId = pick(agents)
    const isPersonal = chance(0.3)
    const decision = pick(["allow", "deny", "pending_approval"] as const)
    const to = pick(addresses)
    const input = document("general", { params: { n, amount: chance(0.3) ? 5000 : 1, to, text: "é😀" } })
    return {
      tenantId,
      actionId: ActionId.make(actionId),
      agentId,
      tool: pick(["slack", "\u0001files", "\u0000"]),
      method: "m",
      params: JSON.parse(`{"n":${n},"10":1,"2":[{"__proto__":null}],"x":1e21,"é":"\\ud800"}`),
      requestedAt: now,
      decision,
      violations: chance(0.5) ? [] : ["one", "twö"],
      severity: pick(["none", "\u0000"]),
      alertTier: pick(["none", "\ud83d"]),
      bundleRevision: pick(["b-1", "é\u0000"]),
      executionMode: "agent_direct",
      anomalyScore: Math.round(random() * 1e6) / 1e6,
      containsPii: isPersonal,
      piiFields: isPersonal ? ["to"] : [],
      piiSubjectId: isPersonal ? pick(people) : undefined,
      input: chance(0.9) ? input : undefined,
      contacts: chance(0.2) ? [to] : undefined
    }
  }

  return Effect.fnUntraced(function*(write: (step: (kept: Kept) => Effect.Effect<unknown>) => Effect.Effect<void>) {
    for (const n of upTo(length)) {
      yield* TestClock.adjust(pick(["1 second", "20 minutes", "1 hour", "4 hours", "24 hours"]))
      const now = yield* DateTime.now
      const ledger = (step: (ledger: Ledger["Service"]) => Effect.Effect<unknown>) =>
        write((kept) => step(Context.get(kept, Ledger)))
      const event = random()
      const waiting = held.length > 0 ? pick(held) : undefined
      if (event < 0.7 || waiting === undefined) {
        const entry = entryAt(n, now, `action-${n}`, pick(tenants))
        const hold = entry.decision === "pending_approval"
          ? new PendingAction({
            actionId: entry.actionId,
            agentId: entry.agentId,
            tool: entry.tool,
            method: entry.method,
            params: entry.params,
            violations: entry.violations,
            severity: entry.severity,
            createdAt: now,
            ...(chance(0.8) ? { timeoutAt: DateTime.add(now, { hours: 1 }) } : {}),
            ...(chance(0.8) ? { policyDecision: { allow: true, nested: [null] } } : {})
          })
          : undefined
        if (hold !== undefined) held.push(entry)
        yield* ledger((ledger) => ledger.append(entry, hold))
      } else if (event < 0.85) {
        const status = pick(["approved", "rejected"] as const)
        const settlement = { status, reviewer: "r", note: pick(["n", "\u0000\udc00", ""]), reviewedAt: now }
        const record = chance(0.5) ? entryAt(n, now, `review-${n}`, waiting.tenantId) : undefined
        yield* ledger((ledger) => ledger.settle(waiting.tenantId, waiting.actionId, settlement, record))
      } else if (event < 0.9) {
        const entry = { ...entryAt(n, now, `executed-${n}`, waiting.tenantId), executed: waiting.actionId }
        yield* ledger((ledger) => ledger.append(entry))
      } else if (event < 0.94) {
        yield* ledger((ledger) => ledger.expire(waiting.tenantId, now))
      } else if (event < 0.96) {
        const [tenantId, person, agentId, keepScore] = [pick(tenants), pick(people), pick(agents), chance(0.5)]
        yield* ledger((ledger) => ledger.markErased(tenantId, person))
        yield* write((kept) => Context.get(kept, AgentHistory).clear(tenantId, agentId, { keepScore }))
      } else if (event < 0.98) {
        const version = pick([1, 2])
        const secret = chance(0.5) ? new Uint8Array(32).fill(n) : undefined
        const key = { version, secret, erasedAt: secret === undefined ? now : undefined }
        const [tenantId, person] = [pick(tenants), pick(people)]
        yield* ledger((ledger) => ledger.putSubjectKey(tenantId, person, key))
      } else {
        const tree = new MerkleTree({
          index: n,
          root: RecordHash.make("ab".repeat(32)),
          records: 1,
          ...(chance(0.5) ? { height: 2, fromRecordId: 1, toRecordId: 2, createdAt: now } : {}),
          periodStart: now,
          periodEnd: now,
          prevRoot: null,
          anchorTx: null,
          anchorChain: null
        })
        const tenantId = pick(tenants)
        yield* ledger((ledger) => ledger.addTree(tenantId, tree))
      }
    }
  })
}

const pasts = Effect.fnUntraced(function*(kept: Kept) {
  const history = Context.get(kept, AgentHistory)
  const at = yield* DateTime.now
  return yield* Effect.forEach(
    agents,
    (agentId) => history.of({ tenantId: "t", agentId, at, params: { to: addresses[0] } })
  )
})

/** All that can be asked. */
const everything = Effect.fnUntraced(function*(kept: Kept) {
  const ledger = Context.get(kept, Ledger)
  const history = Context.get(kept, AgentHistory)
  const at = yield* DateTime.now
  const perTenant = Effect.fnUntraced(function*(tenantId: string) {
    const records = yield* ledger.records(tenantId)
    const ids = records.map(({ actionId }) => actionId)
    const range = [records[1]?.id, records.at(-2)?.id] as const
    return {
      records,
      streamed: yield* Stream.runCollect(ledger.stream(tenantId)),
      pages: yield* Effect.forEach(
        [[3, 0], [3, 2], [1000, 1], [2, 1e6], [0, 0]] as const,
        ([limit, offset]) => ledger.page(tenantId, limit, offset)
      ),
      places: yield* Effect.forEach(
        [-1, 0, 1, 2, records.length, records.length + 1],
        (place) => ledger.nth(tenantId, place)
      ),
      found: yield* Effect.forEach([...ids, "nothing"], (id) => ledger.find(tenantId, id)),
      byHash: yield* Effect.forEach(records, ({ recordHash }) => ledger.findByHash(tenantId, recordHash)),
      inputs: yield* Effect.forEach([...ids, "nothing"], (id) => ledger.inputOf(tenantId, id)),
      // Those who are equally busy come in any order.
      agents: new Map((yield* ledger.agents(tenantId, 100)).map((agent) => [agent.agentId, agent])),
      totals: (yield* ledger.agents(tenantId, 100)).map(({ total }) => total),
      busiest: (yield* ledger.agents(tenantId, 1)).map(({ total }) => total),
      subjects: yield* ledger.subjects(tenantId),
      theirs: yield* Effect.forEach(
        [...people, "nobody"],
        (person) => Stream.runCollect(ledger.recordsOf(tenantId, person))
      ),
      keys: yield* Effect.forEach([...people, "nobody"], (person) => ledger.subjectKeys(tenantId, person)),
      pending: yield* ledger.pending(tenantId),
      decided: yield* ledger.decided(tenantId),
      stats: yield* ledger.approvalStats(tenantId),
      held: yield* Effect.forEach([...ids, "nothing"], (id) => ledger.held(tenantId, id)),
      leaves: yield* Stream.runCollect(ledger.leaves(tenantId)),
      someLeaves: yield* Stream.runCollect(ledger.leaves(tenantId, ...range)),
      trees: yield* ledger.trees(tenantId),
      histories: yield* Effect.forEach(
        [...agents, "nobody"],
        (agentId) => history.of({ tenantId, agentId, at, params: { to: addresses[0] } })
      ),
      scores: yield* Effect.forEach([...agents, "nobody"], (agentId) => history.score(tenantId, agentId)),
      contacts: yield* Effect.forEach(
        [[], addresses, addresses.slice(1), ["new@example.com"]],
        (to) => history.of({ tenantId, agentId: "a", at, params: { to } })
      )
    }
  })
  return yield* Effect.forEach([...tenants, "nobody"], perTenant)
})

describe("the ledgers", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it.effect(`tell the same after the same story (${seed})`, () =>
      Effect.gen(function*() {
        const { memory, sqlite } = yield* ledgers
        const tell = story(seed, 150)
        yield* tell((step) =>
          Effect.gen(function*() {
            assert.deepStrictEqual(yield* step(sqlite), yield* step(memory))
            assert.deepStrictEqual(yield* pasts(sqlite), yield* pasts(memory))
          })
        )
        const [told, kept] = [yield* everything(memory), yield* everything(sqlite)]
        for (const [index, answers] of told.entries()) assert.deepStrictEqual(kept[index], answers)
        assert.isAbove(told[0]!.records.length, 40)
      }))
  }

  it.effect("read a log that is longer than what they hold at a time", () =>
    Effect.gen(function*() {
      const { memory, sqlite } = yield* ledgers
      const now = yield* DateTime.now
      for (const kept of [memory, sqlite]) {
        const ledger = Context.get(kept, Ledger)
        yield* Effect.forEach(upTo(2300), (n) =>
          ledger.append({
            tenantId: "t",
            actionId: ActionId.make(`action-${n}`),
            agentId: "a",
            tool: "slack",
            method: "m",
            params: { n },
            requestedAt: now,
            decision: "allow",
            violations: [],
            severity: "none",
            alertTier: "none",
            bundleRevision: "b-1",
            executionMode: "agent_direct",
            anomalyScore: 0,
            containsPii: true,
            piiFields: ["n"],
            piiSubjectId: "ann"
          }), { concurrency: 100 })
        const numbers = upTo(2300).map((n) => `action-${n}`)
        const idsOf = (stream: ReturnType<typeof ledger.stream>) =>
          Effect.map(Stream.runCollect(stream), (records) => records.map(({ actionId }): string => actionId))
        assert.deepStrictEqual(yield* idsOf(ledger.stream("t")), numbers)
        assert.deepStrictEqual(yield* idsOf(ledger.recordsOf("t", "ann")), numbers)
        assert.strictEqual((yield* Stream.runCollect(ledger.leaves("t"))).length, 2300)
        assert.strictEqual((yield* ledger.page("t", 10_000, 0)).records.length, 2300)
      }
    }))
})
