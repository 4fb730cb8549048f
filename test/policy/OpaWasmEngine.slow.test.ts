/** The engine that evaluates a compiled policy, on policies that behave and on those that do not. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { Replay } from "../../src/audit/Replay.ts"
import * as ToolCalls from "../../src/calls/ToolCalls.ts"
import type { PolicyDecision, PolicyInput } from "../../src/gateway/policy/PolicyInput.ts"
import * as OpaWasmEngine from "../../src/policy/OpaWasmEngine.ts"
import * as RegoPolicy from "../../src/policy/RegoPolicy.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { document } from "../gateway/policy/policyDocument.ts"
import { needsOpa, opa, policies } from "../support/opa.ts"
import { folder, policyOf, regoFile } from "../support/rego.ts"

const allowed = `{"allow": true, "requires_human": false, "violations": [], "severity": "none", "alert_tier": "none"}`

const engineOf = (rego: string, options: Partial<OpaWasmEngine.Options> = {}) =>
  Effect.flatMap(policyOf(rego), (policy) => OpaWasmEngine.make({ policy, ...options }))

const ruling = (rego: string, input: PolicyInput = document("general")) =>
  Effect.flatMap(engineOf(rego), (engine) => engine.evaluate(input))

const decision = (rego: string, input?: PolicyInput) => Effect.map(ruling(rego, input), ({ decision }) => decision)

const detail = (rego: string, input?: PolicyInput) =>
  Effect.map(Effect.flip(ruling(rego, input)), (error) => {
    assert(error._tag === "PolicyUnavailable")
    return error.detail
  })

const program = fileURLToPath(new URL("../support/wasmProgram.ts", import.meta.url))

const refusal = <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>) =>
  Effect.map(Effect.flip(effect), ({ message }) => message)

const deniedBy = (...violations: ReadonlyArray<string>): PolicyDecision => ({
  allow: false,
  requires_human: false,
  violations,
  severity: "high",
  alert_tier: "soc_ticket"
})

/** Takes as many steps as the square of what a call asks for. */
const asLongAsAsked = `
decision := ${allowed} if count([1 |
  some a in numbers.range(1, object.get(input.action.params, "steps", 1))
  some b in numbers.range(1, object.get(input.action.params, "steps", 1))
  a * b == -1
]) == 0`

const endless = document("general", { params: { steps: 1_000_000 } })

describe.skipIf(opa === undefined)(`OpaWasmEngine${needsOpa}`, () => {
  it.effect("gives the policy's decision, with violations in order", () =>
    Effect.gen(function*() {
      const rego = `decision := {"allow": false, "requires_human": true, "violations": ["b", "a", "b"],
        "severity": "critical", "alert_tier": "soc_page"} if input.action.params.amount > 9
      else := ${allowed}`
      assert.deepStrictEqual(yield* decision(rego, document("general", { params: { amount: 10 } })), {
        ...deniedBy("a", "b"),
        severity: "critical",
        alert_tier: "soc_page"
      })
      assert.isTrue((yield* decision(rego, document("general", { params: { amount: 9 } }))).allow)
    }))

  it.effect("names the bundle's revision, or a hash that is the same wherever the Rego is", () =>
    Effect.gen(function*() {
      const rego = `decision := ${allowed}`
      const revisions = yield* Effect.all([ruling(rego), ruling(rego), ruling(`# another\n${rego} if 1 == 1`)])
      assert.match(revisions[0].revision, /^wasm-[0-9a-f]{16}$/)
      assert.strictEqual(revisions[0].revision, revisions[1].revision)
      assert.notStrictEqual(revisions[0].revision, revisions[2].revision)

      const path = join(yield* folder, "bundle.tar.gz")
      const args = [
        "build",
        "--target",
        "wasm",
        "--revision",
        "r7",
        "--entrypoint",
        RegoPolicy.decisionRule,
        "--output"
      ]
      execFileSync(opa!, [...args, path, yield* regoFile(rego)])
      const engine = yield* OpaWasmEngine.make({ policy: yield* RegoPolicy.open(path) })
      assert.strictEqual((yield* engine.evaluate(document("general"))).revision, "r7")
    }))

  it.effect("has the data of a policy", () =>
    Effect.gen(function*() {
      const { module, size } = yield* policyOf(`decision := data.kept`)
      const kept = deniedBy("from_data")
      const engine = yield* OpaWasmEngine.make({
        policy: { module, size, data: JSON.stringify({ kept }), revision: "r1" }
      })
      assert.deepStrictEqual(yield* engine.evaluate(document("general")), { decision: kept, revision: "r1" })
    }))

  it.effect("denies what lacks a required field, also where the decision is undefined", () =>
    Effect.gen(function*() {
      const required = `required_fields := ["agent.id", "agent.roles"]`
      const absent = deniedBy("required_field_absent_agent.roles")
      assert.deepStrictEqual(yield* decision(`${required}\ndecision := ${allowed}`), absent)
      assert.deepStrictEqual(
        yield* decision(`${required}\ndecision := ${allowed} if input.agent.roles[_] == "a"`),
        absent
      )
      const unreadable = `required_fields := "agent.roles"\ndecision := ${allowed}`
      assert.deepStrictEqual(yield* decision(unreadable), deniedBy("policy_required_fields_unreadable"))
    }))

  it.effect("decides nothing where the policy is undefined, answers nonsense or fails", () =>
    Effect.gen(function*() {
      assert.match(yield* detail(`decision := ${allowed} if input.action.method == "other"`), /is undefined/)
      assert.match(yield* detail(`decision := "yes" if input.agent.id`), /is no decision/)
      const contradiction = `decision := ${allowed} if input.agent.id == "a"\ndecision := {} if input.agent.type`
      assert.match(yield* detail(contradiction), /^the policy failed: .*conflict/)
    }))

  it.effect("denies by an object that is no decision", () =>
    Effect.gen(function*() {
      const unreadable = deniedBy("policy_decision_unreadable")
      assert.deepStrictEqual(yield* decision(`decision := {"allow": input.agent.id}`), unreadable)
    }))

  it.effect("decides after a failure as if nothing had happened", () =>
    Effect.gen(function*() {
      const engine = yield* engineOf(`
        decision := ${allowed} if input.action.method == "create"
        decision := {} if input.action.params.fail`)
      for (const fail of [false, true, true, false]) {
        const exit = yield* Effect.exit(engine.evaluate(document("general", { params: { fail } })))
        assert.strictEqual(exit._tag, fail ? "Failure" : "Success")
      }
    }))

  it.effect("ends an evaluation that does not end, and decides the next call", () =>
    Effect.gen(function*() {
      const engine = yield* engineOf(asLongAsAsked, { timeout: "2 seconds" })
      const fiber = yield* Effect.forkChild(Effect.flip(engine.evaluate(endless)), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.match((yield* Fiber.join(fiber)).detail, /^no decision within 2s; /)
      assert.isTrue((yield* engine.evaluate(document("general"))).decision.allow)
    }))

  it.effect("decides other calls in other threads meanwhile, and lets none wait longer than its time", () =>
    Effect.gen(function*() {
      const engine = yield* engineOf(asLongAsAsked, { threads: 2 })
      const hang = Effect.forkChild(Effect.flip(engine.evaluate(endless)), { startImmediately: true })
      const first = yield* hang
      assert.isTrue((yield* engine.evaluate(document("general"))).decision.allow)
      const second = yield* hang
      const third = yield* hang
      yield* TestClock.adjust("3 seconds")
      for (const fiber of [first, second, third]) {
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "PolicyUnavailable")
      }
    }))

  it.effect("decides over a document that is nested as deep as JavaScript writes", () =>
    Effect.gen(function*() {
      const params = { deep: JSON.parse(`${"[".repeat(2000)}${"]".repeat(2000)}`) }
      const engine = yield* engineOf(`decision := ${allowed} if count([1 | walk(input.action.params)]) > 0`)
      assert.isTrue((yield* engine.evaluate(document("general", { params }))).decision.allow)
    }))

  it.effect("has threads that refuse a document nested deeper than their stack, and go on", () =>
    Effect.gen(function*() {
      const policy = yield* policyOf(`decision := ${allowed}`)
      const thread = new Worker(new URL("../../src/policy/internal/wasmThread.ts", import.meta.url), {
        workerData: { ...policy, maxPages: 1024 }
      })
      const next = Effect.callback<{ readonly _tag: string }>((resume) => {
        thread.once("message", (message) => resume(Effect.succeed(message)))
      })
      assert.strictEqual((yield* next)._tag, "Ready")
      const tags = []
      for (const depth of [1, 200_000, 1]) {
        const input = `${"[".repeat(depth)}${"]".repeat(depth)}`
        thread.postMessage({ entrypoint: RegoPolicy.decisionRule, input, now: 0n })
        tags.push((yield* next)._tag)
      }
      assert.deepStrictEqual(tags, ["Value", "Refused", "Value"])
      yield* Effect.promise(() => thread.terminate())
    }))

  it.effect("reads half a pair of UTF-16 as OPA does", () =>
    Effect.gen(function*() {
      const rego = `decision := ${allowed} if input.action.params.name == "a\\ufffdb"`
      assert.isTrue((yield* decision(rego, document("general", { params: { name: "a\ud800b" } }))).allow)
      const escaped = `decision := ${allowed} if input.action.params.name == "\\\\ud800"`
      assert.isTrue((yield* decision(escaped, document("general", { params: { name: "\\ud800" } }))).allow)
    }))

  it.effect("takes the time of the document for now", () =>
    Effect.gen(function*() {
      const rego = `decision := ${allowed} if {
        time.now_ns() == 1795435200000000000
        time.clock(time.now_ns()) == [12, 0, 0]
        time.date(time.now_ns()) == [2026, 11, 23]
        time.weekday(time.now_ns()) == "Monday"
      }`
      assert.isTrue((yield* decision(rego)).allow)
    }))

  it.effect("says at the start what makes a policy unusable", () =>
    Effect.gen(function*() {
      const asking =
        `decision := ${allowed} if http.send({"method": "get", "url": "http://127.0.0.1:1"}).status_code == 200`
      assert.match(yield* refusal(engineOf(asking)), /functions that are not available here: http\.send/)
      const path = join(yield* folder, "bundle.tar.gz")
      const other = ["build", "--target", "wasm", "--entrypoint", "vargate/policy/other", "--output", path]
      execFileSync(opa!, [...other, yield* regoFile("other := 1")])
      const policy = yield* RegoPolicy.fromBundle(readFileSync(path))
      assert.match(yield* refusal(OpaWasmEngine.make({ policy })), /does not define data\.vargate\.policy\.decision/)
      for (
        const options of [{ threads: 0 }, { maxMemory: 0.5 }, { maxMemory: 5000 }, { timeout: "soon" as "1 second" }]
      ) {
        assert.match(yield* refusal(OpaWasmEngine.make({ policy, ...options })), new RegExp(Object.keys(options)[0]!))
      }
    }))

  it.effect("keeps to the memory that it may take", () =>
    Effect.gen(function*() {
      const rego =
        `decision := ${allowed} if count(concat("", [input.action.params.text | numbers.range(1, 1000)[_]])) > 0`
      const input = document("general", { params: { text: "x".repeat(100_000) } })
      const small = yield* engineOf(rego, { maxMemory: 16 })
      assert.match((yield* Effect.flip(small.evaluate(input))).detail, /^the policy failed: /)
      assert.isTrue((yield* small.evaluate(document("general", { params: { text: "x" } }))).decision.allow)
    }))

  it.effect("refuses Rego that OPA refuses, in OPA's words", () =>
    Effect.gen(function*() {
      assert.match(yield* refusal(policyOf("decision := input.")), /OPA cannot compile it: .*rego_parse_error/)
      assert.match(yield* refusal(policyOf("other := 1")), /OPA cannot compile it: /)
    }))
})

describe.skipIf(opa === undefined)(`a gateway on a compiled policy${needsOpa}`, () => {
  const gateway = Layer.unwrap(
    Effect.map(RegoPolicy.open(policies, { opa }), (policy) =>
      GatewayMemory.layer({
        tenants: [{ id: "shop", apiKey: "shop-key", policyTemplate: "financial" }],
        policy: Layer.orDie(OpaWasmEngine.layer({ policy }))
      }))
  )
  const pay = (amount: number) => ({ tool: "stripe", method: "charge", params: { amount }, isBusinessHours: true })

  it.effect("allows, holds, denies and replays as the policy says", () =>
    Effect.gen(function*() {
      const outcomes = []
      for (const amount of [50, 2000, 9000]) {
        const { _tag, actionId } = yield* ToolCalls.decide(pay(amount))
        const { consistent } = yield* Replay.use((replays) => replays.replay(actionId))
        outcomes.push([_tag, consistent])
      }
      // A pending action never matches its replay, which is an allowance.
      assert.deepStrictEqual(outcomes, [["Allowed", true], ["PendingApproval", false], ["Denied", true]])
    }).pipe(Effect.provide(gateway)))

  it.effect("answers that there is no policy engine while its policy does not end", () =>
    Effect.gen(function*() {
      const policy = yield* policyOf(asLongAsAsked)
      const gateway = GatewayMemory.layer({ policy: Layer.orDie(OpaWasmEngine.layer({ policy })) })
      yield* Effect.gen(function*() {
        const call = { tool: "t", method: "m", params: { steps: 1_000_000 } }
        const fiber = yield* Effect.forkChild(Effect.flip(ToolCalls.decide(call)), { startImmediately: true })
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "OpaUnavailable")
        assert.strictEqual((yield* ToolCalls.decide({ tool: "t", method: "m" }))._tag, "Allowed")
      }).pipe(Effect.provide(gateway))
    }))
})

describe("a machine without the SDK", () => {
  it.skipIf(opa === undefined)(`is told what to install${needsOpa}`, () => {
    const withoutSdk = `import { registerHooks } from "node:module"
      registerHooks({ resolve: (name, context, next) => {
        if (name.includes("opa-wasm")) throw new Error("no such package")
        return next(name, context)
      } })`
    const hooks = `data:text/javascript,${encodeURIComponent(withoutSdk)}`
    const args = ["--conditions=effect-vargate-source", "--import", hooks, program]
    const output = execFileSync(process.execPath, args, { encoding: "utf8", env: { ...process.env, OPA: opa } })
    assert.match(output, /opa-wasm is not installed here: npm install @open-policy-agent\/opa-wasm/)
  })
})

describe("RegoPolicy", () => {
  it.effect("says what a file is not", () =>
    Effect.gen(function*() {
      assert.match(yield* refusal(RegoPolicy.open("no/such/path")), /no\/such\/path cannot be read/)
      assert.match(yield* refusal(RegoPolicy.fromWasm(new Uint8Array([1, 2, 3]))), /no WebAssembly module/)
      for (const bytes of [new Uint8Array(0), new Uint8Array(700).fill(65), new Uint8Array([0x1f, 0x8b, 1, 2, 3])]) {
        assert.match(yield* refusal(RegoPolicy.fromBundle(bytes)), /it is no bundle|it is damaged/)
      }
      assert.match(yield* refusal(RegoPolicy.fromBundle(new Uint8Array(1024))), /has no policy\.wasm/)
      const elsewhere = RegoPolicy.compile({ path: "examples/policies", opa: "no-such-opa" })
      assert.match(yield* refusal(elsewhere), /there is no OPA at no-such-opa/)
    }))
})
