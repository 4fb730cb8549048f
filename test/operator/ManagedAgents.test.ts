/** What a program must know of managed agents: whether one has stopped, and what changes while it runs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { ManagedAgents, RetryPolicy } from "effect-vargate"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { TestClock } from "effect/testing"
import { agentId, answering, scripted, sessionId } from "../support/operations.ts"

const { json } = ScriptedTransport

const managed = <A, E>(use: (agents: ManagedAgents.ManagedAgents["Service"]) => Effect.Effect<A, E>) =>
  ManagedAgents.ManagedAgents.use(use)

const created = "2026-11-23T00:42:49.688294+00:00"

const session = (status: string, governed = 0) =>
  json(200, {
    session_id: sessionId,
    anthropic_session_id: "sesn-1",
    agent_id: agentId,
    status,
    created_at: created,
    ended_at: status === "active" ? null : created,
    governance_summary: {
      total_governed_calls: governed,
      total_observed_calls: 0,
      total_denied: 0,
      total_pending: 0
    },
    event_consumer: { active: status === "active", total_events: governed, total_anomalies: 0 }
  })

describe("interrupt", () => {
  const interrupt = managed((agents) => agents.interrupt(sessionId, { reason: "enough" }))
  const receipt = { session_id: sessionId, status: "interrupted", reason: "enough", ended_at: created }

  it.effect("succeeds where the gateway says that it was sent", () =>
    Effect.gen(function*() {
      const { isSent, reason, status } = yield* interrupt
      assert.deepStrictEqual([isSent, reason, status], [true, "enough", "interrupted"])
    }).pipe(Effect.provide(answering(json(200, { ...receipt, anthropic_interrupt_sent: true })))))

  it.effect.each([{ anthropic_interrupt_sent: false }, { anthropic_interrupt_sent: null }, {}])(
    "is not confirmed by %j",
    (sent) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(interrupt)
        assert(error._tag === "InterruptNotConfirmed")
        assert.match(error.message, /vs-e2ee29f4e160443b is marked as interrupted.*may continue to act/)
        assert.deepStrictEqual([error.sideEffect, error.isRetryable], ["possible", false])
      }).pipe(Effect.provide(answering(json(200, { ...receipt, ...sent }))))
  )

  it.effect.each(["true", 1, {}])("is unreadable, and so not confirmed, by %j", (sent) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(interrupt)
      assert(error._tag === "VargateError" && error.reason._tag === "UnexpectedResponse")
      assert.strictEqual(error.sideEffect, "possible")
    }).pipe(Effect.provide(answering(json(200, { ...receipt, anthropic_interrupt_sent: sent })))))

  it.effect("may have been sent where the answer is lost, and is not repeated by a policy", () =>
    Effect.gen(function*() {
      const wire = yield* ScriptedTransport.ScriptedTransport
      const error = yield* Effect.flip(Effect.retry(interrupt, RetryPolicy.standard))
      assert.strictEqual(error.sideEffect, "possible")
      assert.lengthOf(yield* wire.requests, 1)
    }).pipe(Effect.provide(scripted([ScriptedTransport.disconnect]))))
})

describe("watch", () => {
  const watched = (options?: { readonly schedule?: Schedule.Schedule<unknown> }) =>
    managed((agents) => Stream.runCollect(agents.watch(sessionId, options))).pipe(
      Effect.map((sessions) => sessions.map(({ calls, status }) => [status, calls?.governed]))
    )

  it.effect("tells what changed, every two seconds, until the session is over", () =>
    Effect.gen(function*() {
      const wire = yield* ScriptedTransport.ScriptedTransport
      const fiber = yield* Effect.forkChild(watched(), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      assert.lengthOf(yield* wire.requests, 1)
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(yield* wire.requests, 2)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [["active", 0], ["active", 2], ["failed", 2]])
      assert.lengthOf(yield* wire.requests, 5)
    }).pipe(Effect.provide(scripted([
      session("active"),
      session("active"),
      session("active", 2),
      session("active", 2),
      session("failed", 2)
    ]))))

  it.effect("tells the one status of a session that is over", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* watched(), [["completed", 0]])
    }).pipe(Effect.provide(scripted([session("completed")]))))

  it.effect("ends with its schedule", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(watched({ schedule: Schedule.recurs(2) }), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [["active", 0], ["active", 1], ["active", 2]])
    }).pipe(Effect.provide(scripted([session("active"), session("active", 1), session("active", 2)]))))

  it.effect("fails with the first failure, and goes on by a policy", () =>
    Effect.gen(function*() {
      const stream = yield* managed((agents) => Effect.succeed(agents.watch(sessionId)))
      const fiber = yield* Stream.runCollect(Stream.retry(stream, RetryPolicy.reads)).pipe(
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* Fiber.join(fiber)).map(({ status }) => status), [
        "active",
        "active",
        "interrupted"
      ])
    }).pipe(Effect.provide(scripted([
      session("active"),
      json(503, { detail: "x" }),
      session("active"),
      session("interrupted")
    ]))))

  it.effect("fails for a session that does not exist", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(watched())
      assert(error._tag === "VargateError")
      assert.deepStrictEqual([error.operation, error.reason._tag], ["ManagedAgents.watch", "NotFound"])
    }).pipe(Effect.provide(scripted([json(404, { detail: "Session not found" })]))))
})
