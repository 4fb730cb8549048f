import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { ActionId, Decisions } from "effect-vargate"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"

const sqlite = GovernedSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)

const stores = { "in memory": Decisions.layerStoreMemory, "in SQLite": sqlite }

const idOf = Schema.decodeSync(ActionId.ActionId)

for (const [name, layer] of Object.entries(stores)) {
  const test = (
    title: string,
    body: (store: Decisions.DecisionStore["Service"]) => Effect.Effect<void, unknown>
  ) => it.effect(title, () => Effect.provide(Decisions.DecisionStore.use(body), Layer.fresh(layer)))

  describe(`decisions ${name}`, () => {
    test("a call is claimed once, is pending, and is forgotten once it is decided", (store) =>
      Effect.gen(function*() {
        const rivals = yield* Effect.all(
          ["a", "b", "c"].map((token) => store.claim("k", { token, now: 0, until: 100 })),
          { concurrency: 3 }
        )
        assert.strictEqual(rivals.filter((standing) => standing === undefined).length, 1)
        const first = yield* store.look("k", 0)
        assert.deepInclude(first, { state: "submitting", actionId: null, note: null, until: 100 })
        yield* store.pend("k", "another", { actionId: idOf("x"), until: 500 })
        assert.deepStrictEqual(yield* store.look("k", 0), first)
        yield* store.pend("k", first!.token, { actionId: idOf("x"), until: 500 })
        const pending = { state: "pending", token: first!.token, actionId: "x", note: null, until: 500 } as const
        assert.deepStrictEqual(yield* store.claim("k", { token: "d", now: 300, until: 900 }), pending as never)
        yield* store.decide(idOf("y"))
        assert.deepStrictEqual(yield* store.look("k", 0), pending as never)
        yield* store.decide(idOf("x"))
        assert.isUndefined(yield* store.look("k", 0))
        assert.isUndefined(yield* store.claim("k", { token: "d", now: 300, until: 900 }))
      }))

    test("a rejection stands until its time, and with its note", (store) =>
      Effect.gen(function*() {
        yield* store.claim("k", { token: "a", now: 0, until: 100 })
        yield* store.pend("k", "a", { actionId: idOf("x"), until: 500 })
        yield* store.decide(idOf("x"), { note: "too much", until: 1_000 })
        // What is decided is not decided again.
        yield* store.decide(idOf("x"), { note: "another", until: 9_000 })
        yield* store.decide(idOf("x"))
        assert.deepInclude(
          yield* store.claim("k", { token: "b", now: 999, until: 1_100 }),
          { state: "rejected", actionId: idOf("x"), note: "too much", until: 1_000 }
        )
        assert.isUndefined(yield* store.claim("k", { token: "b", now: 1_000, until: 1_100 }))
        assert.deepInclude(yield* store.look("k", 1_000), {
          state: "submitting",
          token: "b",
          actionId: null,
          note: null
        })
      }))

    test("what was claimed is released by its owner alone, and taken over after its time", (store) =>
      Effect.gen(function*() {
        yield* store.claim("k", { token: "a", now: 0, until: 100 })
        yield* store.release("k", "b")
        assert.deepInclude(yield* store.look("k", 50), { token: "a" })
        assert.isUndefined(yield* store.look("k", 100))
        assert.isUndefined(yield* store.claim("k", { token: "b", now: 100, until: 200 }))
        yield* store.release("k", "b")
        assert.isUndefined(yield* store.look("k", 150))
      }))

    test("keeps what is wanted, whatever else expires", (store) =>
      Effect.gen(function*() {
        for (let n = 0; n < 200; n++) yield* store.claim(`old ${n}`, { token: "a", now: 0, until: 10 })
        yield* store.claim("k", { token: "a", now: 0, until: 1_000 })
        for (let n = 0; n < 200; n++) yield* store.claim(`new ${n}`, { token: "a", now: 20, until: 30 })
        assert.deepInclude(yield* store.look("k", 25), { token: "a" })
        assert.isUndefined(yield* store.look("old 7", 25))
      }))
  })
}
