/**
 * Ten thousand stories of callers that change what they have handed out, use ids twice, give up and come back, while
 * answers get lost: nothing is performed but what the ledger shows as allowed or approved, byte for byte, and each of that
 * at most once. A failure says the seed of its batch: `VARGATE_BYPASS_SEED=... vitest run test/campaigns/bypass` runs that
 * batch alone.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import { Agent } from "effect-vargate"
import * as Engine from "effect-vargate/workflow/Engine"
import { TestClock } from "effect/testing"
import { settleAccount, shown } from "./account.ts"
import { isFull, performed, reviewing, Story, world } from "./story.ts"
import { layerWorkflows, ways } from "./ways.ts"

const seed = 20_261_130
const batchSize = 60
const given = process.env["VARGATE_BYPASS_SEED"]
const batches = given === undefined ? (isFull ? 167 : 5) : 1

const names = Object.keys(ways)

const batch = (seed: number) =>
  Effect.gen(function*() {
    performed.length = 0
    const stories = Array.from({ length: batchSize }, (_, n) => new Story(n, seed * 1000 + n))
    const wayOf = (n: number) => names[n % names.length]!
    const say = (n: number) => `VARGATE_BYPASS_SEED=${seed}, story ${n} (${wayOf(n)}, ${stories[n]?.habit})`
    const reviewer = yield* Effect.forkChild(reviewing(seed))
    const running = yield* Effect.forEach(stories, (story) =>
      Effect.forkChild(
        Effect.exit(Effect.scoped(ways[wayOf(story.n)]!(story))).pipe(
          Effect.provideService(Agent.Agent, { id: `agent-${story.n % 7}` })
        )
      ))
    let seconds = 0
    while (running.some((fiber) => fiber.pollUnsafe() === undefined)) {
      const hung = running.findIndex((fiber) => fiber.pollUnsafe() === undefined)
      assert.isBelow(seconds, 3600, `${say(hung)}: it hangs`)
      yield* TestClock.adjust(seconds < 30 ? "100 millis" : "1 second")
      seconds += seconds < 30 ? 0.1 : 1
    }
    for (const [n, fiber] of running.entries()) {
      const exit = yield* Fiber.join(fiber)
      assert.isFalse(Exit.hasDies(exit), `${say(n)}: ${String(exit)}`)
    }
    yield* Fiber.interrupt(reviewer)
    return settleAccount({
      performed,
      asked: stories.flatMap(({ calls }) => calls),
      shown: yield* shown,
      isKept: (n) => stories[n]!.habit === "keeps",
      say
    })
  }).pipe(
    Effect.provide(layerWorkflows.pipe(Layer.provideMerge(Engine.layerMemory()), Layer.provideMerge(world(seed))))
  )

const sum = { performed: 0, permitted: 0, records: 0 }
afterAll(() => console.log(`${batches * batchSize} stories:`, sum))

describe("nothing but what was decided", () => {
  for (let i = 0; i < batches; i++) {
    const own = given === undefined ? seed + i : Number(given)
    it.effect(`${batchSize} stories of seed ${own}`, () =>
      Effect.gen(function*() {
        const account = yield* batch(own)
        for (const key of ["performed", "permitted", "records"] as const) sum[key] += account[key]
        // Stories in which nothing happens would prove nothing.
        assert.isAbove(account.performed, batchSize / 5)
        assert.isAbove(account.records, account.performed)
      }), 120_000)
  }
})
