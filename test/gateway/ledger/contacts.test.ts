/** Whom a tenant is known to have written to. */
import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer } from "effect"
import { AgentHistory, maxRemembered } from "../../../src/gateway/ledger/AgentHistory.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import * as LedgerMemory from "../../../src/gateway/ledger/LedgerMemory.ts"
import * as PolicyEngine from "../../../src/gateway/policy/PolicyEngine.ts"
import { Database, layer as database } from "../../../src/gateway/sqlite/Database.ts"
import * as LedgerSqlite from "../../../src/gateway/sqlite/LedgerSqlite.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import { document } from "../policy/policyDocument.ts"

const sqlite = LedgerSqlite.layer.pipe(Layer.provideMerge(database({ filename: ":memory:" })), Layer.orDie)

const noon = DateTime.makeUnsafe("2026-11-30T12:00:00Z")

const people = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `a${from + i}@b.example`)

const mailbox = (kept: Context.Context<Ledger | AgentHistory>) => {
  let n = 0
  return {
    write: (contacts: ReadonlyArray<string>) =>
      Context.get(kept, Ledger).append({
        tenantId: "t",
        actionId: ActionId.make(`action-${++n}`),
        agentId: "a",
        tool: "email",
        method: "send",
        params: {},
        requestedAt: noon,
        decision: "allow",
        violations: [],
        severity: "none",
        alertTier: "none",
        bundleRevision: "b",
        executionMode: "agent_direct",
        anomalyScore: 0,
        containsPii: false,
        piiFields: [],
        contacts
      }),
    knows: (to: ReadonlyArray<string>) =>
      Effect.map(
        Context.get(kept, AgentHistory).of({ tenantId: "t", agentId: "a", at: noon, params: { to } }),
        ({ known_recipient }) => known_recipient
      )
  }
}

describe.each(["memory", "sqlite"] as const)("recipients, with a ledger in %s", (kind) => {
  const open = Effect.map(Layer.build(kind === "memory" ? LedgerMemory.layer : sqlite), mailbox)

  it.effect("are known once a mail has gone to each of them", () =>
    Effect.gen(function*() {
      const { knows, write } = yield* open
      yield* write(people(maxRemembered))
      yield* write(people(2, 1))
      assert.isTrue(yield* knows(people(maxRemembered)))
      assert.isFalse(yield* knows(people(2, maxRemembered - 1)))
      assert.isFalse(yield* knows([]))
    }))

  it.effect("are not known where a mail goes to many, or went", () =>
    Effect.gen(function*() {
      const { knows, write } = yield* open
      for (const from of [0, 50]) yield* write(people(maxRemembered, from))
      assert.isFalse(yield* knows(people(maxRemembered + 1)))
      yield* write(people(7000, 1000))
      assert.isFalse(yield* knows(people(1, 1000)))
    }))
})

describe("a mail to thousands", () => {
  it.effect("leaves no trace among the contacts", () =>
    Effect.gen(function*() {
      const kept = yield* Layer.build(sqlite)
      yield* mailbox(kept).write(people(7000))
      assert.deepStrictEqual(yield* Context.get(kept, Database).sql`SELECT * FROM contacts`, [])
    }))

  it.effect("is judged by every one of its recipients, and needs an approval", () =>
    Effect.gen(function*() {
      const { evaluate } = PolicyEngine.make()
      const judge = (to: ReadonlyArray<string>) =>
        Effect.map(
          evaluate(document("email", { method: "send", params: { to, body: "automated" }, known: false })),
          ({ decision }) => decision
        )
      assert.deepInclude(yield* judge(people(3000)), { allow: true, requires_human: true })
      assert.deepInclude(yield* judge([...people(3000), "x@gmail.com"]), { violations: ["consumer_email_blocked"] })
      assert.deepInclude(yield* judge([...people(3000), "nobody@"]), { violations: ["unexpected_shape_to"] })
    }))
})
