/**
 * @title Retries are values
 *
 * A policy repeats only what certainly did nothing. Compose it like any other schedule.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Schedule } from "effect"
import { RetryPolicy, ToolCalls } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const ping = ToolCalls.call({ tool: "http", method: "GET", params: { url: "https://example.com" } })

/** The standard policy, and a line for every pause. */
const narrated = RetryPolicy.standard.pipe(
  Schedule.tap(({ attempt, duration, input }) =>
    Console.log(`try ${attempt} met ${input._tag}: pausing for ${Duration.format(duration)}`)
  )
)

/** A custom schedule, made safe. */
const twiceASecond = RetryPolicy.make(Schedule.spaced("500 millis").pipe(Schedule.upTo({ times: 4 })))

const program = Effect.gen(function*() {
  const gateway = yield* GatewayMemory.GatewayMemory

  yield* gateway.setOpaOutage(true)
  yield* Effect.forkChild(Effect.delay(gateway.setOpaOutage(false), "600 millis"))
  yield* Effect.retry(ping, narrated)
  yield* Console.log("the engine is back, the call went through")

  yield* Effect.flip(Effect.forever(ping))
  yield* Effect.retry(ping, twiceASecond)
  yield* Console.log("after a second of silence the door is open again")

  const denied = yield* ToolCalls.call({ tool: "db", method: "drop" }).pipe(
    Effect.retry(twiceASecond),
    Effect.flip
  )
  yield* Console.log(`${denied._tag} is not repeated: ${denied.message}`)
}).pipe(
  Effect.provide(GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", burst: 4 }] }))
)

NodeRuntime.runMain(program)
