import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Check } from "../../src/cli/Output.ts"
import * as PolicyEngine from "../../src/gateway/policy/PolicyEngine.ts"
import type { TemplateName, TenantOptions } from "../../src/gateway/tenants/Tenants.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { answering, decodeLines, run } from "../support/cli.ts"

const tenant = (policyTemplate: TemplateName, more: Partial<TenantOptions> = {}) =>
  GatewayMemory.layer({ tenants: [{ id: "local", apiKey: "vargate-local-key", policyTemplate, ...more }] })

const checkup = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const { code, out } = yield* run(["doctor", "--json", ...args])
  const checks = decodeLines(Check, out)
  return { code, checks, of: (name: string) => checks.find(({ check }) => check === name) }
})

const records = GatewayMemory.GatewayMemory.use((gateway) => gateway.records())

describe("doctor", () => {
  it.effect.each(["financial", "crm", "data_access", "email"] as const)(
    "sees a call denied and one allowed under %s",
    (name) =>
      Effect.gen(function*() {
        const { checks, code, of } = yield* checkup()
        assert.match(of("forbidden call")!.message, /was denied: \w/)
        assert.strictEqual(of("allowed call")!.message, "http/GET was allowed")
        assert.deepStrictEqual(checks.filter(({ outcome }) => outcome === "failed"), [])
        assert.strictEqual(code, 0)
      }).pipe(Effect.provide(tenant(name)))
  )

  it.effect("sees one held where the policy denies nothing, and rejects it again", () =>
    Effect.gen(function*() {
      const { code, of } = yield* checkup()
      assert.match(of("forbidden call")!.message, /is pending: it is not executed without an approval/)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual((yield* records).map(({ decision, method }) => [method, decision]), [
        ["GET", "allow"],
        ["delete", "pending_approval"],
        ["reject", "deny"]
      ])
    }).pipe(Effect.provide(tenant("general"))))

  it.effect("says what it will send, before it does, and who asks", () =>
    Effect.gen(function*() {
      const { err, out } = yield* run(["doctor"])
      assert.match(err, /as agent vargate-doctor-[0-9a-f]{8}; each leaves a record in the audit log/)
      assert.match(err, /should be allowed +http\/GET[^]*should be stopped +vargate-doctor\/delete/)
      assert.match(out, /^✓ key +is accepted, for tenant local$/m)
      const agents = new Set((yield* records).map(({ agentId }) => agentId))
      assert.isTrue([...agents].every((agent) => err.includes(agent)) && agents.size === 1)
    }).pipe(Effect.provide(tenant("financial"))))

  it.effect("only looks with --no-calls", () =>
    Effect.gen(function*() {
      const { code, of } = yield* checkup("--no-calls")
      assert.isUndefined(of("allowed call"))
      assert.strictEqual(code, 0)
      assert.lengthOf(yield* records, 0)
    }).pipe(Effect.provide(tenant("financial"))))

  it.effect("can be seen by as often as one likes", () =>
    Effect.gen(function*() {
      for (let visit = 0; visit < 5; visit++) assert.strictEqual((yield* checkup()).code, 0)
    }).pipe(Effect.provide(tenant("financial", { burst: 1000 }))))

  it.effect("fails where nothing is denied, and takes a call that is", () =>
    Effect.gen(function*() {
      const permissive = yield* checkup("--forbidden", "http/POST")
      assert.match(
        permissive.of("forbidden call")!.message,
        /went through: nothing was denied[^]*--forbidden TOOL\/METHOD/
      )
      const own = yield* checkup("--forbidden", "bank/pay", "--forbidden-params", "{\"amount\":5000}")
      assert.match(own.of("forbidden call")!.message, /^bank\/pay was denied: transaction_exceeds_limit/)
      const wrong = yield* run(["doctor", "--forbidden", "bank"])
      assert.deepStrictEqual([permissive.code, own.code, wrong.code], [1, 0, 2])
    }).pipe(Effect.provide(tenant("financial"))))

  it.effect("fails where the harmless call is not allowed", () =>
    Effect.gen(function*() {
      const { code, of } = yield* checkup("--allowed", "bank/pay", "--allowed-params", "{\"amount\":5000}")
      assert.match(of("allowed call")!.message, /was denied \(transaction_exceeds_limit[^]*--allowed TOOL\/METHOD/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(tenant("financial"))))

  const onlyBank = GatewayMemory.layer({
    policy: Layer.succeed(PolicyEngine.PolicyEngine, {
      evaluate: ({ action: { tool } }) =>
        Effect.succeed({
          decision: {
            allow: tool === "bank",
            requires_human: false,
            violations: tool === "bank" ? [] : ["only_bank"],
            severity: "low",
            alert_tier: "none"
          },
          revision: "r1"
        })
    })
  })

  it.effect("does not fail a gateway whose policy denies all but one call, and says what is proved", () =>
    Effect.gen(function*() {
      const before = yield* checkup()
      assert.deepInclude(before.of("allowed call"), { outcome: "warning" })
      assert.match(
        before.of("allowed call")!.message,
        /^http\/GET was denied \(only_bank\) and vargate-doctor\/ping was denied[^]*not proved[^]*--allowed TOOL\/METHOD/
      )
      assert.match(before.of("forbidden call")!.message, /was denied: only_bank/)
      const named = yield* checkup("--allowed", "bank/pay")
      assert.deepInclude(named.of("allowed call"), { outcome: "ok", message: "bank/pay was allowed" })
      const after = yield* checkup()
      assert.match(after.of("allowed call")!.message, /record \d+ shows that it allows bank\/pay/)
      assert.deepStrictEqual([before.code, named.code, after.code], [0, 0, 0])
    }).pipe(Effect.provide(onlyBank)))

  it.effect("fails where nothing can be decided", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      yield* gateway.setOpaOutage(true)
      const { code, of } = yield* checkup()
      assert.match(of("forbidden call")!.message, /got no decision/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(tenant("financial"))))

  it.effect("sees that nothing is denied while a tenant fails open", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      yield* gateway.setOpaOutage(true)
      const { code, of } = yield* checkup()
      assert.match(of("forbidden call")!.message, /nothing was denied/)
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(tenant("financial", { opaFailure: "fail_open" }))))

  it.effect.each([["fail_open", "warning"], ["fail_closed", "ok"], ["fail_to_queue", "ok"]] as const)(
    "knows what %s means",
    ([opaFailure, outcome]) =>
      Effect.gen(function*() {
        const { of } = yield* checkup("--no-calls")
        assert.deepInclude(of("failure mode"), { outcome })
      }).pipe(Effect.provide(tenant("financial", { opaFailure })))
  )

  it.effect("warns of a key that approves what it submits", () =>
    Effect.gen(function*() {
      const { of } = yield* checkup()
      assert.deepInclude(of("separation"), { outcome: "warning" })
      assert.deepStrictEqual((yield* records).filter(({ tool }) => tool === "approval_queue"), [])
    }).pipe(Effect.provide(tenant("financial"))))

  it.effect("is content with a key that may not approve", () =>
    Effect.gen(function*() {
      const { of } = yield* checkup("--no-calls")
      assert.deepInclude(of("separation"), { outcome: "ok" })
    }).pipe(Effect.provide(Layer.provideMerge(forAgentsOnly, tenant("financial")))))

  it.effect("warns of plain http", () =>
    Effect.gen(function*() {
      const { of } = yield* checkup("--no-calls", "--url", "http://gateway.example", "--allow-http")
      assert.deepInclude(of("connection"), { outcome: "warning" })
      assert.deepInclude((yield* checkup("--no-calls")).of("connection"), { outcome: "ok" })
    }).pipe(Effect.provide(tenant("financial"))))

  it.effect("compares clocks", () =>
    Effect.gen(function*() {
      assert.deepInclude((yield* checkup()).of("clock"), { outcome: "ok", message: "agrees with ours" })
      const behind = yield* Effect.provide(checkup(), withClockOff(-60_000))
      assert.deepInclude(behind.of("clock"), { outcome: "warning" })
      assert.match(behind.of("clock")!.message, /1 min behind ours/)
    }).pipe(Effect.provide(tenant("financial"))))

  it.effect("notices decisions that are not on record", () =>
    Effect.gen(function*() {
      const { code, of } = yield* checkup()
      assert.deepInclude(of("record"), { outcome: "failed" })
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(Layer.provideMerge(forgetful, tenant("financial")))))

  it.effect("ends with 5 where there is no gateway", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["doctor", "--no-calls"])
      assert.match(err, /cannot be reached/)
      assert.strictEqual(code, 5)
    }).pipe(Effect.provide(ScriptedTransport.layer([ScriptedTransport.refuse]))))

  /** As a stock hosted gateway decides: what has no credential is denied, and what has one and is not known, too. */
  const stock = GatewayMemory.layer({
    tenants: [{ id: "local", apiKey: "vargate-local-key" }],
    policy: {
      rules: [
        {
          name: "no_credential_registered_for_tool",
          severity: "high",
          when: ({ action, vault }) => vault?.credentials_registered.includes(action.tool) !== true
        },
        {
          name: "unknown_tool_no_execution_handler",
          severity: "high",
          when: ({ action, vault }) =>
            vault?.credentials_registered.includes(action.tool) === true && action.tool === "http"
        }
      ]
    }
  })

  it.effect("says what a gateway that executes tools itself needs for one", () =>
    Effect.gen(function*() {
      const { of } = yield* checkup()
      assert.strictEqual(of("own tools")!.outcome, "warning")
      assert.match(
        of("own tools")!.message,
        /^http\/GET was denied as no_credential_registered_for_tool: .*credentials register/
      )
      yield* run(["credentials", "register", "http", "api_key"], { stdin: "a-credential" })
      const known = yield* checkup("--allowed", "http/GET")
      assert.match(known.of("own tools")!.message, /as unknown_tool_no_execution_handler: .*add the tool/)
    }).pipe(Effect.provide(stock)))

  it.effect("says nothing of tools where the policy denied for another reason", () =>
    Effect.gen(function*() {
      assert.isUndefined((yield* checkup()).of("own tools"))
    }).pipe(Effect.provide(tenant("financial"))))
})

/** A gateway that lets a key of agents decide nothing. */
const forAgentsOnly = answering(
  "/approve/",
  () => Effect.sync(() => Response.json({ detail: "Agents cannot approve" }, { status: 403 }))
)

/** Changes the text of every page of the audit log. */
const rewriting = (rewrite: (text: string) => string) =>
  answering("/audit/log", (own) => Effect.map(own, (text) => new Response(rewrite(text))))

/** A gateway whose clock is so many milliseconds off. */
const withClockOff = (millis: number) =>
  rewriting((text) =>
    text.replaceAll(
      /"requested_at":"([^"]+)"/g,
      (_, time: string) => `"requested_at":"${new Date(Date.parse(time) + millis).toISOString()}"`
    )
  )

const forgetful = rewriting((text) => text.replaceAll(/"action_id":"[^"]{8}/g, "\"action_id\":\"00000000"))
