import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Applied, Failure, Notice, Plan, Settings } from "../../src/cli/Output.ts"
import { Tenant } from "../../src/operator/Tenant.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run, type RunOptions } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const settings = (args: ReadonlyArray<string>, options: RunOptions = {}) =>
  run(["settings", ...args], { hasFiles: true, ...options })

const current = Tenant.use((tenant) => tenant.settings)

const financial = JSON.stringify({
  policy: { template: "financial", parameters: { transactionLimit: 300 } },
  failureModes: { opa: "fail_to_queue" }
})

describe("settings", () => {
  it.effect("are shown, and come back as they were", () =>
    Effect.gen(function*() {
      const { out } = yield* settings(["get"])
      assert.match(out, /Policy +general +as the template has it/)
      assert.match(out, /When away +opa fail_closed, redis fail_open/)
      const json = yield* settings(["get", "--json"])
      assert.lengthOf(decodeLines(Settings, json.out), 1)
      const plan = yield* settings(["plan", "-", "--check"], { stdin: json.out })
      assert.match(plan.out, /✓ nothing to change/)
      assert.strictEqual(plan.code, 0)
      const before = yield* current
      assert.strictEqual((yield* settings(["apply", "-"], { stdin: json.out })).code, 0)
      assert.deepStrictEqual(yield* current, before)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("are planned without being changed", () =>
    Effect.gen(function*() {
      const before = yield* current
      const { code, out } = yield* settings(["plan", "-"], { stdin: financial })
      assert.match(out, /^3 changes\n {2}policyTemplate {2}general -> financial\n/)
      assert.include(out, "\"opa\":\"fail_to_queue\"")
      const [plan] = decodeLines(Plan, (yield* settings(["plan", "-", "--json"], { stdin: financial })).out)
      assert.deepStrictEqual(plan?.changes.map(({ setting }) => setting), [
        "policyTemplate",
        "policyParameters",
        "failureModes"
      ])
      const check = yield* settings(["plan", "-", "--check"], { stdin: financial })
      assert.deepStrictEqual([code, check.code], [0, 1])
      assert.deepStrictEqual(yield* current, before)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("are applied and read back", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "settings.json")
      writeFileSync(path, financial)
      const { code, err, out } = yield* settings(["apply", path, "--json"])
      assert.deepStrictEqual([code, err], [0, ""])
      assert.sameMembers([...decodeLines(Applied, out)[0]!.confirmed], [
        "policyTemplate",
        "policyParameters",
        "failureModes"
      ])
      assert.deepInclude((yield* current).policy, { template: "financial" })
      assert.strictEqual((yield* run(["call", "bank", "pay", "-p", "{\"amount\":300}"])).code, 3)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("are asked about at a terminal", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "settings.json")
      writeFileSync(path, financial)
      const no = yield* settings(["apply", path], { columns: 80, keys: ["n", "\r"] })
      assert.match(no.err, /3 changes[^]*Apply this\?[^]*Nothing was changed/)
      assert.deepInclude((yield* current).policy, { template: "general" })
      const yes = yield* settings(["apply", path], { columns: 80, keys: ["y", "\r"] })
      assert.match(yes.out, /✓ applied/)
      assert.deepStrictEqual([no.code, yes.code], [130, 0])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("keep the webhook's secret off the screen, and in a file where one is named", () =>
    Effect.gen(function*() {
      const kept = join(yield* folder, "secret")
      const stdin = JSON.stringify({ webhookUrl: "https://hooks.example/T0P-S3CRET", webhookEvents: ["action.denied"] })
      const lost = yield* settings(["apply", "-", "--json"], { stdin })
      assert.match(decodeLines(Notice, lost.err)[0]!.warning, /--secret-file FILE/)
      const { code, err, out } = yield* settings(["apply", "-", "--secret-file", kept], { stdin })
      const secret = readFileSync(kept, "utf8").trim()
      assert.isAtLeast(secret.length, 16)
      assert.strictEqual(statSync(kept).mode & 0o777, 0o600)
      const shown = yield* settings(["get"])
      assert.include(shown.out, "https://hooks.example ...")
      for (const said of [lost.out, lost.err, out, err, shown.out]) {
        assert.notInclude(said, secret)
        assert.notInclude(said, "T0P-S3CRET")
      }
      assert.deepStrictEqual([lost.code, code], [0, 0])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect.each(
    [
      ["{\"polcy\": {}}", /polcy/],
      ["{\"policy\": {\"template\": \"finance\"}}", /policy/],
      ["{\"webhookUrl\": \"http://insecure\"}", /webhookUrl: .*https/],
      ["{\"failureModes\": {\"opa\": \"open\"}}", /failureModes: opa/],
      ["nonsense", /stdin holds no settings/]
    ] as const
  )("that make no sense are refused before anything is sent: %s", ([stdin, said]) =>
    Effect.gen(function*() {
      const before = yield* current
      for (const args of [["plan", "-"], ["apply", "-"]]) {
        const { code, err } = yield* settings([...args, "--json"], { stdin })
        assert.match(decodeLines(Failure, err)[0]!.message, said)
        assert.strictEqual(code, 2)
      }
      assert.deepStrictEqual(yield* current, before)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("cannot test a webhook that there is none of", () =>
    Effect.gen(function*() {
      const { code, err } = yield* settings(["test-webhook"])
      assert.match(err, /^error: /)
      assert.strictEqual(code, 2)
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
