import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { decide } from "../../src/calls/ToolCalls.ts"
import { PolicyExplained, PolicyTried } from "../../src/cli/Output.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import * as Vargate from "../../src/Vargate.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { needsOpa, opa, policies } from "../support/opa.ts"

const gateway = () =>
  GatewayMemory.layer({ tenants: [{ id: "local", apiKey: "vargate-local-key", policyTemplate: "financial" }] })

/** Allowed, denied, pending, and one that a lower limit denies. */
const some = Effect.forEach(
  [1, 9000, 2000, 4000],
  (amount) => decide({ tool: "stripe", method: "create_charge", params: { amount }, isBusinessHours: true })
)

const policy = (...args: ReadonlyArray<string>) => run(["policy", ...args], { hasFiles: true })

const fileOf = Effect.fnUntraced(function*(name: string, text: string) {
  const path = join(yield* folder, name)
  writeFileSync(path, text)
  return path
})

const lower = `{"parameters": {"transaction_limit": 3000}}`

describe("policy try", () => {
  it.effect("shows what would change, by rule, agent and tool", () =>
    Effect.gen(function*() {
      yield* some
      const path = yield* fileOf("lower.json", lower)
      const { code, out } = yield* policy("try", path)
      assert.match(out, /^4 decisions: 3 the same, 1 newly denied\n/)
      assert.match(out, /RULE +DENIED +PENDING +ALLOWED\s+transaction_exceeds_limit +1 +0 +0/)
      assert.match(out, /TOOL[^]*stripe\/create_charge +1 +0 +0[^]*pending +denied +transaction_exceeds_limit/)
      const [tried] = decodeLines(PolicyTried, (yield* policy("try", path, "--json", "--last", "1")).out)
      assert.deepStrictEqual([tried?.report.tried, tried?.report.newly.denied, tried?.exceeded], [1, 1, []])
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("ends with 1 where a limit is exceeded", () =>
    Effect.gen(function*() {
      yield* some
      const path = yield* fileOf("lower.json", lower)
      const within = yield* policy("try", path, "--max-denied", "25%", "--max-pending", "0")
      const beyond = yield* policy("try", path, "--max-denied", "24%", "--json")
      assert.deepStrictEqual([within.code, beyond.code], [0, 1])
      const [tried] = decodeLines(PolicyTried, beyond.out)
      assert.deepStrictEqual(tried?.exceeded, [{ what: "denied", found: 1, limit: 0.96 }])
      const { code, out } = yield* policy("try", path, "--max-denied", "0")
      assert.match(out, /✗ 1 newly denied, where at most 0 may be/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(gateway())))

  it.effect("takes rules of a module, and a template by its name", () =>
    Effect.gen(function*() {
      yield* some
      const path = yield* fileOf(
        "rules.mjs",
        `export const rules = [{ name: "no_stripe", severity: "low", when: ({ action }) => action.tool === "stripe" }]`
      )
      assert.match((yield* policy("try", path)).out, /4 decisions: 1 the same, 3 newly denied[^]*no_stripe +3/)
      assert.match((yield* policy("try", "general")).out, /4 decisions: 1 the same, 3 newly allowed/)
    }).pipe(Effect.provide(gateway())))

  it.effect.skipIf(opa === undefined)(`takes Rego${needsOpa}`, () =>
    Effect.gen(function*() {
      yield* some
      const { code, err, out } = yield* run(["policy", "try", policies], {
        hasFiles: true,
        env: { VARGATE_API_KEY: "vargate-local-key", VARGATE_OPA: opa! }
      })
      assert.deepStrictEqual([code, err], [0, ""])
      assert.match(out, /^4 decisions: 4 the same\n$/)
    }).pipe(Effect.provide(gateway())))

  it.effect("reads a file of evidence, and says what is missing in it", () =>
    Effect.gen(function*() {
      yield* some
      const path = join(yield* folder, "evidence.json")
      yield* run(["evidence", "export", path], { hasFiles: true })
      const { code, out } = yield* policy("try", yield* fileOf("lower.json", lower), "--evidence", path)
      assert.match(out, /^4 decisions: 0 the same, 4 undecided\nundecided, since documents lack: tenant \(4\)/)
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("reads the ledger of a gateway that is stopped", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "ledger.db")
      const tenants = [{ id: "shop", apiKey: "shop-key", policyTemplate: "financial" as const }]
      yield* Effect.provide(
        some,
        Layer.provide(Vargate.layer({ apiKey: "shop-key" }), Gateway.layerSqlite({ filename, tenants }))
      )
      const path = yield* fileOf("lower.json", lower)
      const { code, out } = yield* policy("try", path, "--data", filename, "--tenant", "shop")
      assert.match(out, /^4 decisions: 3 the same, 1 newly denied\n/)
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(gateway())))

  it.effect("says what is wrong with a candidate", () =>
    Effect.gen(function*() {
      const attempts: ReadonlyArray<readonly [name: string, text: string, message: RegExp]> = [
        ["a.json", `{"parameters": {"limit": 1}}`, /a\.json: parameters: limit: no template has such a parameter/],
        ["b.json", `{"template": "crm", "params": {}}`, /b\.json is no template with parameters: params/],
        ["c.json", `{`, /c\.json is no template/],
        ["d.mjs", `export default { rules: [{ name: "a" }] }`, /d\.mjs is no module of rules: rules: 0/],
        ["e.mjs", `throw new Error("never")`, /e\.mjs cannot be loaded: Error: never/],
        ["f.tar.gz", "text", /it is no bundle/]
      ]
      const slip = yield* policy("try", "finacial")
      assert.match(slip.err, /finacial is neither a template \(.*financial.*\) nor a file or folder here/)
      assert.strictEqual(slip.code, 2)
      for (const [name, text, message] of attempts) {
        const { code, err } = yield* policy("try", yield* fileOf(name, text))
        assert.match(err, message)
        assert.strictEqual(code, 2, name)
      }
      const many = yield* policy("try", "general", "--max-denied", "many")
      assert.match(many.err, /The budget: denied: "many" is neither a number of calls nor a share/)
      assert.strictEqual(many.code, 2)
      assert.strictEqual((yield* policy("try", "general", "--data", "a", "--evidence", "b")).code, 2)
      assert.strictEqual((yield* policy("try", "general", "--data", "no/such.db")).code, 11)
      assert.strictEqual((yield* policy("try", "general", "--evidence", "no/such.json")).code, 11)
    }).pipe(Effect.provide(gateway())))
})

describe("policy explain", () => {
  it.effect("says which rule decided, and what it saw", () =>
    Effect.gen(function*() {
      const [allowed, denied] = yield* some
      const { code, out } = yield* policy("explain", denied!.actionId)
      assert.match(out, /Recorded +deny[^]*Decides +denied\n\ntransaction_exceeds_limit +denies, high/)
      assert.match(out, /action\.params\.amount +9000[^]*policy_config\.transaction_limit +5000/)
      const [explained] = decodeLines(PolicyExplained, (yield* policy("explain", "2", "--json")).out)
      assert.deepStrictEqual([explained?.agrees, explained?.explanation.violations], [true, [
        "transaction_exceeds_limit"
      ]])
      const quiet = yield* policy("explain", allowed!.actionId)
      assert.match(quiet.out, /Decides +allowed\n\nNo rule fired/)
      assert.deepStrictEqual([code, quiet.code], [0, 0])
    }).pipe(Effect.provide(gateway())))

  it.effect("says that other rules would not have decided so", () =>
    Effect.gen(function*() {
      yield* some
      const path = yield* fileOf("lower.json", lower)
      const { out } = yield* policy("explain", "4", "--candidate", path)
      assert.match(out, /Recorded +pending[^]*Decides +denied[^]*not as was recorded[^]*amount +4000[^]*limit +3000/)
    }).pipe(Effect.provide(gateway())))
})
