import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, Metric, References, Schedule, Stream, type Tracer } from "effect"
import { AuditLog, ChainVerifier, Governed, Metrics, RetryPolicy, Reviews, ToolCalls } from "effect-vargate"
import * as NodeHasher from "effect-vargate/node/NodeHasher"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { operationNames, operations, request, scripted } from "../support/operations.ts"
import { recording } from "../support/recording.ts"
import { inProcess, Wiretap, type World } from "../support/worlds.ts"

const attributesOf = (spans: ReadonlyArray<Tracer.NativeSpan>, name: string) => {
  const span = spans.find((span) => span.name === name)
  assert(span !== undefined, `no span ${name} among ${spans.map(({ name }) => name).join(", ")}`)
  return Object.fromEntries(span.attributes)
}

const world = inProcess({
  tools: { "db/delete": () => Effect.succeed({ deleted: 1 }) },
  approvals: { poll: Schedule.spaced("2 seconds") }
})

const test = (title: string, effect: Effect.Effect<void, unknown, World>) =>
  it.effect(title, () => effect.pipe(Effect.provide(world), Effect.provideService(Metric.MetricRegistry, new Map())))

const held = { tool: "db", method: "drop" }

/** Decides the only action that waits, a little later. */
const decide = (decision: "approve" | "reject") =>
  Effect.gen(function*() {
    yield* TestClock.adjust("3 seconds")
    const { records } = yield* AuditLog.AuditLog.use((log) => log.page({ limit: 1 }))
    yield* Effect.asVoid(
      Effect.suspend(() => Reviews.Reviews.use((reviews) => reviews[decision](records[0]!.actionId)))
    )
    yield* TestClock.adjust("3 seconds")
  })

describe("spans", () => {
  it.effect.each(operationNames)("%s has a span of that name", (name) =>
    Effect.gen(function*() {
      const { layer, spans } = recording()
      yield* Effect.exit(operations[name]).pipe(
        Effect.provide(scripted(() => ScriptedTransport.json(404, { detail: "no" }), { timeout: "1 second" })),
        Effect.provide(layer)
      )
      assert.include(spans.map(({ name }) => name), name)
      assert.isTrue(spans.every(({ status }) => status._tag === "Ended"))
    }))

  test(
    "one trace leads from the agent over the decision and the wait to the deed",
    Effect.gen(function*() {
      const { layer, spans } = recording()
      const running = yield* Governed.run(held, Effect.succeed("dropped")).pipe(
        Effect.withSpan("agent"),
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* decide("approve")
      const { actionId } = yield* Fiber.join(running)
      const names = ["agent", "Governed.run", "ToolCalls.decide", "Approvals.await", "Governed.act"]
      const own = spans.filter(({ name }) => names.includes(name))
      assert.deepStrictEqual(own.map(({ name }) => name), names)
      assert.lengthOf(new Set(own.map(({ traceId }) => traceId)), 1)
      assert.deepInclude(attributesOf(spans, "ToolCalls.decide"), {
        "vargate.action_id": actionId,
        "vargate.agent_id": "effect-agent",
        "vargate.decision": "PendingApproval",
        "vargate.method": "drop",
        "vargate.tool": "db"
      })
      assert.deepStrictEqual(attributesOf(spans, "Approvals.await"), {
        "vargate.action_id": actionId,
        "vargate.approval.outcome": "Approved"
      })
      assert.deepStrictEqual(attributesOf(spans, "Governed.act"), { "vargate.action_id": actionId })
    })
  )

  it.effect("are not opened where only Effect's own tracer would see them", () =>
    Effect.gen(function*() {
      let seen: unknown = "nothing was sent"
      const client = scripted(() => ScriptedTransport.text(500, "no"), {
        transformClient: HttpClient.mapRequestEffect((request) =>
          Effect.map(Effect.option(Effect.currentSpan), ({ _tag }) => {
            seen = _tag
            return request
          })
        )
      })
      yield* Effect.exit(Effect.provide(operations["ToolCalls.call"], client))
      assert.strictEqual(seen, "None")
    }))
})

describe("trace context", () => {
  const names = ["ToolCalls.call", "System.health"] as const

  const sent = (options: { readonly propagateTrace?: boolean }, name: typeof names[number]) => {
    let headers: Record<string, string> = {}
    const client = scripted(() => ScriptedTransport.text(500, "no"), {
      ...options,
      transformClient: HttpClient.mapRequest((request) => {
        headers = request.headers
        return request
      })
    })
    return Effect.map(Effect.exit(Effect.provide(operations[name], client)), () => headers)
  }

  it.effect.each(names)("stays here by default: %s", (name) =>
    Effect.gen(function*() {
      const headers = yield* Effect.provide(sent({}, name), recording().layer)
      assert.property(headers, "x-api-key")
      assert.notProperty(headers, "traceparent")
      assert.notProperty(headers, "b3")
    }))

  it.effect.each(names)("goes along on demand: %s", (name) =>
    Effect.gen(function*() {
      const { layer, spans } = recording()
      const headers = yield* Effect.provide(sent({ propagateTrace: true }, name), layer)
      const { spanId, traceId } = spans.find((span) => span.name === name)!
      assert.strictEqual(headers["traceparent"], `00-${traceId}-${spanId}-01`)
    }))

  it.effect("is nothing where there is no span", () =>
    Effect.gen(function*() {
      assert.notProperty(yield* sent({ propagateTrace: true }, "ToolCalls.call"), "traceparent")
    }))
})

describe("metrics", () => {
  test(
    "count decisions by kind, and outcomes that nobody knows",
    Effect.gen(function*() {
      yield* ToolCalls.call({ tool: "http", method: "GET" })
      yield* ToolCalls.decide({ tool: "http", method: "GET" })
      yield* Effect.flip(ToolCalls.call(held))
      yield* Effect.flip(ToolCalls.call({ tool: "", method: "GET" }))
      const { lost } = yield* Wiretap
      lost.push("/api/mcp")
      yield* Effect.flip(ToolCalls.call({ tool: "http", method: "GET" }))
      const { occurrences } = yield* Metric.value(Metrics.decisions)
      assert.deepStrictEqual([...occurrences], [["Allowed", 2], ["Denied", 0], ["PendingApproval", 1]])
      assert.strictEqual((yield* Metric.value(Metrics.unknownOutcomes)).count, 1)
      assert.lengthOf([...(yield* Metric.value(Metrics.retries)).occurrences], 0)
    })
  )

  it.effect("count what was sent again, by operation", () =>
    Effect.gen(function*() {
      const running = yield* Effect.forkChild(Effect.retry(ToolCalls.call(request), RetryPolicy.standard))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(running)
      // Repeating what went well is no retry.
      const repeating = yield* Effect.forkChild(
        Effect.repeat(ToolCalls.call(request), Schedule.recurs(3))
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(repeating)
      assert.deepStrictEqual([...(yield* Metric.value(Metrics.retries)).occurrences], [["ToolCalls.call", 2]])
    }).pipe(
      Effect.provide(scripted([
        ScriptedTransport.refuse,
        ScriptedTransport.refuse,
        ...Array.from({ length: 5 }, () => ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" }))
      ])),
      Effect.provideService(Metric.MetricRegistry, new Map())
    ))

  test(
    "tell how long people took, by outcome",
    Effect.gen(function*() {
      for (const decision of ["approve", "reject"] as const) {
        const running = yield* Effect.forkChild(Effect.exit(Governed.run(held, Effect.void)), {
          startImmediately: true
        })
        yield* decide(decision)
        yield* Fiber.join(running)
      }
      yield* Effect.forkChild(
        Effect.exit(Governed.run({ ...held, onPending: Governed.wait({ timeout: "1 second" }) }, Effect.void)),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 seconds")
      for (const outcome of ["Approved", "Rejected"] as const) {
        const { count, max, min } = yield* Metric.value(Metrics.approvalWaitOf(outcome))
        assert.strictEqual(count, 1, outcome)
        assert.isAtLeast(min, 3)
        assert.isAtMost(max, 6)
      }
      assert.strictEqual((yield* Metric.value(Metrics.approvalWaitOf("ApprovalTimeout"))).count, 1)
      assert.strictEqual((yield* Metric.value(Metrics.approvalWaitOf("Expired"))).count, 0)
    })
  )

  test(
    "tell how long nobody has seen the queue",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      yield* Effect.forkChild(Effect.exit(Governed.run(held, Effect.void)), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Metric.value(Metrics.pollLag)).value, 2)
      // Looks that fail see nothing.
      for (let n = 0; n < 6; n++) lost.push("/api/approvals")
      yield* TestClock.adjust("1 minute")
      lost.length = 0
      assert.isAbove((yield* Metric.value(Metrics.pollLag)).value, 1)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Metric.value(Metrics.pollLag)).value, 2)
    })
  )

  test(
    "tell how fast a log was verified",
    Effect.gen(function*() {
      yield* ToolCalls.call({ tool: "http", method: "GET" })
      const { valid } = yield* ChainVerifier.verifyFile(
        Stream.fromEffect(
          Effect.delay(
            Effect.succeed(
              new TextEncoder().encode("{\"records\":[],\"count\":0,\"offset\":0,\"total\":0,\"tenant_id\":\"t\"}")
            ),
            0
          )
        )
      ).pipe(Effect.provide(NodeHasher.layer))
      assert.isTrue(valid)
      assert.strictEqual((yield* Metric.value(Metrics.verifierRate)).value, 0)
      yield* ChainVerifier.verify()
      assert.isAbove((yield* Metric.value(Metrics.verifierRate)).value, 0)
    })
  )
})

describe("logs", () => {
  test(
    "of an agent that acts carry the id of the action",
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const logger = Logger.make<unknown, void>(({ fiber }) =>
        void seen.push(fiber.getRef(References.CurrentLogAnnotations)["vargate.action_id"])
      )
      const { actionId } = yield* Governed.run({ tool: "http", method: "GET" }, Effect.log("fetching")).pipe(
        Effect.provide(Logger.layer([logger]))
      )
      assert.deepStrictEqual(seen, [actionId])
    })
  )
})
