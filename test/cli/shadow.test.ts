import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { Reviews } from "../../src/approvals/Reviews.ts"
import { shadow as doctorsView } from "../../src/cli/doctor/checks.ts"
import { Check, ShadowClosedLine, ShadowReported } from "../../src/cli/Output.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as Governed from "../../src/governed/Governed.ts"
import * as Shadow from "../../src/governed/Shadow.ts"
import * as GovernedSql from "../../src/node/GovernedSql.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const layerGateway = GatewayMemory.layer({
  tenants: [{
    ...Gateway.localTenant,
    policyTemplate: "financial",
    policyConfig: { businessHoursOnly: false, dailyTransactionCap: 1e9 }
  }],
  tools: { "broker/pay": () => Effect.succeed({ paid: true }) }
})

const cli = (args: ReadonlyArray<string>) => run(args, { hasFiles: true, columns: 160 })

/** A store that an agent in shadow has open. */
const agent = Effect.gen(function*() {
  const filename = join(yield* folder, "governed.db")
  const context = yield* Layer.build(Layer.provide(Shadow.layer(), GovernedSql.layerSqlite({ filename })))
  const pay = (amount: number, tool = "bank") =>
    Effect.provide(
      Governed.shadow(
        { tool, method: "pay", params: { amount }, agent: { id: "teller" }, executes: "agent" },
        Effect.void
      ),
      context
    )
  return { filename, pay }
})

describe("shadow", () => {
  it.effect("reports what would have been stopped, by rule, agent and tool", () =>
    Effect.gen(function*() {
      const { filename, pay } = yield* agent
      const empty = yield* cli(["shadow", "report", "--data", filename])
      assert.match(empty.out, /^0 calls in shadow since \d{4}-\d\d-\d\d: 0 allowed, 0 would have been denied/)
      for (const amount of [5, 2000, 9000, 9001]) yield* pay(amount)
      const { code, out } = yield* cli(["shadow", "--data", filename, "report"])
      assert.strictEqual(code, 0)
      assert.match(
        out,
        /^4 calls in shadow .*: 1 allowed, 2 would have been denied, 1 would have been pending, 0 errors$/m
      )
      assert.match(out, /^ +2 +would have been denied +transaction_exceeds_limit +teller +bank\/pay /m)
      assert.match(out, /^ +1 +would have been pending +\(no rule named\) +teller +bank\/pay /m)
      assert.match(out, /^ +1 +allowed +teller +bank\/pay /m)
      const json = yield* cli(["shadow", "report", "--days", "1", "--json", "--data", filename])
      const [report] = decodeLines(ShadowReported, json.out)
      assert.deepInclude(report, { calls: 4, denied: 2, pending: 1, allowed: 1, errors: 0 })
      assert.deepInclude(report!.lines[0], { rule: "transaction_exceeds_limit", calls: 2, agentId: "teller" })
    }).pipe(Effect.provide(layerGateway)))

  it.effect("closes what is pending, once, and ends with 1 where the gateway has executed one a second time", () =>
    Effect.gen(function*() {
      const { filename, pay } = yield* agent
      const { actionId } = yield* pay(2000)
      const closed = yield* cli(["shadow", "close", "--json", "-n", "over", "--data", filename])
      assert.strictEqual(closed.code, 0)
      assert.deepStrictEqual(
        decodeLines(ShadowClosedLine, closed.out).map(({ actionId, outcome }) => [actionId, outcome]),
        [[actionId, "closed"]]
      )
      assert.match((yield* cli(["shadow", "close", "--data", filename])).err, /Nothing that was acted on .* is open/)
      const twice = yield* pay(2000, "broker")
      yield* Reviews.use((reviews) => reviews.approve(twice.actionId))
      const bad = yield* cli(["shadow", "close", "--data", filename])
      assert.strictEqual(bad.code, 1)
      assert.match(bad.out, /executed twice: .* broker\/pay/)
      assert.match((yield* cli(["shadow", "report", "--data", filename])).out, /The gateway executes broker itself/)
    }).pipe(Effect.provide(layerGateway)))

  it.effect("says where it is kept, where it is not told", () =>
    Effect.gen(function*() {
      const untold = yield* cli(["shadow", "report"])
      assert.match(untold.err, /Pass --data FILE, or set VARGATE_POSTGRES_URL/)
      assert.notStrictEqual(untold.code, 0)
      const missing = yield* cli(["shadow", "report", "--data", join(yield* folder, "none.db")])
      assert.match(missing.err, /there is no such file/)
    }).pipe(Effect.provide(layerGateway)))

  it.effect("is what the doctor warns of", () =>
    Effect.gen(function*() {
      const { filename, pay } = yield* agent
      const look = () =>
        Effect.map(
          cli(["doctor", "--no-calls", "--json", "--data", filename]),
          ({ out }) => decodeLines(Check, out).find(({ check }) => check === "shadow mode")
        )
      assert.deepInclude(yield* look(), { outcome: "ok" })
      yield* pay(9000)
      const warned = yield* look()
      assert.strictEqual(warned!.outcome, "warning")
      assert.match(
        warned!.message,
        /^is on: 1 call of teller since yesterday, of which 1 was performed although denied/
      )
      const without = yield* cli(["doctor", "--no-calls", "--json"])
      assert.notInclude(without.out, "shadow mode")
      const report = yield* Effect.provide(Shadow.report(), GovernedSql.layerSqlite({ filename }))
      const line = report.lines[0]!
      const many = new Shadow.ShadowReport({
        ...report,
        denied: 5,
        lines: ["a", "b", "c", "d"].map((agentId) => new Shadow.ReportLine({ ...line, agentId }))
      })
      assert.match(doctorsView(many).message, /of 4 agents since yesterday, of which 5 were/)
    }).pipe(Effect.provide(layerGateway)))
})
