/** `doctor` as a process, against gateways that `dev` serves: on every template, and over a real OPA server. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Check, Serving } from "../../src/cli/Output.ts"
import { decodeLines, runProcess, startProcess, untilSaid } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { needsOpa, opa, OpaServer, opaServer } from "../support/opa.ts"

/** Denies whatever is not the one call, with the reason. */
const onlyOneCall = `package vargate.policy
import rego.v1

default decision := {"allow": false, "requires_human": false, "violations": ["only_one_call"], "severity": "high", "alert_tier": "none"}

decision := {"allow": true, "requires_human": false, "violations": [], "severity": "none", "alert_tier": "none"} if {
  input.action.tool == "bank"
  input.action.method == "balance"
}
`

/** A gateway of `dev`, and doctors that visit it. */
const served = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const data = join(yield* folder, "vargate.db")
  const gateway = yield* Effect.acquireRelease(
    startProcess(["dev", "--port", "0", "--data", data, "--json", ...args]),
    ({ end, interrupt }) => Effect.andThen(interrupt, end)
  )
  yield* untilSaid(gateway, /"isNew":true.*\n/)
  const [{ apiKey, url }] = decodeLines(Serving, gateway.said()) as [typeof Serving.Type]
  return Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
    const env = { VARGATE_URL: url, VARGATE_API_KEY: apiKey }
    const { code, out } = yield* runProcess(["doctor", "--json", ...args], { env })
    const checks = decodeLines(Check, out)
    return { code, of: (name: string) => checks.find(({ check }) => check === name) }
  })
})

const timeout = 120_000

describe("doctor on a gateway of its own", () => {
  it.live.each(["general", "financial", "email", "crm", "data_access"])(
    "is content with the template %s",
    (template) =>
      Effect.gen(function*() {
        const doctor = yield* served(["--template", template])
        const { code, of } = yield* doctor()
        assert.deepInclude(of("allowed call"), { outcome: "ok" })
        assert.deepInclude(of("forbidden call"), { outcome: "ok" })
        assert.deepInclude(of("record"), { outcome: "ok" })
        assert.strictEqual(code, 0)
      }).pipe(Effect.scoped),
    timeout
  )

  it.live.skipIf(opa === undefined)(
    `fails no policy of an OPA server that denies everything but one call${needsOpa}`,
    () =>
      Effect.gen(function*() {
        const rego = join(yield* folder, "policy.rego")
        writeFileSync(rego, onlyOneCall)
        yield* Effect.gen(function*() {
          const { kill, url } = yield* OpaServer
          const doctor = yield* served(["--opa", url])
          const before = yield* doctor()
          assert.deepInclude(before.of("allowed call"), { outcome: "warning" })
          assert.match(before.of("allowed call")!.message, /denied \(only_one_call\)[^]*not proved[^]*--allowed TOOL/)
          assert.deepInclude(before.of("forbidden call"), { outcome: "ok" })
          const named = yield* doctor("--allowed", "bank/balance")
          assert.deepInclude(named.of("allowed call"), { outcome: "ok", message: "bank/balance was allowed" })
          const after = yield* doctor()
          assert.match(after.of("allowed call")!.message, /record \d+ shows that it allows bank\/balance/)
          const wrong = yield* doctor("--allowed", "bank/pay")
          assert.deepInclude(wrong.of("allowed call"), { outcome: "failed" })
          yield* kill
          const away = yield* doctor()
          assert.match(away.of("forbidden call")!.message, /got no decision/)
          assert.deepStrictEqual(
            [before, named, after, wrong, away].map(({ code }) => code),
            [0, 0, 0, 1, 1]
          )
        }).pipe(Effect.provide(Layer.fresh(opaServer([rego]))))
      }).pipe(Effect.scoped),
    timeout
  )
})
