import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer } from "effect"
import { type ActionId, Governed, Reviews, Shadow } from "effect-vargate"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import { TestClock } from "effect/testing"
import { makeRandom } from "../../src/internal/seededRandom.ts"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { layerGateway } from "../support/payments.ts"

const sqlite = GovernedSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)

const seeds = Array.from({ length: process.env.VARGATE_FULL_CAMPAIGNS === "1" ? 200 : 12 }, (_, n) => n + 1)

describe("stories of two processes, reviewers and an operator", () => {
  for (const seed of seeds) {
    it.effect(`${seed}: no action is begun twice, and none that no one has allowed or put in shadow`, () =>
      Effect.gen(function*() {
        const random = makeRandom(seed)
        const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]!
        const store = yield* Shadow.ShadowStore
        const reviews = yield* Reviews.Reviews
        const one = yield* Shadow.make({ calls: [{ agent: "shadowed" }] })
        const other = yield* Shadow.make({ calls: [{ agent: "shadowed" }] })
        const begun = new Map<string, number>()
        const shadowed = new Set<string>()
        const approved = new Set<string>()
        const actions: Array<ActionId.ActionId> = []
        const begin = (id: string) => Effect.sync(() => void begun.set(id, (begun.get(id) ?? 0) + 1))
        for (let step = 0; step < 120; step++) {
          const process = pick([one, other])
          const on = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, Shadow.Shadow, process)
          switch (pick(["shadow", "govern", "approve", "reject", "resume", "resume", "close", "crash", "later"])) {
            case "shadow": {
              const { actionId } = yield* on(Governed.shadow(
                {
                  tool: "bank",
                  method: "gift",
                  params: { amount: pick([2000, 2001]) },
                  agent: { id: "shadowed" },
                  executes: "agent"
                },
                Effect.void
              ))
              yield* begin(actionId)
              shadowed.add(actionId)
              actions.push(actionId)
              break
            }
            case "govern": {
              const { actionId } = yield* on(Governed.decide({
                tool: "bank",
                method: "gift",
                params: { amount: pick([2000, 2001]) },
                agent: { id: "governed" },
                allowDuplicate: true
              }))
              actions.push(actionId)
              break
            }
            case "crash": {
              // It is written down that the agent acts, and then its process ends.
              const { actionId } = yield* Governed.decide({
                tool: "bank",
                method: "gift",
                params: { amount: 2002 },
                allowDuplicate: true
              })
              yield* process.claim({ agentId: "shadowed", tool: "bank", method: "gift" }, actionId)
              actions.push(actionId)
              break
            }
            case "approve":
            case "reject": {
              if (actions.length === 0) break
              const id = pick(actions)
              const isApproved = random() < 0.5
              const done = yield* Effect.exit(isApproved ? reviews.approve(id) : reviews.reject(id))
              if (isApproved && Exit.isSuccess(done)) approved.add(id)
              break
            }
            case "resume": {
              if (actions.length === 0) break
              const id = pick(actions)
              // As in a process that knows nothing of what was begun here: only the store can say.
              const guarded = process.act(id, begin(id))
              if (approved.has(id)) {
                const exit = yield* Effect.exit(
                  (begun.get(id) ?? 0) > 0 && !shadowed.has(id) ? Effect.void : guarded
                )
                if (Exit.isFailure(exit)) assert.isTrue(Cause.hasFails(exit.cause))
              }
              break
            }
            case "close": {
              yield* Shadow.close()
              break
            }
            case "later":
              yield* TestClock.adjust(pick(["1 minute", "40 minutes", "1 day"] as const))
          }
        }
        for (const [id, times] of begun) {
          assert.strictEqual(times, 1, id)
          assert.isTrue(shadowed.has(id) || approved.has(id))
        }
        assert.isAbove(shadowed.size, 3)
        for (const id of shadowed) assert.strictEqual(yield* store.claimed(id as ActionId.ActionId), "shadow")
      }).pipe(Effect.provide([layerGateway, sqlite])))
  }
})
