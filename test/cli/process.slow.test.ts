/** Every command as a process of its own, against a gateway that this one serves. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, type Schema } from "effect"
import { execFile } from "node:child_process"
import { readFileSync, statSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import * as Output from "../../src/cli/Output.ts"
import { Ledger } from "../../src/gateway/ledger/Ledger.ts"
import {
  decodeLines,
  environment,
  nodeArguments,
  runProcess,
  Served,
  served,
  startProcess,
  untilSaid
} from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { TimeMachine, timeMachine } from "../support/worlds.ts"

const apiKey = "vg-key-of-the-shop"

const gateway = served({
  tenants: [{
    id: "shop",
    apiKey,
    policyTemplate: "financial",
    policyConfig: { businessHoursOnly: false },
    burst: 1000
  }],
  tools: { "bank/pay": ({ amount }) => Effect.succeed({ paid: amount }) }
}).pipe(Layer.provideMerge(timeMachine))

// oxlint-disable-next-line no-control-regex
const escapes = /\x1b/

const vargate = Effect.fnUntraced(function*(args: ReadonlyArray<string>, stdin = "") {
  const { env } = yield* Served
  const result = yield* runProcess(args, { env, stdin })
  assert.notInclude(result.out + result.err, apiKey)
  assert.notMatch(result.out + result.err, escapes)
  return result
})

/** Ends as expected, says nothing on stderr, and prints what the schema decodes. */
const json = Effect.fnUntraced(function*<A>(
  schema: Schema.Codec<A, unknown>,
  args: ReadonlyArray<string>,
  { code: expected = 0, stdin = "" }: { readonly code?: number; readonly stdin?: string } = {}
) {
  const { code, err, out } = yield* vargate([...args, "--json"], stdin)
  assert.deepStrictEqual([code, err], [expected, ""])
  return decodeLines(schema, out)
})

const both = { concurrency: 2 } as const

const pay = (amount: number) => ["call", "bank", "pay", "-p", JSON.stringify({ amount })]

const hold = Effect.map(json(Output.CallResult, pay(1500), { code: 4 }), ([held]) => held!.actionId)

const records = Ledger.use((ledger) => ledger.records("shop"))

/** A port of this machine at which nobody listens. */
const closedPort = Effect.promise(() =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
)

/** A shell's pipeline, and how its first command ended. */
const pipeline = Effect.fnUntraced(function*(args: ReadonlyArray<string>, reader: string) {
  const { env } = yield* Served
  const script = `"$0" "$@" | ${reader}; echo "ended with \${PIPESTATUS[0]}"`
  return yield* Effect.promise(() =>
    new Promise<{ readonly out: string; readonly err: string }>((resolve) =>
      execFile(
        "bash",
        ["-c", script, process.execPath, ...nodeArguments(args)],
        { env: environment(env) },
        (_, out, err) => resolve({ out, err })
      )
    )
  )
})

layer(gateway, { excludeTestServices: true, timeout: 60_000 })("the command line as a process", (it) => {
  it.effect("call", () =>
    Effect.gen(function*() {
      const [[allowed], denied] = yield* Effect.all([
        json(Output.CallResult, ["call", "bank", "pay", "-p", "-"], { stdin: "{\"amount\": 50}" }),
        vargate(pay(9000))
      ], both)
      assert.deepInclude({ ...allowed }, { _tag: "Allowed" })
      assert.match(
        denied.out,
        /^✗ denied by policy; not executed\nAction +[0-9a-f-]{36}\nViolations +transaction_exc/
      )
      assert.deepStrictEqual([denied.code, denied.err], [3, ""])
      assert.deepStrictEqual((yield* records).map(({ decision }) => decision).sort(), ["allow", "deny"])
    }))

  it.effect("call --wait, interrupted by Ctrl-C", () =>
    Effect.gen(function*() {
      const { env } = yield* Served
      const process = yield* startProcess([...pay(1500), "--wait"], { env })
      yield* untilSaid(process, /Waiting for a decision/)
      yield* process.interrupt
      const { code, err, out } = yield* process.end
      const { actionId } = (yield* records).at(-1)!
      assert.include(err, `effect-vargate approvals show ${actionId} --wait`)
      assert.deepStrictEqual([code, out], [130, ""])
    }))

  it.effect("status", () =>
    Effect.gen(function*() {
      const [human, [status]] = yield* Effect.all([vargate(["status"]), json(Output.Status, ["status"])], both)
      assert.match(human.out, /^Gateway +http:\/\/127\.0\.0\.1:\d+ +ok [^]*^Tenant +shop[^]*^Chain +valid/m)
      assert.deepStrictEqual([human.code, human.err, status?.tenantId], [0, "", "shop"])
    }))

  it.effect("doctor", () =>
    Effect.gen(function*() {
      const checks = yield* json(Output.Check, ["doctor"])
      assert.deepStrictEqual(checks.map(({ check, outcome }) => [check, outcome]), [
        ["connection", "ok"],
        ["gateway", "ok"],
        ["key", "ok"],
        ["separation", "warning"],
        ["failure mode", "ok"],
        ["chain", "ok"],
        ["allowed call", "ok"],
        ["forbidden call", "ok"],
        ["record", "ok"],
        ["clock", "ok"]
      ])
    }))

  it.effect("approvals", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([hold, hold], both)
      const [list, shown] = yield* Effect.all([
        json(Output.Pending, ["approvals", "list"]),
        vargate(["approvals", "show", one])
      ], both)
      assert.includeMembers(list.map(({ actionId }) => actionId), [one, two])
      assert.match(shown.out, /^! pending: a reviewer must decide\nAction +bank\/pay/)
      assert.deepStrictEqual([shown.code, shown.err], [4, ""])
      const [[approved], rejected] = yield* Effect.all([
        json(Output.Outcome, ["approvals", "approve", one.slice(0, 8), "--note", "fine"]),
        vargate(["approvals", "reject", two])
      ], both)
      assert.deepInclude({ ...approved }, { _tag: "Approved", actionId: one, note: "fine" })
      assert.match(rejected.out, /^✗ rejected by a reviewer/)
      assert.deepStrictEqual([rejected.code, rejected.err], [0, ""])
    }))

  it.effect("approvals watch", () =>
    Effect.gen(function*() {
      const { env } = yield* Served
      const process = yield* startProcess(["approvals", "watch", "--json", "--every", "100ms"], { env })
      const actionId = yield* hold
      yield* untilSaid(process, new RegExp(actionId))
      yield* process.interrupt
      const { code, err, out } = yield* process.end
      assert.strictEqual(decodeLines(Output.Pending, out).filter((action) => action.actionId === actionId).length, 1)
      assert.deepStrictEqual([code, err], [130, ""])
    }))

  it.effect("audit", () =>
    Effect.gen(function*() {
      const [human, found, [record]] = yield* Effect.all([
        vargate(["audit", "-l", "3"]),
        json(Output.Record, ["audit", "--decision", "deny", "-l", "100"]),
        json(Output.Record, ["audit", "show", "1"])
      ], both)
      assert.match(human.out, /^ *ID +UTC +DECISION +AGENT +ACTION/)
      assert.deepStrictEqual([human.code, human.err, human.out.trimEnd().split("\n").length], [0, "", 4])
      assert.isTrue(found.length > 1 && found.every(({ decision }) => decision === "deny"))
      assert.strictEqual(record?.id, 1)
    }))

  it.effect("audit --follow", () =>
    Effect.gen(function*() {
      const { env } = yield* Served
      const process = yield* startProcess(["audit", "--follow", "-l", "1", "--json", "--every", "100ms"], { env })
      yield* untilSaid(process, /\n/)
      yield* vargate(pay(7))
      yield* untilSaid(process, /"amount":7/)
      yield* process.interrupt
      const { code, err, out } = yield* process.end
      assert.deepStrictEqual([code, err, decodeLines(Output.Record, out).length], [130, "", 2])
    }))

  it.effect("verify", () =>
    Effect.gen(function*() {
      const kept = join(yield* folder, "kept.json")
      const [theirs, ours] = yield* json(Output.Verdict, ["verify", "--checkpoint", kept])
      assert.isTrue(theirs?._tag === "Gateway" && theirs.status.valid)
      assert.isTrue(ours?._tag === "Independent" && ours.report.valid && ours.isKept)
      const human = yield* vargate(["verify", "--checkpoint", kept])
      assert.match(human.out, /^Gateway says +✓ valid[^]*^Recomputed +✓ valid[^]*compared with 1/m)
      assert.deepStrictEqual([human.code, human.err], [0, ""])
    }))

  it.effect("replay", () =>
    Effect.gen(function*() {
      const [one] = yield* records
      const [[replayed], drift] = yield* Effect.all([
        json(Output.Replayed, ["replay", one!.actionId]),
        vargate(["replay", "--last", "100"])
      ], both)
      assert.strictEqual(replayed?.verdict, "same")
      assert.match(drift.out, /^✓ no drift: \d+ the same\nleft out/)
      assert.deepStrictEqual([drift.code, drift.err], [0, ""])
    }))

  it.effect("settings", () =>
    Effect.gen(function*() {
      const [settings] = yield* json(Output.Settings, ["settings", "get"])
      assert.deepInclude(settings?.policy, { template: "financial" })
      const wished = JSON.stringify({ name: "The shop" })
      const planned = yield* vargate(["settings", "plan", "-"], wished)
      assert.match(planned.out, /^1 change\n {2}name {2}shop -> The shop\n$/)
      assert.deepStrictEqual([planned.code, planned.err], [0, ""])
      const [applied] = yield* json(Output.Applied, ["settings", "apply", "-"], { stdin: wished })
      assert.deepStrictEqual(applied?.confirmed, ["name"])
    }))

  it.effect("credentials", () =>
    Effect.gen(function*() {
      const registered = yield* vargate(["credentials", "register", "bank", "api_key"], "s3cret\n")
      assert.deepStrictEqual([registered.code, registered.err], [0, ""])
      assert.notInclude(registered.out, "s3cret")
      yield* vargate(pay(3))
      const [[entry], [use]] = yield* Effect.all([
        json(Output.CredentialEntry, ["credentials", "list"]),
        json(Output.CredentialUse, ["credentials", "log"])
      ], both)
      assert.deepInclude({ ...entry }, { toolId: "bank", name: "api_key" })
      assert.deepInclude({ ...use }, { toolId: "bank", name: "api_key" })
      const [removed] = yield* json(Output.CredentialChanged, ["credentials", "remove", "bank", "api_key"])
      assert.deepInclude({ ...removed }, { change: "removed" })
    }))

  it.effect("session", () =>
    Effect.gen(function*() {
      const tokenFile = join(yield* folder, "token")
      const [[session], tenants] = yield* Effect.all([
        json(Output.SessionOpened, ["session", "--token-file", tokenFile]),
        vargate(["session", "tenants"])
      ], both)
      assert.deepInclude({ ...session }, { tenantId: "shop", tokenFile })
      assert.strictEqual(statSync(tokenFile).mode & 0o777, 0o600)
      assert.match(tenants.out, /✓ +shop/)
      assert.deepStrictEqual([tenants.code, tenants.err], [0, ""])
    }))

  it.effect("proof, and evidence", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "evidence.json")
      const early = yield* vargate(["proof", "1"])
      assert.deepStrictEqual([early.code, early.out], [8, ""])
      yield* TimeMachine.use(({ jump }) => jump("61 minutes"))
      const [[proof], [exported]] = yield* Effect.all([
        json(Output.Proof, ["proof", "1"]),
        json(Output.Exported, ["evidence", "export", path])
      ], both)
      assert.isTrue(proof?.inclusion.valid)
      assert.deepStrictEqual(exported, { path, bytes: statSync(path).size })
      const [[verdict], human] = yield* Effect.all([
        json(Output.EvidenceVerdict, ["evidence", "verify", path]),
        vargate(["evidence", "verify", path])
      ], both)
      assert.isTrue(verdict?.report.valid)
      assert.match(human.out, /^✓ holds/)
      assert.deepStrictEqual([human.code, human.err], [0, ""])
    }))

  it.effect("init", () =>
    Effect.gen(function*() {
      const HOME = yield* folder
      const { url } = yield* Served
      const env = { HOME }
      const result = yield* runProcess(["init", "--url", url], { env, stdin: `${apiKey}\n` })
      assert.deepStrictEqual([result.code, result.err], [0, ""])
      assert.notInclude(result.out, apiKey)
      const path = join(HOME, ".vargate", "config.json")
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")), { api_url: url, api_key: apiKey })
      assert.deepStrictEqual([path, join(HOME, ".vargate")].map((place) => statSync(place).mode & 0o777), [
        0o600,
        0o700
      ])
      const status = yield* runProcess(["status", "--json"], { env })
      assert.deepStrictEqual([status.code, status.err], [0, ""])
      assert.strictEqual(decodeLines(Output.Status, status.out)[0]?.keyFrom, "file")
    }))

  it.effect("errors are on stderr, as lines or as objects, without a stack", () =>
    Effect.gen(function*() {
      const env = { VARGATE_URL: `http://127.0.0.1:${yield* closedPort}`, VARGATE_API_KEY: apiKey }
      const [human, object, wrong, helped] = yield* Effect.all([
        runProcess(["status"], { env }),
        runProcess([...pay(1), "--json"], { env }),
        runProcess(["audit", "--limt", "3"]),
        runProcess(["--help"])
      ], both)
      assert.match(human.err, /^error: The gateway cannot be reached; nothing was sent \(.*\n$/)
      assert.deepStrictEqual([human.code, human.out], [5, ""])
      assert.deepInclude(decodeLines(Output.Failure, object.err)[0], { error: "Unreachable", sideEffect: "none" })
      assert.deepStrictEqual([object.code, object.out], [5, ""])
      assert.match(wrong.err, /^error: Unrecognized flag: --limt.*\nusage: effect-vargate audit/)
      assert.deepStrictEqual([wrong.code, wrong.out], [2, ""])
      assert.match(helped.out, /^DESCRIPTION/)
      assert.deepStrictEqual([helped.code, helped.err], [0, ""])
    }))

  it.effect("ends quietly when nobody reads on", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* pipeline(["audit", "--json"], "true"), { out: "ended with 141\n", err: "" })
      const one = yield* pipeline(["audit"], "head -n 1")
      assert.match(one.out, /^ *ID +UTC.*\nended with (0|141)\n$/)
      assert.strictEqual(one.err, "")
    }))

  it.effect("has colours only where that is wished", () =>
    Effect.gen(function*() {
      const { env } = yield* Served
      const [colored, plain] = yield* Effect.all([
        runProcess(["audit", "-l", "1"], { env: { ...env, FORCE_COLOR: "1" } }),
        runProcess(["audit", "-l", "1"], { env: { ...env, FORCE_COLOR: "1", NO_COLOR: "1" } })
      ], both)
      assert.match(colored.out, escapes)
      assert.notMatch(plain.out, escapes)
    }))
})
