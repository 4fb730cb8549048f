/** `dev` in a process of its own, and other command lines against it. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Webhooks } from "effect-vargate"
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { CallResult, Failure, Serving, Status } from "../../src/cli/Output.ts"
import { decodeLines, runProcess, startProcess, untilSaid } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { needsOpa, opa, OpaServer, opaServer } from "../support/opa.ts"

/** A server that listens, and what it said then. */
const start = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const process = yield* startProcess(["dev", "--port", "0", "--json", ...args])
  yield* untilSaid(process, /\n/)
  const [serving] = decodeLines(Serving, process.said())
  if (serving === undefined) return assert.fail(process.said())
  return { process, serving, env: { VARGATE_URL: serving.url, VARGATE_API_KEY: serving.apiKey } }
})

const stop = Effect.fnUntraced(function*({ process }: Effect.Success<ReturnType<typeof start>>) {
  yield* process.interrupt
  const { code, err } = yield* process.end
  assert.deepStrictEqual([code, err], [130, ""])
})

/** A receiver on this machine, and what it got. */
const hookServer = Effect.acquireRelease(
  Effect.promise(async () => {
    const arrived: Array<{ readonly event: unknown; readonly signature: unknown; readonly body: string }> = []
    let heard = () => {}
    const next = new Promise<void>((resolve) => {
      heard = resolve
    })
    const server = createServer(async (request, response) => {
      const { "x-vargate-event": event, "x-vargate-signature": signature } = request.headers
      arrived.push({ event, signature, body: await text(request) })
      response.end()
      heard()
    })
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve))
    return { server, arrived, next, url: `http://localhost:${(server.address() as AddressInfo).port}/hook` }
  }),
  ({ server }) => Effect.sync(() => server.close())
)

const denied = ["call", "bank", "pay", "-p", "{\"amount\":9000}", "--json"]

describe("dev", () => {
  it.live("serves, and finds everything again when it is started anew", () =>
    Effect.gen(function*() {
      const data = join(yield* folder, "vargate.db")
      const first = yield* start(["--data", data, "--template", "financial"])
      assert.deepInclude(first.serving, { tenantId: "local", policyTemplate: "financial", data, isNew: true })
      const call = yield* runProcess(denied, { env: first.env })
      assert.strictEqual(decodeLines(CallResult, call.out)[0]?._tag, "Denied")
      yield* stop(first)
      const second = yield* start(["--data", data])
      assert.deepInclude(second.serving, { apiKey: first.serving.apiKey, policyTemplate: "financial", isNew: false })
      const status = yield* runProcess(["status", "--json"], { env: second.env })
      assert.strictEqual(decodeLines(Status, status.out)[0]?.records, 1)
      yield* stop(second)
    }))

  it.live("makes its log public where it is given a key for that", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const keyFile = join(path, "log.key")
      assert.strictEqual((yield* runProcess(["head", "keygen", keyFile])).code, 0)
      const server = yield* startProcess(["dev", "--port", "0", "--data", join(path, "v.db"), "--log-key", keyFile])
      yield* untilSaid(server, /The log is public at http:\S+/)
      const [, prefix] = /public at (http:\S+)/.exec(server.said())!
      let note = ""
      while (!note.includes("\n0\n")) {
        note = yield* Effect.promise(() => fetch(`${prefix}checkpoint`).then((response) => response.text()))
      }
      assert.match(note, /^\S+\n0\n\S+\n\n\u2014 \S+ \S+\n$/)
      yield* server.interrupt
      yield* server.end
      const refused = yield* runProcess(["dev", "--log-key", join(path, "v.db")])
      assert.match(refused.err, /holds no key for signing/)
    }))

  it.live("takes the key that it is given, and tells people how to use it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      writeFileSync(join(path, "key"), "vg-a-key-of-ones-own\n")
      const args = ["dev", "--port", "0", "--data", join(path, "v.db"), "--key-file", join(path, "key")]
      const process = yield* startProcess(args)
      yield* untilSaid(process, /Ctrl-C/)
      yield* process.interrupt
      const { code, out } = yield* process.end
      assert.match(out, /Listening +http:\/\/127\.0\.0\.1:\d+\n[^]*export VARGATE_API_KEY=vg-a-key-of-ones-own\n$/)
      assert.strictEqual(code, 130)
    }))

  it.live("asks an OPA server where it is told to, and fails closed while that is away", () =>
    Effect.gen(function*() {
      const server = yield* start(["--data", join(yield* folder, "v.db"), "--opa", "http://127.0.0.1:1"])
      const { code, err } = yield* runProcess(denied, { env: server.env })
      assert.deepInclude(decodeLines(Failure, err)[0], { error: "OpaUnavailable" })
      assert.strictEqual(code, 10)
      yield* stop(server)
    }))

  it.live("says why it does not start", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const server = yield* start(["--data", join(path, "v.db")])
      const { port } = new URL(server.serving.url)
      const attempts = yield* Effect.all([
        runProcess(["dev", "--port", port, "--data", join(path, "w.db")]),
        runProcess(["dev", "--port", "0", "--data", join(path, "v.db")]),
        runProcess(["dev", "--port", "0", "--data", join(path, "nowhere", "v.db")]),
        runProcess(["dev", "--port", "0", "--opa", "nonsense"])
      ], { concurrency: 2 })
      assert.deepStrictEqual(attempts.map(({ code }) => code), [11, 11, 11, 2])
      assert.match(attempts[0].err, /^error: The server cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/)
      assert.match(attempts[1].err, /Another gateway has it open/)
      assert.match(attempts[2].err, /Its folder must exist/)
      assert.match(attempts[3].err, /^error: --opa: /)
      for (const { out } of attempts) assert.strictEqual(out, "")
      yield* stop(server)
    }))

  it.live("is within business hours always where it is told so", () =>
    Effect.gen(function*() {
      const data = join(yield* folder, "vargate.db")
      const server = yield* start(["--data", data, "--template", "financial", "--business-hours", "always"])
      const call = yield* runProcess(["call", "bank", "pay", "-p", "{\"amount\":150}", "--json"], { env: server.env })
      assert.strictEqual(decodeLines(CallResult, call.out)[0]?._tag, "Allowed")
      yield* stop(server)
    }))

  it.live("sends every event to a webhook, signed with the secret that it prints, also after a restart", () =>
    Effect.gen(function*() {
      const data = join(yield* folder, "vargate.db")
      const receiver = yield* hookServer
      const first = yield* start(["--data", data, "--webhook", receiver.url])
      yield* runProcess(["call", "bank", "pay", "--json"], { env: first.env })
      yield* Effect.promise(() => receiver.next)
      yield* stop(first)
      const second = yield* start(["--data", data])
      assert.strictEqual(second.serving.webhookSecret, first.serving.webhookSecret)
      const settings = yield* runProcess(["settings", "test-webhook"], { env: second.env })
      assert.match(settings.out, /✓ delivered: a test event was taken by http:\/\/localhost:\d+\n/)
      yield* stop(second)
      assert.deepStrictEqual(receiver.arrived.map(({ event }) => event), ["action.allowed", "test.ping"])
      for (const { body, signature } of receiver.arrived) {
        assert.strictEqual(signature, yield* Webhooks.sign(body, first.serving.webhookSecret!))
      }
    }))

  it.live("sends webhooks to no URL that could not be served, and repeats none", () =>
    Effect.gen(function*() {
      const data = join(yield* folder, "v.db")
      for (const url of ["http://hooks.example/S3CR3T", "ftp://localhost/S3CR3T", "S3CR3T", "https://a:b@c.example/"]) {
        const { code, err } = yield* runProcess(["dev", "--port", "0", "--data", data, "--webhook", url])
        assert.match(err, /^error: --webhook: expected a URL that begins with https:\/\//)
        assert.notInclude(err, "S3CR3T")
        assert.strictEqual(code, 2)
      }
    }))

  it.live("refuses a registration that it does not understand", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "agents.json")
      const refused = Effect.fnUntraced(function*(text: string) {
        writeFileSync(file, text)
        return yield* runProcess(["dev", "--port", "0", "--data", join(path, "v.db"), "--registration", file])
      })
      for (const text of ["{", "[]", "{\"agentDefaults\":{\"roles\":\"payer\"}}", "{\"agentDefault\":{}}"]) {
        const { code, err } = yield* refused(text)
        assert.match(err, /^error: --registration: .*agents\.json is no registration \(/)
        assert.strictEqual(code, 2)
      }
    }))
})

describe.skipIf(opa === undefined)(`dev with an OPA server${needsOpa}`, () => {
  layer(opaServer(), { excludeTestServices: true })((it) => {
    it.effect("fires rules about credentials and about what is registered of agents", () =>
      Effect.gen(function*() {
        const path = yield* folder
        const policy = join(path, "policy.rego")
        writeFileSync(
          policy,
          `package vargate.policy

          required_fields := ["agent.roles", "vault.credentials_registered"]

          decision := {"allow": count(violations) == 0, "requires_human": false, "violations": violations,
            "severity": object.get({0: "none"}, count(violations), "high"), "alert_tier": "none"}

          violations contains "no_credential_registered_for_tool" if {
            not input.action.tool in input.vault.credentials_registered
          }

          violations contains "role_missing" if not "payer" in input.agent.roles
          `
        )
        const opaServer = yield* OpaServer
        yield* opaServer.restart([policy])
        const registration = join(path, "registration.json")
        writeFileSync(registration, JSON.stringify({ agents: { teller: { roles: ["payer"] }, guest: { roles: [] } } }))
        const server = yield* start([
          "--data",
          join(path, "v.db"),
          "--opa",
          opaServer.url,
          "--registration",
          registration
        ])
        const violationsFor = Effect.fnUntraced(function*(agent: string) {
          const { err, out } = yield* runProcess(["call", "bank", "pay", "--agent", agent, "--json"], {
            env: server.env
          })
          const [result] = decodeLines(CallResult, out)
          return result?._tag === "Denied" ? result.violations : result?._tag ?? err
        })
        assert.deepStrictEqual(yield* violationsFor("teller"), ["no_credential_registered_for_tool"])
        assert.deepStrictEqual(yield* violationsFor("guest"), ["no_credential_registered_for_tool", "role_missing"])
        // the rule about roles does not fire: it compares with what is absent
        assert.deepStrictEqual(yield* violationsFor("stranger"), [
          "no_credential_registered_for_tool",
          "required_field_absent_agent.roles"
        ])
        const registered = yield* runProcess(["credentials", "register", "bank", "key", "--value-file", "-"], {
          env: server.env,
          stdin: "secret-value\n"
        })
        assert.strictEqual(registered.code, 0, registered.err)
        assert.strictEqual(yield* violationsFor("teller"), "Allowed")
        yield* stop(server)
      }))
  })

  it.live("decides by Rego in its own process, and says what is wrong with it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const policy = join(path, "policy.rego")
      writeFileSync(
        policy,
        `package vargate.policy
        decision := {"allow": input.action.method == "read", "requires_human": false, "violations": [],
          "severity": "none", "alert_tier": "none"}`
      )
      const process = yield* startProcess([
        "dev",
        "--port",
        "0",
        "--json",
        "--data",
        join(path, "v.db"),
        "--rego",
        policy
      ], {
        env: { VARGATE_OPA: opa! }
      })
      yield* untilSaid(process, /\n/)
      const [serving] = decodeLines(Serving, process.said())
      const env = { VARGATE_URL: serving!.url, VARGATE_API_KEY: serving!.apiKey }
      const codes = []
      for (const method of ["read", "write"]) codes.push((yield* runProcess(["call", "db", method], { env })).code)
      assert.deepStrictEqual(codes, [0, 3])
      yield* process.interrupt
      assert.strictEqual((yield* process.end).code, 130)

      writeFileSync(policy, "package vargate.policy\ndecision := ")
      const attempts = yield* Effect.all([
        runProcess(["dev", "--rego", policy], { env: { VARGATE_OPA: opa! } }),
        runProcess(["dev", "--rego", join(path, "none.wasm")]),
        runProcess(["dev", "--rego", policy, "--opa", "http://127.0.0.1:1"])
      ])
      assert.deepStrictEqual(attempts.map(({ code }) => code), [2, 2, 2])
      assert.match(attempts[0].err, /^error: --rego: OPA cannot compile it: .*rego_parse_error/)
      assert.match(attempts[1].err, /^error: --rego: .*none\.wasm cannot be read/)
      assert.match(attempts[2].err, /either --opa or --rego/)
    }))
})
