import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"
import { ActionId, Budgets, Decisions, Shadow, Suspension } from "effect-vargate"
import * as GovernedPostgres from "effect-vargate/node/GovernedPostgres"
import * as Postgres from "../workflow/support/postgres.ts"

const idOf = Schema.decodeSync(ActionId.ActionId)

/** As three processes have it: each with connections of its own. */
const processes = (url: string) =>
  Effect.forEach(
    [1, 2, 3],
    () => Layer.build(Layer.fresh(GovernedPostgres.layer({ url, maxConnections: 3 }))),
    { concurrency: 3 }
  )

describe.skipIf(!Postgres.hasPostgres)(`GovernedPostgres (${Postgres.reason})`, () => {
  it.live("three processes make tables, and claim and decide calls at once: each happens once", () =>
    Effect.gen(function*() {
      const contexts = yield* processes(yield* Postgres.start)
      const stores = yield* Effect.forEach(contexts, (context) => Effect.provide(Decisions.DecisionStore, context))
      for (let round = 0; round < 20; round++) {
        const key = `call ${round}`
        const rivals = yield* Effect.all(
          Array.from({ length: 12 }, (_, n) => stores[n % 3]!.claim(key, { token: `t${n}`, now: 0, until: 100 })),
          { concurrency: 12 }
        )
        const first = rivals.indexOf(undefined)
        assert.strictEqual(rivals.filter((standing) => standing === undefined).length, 1)
        const actionId = idOf(`action-${round}`)
        yield* stores[1]!.pend(key, `t${first}`, { actionId, until: 500 })
        yield* Effect.all(
          stores.map((store, n) => store.decide(actionId, { note: `n${n}`, until: 1_000 })),
          { concurrency: 3 }
        )
        const rejected = yield* stores[0]!.look(key, 0)
        assert.deepInclude(rejected, { state: "rejected", actionId, until: 1_000 })
        for (const store of stores) assert.deepStrictEqual(yield* store.look(key, 0), rejected)
        assert.isUndefined(yield* stores[2]!.claim(key, { token: "next", now: 1_000, until: 1_100 }))
        yield* stores[0]!.release(key, "next")
        assert.isUndefined(yield* stores[1]!.look(key, 1_000))
      }
    }).pipe(Effect.scoped))

  it.live("three processes reserve, give back and suspend at once: no budget is overdrawn, and all see the switch", () =>
    Effect.gen(function*() {
      const contexts = yield* processes(yield* Postgres.start)
      const stores = yield* Effect.forEach(contexts, (context) => Effect.provide(Budgets.BudgetStore, context))
      const draws = (n: number) =>
        ["b", "a"].map((budget) => ({ budget: `${budget}${n % 2}`, amount: 10, max: 100, endsAt: 1e12 }))
      const reserved = yield* Effect.all(
        Array.from(
          { length: 60 },
          (_, n) =>
            Effect.map(stores[n % 3]!.reserve(`t${n}`, draws(n), 0), (full) => full === undefined ? [`t${n}`] : [])
        ),
        { concurrency: 30 }
      )
      const tokens = reserved.flat()
      assert.strictEqual(tokens.length, 20)
      for (const budget of ["a0", "a1", "b0", "b1"]) assert.strictEqual(yield* stores[0]!.used(budget), 100)
      yield* Effect.all(
        tokens.flatMap((token, n) => [stores[n % 3]!.giveBack({ token }), stores[(n + 1) % 3]!.giveBack({ token })]),
        { concurrency: 10 }
      )
      for (const budget of ["a0", "a1", "b0", "b1"]) assert.strictEqual(yield* stores[1]!.used(budget), 0)
      yield* stores[0]!.reserve("t", draws(0), 0)
      yield* stores[0]!.bind("t", idOf("action"))
      assert.deepStrictEqual(yield* stores[1]!.reserved("a0", 10), [idOf("action")])
      yield* stores[2]!.spend(idOf("action"))
      yield* stores[1]!.giveBack({ actionId: idOf("action") })
      assert.strictEqual(yield* stores[0]!.used("a0"), 10)

      const switches = yield* Effect.forEach(contexts, (context) => Effect.provide(Suspension.SuspensionStore, context))
      const kill = yield* Effect.provide(
        Suspension.KillSwitch,
        Layer.provide(Suspension.layerSwitch, Layer.succeed(Suspension.SuspensionStore, switches[0]!))
      )
      const { id } = yield* kill.suspend({ everything: true, by: "ann" })
      for (const { active } of switches) assert.deepStrictEqual((yield* active).map(({ id }) => id), [id])
      const lifts = yield* Effect.all(
        switches.map(({ lift }) => lift(id, { by: "bob", note: null, at: DateTime.makeUnsafe(0) })),
        { concurrency: 3 }
      )
      assert.strictEqual(lifts.filter((lifted) => lifted !== undefined).length, 1)
      for (const { active } of switches) assert.deepStrictEqual(yield* active, [])
    }).pipe(Effect.scoped))

  it.live("three processes claim pending actions and count calls at once: each is begun by one", () =>
    Effect.gen(function*() {
      const contexts = yield* processes(yield* Postgres.start)
      const stores = yield* Effect.forEach(contexts, (context) => Effect.provide(Shadow.ShadowStore, context))
      const names = { agentId: "a", tool: "t", method: "m" }
      for (let round = 0; round < 20; round++) {
        const actionId = idOf(`action-${round}`)
        const action = new Shadow.ActedAction({ ...names, actionId, at: 1.7e12 + round })
        const rivals = yield* Effect.all(
          Array.from({ length: 12 }, (_, n) => stores[n % 3]!.claim(action, n % 4 === 0 ? "approval" : "shadow", 9e15)),
          { concurrency: 12 }
        )
        assert.strictEqual(rivals.filter((by) => by === undefined).length, 1)
        const first = rivals.indexOf(undefined) % 4 === 0 ? "approval" : "shadow"
        for (const store of stores) assert.strictEqual(yield* store.claimed(actionId), first)
        yield* Effect.all(
          Array.from({ length: 12 }, (_, n) =>
            stores[n % 3]!.note({
              ...names,
              verdict: "denied",
              rules: ["r1", "r2"],
              actionId,
              at: 1.7e12 + round,
              until: 9e15
            })),
          { concurrency: 12 }
        )
      }
      const observed = yield* stores[1]!.observed(0)
      assert.strictEqual(observed.length, 1)
      assert.deepInclude(observed[0], { calls: 240, rules: ["r1", "r2"], lastAt: 1.7e12 + 19 })
      yield* stores[0]!.noteExecution("t")
      yield* stores[1]!.noteExecution("t")
      assert.deepStrictEqual(yield* stores[2]!.executed, ["t"])
      let after: Shadow.ActedAction | undefined
      const open: Array<string> = []
      for (;;) {
        const page: ReadonlyArray<Shadow.ActedAction> = yield* stores[0]!.open({ after, limit: 3 })
        if (page.length === 0) break
        open.push(...page.map(({ actionId }) => actionId))
        after = page.at(-1)
      }
      assert.strictEqual(new Set(open).size, open.length)
      for (const id of open) yield* stores[1]!.close(idOf(id))
      assert.deepStrictEqual(yield* stores[2]!.open({ limit: 100 }), [])
    }).pipe(Effect.scoped))
})
