/** A process on a SQLite file: calls with amounts, many at a time, beside others that do the same under one budget. */
import { Effect, Layer } from "effect"
import { Budgets, Governed } from "effect-vargate"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const [filename = "", seed = "0", count = "0"] = process.argv.slice(2)

const limit = Budgets.limit({ tool: "shop", sum: "amount", per: "month", max: 1000 })

const buy = (amount: number) =>
  Governed.run({ tool: "shop", method: "buy", params: { amount } }, Effect.succeed(amount)).pipe(
    Effect.map(() => amount),
    Effect.catchReason("VargateError", "OverBudget", () => Effect.succeed(0))
  )

const program = Effect.gen(function*() {
  const amounts = Array.from({ length: Number(count) }, (_, n) => 1 + (n * 7 + Number(seed) * 13) % 40)
  const bought = yield* Effect.forEach(amounts, buy, { concurrency: 8 })
  const [status] = yield* Budgets.Budgets.use(({ status }) => status)
  console.log(JSON.stringify({ bought: bought.reduce((a, b) => a + b, 0), used: status!.used }))
}).pipe(Effect.provide([
  Layer.provide(Budgets.layer([limit]), GovernedSql.layerSqlite({ filename })),
  GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "k".repeat(32), burst: 1e6 }] })
]))

await Effect.runPromise(program)
