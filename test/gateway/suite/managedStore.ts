/** What every store of managed agents and sessions does, wherever it keeps them. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, type Layer } from "effect"
import { ManagedStore, type SessionLimits } from "../../../src/gateway/managed/ManagedStore.ts"
import { ManagedAgent, ManagedAgentId } from "../../../src/model/ManagedAgent.ts"
import { ManagedSession, ManagedSessionId } from "../../../src/model/ManagedSession.ts"
import { upTo } from "./cases.ts"

const at = (text: string) => DateTime.makeUnsafe(text)
const midnight = at("2026-11-23T00:00:00Z")

const agentOf = (id: string, more: Partial<ManagedAgent> = {}) =>
  new ManagedAgent({ id: ManagedAgentId.make(id), name: id, createdAt: midnight, ...more })

const sessionOf = (id: string, agentId = "a", createdAt = midnight) =>
  new ManagedSession({
    id: ManagedSessionId.make(id),
    agentId: ManagedAgentId.make(agentId),
    status: "active",
    tenantId: "t",
    createdAt
  })

const many = { active: 1000, daily: 1000, dailyOfAgent: undefined }

export const managedStoreSuite = (place: string, layer: Layer.Layer<ManagedStore>) => {
  const test = (name: string, body: (store: ManagedStore["Service"]) => Effect.fn.Return<void>) =>
    it.effect(name, () => Effect.provide(ManagedStore.use((store) => Effect.gen(() => body(store))), layer))

  const ids = (rows: ReadonlyArray<{ readonly id: string }>) => rows.map(({ id }) => id)

  describe(`ManagedStore ${place}`, () => {
    test("keeps agents per tenant, newest first, with every field", function*(store) {
      const full = agentOf("full", {
        model: "m",
        systemPrompt: "é😀\u0000\"",
        allowedTools: [],
        requireHumanApproval: null,
        governanceProfile: { deep: [{ a: null }], 2: "two", 10: "ten" },
        maxSessionHours: 0.1,
        parentId: ManagedAgentId.make("parent")
      })
      yield* store.addAgent("t", agentOf("first"), 2)
      yield* store.addAgent("t", full, 2)
      yield* store.addAgent("other", agentOf("first", { name: "theirs" }), 2)
      assert.deepStrictEqual(ids(yield* store.agents("t")), ["full", "first"])
      assert.deepStrictEqual(yield* store.agent("t", "full"), full)
      assert.strictEqual((yield* store.agent("other", "first"))?.name, "theirs")
      assert.isUndefined(yield* store.agent("other", "full"))
      assert.deepStrictEqual(yield* store.agents("nobody"), [])
    })

    test("adds no agent to a tenant that has as many as it may have", function*(store) {
      const added = yield* Effect.forEach(upTo(5), (n) => store.addAgent("t", agentOf(`a${n}`), 3), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(added, [true, true, true, false, false])
      assert.deepStrictEqual(ids(yield* store.agents("t")), ["a2", "a1", "a0"])
      assert.isTrue(yield* store.addAgent("other", agentOf("a0"), 3))
    })

    test("lists sessions by status and agent, newest first", function*(store) {
      for (const n of upTo(4)) yield* store.addSession("t", sessionOf(`s${n}`, n % 2 === 0 ? "even" : "odd"), many)
      yield* store.endSession("t", "s0", "completed", midnight)
      const list = (wanted: { readonly status?: string; readonly agentId?: string; readonly limit?: number }) =>
        Effect.map(store.sessions("t", { limit: 100, ...wanted }), ids)
      assert.deepStrictEqual(yield* list({}), ["s3", "s2", "s1", "s0"])
      assert.deepStrictEqual(yield* list({ limit: 2 }), ["s3", "s2"])
      assert.deepStrictEqual(yield* list({ status: "active" }), ["s3", "s2", "s1"])
      assert.deepStrictEqual(yield* list({ agentId: "even" }), ["s2", "s0"])
      assert.deepStrictEqual(yield* list({ agentId: "even", status: "completed" }), ["s0"])
      assert.deepStrictEqual(yield* list({ status: "nonsense" }), [])
      assert.deepStrictEqual(yield* store.sessions("other", { limit: 100 }), [])
    })

    test("ends a session once, by whoever is first", function*(store) {
      yield* store.addSession("t", sessionOf("s"), many)
      const endedAt = at("2026-11-23T01:00:00Z")
      const wins = yield* Effect.all(
        (["interrupted", "completed", "failed"] as const).map((status) => store.endSession("t", "s", status, endedAt)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(wins, [true, false, false])
      const session = yield* store.session("t", "s")
      assert.deepStrictEqual([session?.status, session?.endedAt], ["interrupted", endedAt])
      assert.isFalse(yield* store.endSession("t", "unknown", "failed", endedAt))
      assert.isFalse(yield* store.endSession("other", "s", "failed", endedAt))
    })

    test("gives up what was being played, and nothing else", function*(store) {
      const began = (id: string, anthropicSessionId?: string) =>
        new ManagedSession({ ...sessionOf(id), anthropicSessionId })
      for (const session of [began("sim", "sim-1"), began("local", "local-1"), began("bare"), began("done", "x")]) {
        yield* store.addSession("t", session, many)
      }
      yield* store.addSession("other", began("theirs", "local-2"), many)
      yield* store.endSession("t", "done", "completed", midnight)
      const later = at("2026-11-23T01:00:00Z")
      yield* store.abandon(later)
      const statuses = yield* Effect.forEach(
        ["sim", "local", "bare", "done"],
        (id) => Effect.map(store.session("t", id), (session) => [session?.status, session?.endedAt ?? null])
      )
      assert.deepStrictEqual(statuses, [
        ["active", null],
        ["failed", later],
        ["failed", later],
        ["completed", midnight]
      ])
      assert.strictEqual((yield* store.session("other", "theirs"))?.status, "failed")
      yield* store.abandon(later)
    })

    test("refuses sessions over a limit, in the gateway's words", function*(store) {
      const add = (id: string, limits: Partial<SessionLimits>, agentId = "a") =>
        store.addSession("t", sessionOf(id, agentId), { ...many, ...limits })
      assert.isUndefined(yield* add("s0", { active: 1 }))
      assert.strictEqual(yield* add("s1", { active: 1 }), "Max concurrent sessions exceeded (1/1)")
      assert.strictEqual(yield* add("s1", { daily: 1 }), "Max daily sessions exceeded (1/1)")
      assert.strictEqual(yield* add("s1", { dailyOfAgent: 1 }), "Agent daily session limit exceeded (1/1)")
      assert.isUndefined(yield* add("s1", { dailyOfAgent: 1 }, "b"))
      assert.isUndefined(yield* store.session("t", "s2"))
      assert.isUndefined(yield* store.addSession("other", sessionOf("s0"), { ...many, active: 1 }))
    })

    test("counts the active ones of all days, and those of today", function*(store) {
      const limits = { active: 3, daily: 2, dailyOfAgent: undefined }
      const yesterday = at("2026-11-22T23:59:59.999Z")
      for (const n of upTo(2)) {
        assert.isUndefined(yield* store.addSession("t", sessionOf(`y${n}`, "a", yesterday), many))
      }
      yield* store.endSession("t", "y0", "completed", midnight)
      for (const n of upTo(2)) assert.isUndefined(yield* store.addSession("t", sessionOf(`t${n}`), limits))
      assert.strictEqual(
        yield* store.addSession("t", sessionOf("t2"), limits),
        "Max concurrent sessions exceeded (3/3)"
      )
      yield* store.endSession("t", "y1", "completed", midnight)
      assert.strictEqual(yield* store.addSession("t", sessionOf("t2"), limits), "Max daily sessions exceeded (2/2)")
    })

    test("of many at once lets in as many as there may be", function*(store) {
      const results = yield* Effect.forEach(
        upTo(50),
        (n) => store.addSession("t", sessionOf(`s${n}`), { ...many, active: 10 }),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(results.filter((reason) => reason === undefined), 10)
      assert.lengthOf(yield* store.sessions("t", { limit: 1000 }), 10)
    })
  })
}
