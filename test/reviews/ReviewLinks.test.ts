import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Deliveries, ReviewLinks } from "effect-vargate"
import * as BallotsSql from "effect-vargate/node/BallotsSql"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { idOf } from "./ballots.ts"

const memory = Layer.merge(ReviewLinks.layerMemory, Deliveries.layerMemory)
const sqlite = BallotsSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)

const link = (hash: string, change: Partial<ReviewLinks.ReviewLink> = {}) => ({
  hash,
  actionId: idOf("a1"),
  digest: "d",
  reviewerId: "ann",
  onBehalfOf: null,
  expiresAt: 2_000,
  ...change
})

for (const [name, store] of Object.entries({ "in memory": memory, "in SQLite": sqlite })) {
  describe(`ReviewLinks, ${name}`, () => {
    it.effect("are used once, all of one reviewer for one action together, and never after their time", () =>
      Effect.gen(function*() {
        const links = yield* ReviewLinks.ReviewLinks
        const add = (...all: ReadonlyArray<ReturnType<typeof link>>) =>
          Effect.forEach(all, (link) => links.add(link, 1_000), { discard: true })
        yield* add(
          link("l1"),
          link("l2"),
          link("l3", { reviewerId: "bob", onBehalfOf: "eve" }),
          link("l4", { digest: "e" }),
          link("l5", { actionId: idOf("a2") })
        )
        const used = yield* Effect.forEach(["l1", "l1", "l2", "none"], (hash) => links.use(hash, 1_500))
        assert.deepStrictEqual(used, [true, false, false, false])
        assert.deepStrictEqual(yield* links.find("l2"), { ...link("l2"), usedAt: 1_500 })
        assert.deepStrictEqual(yield* links.find("l3"), {
          ...link("l3", { reviewerId: "bob", onBehalfOf: "eve" }),
          usedAt: null
        })
        yield* links.restore("l2")
        assert.isTrue(yield* links.use("l1", 1_999))
        for (const hash of ["l3", "l4", "l5"]) {
          assert.isFalse(yield* links.use(hash, 2_000))
          assert.isTrue(yield* links.use(hash, 1_999))
        }
        // Forgotten a day after their time.
        yield* links.add(link("l6", { expiresAt: 2_000 + ReviewLinks.keptMillis }), 2_000 + ReviewLinks.keptMillis)
        assert.isDefined(yield* links.find("l1"))
        yield* links.add(link("l7", { expiresAt: 2e9 }), 2_001 + ReviewLinks.keptMillis)
        assert.isUndefined(yield* links.find("l1"))
        assert.isDefined(yield* links.find("l6"))
      }).pipe(Effect.provide(Layer.fresh(store))))

    it.effect("stand beside deliveries, which keep what a channel returned", () =>
      Effect.gen(function*() {
        const deliveries = yield* Deliveries.Deliveries
        const claim = (id: string) => deliveries.claim({ id, now: 1, until: 10 })
        assert.deepStrictEqual(yield* Effect.forEach(["d1", "d2", "d3"], claim), [0, 0, 0])
        yield* deliveries.settle("d1", "where it is")
        yield* deliveries.settle("d2")
        const known = yield* deliveries.find(["d1", "d2", "d3", "d4"])
        assert.deepStrictEqual([...known].toSorted(), [
          ["d1", { isSettled: true, receipt: "where it is" }],
          ["d2", { isSettled: true, receipt: undefined }],
          ["d3", { isSettled: false, receipt: undefined }]
        ])
        assert.strictEqual((yield* deliveries.find([])).size, 0)
      }).pipe(Effect.provide(Layer.fresh(store))))
  })
}
