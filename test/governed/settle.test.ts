import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Governed } from "effect-vargate"
import { actionId, answering, cases, type Ending } from "../support/decisions.ts"

/** What a program sees of an ending. */
const seen = (ending: Ending): Governed.Done<{ readonly paid: number }> | string => {
  switch (ending) {
    case "performed":
      return { executedBy: "agent", actionId, result: { paid: 5 } }
    case "executed":
      return { executedBy: "gateway", actionId, result: { paid: 7 }, isResultLost: false }
    case "result lost":
      return { executedBy: "gateway", actionId, result: undefined, isResultLost: true }
    default:
      return ending
  }
}

const counted = () => {
  const runs: Array<unknown> = []
  return { runs, action: (params: unknown = {}) => Effect.sync(() => (runs.push(params), { paid: 5 })) }
}

const outcome = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(effect), Result.match({ onSuccess: (done) => done, onFailure: ({ _tag }) => _tag }))

const request = { tool: "bank", method: "pay", params: { amount: 5 } }

describe("what each answer leads to", () => {
  for (const one of cases) {
    it.effect(`Governed.run: ${one.name}`, () =>
      Effect.gen(function*() {
        const { action, runs } = counted()
        assert.deepStrictEqual(yield* outcome(Governed.run(request, action())), seen(one.ending))
        assert.strictEqual(runs.length, one.ending === "performed" ? 1 : 0)
      }).pipe(Effect.provide(answering(one))))

    it.effect(`Governed.run, failing at once: ${one.name}`, () =>
      Effect.gen(function*() {
        const { action, runs } = counted()
        const isPending = one.decision._tag === "PendingApproval"
        const ended = yield* outcome(Governed.run({ ...request, onPending: Governed.fail }, action()))
        assert.deepStrictEqual(ended, isPending ? "PendingApproval" : seen(one.ending))
        assert.strictEqual(runs.length, !isPending && one.ending === "performed" ? 1 : 0)
      }).pipe(Effect.provide(answering(one))))

    it.effect(`Governed.run, detached: ${one.name}`, () =>
      Effect.gen(function*() {
        const { action, runs } = counted()
        const handle = yield* outcome(Governed.run({ ...request, onPending: Governed.detach }, action()))
        if (one.decision._tag !== "PendingApproval") return assert.deepStrictEqual(handle, seen(one.ending))
        assert(typeof handle === "object" && handle.executedBy === "none")
        assert.strictEqual(handle.actionId, actionId)
        assert.deepStrictEqual(yield* outcome(handle.await), seen(one.ending))
        assert.deepStrictEqual(yield* outcome(handle.await), seen(one.ending))
        assert.strictEqual(runs.length, one.ending === "performed" ? 1 : 0)
      }).pipe(Effect.provide(answering(one))))

    it.effect(`Governed.tool: ${one.name}`, () =>
      Effect.gen(function*() {
        const { action, runs } = counted()
        const pay = Governed.tool({ ...request, params: Schema.Struct({ amount: Schema.Finite }), run: action })
        assert.deepStrictEqual(yield* outcome(pay({ amount: 5 })), seen(one.ending))
        assert.deepStrictEqual(runs, one.ending === "performed" ? [{ amount: 5 }] : [])
      }).pipe(Effect.provide(answering(one))))
  }
})
