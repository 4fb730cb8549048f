/** What an agent's history says where the machine's clock is wrong for a while. */
import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer } from "effect"
import { AgentHistory, keptOutside } from "../../../src/gateway/ledger/AgentHistory.ts"
import { type Entry, Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import * as LedgerMemory from "../../../src/gateway/ledger/LedgerMemory.ts"
import { Database, layer as database } from "../../../src/gateway/sqlite/Database.ts"
import * as LedgerSqlite from "../../../src/gateway/sqlite/LedgerSqlite.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import { document } from "../policy/policyDocument.ts"

const sqlite = LedgerSqlite.layer.pipe(Layer.provideMerge(database({ filename: ":memory:" })), Layer.orDie)

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
const noon = Date.parse("2026-11-30T12:00:00Z")

const storyOn = (kept: Context.Context<Ledger | AgentHistory>) => {
  const ledger = Context.get(kept, Ledger)
  const history = Context.get(kept, AgentHistory)
  let n = 0
  return {
    acts: (offset: number, count = 1, decision: "allow" | "deny" = "allow") =>
      Effect.forEach(Array.from({ length: count }), () => {
        const entry: Entry = {
          tenantId: "t",
          actionId: ActionId.make(`action-${++n}`),
          agentId: "a",
          tool: "t",
          method: "m",
          params: {},
          requestedAt: DateTime.makeUnsafe(noon + offset),
          decision,
          violations: [],
          severity: "none",
          alertTier: "none",
          bundleRevision: "b",
          executionMode: "agent_direct",
          anomalyScore: 0,
          containsPii: false,
          piiFields: [],
          input: document("general", { params: { amount: 5000 } })
        }
        return ledger.append(entry)
      }, { discard: true, concurrency: 256 }),
    at: (offset: number) =>
      Effect.map(
        history.of({ tenantId: "t", agentId: "a", at: DateTime.makeUnsafe(noon + offset), params: {} }),
        ({ last_10min, last_24h }) => ({
          day: last_24h.action_count,
          high: last_24h.high_value_transactions,
          denied: last_24h.policy_violations,
          ten: last_10min?.action_count,
          tenDenied: last_10min?.denied_count,
          last: last_24h.last_violation_at === null ? null : Date.parse(last_24h.last_violation_at) - noon
        })
      )
  }
}

const none = { day: 0, high: 0, denied: 0, ten: 0, tenDenied: 0, last: null }

const stories: ReadonlyArray<readonly [string, (on: ReturnType<typeof storyOn>) => Effect.Effect<void>]> = [
  [
    "a year ahead for a moment: its calls do not count, and those before and after do",
    ({ acts, at }) =>
      Effect.gen(function*() {
        yield* acts(-hour, 3)
        yield* acts(365 * day, 200)
        yield* acts(365 * day, 1, "deny")
        assert.deepStrictEqual(yield* at(0), { ...none, day: 3, high: 3 })
        yield* acts(0, 2)
        yield* acts(minute, 1, "deny")
        assert.deepStrictEqual(yield* at(2 * minute), {
          day: 6,
          high: 5,
          denied: 1,
          ten: 3,
          tenDenied: 1,
          last: minute
        })
        for (const days of [2, 30, 300, 364]) assert.deepStrictEqual(yield* at(days * day), none)
      })
  ],
  ["a few minutes ahead: its calls count", ({ acts, at }) =>
    Effect.gen(function*() {
      yield* acts(4 * minute, 2, "deny")
      assert.deepStrictEqual(yield* at(0), { day: 2, high: 0, denied: 2, ten: 2, tenDenied: 2, last: 4 * minute })
    })],
  ["a day ahead for a call: what was done today is not forgotten", ({ acts, at }) =>
    Effect.gen(function*() {
      yield* acts(-hour, 400)
      yield* acts(-hour, 100, "deny")
      yield* acts(day, 1)
      assert.deepStrictEqual(yield* at(0), { day: 500, high: 400, denied: 100, ten: 0, tenDenied: 0, last: -hour })
      yield* acts(minute, 1)
      assert.deepStrictEqual(yield* at(minute), { day: 501, high: 401, denied: 100, ten: 1, tenDenied: 0, last: -hour })
    })],
  ["a year behind for a call: what was done today is not forgotten either", ({ acts, at }) =>
    Effect.gen(function*() {
      yield* acts(-hour, 5)
      yield* acts(-2 * minute, 1, "deny")
      yield* acts(-365 * day, 3, "deny")
      assert.deepStrictEqual(yield* at(-365 * day), {
        day: 3,
        high: 0,
        denied: 3,
        ten: 3,
        tenDenied: 3,
        last: -365 * day
      })
      const { day: count, denied, last } = yield* at(0)
      assert.deepStrictEqual([count, denied, last], [6, 1, -2 * minute])
    })]
]

describe.each(["memory", "sqlite"] as const)("a clock, with a ledger in %s", (kind) => {
  for (const [title, story] of stories) {
    it.effect(`that is ${title}`, () =>
      Effect.gen(function*() {
        yield* story(storyOn(yield* Layer.build(kind === "memory" ? LedgerMemory.layer : sqlite)))
      }))
  }
})

describe("what is kept of an agent's actions", () => {
  it.effect("does not grow beyond a day's and a number of others, whatever the clock says", () =>
    Effect.gen(function*() {
      const kept = yield* Layer.build(sqlite)
      const { acts, at } = storyOn(kept)
      const { sql } = Context.get(kept, Database)
      const rows = Effect.map(
        sql<{ readonly rows: number }>`SELECT count(*) AS rows FROM agent_actions`,
        ([row]) => row!.rows
      )
      for (const offset of [0, 365, -365, 4]) yield* acts(offset * day, keptOutside / 2)
      yield* acts(6 * day, 50)
      assert.isAtMost(yield* rows, keptOutside + 50)
      assert.deepStrictEqual(yield* at(6 * day), { ...none, day: 50, high: 50, ten: 50 })
      assert.strictEqual((yield* at(4 * day)).day, keptOutside / 2)
    }))
})
