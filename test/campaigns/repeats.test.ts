/**
 * Programs of each flow as a user tests them, on a test clock that is moved once and far: over and over, beside whatever
 * else the machine does. Nothing on the way of a governed call may leave its fiber for real time, or the clock would have
 * moved before the fiber sleeps.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, type Fiber, Layer, Schema, type Scope } from "effect"
import { Approvals, Governed, RetryPolicy, Reviews, ToolCalls, Vargate } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { LanguageModel, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { loadavg } from "node:os"
import { isFull } from "../support/isFull.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

/** A thousand, in parts: beside other work they take minutes. */
const parts = isFull ? 10 : 1
const runs = isFull ? 100 : 25

/** Every export waits for a reviewer. */
const gateway = GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "crm" }] })

const call = { tool: "crm", method: "export", params: { list: "customers" } } as const

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** The clock moves once. A fiber that slept too late for it never ends. */
const endedAfter = <A, E>(fiber: Fiber.Fiber<A, E>, time: "1 minute") =>
  Effect.gen(function*() {
    yield* TestClock.adjust(time)
    for (let turns = 0; turns < 5000 && fiber.pollUnsafe() === undefined; turns++) yield* Effect.yieldNow
    const exit = fiber.pollUnsafe()
    return exit === undefined ? yield* Effect.die(`nothing has ended within ${time}`) : yield* exit
  })

/** The agent's action is there already: nothing looks again and again. */
const approveTheOne = Effect.gen(function*() {
  const [action, ...others] = (yield* Approvals.Approvals.use((approvals) => approvals.pending)).pending
  if (action === undefined || others.length > 0) return yield* Effect.die(`${others.length} others are pending`)
  yield* Reviews.Reviews.use((reviews) => reviews.approve(action.actionId))
})

const tool = Effect.gen(function*() {
  const exportList = Governed.tool({
    ...call,
    params: Schema.Struct({ list: Schema.String }),
    run: ({ list }) => Effect.succeed(`exported ${list}`)
  })
  const fiber = yield* start(exportList(call.params))
  yield* approveTheOne
  const done = yield* endedAfter(fiber, "1 minute")
  assert.deepInclude(done, { executedBy: "agent", result: "exported customers" })
}).pipe(Effect.provide(gateway))

const Tools = Toolkit.make(
  Tool.make("crm__export", { parameters: Schema.Struct({ list: Schema.String }), success: Schema.String })
)

const toolkit = Effect.gen(function*() {
  const fiber = yield* start(LanguageModel.generateText({
    prompt: "Export the customers.",
    toolkit: GovernedToolkit.govern(Tools)
  }))
  yield* TestClock.adjust("1 second")
  yield* approveTheOne
  const { toolResults } = yield* endedAfter(fiber, "1 minute")
  assert.deepStrictEqual(toolResults.map(({ result }) => result), ["exported customers"])
}).pipe(
  Effect.provide(Tools.toLayer({ crm__export: ({ list }) => Effect.succeed(`exported ${list}`) })),
  Effect.provide(ScriptedModel.layer([[["a", "crm__export", call.params]]])),
  Effect.provide(gateway)
)

const Export = GovernedWorkflow.make({
  ...call,
  name: "RepeatedExport",
  params: Schema.Struct({ list: Schema.String }),
  success: Schema.String,
  run: ({ list }) => Effect.succeed(`exported ${list}`)
})

const workflow = Effect.gen(function*() {
  const fiber = yield* start(Export.execute({ key: "list-1", params: call.params }))
  yield* TestClock.adjust("1 second")
  yield* approveTheOne
  const done = yield* endedAfter(fiber, "1 minute")
  assert.deepInclude(done, { executedBy: "agent", result: "exported customers" })
}).pipe(
  Effect.provide(Layer.provideMerge(Export.layer, Engine.layerMemory())),
  Effect.provide(gateway)
)

const { json } = ScriptedTransport
const limited = json(429, {
  detail: { error: "rate_limit_exceeded", tenant_id: "t", rate_limit_rps: 10, rate_limit_burst: 20 }
})
const away = json(502, { detail: "OPA unreachable: All connection attempts failed" })

const retry = Effect.gen(function*() {
  const fiber = yield* start(Effect.retry(ToolCalls.call(call), RetryPolicy.standard))
  const { actionId } = yield* endedAfter(fiber, "1 minute")
  assert.strictEqual(actionId, "a-1")
  const requests = yield* ScriptedTransport.ScriptedTransport.use(({ requests }) => requests)
  assert.lengthOf(requests, 4)
}).pipe(
  Effect.provide(
    Vargate.layer({ apiKey: "test-key" }).pipe(
      Layer.provideMerge(
        ScriptedTransport.layer([limited, away, limited, json(200, { status: "allowed", action_id: "a-1" })])
      )
    )
  )
)

const flows: Readonly<Record<string, Effect.Effect<void, unknown, Scope.Scope>>> = { tool, toolkit, workflow, retry }

describe("programs on a test clock, over and over", () => {
  for (const [name, flow] of Object.entries(flows)) {
    for (let part = 1; part <= parts; part++) {
      it.live(`of the flow "${name}" end without a failure (${part})`, () =>
        Effect.gen(function*() {
          const failures: Array<string> = []
          for (let run = 0; run < runs; run++) {
            const exit = yield* Effect.exit(Effect.scoped(Effect.provide(flow, TestClock.layer())))
            if (Exit.isFailure(exit)) failures.push(Cause.pretty(exit.cause))
          }
          console.log(`${name}: ${runs - failures.length} of ${runs}, at a load of ${loadavg()[0]!.toFixed(1)}`)
          assert.deepStrictEqual(failures.slice(0, 3), [])
          assert.lengthOf(failures, 0)
        }))
    }
  }
})
