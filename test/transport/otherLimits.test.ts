/** A 429 that is not the gateway's: HTML of a proxy, another JSON. What each reader of `RateLimited` makes of it. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Layer, Schedule, Schema } from "effect"
import {
  AuditLog,
  CallLimiter,
  Governed,
  Reconcile,
  RetryPolicy,
  System,
  ToolCalls,
  VargateError
} from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as PublicError from "effect-vargate/http/PublicError"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import * as McpDoor from "effect-vargate/mcp/McpDoor"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { LanguageModel, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { CallResult, Failure } from "../../src/cli/Output.ts"
import { decodeLines, run as runCommand } from "../support/cli.ts"
import { scripted as scriptedChannel } from "../support/mcp.ts"
import { scripted } from "../support/operations.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const { json, text } = ScriptedTransport
const html = "<html><center><h1>429 Too Many Requests</h1></center><hr><center>nginx</center></html>"

const others = {
  "HTML": (headers = {}) => text(429, html, { "content-type": "text/html", ...headers }),
  "HTML in pieces that are too large to be read": () =>
    text(429, html.padEnd(300 * 1024, " "), { "content-type": "text/html" }),
  "another JSON": () => json(429, { message: "API rate limit exceeded" }),
  "a text of no gateway": () => json(429, { detail: "Too many" }),
  "another error under detail": () => json(429, { detail: { error: "quota" } }),
  "a list": () => json(429, []),
  "nothing": () => text(429, "")
}

const owns = {
  "the tenant's limit": () => json(429, { detail: { error: "rate_limit_exceeded", rate_limit_burst: 5 } }),
  "the tenant's limit, bare": () => json(429, { error: "rate_limit_exceeded", rate_limit_burst: 5 }),
  "a text of the gateway": () => json(429, { detail: "Too many requests: slow down" })
}

const proxy = others.HTML
const allowed = json(200, { status: "allowed", action_id: "a-1" })
const healthy = json(200, { status: "ok" })

const call = ToolCalls.call({ tool: "t", method: "m", allowDuplicate: true })
const requests = ScriptedTransport.ScriptedTransport.use(({ requests }) => requests)
const sent = Effect.map(requests, ({ length }) => length)

const limitOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, VargateError.RateLimited)
    return error as unknown as VargateError.RateLimited
  })

/** Lets an effect have all the time that it wants. */
const patiently = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(effect), { startImmediately: true })
    yield* TestClock.adjust("3 hours")
    return yield* yield* Fiber.join(fiber)
  })

describe("a 429 names its source", () => {
  it.effect.each(Object.entries(others))("another server: %s", ([, step]) =>
    Effect.gen(function*() {
      const error = yield* limitOf(call)
      assert.strictEqual(error.source, "other")
      assert.deepStrictEqual([error.sideEffect, error.isRetryable], ["none", false])
      assert.strictEqual(Duration.toMillis(error.retryAfter), 1000)
      assert.match(error.message, /^A server before the gateway refused the request/)
      assert.notInclude(JSON.stringify(error), "nginx")
    }).pipe(Effect.provide(scripted([step()]))))

  it.effect.each(Object.entries(owns))("the gateway: %s", ([, step]) =>
    Effect.gen(function*() {
      const error = yield* limitOf(call)
      assert.deepStrictEqual([error.source, error.sideEffect, error.isRetryable], ["gateway", "none", true])
    }).pipe(Effect.provide(scripted([step()]))))

  it.effect.each(Object.entries(owns))(
    "the gateway, where no 429 is documented: %s",
    ([, step]) =>
      Effect.gen(function*() {
        const error = yield* limitOf(System.System.use(({ health }) => health))
        assert.deepStrictEqual([error.source, error.isRetryable], ["gateway", true])
      }).pipe(Effect.provide(scripted([step()])))
  )

  it.effect("where a read is answered, too, and where no 429 is documented", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* limitOf(System.System.use(({ health }) => health))).source, "other")
      assert.strictEqual((yield* limitOf(AuditLog.AuditLog.use((log) => log.verify))).source, "other")
      // A text under `detail` is what the gateway answers to every other route.
      const read = AuditLog.AuditLog.use((log) => log.page())
      assert.strictEqual((yield* limitOf(read)).source, "gateway")
    }).pipe(Effect.provide(scripted([proxy(), proxy(), json(429, { detail: "slow down" })]))))

  it.effect("at the gateway's MCP door, where a tool call is proved unsent by the gateway's words alone", () =>
    Effect.gen(function*() {
      const post = McpDoor.McpDoor.use((door) => door.call({ name: "post" }))
      assert.strictEqual((yield* limitOf(post)).source, "other")
      assert.strictEqual((yield* limitOf(post)).source, "other")
      assert.strictEqual((yield* limitOf(post)).source, "gateway")
    }).pipe(Effect.provide(scripted([
      proxy(),
      json(429, { detail: "slow down" }),
      json(429, { detail: "Too many requests: this address has 256 requests under way" })
    ]))))

  it.effect("also where an error was kept before errors had one", () =>
    Effect.gen(function*() {
      const codec = Schema.toCodecJson(VargateError.RateLimited)
      const kept = yield* Schema.encodeEffect(codec)(new VargateError.RateLimited({ retryAfter: Duration.seconds(2) }))
      const { source: _, ...before } = kept as Record<string, unknown>
      const error = yield* Schema.decodeUnknownEffect(codec)(before)
      assert.strictEqual(error.source, "gateway")
      const other = new VargateError.RateLimited({ source: "other", retryAfter: Duration.seconds(2) })
      const again = yield* Schema.decodeUnknownEffect(codec)(yield* Schema.encodeEffect(codec)(other))
      assert.deepStrictEqual([again.source, again.isRetryable], ["other", false])
    }))
})

describe("Retry-After of another server", () => {
  it.effect.each<readonly [header: string, seconds: number]>([
    ["2", 2],
    ["3600", 3600],
    ["0", 1],
    ["soon", 1],
    ["Thu, 01 Jan 1970 00:01:00 GMT", 60],
    ["9999999999", 9_999_999_999]
  ])("%s is %d seconds", ([header, seconds]) =>
    Effect.gen(function*() {
      for (const _ of [1, 2]) {
        const { retryAfter } = yield* limitOf(call)
        assert.strictEqual(Duration.toSeconds(retryAfter), seconds)
      }
    }).pipe(Effect.provide(scripted([
      proxy({ "retry-after": header }),
      json(429, { detail: { error: "rate_limit_exceeded" } }, { "retry-after": header })
    ]))))

  it.effect("silences the limiter no longer than a call waits, and teaches it no burst", () =>
    Effect.gen(function*() {
      yield* limitOf(call)
      const from = yield* Clock.currentTimeMillis
      const next = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* sent, 1)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(next)
      assert.strictEqual((yield* Clock.currentTimeMillis) - from, 10_000)
      // Nothing but a burst would space these out.
      yield* Effect.all(Array.from({ length: 30 }, () => call), { concurrency: 30 })
      assert.strictEqual(yield* sent, 32)
    }).pipe(Effect.provide(Layer.merge(
      scripted([proxy({ "retry-after": "9999999999" }), ...Array.from({ length: 40 }, () => allowed)]),
      CallLimiter.layerMemory({ maxWait: "10 seconds" })
    ))))
})

describe("a tool call that another server refused", () => {
  const other = () => scripted([proxy({ "retry-after": "2" }), allowed, allowed])
  const often = Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 5 }))

  it.effect.each<readonly [string, RetryPolicy.RetryPolicy]>([
    ["standard", RetryPolicy.standard],
    ["rateLimited", RetryPolicy.rateLimited],
    ["make", RetryPolicy.make(often)],
    ["something made of what was told more", RetryPolicy.make(RetryPolicy.make(often, { otherLimits: true }))]
  ])("is not sent again by %s", ([, policy]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* limitOf(patiently(Effect.retry(call, policy)))).source, "other")
      assert.strictEqual(yield* sent, 1)
    }).pipe(Effect.provide(other())))

  it.effect("is sent again by a policy that says so, after the silence", () =>
    Effect.gen(function*() {
      const policy = RetryPolicy.make(often, { otherLimits: true })
      const calling = yield* Effect.forkChild(Effect.retry(call, policy), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(yield* sent, 1)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(calling)
      assert.strictEqual(yield* sent, 2)
    }).pipe(Effect.provide(other())))

  it.effect("and by such a policy never after an answer that was lost", () =>
    Effect.gen(function*() {
      const policy = RetryPolicy.make(often, { otherLimits: true })
      const error = yield* Effect.flip(patiently(Effect.retry(call, policy)))
      assert.strictEqual(error._tag, "OutcomeUnknown")
      assert.strictEqual(yield* sent, 1)
    }).pipe(Effect.provide(scripted([ScriptedTransport.disconnect, allowed]))))

  const { allowDuplicate: _, ...request } = { tool: "t", method: "m", allowDuplicate: true }

  it.effect("is not sent again by Governed, and the action does not run", () =>
    Effect.gen(function*() {
      let runs = 0
      const governed = Governed.run(request, Effect.sync(() => ++runs))
      assert.strictEqual((yield* limitOf(patiently(governed))).source, "other")
      assert.deepStrictEqual([runs, yield* sent], [0, 1])
    }).pipe(Effect.provide(other())))

  it.effect("nor by Governed with any schedule, but by one that was made to", () =>
    Effect.gen(function*() {
      const governed = (retry: RetryPolicy.RetryPolicy) => Governed.run({ ...request, retry }, Effect.succeed("done"))
      yield* limitOf(patiently(governed(often)))
      assert.strictEqual(yield* sent, 1)
      const done = yield* patiently(governed(RetryPolicy.make(often, { otherLimits: true })))
      assert.deepInclude(done, { executedBy: "agent", result: "done" })
      assert.strictEqual(yield* sent, 3)
    }).pipe(Effect.provide(scripted([proxy(), proxy(), allowed]))))

  const Pay = (retry?: RetryPolicy.RetryPolicy) =>
    GovernedWorkflow.make({
      name: "Pay",
      tool: "t",
      method: "m",
      params: Schema.Struct({}),
      success: Schema.String,
      retry,
      run: () => Effect.succeed("paid")
    })

  const workflow = (retry?: RetryPolicy.RetryPolicy) => {
    const pay = Pay(retry)
    return patiently(pay.execute({ key: "k", params: {} })).pipe(
      Effect.provide(Layer.provideMerge(pay.layer, Engine.layerMemory()))
    )
  }

  it.effect("ends a workflow, unless that has a policy that says more", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* limitOf(workflow())).source, "other")
      assert.strictEqual(yield* sent, 1)
      const paid = yield* workflow(RetryPolicy.make(often, { otherLimits: true }))
      assert.deepInclude(paid, { executedBy: "agent", result: "paid" })
      assert.strictEqual(yield* sent, 3)
    }).pipe(Effect.provide(scripted([proxy(), proxy(), allowed]))))

  it.effect("is refused to a model, which is told not to try again, and the handler does not run", () => {
    const Tools = Toolkit.make(
      Tool.make("bank__pay", {
        parameters: Schema.Struct({}),
        success: Schema.Literal("paid"),
        failureMode: "return"
      })
    )
    let runs = 0
    const handlers = Tools.toLayer({ bank__pay: () => Effect.sync(() => (runs++, "paid" as const)) })
    const model = ScriptedModel.layer([[["a", "bank__pay", {}]], "well"])
    return Effect.gen(function*() {
      const toolkit = GovernedToolkit.govern(Tools)
      const { toolResults } = yield* patiently(LanguageModel.generateText({ prompt: "go", toolkit }))
      assert.match(JSON.stringify(toolResults), /execution-denied.*NOT PERFORMED: a server before the gateway/)
      assert.deepStrictEqual([runs, yield* sent], [0, 1])
    }).pipe(Effect.provide([handlers, model]), Effect.provide(other()))
  })

  it.effect("is refused to a client of the MCP proxy, and does not reach the server behind it", () =>
    Effect.gen(function*() {
      const client = yield* scriptedChannel
      const server = yield* scriptedChannel
      yield* Effect.forkChild(GovernedMcpProxy.run(client.channel, server.channel, { tool: "bank" }))
      yield* client.says({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "pay", arguments: {} } })
      const answer = JSON.stringify(yield* client.hears((message) => message["id"] === 1))
      assert.match(answer, /NOT PERFORMED: a server before the gateway/)
      assert.lengthOf(server.sent, 0)
      assert.strictEqual(yield* sent, 1)
    }).pipe(Effect.provide(other())))

  it.effect("ends the command with 10, and is named in --json", () =>
    Effect.gen(function*() {
      const { code, err } = yield* patiently(runCommand(["call", "t", "m", "--retry", "--json"]))
      assert.strictEqual(code, 10)
      assert.deepInclude(decodeLines(Failure, err)[0], { error: "RateLimited", source: "other", sideEffect: "none" })
      assert.strictEqual(yield* sent, 1)
      const again = yield* runCommand(["call", "t", "m", "--json"])
      assert.strictEqual(decodeLines(CallResult, again.out)[0]?._tag, "Allowed")
    }).pipe(Effect.provide(other())))

  it.effect("is a 429 with its pause for clients of an HTTP service", () =>
    Effect.gen(function*() {
      const form = yield* Effect.flip(PublicError.expose(call))
      assert.deepInclude({ ...form }, { _tag: "ActionLimited", retryAfterSeconds: 2 })
    }).pipe(Effect.provide(other())))
})

describe("a read that another server refused", () => {
  const page = json(200, { records: [], count: 0, total: 0, offset: 0, tenant_id: "t" })

  it.effect("is repeated by the policy for reads, and not by that for calls", () =>
    Effect.gen(function*() {
      const health = System.System.use(({ health }) => health)
      yield* limitOf(patiently(Effect.retry(health, RetryPolicy.standard)))
      assert.strictEqual(yield* sent, 1)
      yield* patiently(Effect.retry(health, RetryPolicy.reads))
      assert.strictEqual(yield* sent, 3)
    }).pipe(Effect.provide(scripted([proxy(), proxy(), healthy]))))

  it.effect("does not end the search for a lost answer", () =>
    Effect.gen(function*() {
      const lost = yield* patiently(Effect.flip(Reconcile.reconcile({ wait: "1 minute" })(call)))
      assert(lost._tag === "OutcomeUnknown")
      // The log was read in the end: before, it could not be.
      assert.strictEqual(lost.evidence, "not recorded")
      const reads = (yield* requests).filter(({ method }) => method === "GET")
      assert.isAbove(reads.length, 2)
    }).pipe(Effect.provide(scripted((request, index) =>
      request.method === "POST"
        ? ScriptedTransport.disconnect
        : index < 3
        ? proxy()
        : page
    ))))

  it.effect("does not end the following of the log", () =>
    Effect.gen(function*() {
      const following = yield* Effect.forkChild(runCommand(["audit", "--follow"]), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(following.pollUnsafe())
      assert.isAbove(yield* sent, 5)
      yield* Fiber.interrupt(following)
    }).pipe(Effect.provide(scripted((_, index) => index === 2 ? proxy() : page))))
})
