import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Schema } from "effect"
import { Agent, Approvals, Reviews, ToolCalls, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Journal } from "effect-vargate/workflow/Journal"
import { HttpClient, HttpClientError } from "effect/http"
import { TestClock } from "effect/testing"
import { linkSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { folder } from "../support/folder.ts"

class BankClosed extends Schema.TaggedError<BankClosed>("test/BankClosed")("BankClosed", { until: Schema.String }) {}

const Params = Schema.Struct({ n: Schema.Int, at: Schema.optional(Schema.DateTimeUtcFromString) })

/** What was run, in order. */
const ran: Array<{ readonly n: number; readonly actionId: string; readonly reference: string }> = []

const define = <const Name extends string>(
  name: Name,
  method: string,
  options: Partial<GovernedWorkflow.Definition<Name, typeof Params.Type, string, BankClosed, never>> = {}
) =>
  GovernedWorkflow.make({
    name,
    tool: "bank",
    method,
    params: Params,
    success: Schema.String,
    error: BankClosed,
    run: ({ n }, context) =>
      Effect.suspend(() => {
        ran.push({ n, ...context })
        return n < 0 ? Effect.fail(new BankClosed({ until: "Monday" })) : Effect.succeed(`paid ${n}`)
      }),
    ...options
  })

const Pay = define("Pay", "pay")
const Delete = define("Delete", "delete")
const Transfer = define("Transfer", "transfer")
const Forbidden = define("Forbidden", "forbidden")
const Hasty = define("Hasty", "destroy", { timeout: "10 minutes" })
const Resent = define("Resent", "pay", { resendAfter: "5 minutes" })
const Recovered = define("Recovered", "pay", {
  recover: ({ n }) => Effect.succeed(n === 0 ? Option.none() : Option.some(`was paid ${n}`))
})

const definitions = Layer.mergeAll(
  ...[Pay, Delete, Transfer, Forbidden, Hasty, Resent, Recovered].map(({ layer }) => layer) as [typeof Pay.layer]
)

const gatewayOptions: Gateway.Options = {
  tenants: [{ id: "t", apiKey: "test-key", burst: 1e6 }],
  tools: {
    "bank/transfer": ({ n }) => n === 13 ? Effect.fail("no luck") : Effect.succeed({ transferred: n })
  },
  policy: {
    rules: [{ name: "forbidden", severity: "high", when: ({ action }) => action.method === "forbidden" }],
    approvals: [({ action }) => action.params["n"] === 99]
  }
}

/** The way to the gateway, which can be cut. */
const way = { isCut: false, lose: 0, looks: 0 }

const client = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, (client) =>
    HttpClient.transform(client, (effect, request) =>
      Effect.suspend(() => {
        if (request.method === "GET" && request.url.endsWith("/approvals")) way.looks++
        const failing = (code: string) =>
          Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause: Object.assign(new Error(code), { code }) })
            })
          )
        if (way.isCut) return failing("ECONNREFUSED")
        if (way.lose === 0 || request.method !== "POST") return effect
        way.lose--
        return Effect.andThen(effect, failing("ECONNRESET"))
      })))
)

const worldOf = (engine: Layer.Layer<Engine.Engine, unknown, Approvals.Approvals>) =>
  Layer.suspend(() => {
    ran.length = 0
    Object.assign(way, { isCut: false, lose: 0, looks: 0 })
    return definitions.pipe(
      Layer.provideMerge(engine),
      Layer.provideMerge(Layer.provideMerge(Reviews.layer, Vargate.layer({ apiKey: "test-key" }))),
      Layer.provide(client),
      Layer.provideMerge(Gateway.layerMemory(gatewayOptions)),
      Layer.orDie
    )
  })

const engines = {
  memory: () => Engine.layerMemory({ retention: "5 minutes" }),
  SQLite: () => EngineSqlite.layer({ filename: ":memory:", retention: "5 minutes" })
}

/** Digests and databases answer from outside the test's time, so they get a moment of real time too. */
const moment = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))

/** Lets time pass in steps, and everything that wants to happen in between happen. */
const pass = (seconds: number, step = 1) =>
  Effect.repeat(Effect.andThen(TestClock.adjust(step * 1000), moment), { times: Math.ceil(seconds / step) - 1 })

/** Lets time pass until something is so: in small steps at first. */
const until = <A, E, R>(look: Effect.Effect<A | undefined, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    for (let tries = 0; tries < 5_000; tries++) {
      const found = yield* look
      if (found !== undefined) return found
      yield* pass(1, tries < 30 ? 1 : 20)
    }
    return assert.fail("waited in vain")
  })

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** Lets time pass until a fiber has ended. */
const ended = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.andThen(until(Effect.sync(() => fiber.pollUnsafe())), Fiber.join(fiber))

const run = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flatMap(start(effect), ended)

const submitted = Effect.map(
  Ledger.use((ledger) => ledger.records("t")),
  (records) => records.filter(({ tool }) => tool === "bank")
)

const held = Effect.map(Approvals.Approvals.use(({ pending }) => pending), ({ pending }) => pending)

/** The held action, once it is. */
const heldOne = until(Effect.map(held, ([action]) => action))

const stateOf = (executionId: string) =>
  Effect.map(
    Journal.use((journal) => journal.find(executionId)),
    (execution) => execution && [execution.state, execution.outcome]
  )

for (const [name, engine] of Object.entries(engines)) {
  const test = (
    title: string,
    body: () => Effect.fn.Return<void, unknown, Layer.Success<ReturnType<typeof worldOf>>>
  ) => it.effect(title, () => Effect.gen(body).pipe(Effect.provide(worldOf(engine()))))

  describe(`GovernedWorkflow: ${name}`, () => {
    test("an allowed call is done by the agent, once for each key", function*() {
      const start = { key: "order-1", params: { n: 1 } }
      const done = yield* run(Pay.execute(start))
      const again = yield* run(Pay.execute(start))
      assert.deepStrictEqual(again, done)
      const executionId = yield* Pay.executionId("order-1")
      const [record, ...others] = yield* submitted
      assert(record !== undefined && others.length === 0)
      assert.deepStrictEqual(record.params, { n: 1, vargate_reference: executionId })
      assert.deepStrictEqual(done, { executedBy: "agent", actionId: record.actionId, result: "paid 1" })
      assert.deepStrictEqual(ran, [{ n: 1, actionId: record.actionId, reference: executionId }])
      assert.deepStrictEqual(yield* stateOf(executionId), ["done", "agent"])
    })

    test("a call that the gateway executes is not run again", function*() {
      const done = yield* run(Transfer.execute({ key: "1", params: { n: 1 } }))
      assert.deepStrictEqual([done.executedBy, done.result], ["gateway", { transferred: 1 }])
      const failure = yield* Effect.flip(run(Transfer.execute({ key: "2", params: { n: 13 } })))
      assert.strictEqual(failure._tag, "ToolFailed")
      assert.deepStrictEqual(ran, [])
    })

    test("a denial, and a failure of the action, are results", function*() {
      const denied = yield* Effect.flip(run(Forbidden.execute({ key: "1", params: { n: 1 } })))
      assert(denied._tag === "Denied")
      assert.deepStrictEqual(denied.violations, ["forbidden"])
      const closed = yield* Effect.flip(run(Pay.execute({ key: "1", params: { n: -1 } })))
      assert(closed instanceof BankClosed)
      assert.strictEqual(closed.until, "Monday")
      assert.deepStrictEqual(yield* stateOf(yield* Pay.executionId("1")), ["done", "BankClosed"])
    })

    test("a held call waits, is seen waiting, and goes on when it is approved", function*() {
      const fiber = yield* start(Delete.execute({ key: "1", params: { n: 1 } }))
      const executionId = yield* Delete.executionId("1")
      const action = yield* heldOne
      assert.deepStrictEqual(yield* stateOf(executionId), ["held", null])
      const status = yield* Delete.poll(executionId)
      assert(Option.isSome(status) && status.value._tag === "Suspended")
      yield* Reviews.Reviews.use((reviews) => reviews.approve(action.actionId))
      assert.deepStrictEqual(yield* ended(fiber), {
        executedBy: "agent",
        actionId: action.actionId,
        result: "paid 1"
      })
    })

    test("rejected, expired, and not waited for any longer", function*() {
      const rejected = yield* start(Delete.execute({ key: "1", params: { n: 1 } }))
      const first = yield* heldOne
      yield* Reviews.Reviews.use((reviews) => reviews.reject(first.actionId, "no"))
      const rejection = yield* Effect.flip(ended(rejected))
      assert(rejection._tag === "Rejected")
      assert.strictEqual(rejection.note, "no")

      const expired = yield* start(Delete.execute({ key: "2", params: { n: 2 } }))
      const timedOut = yield* start(Hasty.execute({ key: "3", params: { n: 3 } }))
      assert.strictEqual((yield* Effect.flip(ended(timedOut)))._tag, "ApprovalTimeout")
      assert.strictEqual((yield* Effect.flip(ended(expired)))._tag, "Expired")
      assert.deepStrictEqual(ran, [])
    })

    test("many waits share one look a tick, and nobody looks when nobody waits", function*() {
      const fibers = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, n) => n),
        (n) => start(Delete.execute({ key: String(n), params: { n } }))
      )
      yield* until(Effect.map(held, ({ length }) => length === 40 ? true : undefined))
      yield* pass(5)
      way.looks = 0
      yield* pass(30)
      assert.isAtMost(way.looks, 31)
      for (const { actionId } of yield* held) yield* Reviews.Reviews.use((reviews) => reviews.approve(actionId))
      for (const fiber of fibers) yield* ended(fiber)
      way.looks = 0
      yield* pass(60)
      assert.strictEqual(way.looks, 0)
    })

    test("a gateway that is away for ten minutes loses nothing", function*() {
      const waiting = yield* start(Delete.execute({ key: "1", params: { n: 1 } }))
      const action = yield* heldOne
      way.isCut = true
      const later = yield* start(Pay.execute({ key: "2", params: { n: 2 } }))
      yield* pass(600, 10)
      assert.deepStrictEqual(ran, [])
      way.isCut = false
      yield* Reviews.Reviews.use((reviews) => reviews.approve(action.actionId))
      assert.strictEqual((yield* ended(waiting)).result, "paid 1")
      assert.strictEqual((yield* ended(later)).result, "paid 2")
      assert.strictEqual((yield* submitted).length, 2)
    })

    test("a lost answer is looked up", function*() {
      way.lose = 1
      const fiber = yield* start(Pay.execute({ key: "1", params: { n: 1 } }))
      assert.strictEqual((yield* ended(fiber)).result, "paid 1")
      assert.strictEqual((yield* submitted).length, 1)
    })

    test("an executed call whose answer was lost has no result, and is the same for all who ask", function*() {
      way.lose = 1
      const start = { key: "1", params: { n: 1 } }
      const done = yield* run(Transfer.execute(start))
      const [{ actionId } = assert.fail("nothing was submitted")] = yield* submitted
      assert.deepStrictEqual(done, { executedBy: "gateway", actionId, result: undefined, isResultLost: true })
      assert.deepStrictEqual(yield* run(Transfer.execute(start)), done)
      assert.strictEqual((yield* submitted).length, 1)
    })

    test("an execution can be ended; what is held stays held, and nothing is run", function*() {
      const fiber = yield* start(Effect.exit(Delete.execute({ key: "1", params: { n: 1 } })))
      const executionId = yield* Delete.executionId("1")
      const action = yield* heldOne
      yield* run(Delete.interrupt(executionId))
      yield* Reviews.Reviews.use((reviews) => reviews.approve(action.actionId))
      yield* pass(60)
      assert.deepStrictEqual(yield* stateOf(executionId), ["done", "Interrupted"])
      assert.deepStrictEqual(ran, [])
      yield* Fiber.interrupt(fiber)
    })

    test("an operator ends an execution, or wakes it, by the journal", function*() {
      const fiber = yield* start(Effect.exit(Delete.execute({ key: "1", params: { n: 1 } })))
      const executionId = yield* Delete.executionId("1")
      const action = yield* heldOne
      const journal = yield* Journal
      yield* journal.request(executionId, "resume")
      yield* until(Effect.map(journal.requested, ({ length }) => length === 0 ? true : undefined))
      assert.deepStrictEqual(yield* stateOf(executionId), ["held", null])
      yield* journal.request(executionId, "interrupt")
      yield* until(Effect.map(stateOf(executionId), (state) => state?.[0] === "done" ? true : undefined))
      yield* Reviews.Reviews.use((reviews) => reviews.approve(action.actionId))
      yield* pass(30)
      assert.deepStrictEqual(ran, [])
      yield* Fiber.interrupt(fiber)
    })

    test("executeDetached gives the id at once", function*() {
      const executionId = yield* Delete.executeDetached({ key: "1", params: { n: 1 } })
      assert.strictEqual(executionId, yield* Delete.executionId("1"))
      yield* heldOne
      assert.deepStrictEqual(yield* stateOf(executionId), ["held", null])
    })

    test("the agent is who started it", function*() {
      yield* run(
        Effect.provideService(Pay.execute({ key: "1", params: { n: 1 } }), Agent.Agent, {
          id: "payer",
          type: "bot",
          version: "2.0.0"
        })
      )
      assert.strictEqual((yield* submitted)[0]?.agentId, "payer")
    })

    test("what the gateway would refuse is refused, and does not use up the key", function*() {
      const start = { key: "1", params: { n: 1 } }
      const refused = yield* Effect.flip(Pay.execute({ ...start, agent: { id: "bot", version: "1" } }))
      assert(refused._tag === "VargateError" && refused.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(refused.reason.issues.map(({ path }) => path), [["body", "agent_version"]])
      assert.strictEqual((yield* run(Pay.execute(start))).result, "paid 1")
    })

    test("a key whose result is kept no longer never executes again", function*() {
      const start = { key: "1", params: { n: 1 } }
      yield* run(Pay.execute(start))
      const executionId = yield* Pay.executionId("1")
      assert.deepStrictEqual(yield* stateOf(executionId), ["done", "agent"])
      // The reconciler deletes it when its retention is over.
      yield* until(Effect.map(stateOf(executionId), (state) => state === undefined ? true : undefined))
      const spent = yield* Effect.flip(run(Pay.execute(start)))
      assert(spent._tag === "VargateError" && spent.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(spent.reason.issues.map(({ path }) => path), [["key"]])
      assert.include(spent.message, "its result is kept no longer")
      assert.deepStrictEqual([ran.length, (yield* submitted).length], [1, 1])
    })

    test("params that do not encode, and a key that is taken, are refused", function*() {
      const broken = yield* Effect.flip(Pay.execute({ key: "1", params: { n: 1.5 } }))
      assert(broken._tag === "VargateError" && broken.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(broken.reason.issues.map(({ path }) => path), [["params", "n"]])
      yield* run(Pay.execute({ key: "1", params: { n: 1 } }))
      const taken = yield* Effect.flip(Pay.execute({ key: "1", params: { n: 2 } }))
      assert(taken._tag === "VargateError" && taken.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(taken.reason.issues.map(({ path }) => path), [["key"]])
      assert.strictEqual((yield* submitted).length, 1)
    })

    describe("what another process has begun", () => {
      const claimed = (step: "submit" | "act", workflow: { readonly executionId: typeof Pay.executionId }) =>
        Effect.flatMap(
          workflow.executionId("1"),
          (executionId) => Journal.use((journal) => journal.claim(`${step}/${executionId}/1`))
        )

      test("submitted and recorded, even by this very process: it is found", function*() {
        yield* claimed("submit", Pay)
        const { actionId } = yield* ToolCalls.call({
          tool: "bank",
          method: "pay",
          params: { n: 1, vargate_reference: yield* Pay.executionId("1") }
        })
        const done = yield* run(Pay.execute({ key: "1", params: { n: 1 } }))
        assert.deepStrictEqual(done, { executedBy: "agent", actionId, result: "paid 1" })
        assert.strictEqual((yield* submitted).length, 1)
      })

      test("submitted and not recorded: nobody knows, and it is not sent again", function*() {
        yield* claimed("submit", Pay)
        const fiber = yield* start(Pay.execute({ key: "1", params: { n: 1 } }))
        const unknown = yield* Effect.flip(ended(fiber))
        assert(unknown._tag === "OutcomeUnknown")
        assert.strictEqual(unknown.evidence, "not recorded")
        assert.deepStrictEqual([yield* submitted, ran], [[], []])
      })

      test("submitted and not recorded, and may be repeated: it is sent once more", function*() {
        yield* claimed("submit", Resent)
        const fiber = yield* start(Resent.execute({ key: "1", params: { n: 1 } }))
        yield* pass(240, 5)
        assert.deepStrictEqual(yield* submitted, [])
        assert.strictEqual((yield* ended(fiber)).result, "paid 1")
        assert.strictEqual((yield* submitted).length, 1)
      })

      test("acted: nobody knows, and it is not run again", function*() {
        yield* claimed("act", Pay)
        const unknown = yield* Effect.flip(run(Pay.execute({ key: "1", params: { n: 1 } })))
        assert.strictEqual(unknown._tag, "OutcomeUnknown")
        assert.deepStrictEqual(ran, [])
      })

      test("acted, and somebody knows: that is the result, or it is run", function*() {
        yield* claimed("act", Recovered)
        const known = yield* run(Recovered.execute({ key: "1", params: { n: 1 } }))
        assert.strictEqual(known.result, "was paid 1")
        assert.deepStrictEqual(ran, [])
        const executionId = yield* Recovered.executionId("2")
        yield* Journal.use((journal) => journal.claim(`act/${executionId}/1`))
        const repeated = yield* run(Recovered.execute({ key: "2", params: { n: 0 } }))
        assert.strictEqual(repeated.result, "paid 0")
        assert.strictEqual(ran.length, 1)
      })
    })
  })
}

describe("a definition", () => {
  it("that the gateway would always refuse is none", () => {
    for (const wrong of [{ agent: { id: "bot", version: "1" } }, { tool: "" }, { agent: { id: "" } }]) {
      assert.throws(() => define("Wrong", "pay", wrong), /InvalidRequest|Expected|invalid/i)
    }
  })
})

describe("EngineSqlite", () => {
  it.live("refuses a file that another engine has", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "engine-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const engine = EngineSqlite.layer({ filename: join(folder, "workflows.db") }).pipe(
        Layer.provide(Vargate.layer({ apiKey: "test-key" })),
        Layer.provide(Gateway.layerMemory(gatewayOptions))
      )
      yield* Layer.build(engine)
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Layer.fresh(engine))))
      assert(error._tag === "StorageFailed")
      assert.include(error.message, "in use by another process")
    }).pipe(Effect.scoped))

  it.live("refuses a file that has a second name", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const filename = join(root, "workflows.db")
      writeFileSync(filename, "")
      linkSync(filename, join(root, "other.db"))
      const engine = EngineSqlite.layer({ filename }).pipe(
        Layer.provide(Vargate.layer({ apiKey: "test-key" })),
        Layer.provide(Gateway.layerMemory(gatewayOptions))
      )
      const error = yield* Effect.flip(Layer.build(engine))
      assert(error._tag === "StorageFailed")
      assert.include(error.message, "has another name (a hard link)")
    }).pipe(Effect.scoped))
})
