import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Applied, Failure, Notice, Plan, Settings } from "../../src/cli/Output.ts"
import { Tenant } from "../../src/operator/Tenant.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { answering, decodeLines, run, type RunOptions } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { assertMode } from "../support/mode.ts"

const settings = (args: ReadonlyArray<string>, options: RunOptions = {}) =>
  run(["settings", ...args], { hasFiles: true, ...options })

const current = Tenant.use((tenant) => tenant.settings)

const financial = JSON.stringify({
  policy: { template: "financial", parameters: { transactionLimit: 300 } },
  failureModes: { opa: "fail_to_queue" }
})

const hook = JSON.stringify({ webhookUrl: "https://hooks.example/T0P-S3CRET", webhookEvents: ["action.denied"] })

/** What the gateway signs with, by its own word. */
const secretOf = (tenantId: string) =>
  Effect.map(
    Tenant.use((tenant) => tenant.apply({ webhookUrl: "https://hooks.example/T0P-S3CRET" })),
    ({ profile, webhookSecret }) => {
      assert.strictEqual(profile.tenantId, tenantId)
      return Redacted.value(webhookSecret!)
    }
  )

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
      const path = yield* folder
      const kept = join(path, "secret")
      const stdin = JSON.stringify({ webhookUrl: "https://hooks.example/T0P-S3CRET", webhookEvents: ["action.denied"] })
      const lost = yield* settings(["apply", "-", "--json", "--config", join(path, "config.json")], { stdin })
      assert.match(decodeLines(Notice, lost.err)[0]!.warning, /--secret-file FILE/)
      const { code, err, out } = yield* settings(["apply", "-", "--secret-file", kept], { stdin })
      const secret = readFileSync(kept, "utf8").trim()
      assert.isAtLeast(secret.length, 16)
      assertMode(kept, 0o600)
      const shown = yield* settings(["get"])
      assert.include(shown.out, "https://hooks.example ...")
      for (const said of [lost.out, lost.err, out, err, shown.out]) {
        assert.notInclude(said, secret)
        assert.notInclude(said, "T0P-S3CRET")
      }
      assert.deepStrictEqual([lost.code, code], [0, 0])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("keep the webhook's secret beside the configuration where no file is named, for each tenant", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "configuration")
      const args = ["apply", "-", "--json", "--config", join(path, "config.json")]
      const { code, out } = yield* settings(args, { stdin: hook })
      const [applied] = decodeLines(Applied, out)
      const file = join(path, "webhook-secret-local")
      assert.deepStrictEqual([code, applied!.secretFile], [0, file])
      assert.strictEqual(readFileSync(file, "utf8").trim(), yield* secretOf("local"))
      assertMode(file, 0o600)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("keep the webhook's secret where the gateway fails right after it told it", () =>
    Effect.gen(function*() {
      const kept = join(yield* folder, "secret")
      const failing = settings(["apply", "-", "--secret-file", kept, "--json"], { stdin: hook }).pipe(
        Effect.provide(answering("/dashboard/me", () => Effect.succeed(new Response("", { status: 500 }))))
      )
      const { code, err, out } = yield* failing
      assert.deepStrictEqual([code, out], [6, ""])
      assert.strictEqual(readFileSync(kept, "utf8").trim(), yield* secretOf("local"))
      assert.include(JSON.parse(err.split("\n")[0]!).warning, kept)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("show the webhook's secret where it cannot be kept", () =>
    Effect.gen(function*() {
      const taken = yield* folder
      const { code, err } = yield* settings(["apply", "-", "--secret-file", taken], { stdin: hook })
      assert.include(err, yield* secretOf("local"))
      assert.match(err, /cannot be written[^]*keep it\n[^]*error: .* cannot be written/)
      assert.strictEqual(code, 11)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("change nothing where the secret has no folder to be kept in", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "nowhere", "secret")
      const { code, err } = yield* settings(["apply", "-", "--secret-file", file], { stdin: hook })
      assert.match(err, /secret cannot be written: there is no such file or folder/)
      assert.strictEqual(code, 11)
      assert.isNull((yield* current).webhookUrl)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("say that a gateway sends no webhooks, instead of blaming the receiver", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "secret")
      const applied = yield* settings(["apply", "-", "--secret-file", file, "--json"], { stdin: hook })
      assert.strictEqual(applied.code, 0)
      assert.match(decodeLines(Notice, applied.err)[0]!.warning, /^this gateway sends no webhooks.*effect-vargate dev/)
      const tested = yield* settings(["test-webhook", "--json"])
      const [failure] = decodeLines(Failure, tested.err)
      assert.deepInclude(failure, { error: "WebhookUndelivered", sideEffect: "none" })
      assert.match(failure!.message, /^This gateway sends no webhooks, whatever the receiver is like/)
      assert.strictEqual(tested.code, 2)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("say nothing of the kind where it does, and a receiver that refuses is to blame", () => {
    let status = 204
    const client = Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(null, { status })))
      )
    )
    return Effect.gen(function*() {
      const file = join(yield* folder, "secret")
      const applied = yield* settings(["apply", "-", "--secret-file", file, "--json"], { stdin: hook })
      assert.deepStrictEqual([applied.code, applied.err], [0, ""])
      assert.match(
        (yield* settings(["test-webhook"])).out,
        /✓ delivered: a test event was taken by https:\/\/hooks\.example\n/
      )
      status = 500
      const refused = yield* settings(["test-webhook"])
      assert.match(refused.err, /could not deliver the test event to https:\/\/hooks\.example/)
      assert.strictEqual(refused.code, 1)
    }).pipe(Effect.provide(GatewayMemory.layer({ webhooks: { client } })))
  })

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
