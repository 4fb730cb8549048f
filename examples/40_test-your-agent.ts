/**
 * @title Test your agent without a gateway
 *
 * The agent asks for services only. Give it a scripted wire to see how it takes one answer, or the gateway in memory to
 * see it under real rules; with a test clock nothing waits.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Layer } from "effect"
import { RetryPolicy, ToolCalls, Vargate } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { TestClock } from "effect/testing"

/** The agent under test. */
const agent = ToolCalls.call({ tool: "crm", method: "export", params: { list: "customers" } }).pipe(
  Effect.retry(RetryPolicy.standard),
  Effect.as("exported"),
  Effect.catchTags({
    Denied: () => Effect.succeed("gave up"),
    PendingApproval: () => Effect.succeed("asked a reviewer")
  })
)

const onAScript = Effect.gen(function*() {
  const wire = yield* ScriptedTransport.ScriptedTransport
  const fiber = yield* Effect.forkChild(agent, { startImmediately: true })
  yield* TestClock.adjust("999 millis")
  yield* Console.log(`requests before the second is over: ${(yield* wire.requests).length}`)
  yield* TestClock.adjust("2 seconds")
  yield* Console.log(`and the agent ${yield* Fiber.join(fiber)}, with ${(yield* wire.requests).length} requests`)
}).pipe(Effect.provide(
  Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer([
    ScriptedTransport.json(429, { detail: { error: "rate_limit_exceeded", rate_limit_burst: 20 } }),
    ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" })
  ])))
))

const onTheGateway = Effect.gen(function*() {
  yield* Console.log(`under the crm template the agent ${yield* agent}`)
  const gateway = yield* GatewayMemory.GatewayMemory
  const records = yield* gateway.records()
  yield* Console.log(`and the gateway recorded: ${records.map(({ decision }) => decision).join(", ")}`)
}).pipe(Effect.provide(
  GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "crm" }] })
))

NodeRuntime.runMain(Effect.provide(Effect.andThen(onAScript, onTheGateway), TestClock.layer()))
