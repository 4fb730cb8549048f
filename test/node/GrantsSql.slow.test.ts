import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted, Schema } from "effect"
import { ActionId, Grants } from "effect-vargate"
import * as GrantsSql from "effect-vargate/node/GrantsSql"
import { join } from "node:path"
import { minute, reviewer, signer } from "../reviews/ballots.ts"
import { folder } from "../support/folder.ts"
import * as Postgres from "../workflow/support/postgres.ts"

const idOf = Schema.decodeSync(ActionId.ActionId)

/** Three processes, as the database has them: each with connections of its own. */
const inThree = (layer: Layer.Layer<Grants.GrantStore, unknown>) =>
  Effect.gen(function*() {
    const contexts = yield* Effect.forEach([1, 2, 3], () => Layer.build(Layer.fresh(layer)), { concurrency: 3 })
    const stores = yield* Effect.forEach(contexts, (context) => Effect.provide(Grants.GrantStore, context))
    const { grant } = yield* Effect.provide(
      Grants.make,
      Layer.mergeAll(Layer.succeed(Grants.GrantStore, stores[0]!), signer)
    )
    const made = yield* grant(reviewer("ann", "finance"), {
      agentId: "bot",
      tool: "stripe",
      method: "refund",
      params: { amount: Grants.any },
      count: 15,
      budgets: [{ sum: "amount", per: "grant", max: 100 }],
      expiresIn: "7 days"
    })
    const at = DateTime.add(made.createdAt, { minutes: 1 })
    const use = (n: number) => ({ actionId: idOf(`action-${n}`), digest: String(n % 10).repeat(64), at })
    const draw = (amount: number) => [{ budget: "0 ", amount, max: 100 }]
    const used = yield* Effect.all(
      Array.from({ length: 60 }, (_, n) => stores[n % 3]!.use(made.id, use(Math.floor(n / 3)), draw(9))),
      { concurrency: 30 }
    )
    // Each of twenty actions is asked for by all three, and eleven of them fit.
    const actions = Array.from({ length: 20 }, (_, n) => used.slice(3 * n, 3 * n + 3))
    assert.strictEqual(actions.filter((answers) => answers.every((isUsed) => isUsed)).length, 11)
    assert.strictEqual(actions.filter((answers) => answers.every((isUsed) => !isUsed)).length, 9)
    assert.strictEqual((yield* stores[1]!.find(made.id))!.uses, 11)
    const small = yield* Effect.all(
      Array.from({ length: 30 }, (_, n) => stores[n % 3]!.use(made.id, use(100 + n), draw(0))),
      { concurrency: 30 }
    )
    assert.strictEqual(small.filter((isUsed) => isUsed).length, 4)
    assert.strictEqual((yield* stores[2]!.uses(made.id, 100)).length, 15)
    const revoked = yield* Effect.all(
      stores.map(({ revoke }, n) => revoke(made.id, { by: `p${n}`, at: made.createdAt })),
      { concurrency: 3 }
    )
    assert.strictEqual(revoked.filter((isRevoked) => isRevoked).length, 1)
    const status = (yield* stores[0]!.find(made.id))!
    // No use is later than its revocation.
    assert.deepStrictEqual(status.revokedAt, at)
    assert.isFalse(yield* stores[1]!.use(made.id, use(0), draw(0)))
    for (const { list } of stores) assert.deepStrictEqual(yield* list({ limit: 10, inForceAt: minute(0) }), [])
    assert.deepStrictEqual((yield* stores[2]!.list({ limit: 10 })).map(({ grant }) => grant), [made])
  }).pipe(Effect.scoped)

describe("GrantsSql", () => {
  it.live("three connections to a file use one grant at once: within its count and its budget, and until it is revoked", () =>
    Effect.flatMap(folder, (path) => inThree(GrantsSql.layerSqlite({ filename: join(path, "grants.db") }))))

  it.live.skipIf(!Postgres.hasPostgres)(
    `three processes on Postgres do too (${Postgres.reason})`,
    () =>
      Effect.gen(function*() {
        const url = yield* Postgres.start
        yield* inThree(
          Layer.provide(GrantsSql.layer, PgClient.layer({ url: Redacted.make(url), maxConnections: 3 }))
        )
      }).pipe(Effect.scoped)
  )
})
