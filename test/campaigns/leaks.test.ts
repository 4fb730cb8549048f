/** The API key is in nothing that a program may print: errors, logs, spans, and whatever hangs on them. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { TestClock } from "effect/testing"
import * as Approvals from "../../src/approvals/Approvals.ts"
import { Claims, CurrentClaims } from "../../src/calls/internal/claims.ts"
import * as Reconcile from "../../src/calls/Reconcile.ts"
import * as ToolCalls from "../../src/calls/ToolCalls.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as Vargate from "../../src/Vargate.ts"
import * as Webhooks from "../../src/webhooks/Webhooks.ts"
import {
  actionId,
  answering,
  everyService,
  type OperationName,
  operationNames,
  operations,
  rewindable,
  scripted
} from "../support/operations.ts"
import {
  assertSilent,
  bodiesWith,
  chain,
  core,
  headersWith,
  keys,
  overhear,
  spellings,
  statuses
} from "../support/overhear.ts"
import { bodyOf, signatureOf } from "../support/webhooks.ts"

/** What these read is hardly more than a text, so that many a 200 is good enough for them. */
const easilyPleased: ReadonlyArray<OperationName> = [
  "System.health",
  "System.metrics",
  "Maintenance.clearHistory",
  "Maintenance.clearCounters"
]

describe.each(keys)("the key %s", (key) => {
  const bodies = Object.entries(bodiesWith(key))

  it.effect.each(bodies)("is blotted out of %s", ([, body]) => {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    const { answer, services } = rewindable({ apiKey: Redacted.make(key) })
    return Effect.gen(function*() {
      for (const status of statuses) {
        for (const name of operationNames) {
          // Only failures are of interest: what a success holds is the caller's data.
          if (name === "ToolCalls.decide" || (status === 200 && easilyPleased.includes(name))) continue
          answer(ScriptedTransport.text(status, text, headersWith(key)))
          assertSilent(yield* overhear(operations[name]))
        }
      }
    }).pipe(Effect.provide(services))
  })

  it.effect("is in no error of a wire that breaks", () => {
    const { answer, services } = rewindable({ apiKey: key })
    return Effect.gen(function*() {
      const steps = [
        ScriptedTransport.refuse,
        ScriptedTransport.disconnect,
        ScriptedTransport.cut(ScriptedTransport.text(200, `{"status":"${key}"}`), 200)
      ]
      for (const step of steps) {
        for (const name of operationNames) {
          answer(step)
          assertSilent(yield* overhear(operations[name]))
        }
      }
    }).pipe(Effect.provide(services))
  })

  it.effect("is in no rejection, and in no denial that was found in the log", () =>
    Effect.gen(function*() {
      const note = `the key is ${key}`
      const now = "1970-01-01T00:00:00.000000+00:00"
      const row = {
        action_id: actionId,
        agent_id: "effect-agent",
        tool: "t",
        method: "m",
        created_at: now,
        reviewed_at: now
      }
      const wire = ScriptedTransport.layer(({ method, path }) => {
        if (method === "POST") return ScriptedTransport.disconnect
        if (path.startsWith("/api/approvals/history")) {
          return ScriptedTransport.json(200, {
            history: [{ ...row, status: "rejected", reviewer_email: note, review_note: note }]
          })
        }
        if (path.startsWith("/api/approvals")) return ScriptedTransport.json(200, { pending: [] })
        return ScriptedTransport.json(200, {
          records: [{
            ...row,
            id: 1,
            params: {},
            requested_at: now,
            decision: "deny",
            violations: [note],
            severity: note,
            alert_tier: note,
            bundle_revision: "v1",
            prev_hash: "GENESIS",
            record_hash: "0".repeat(64)
          }],
          total: 1
        })
      })
      const vargate = Layer.provide(Vargate.layer({ apiKey: Redacted.make(key) }), wire)
      const rejected = Approvals.Approvals.use((approvals) => approvals.await(actionId))
      const denied = ToolCalls.call({ tool: "t", method: "m" }).pipe(
        Reconcile.reconcile(),
        // The record may be claimed by the same test with another key.
        Effect.provideService(CurrentClaims, new Claims())
      )
      const errors = [
        yield* Effect.flip(Effect.provide(rejected, vargate)),
        yield* Effect.flip(Effect.provide(denied, vargate))
      ]
      assertSilent(errors.flatMap(chain).flatMap(spellings))
      assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["Rejected", "Denied"])
    }))

  it.effect("is in no time-out", () =>
    Effect.gen(function*() {
      const fiber = yield* overhear(operations["ToolCalls.call"]).pipe(
        Effect.provide(answering(ScriptedTransport.hang, { apiKey: key })),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("1 minute")
      assertSilent(yield* Fiber.join(fiber))
    }))

  it.effect("is in no error of a client that prints its request", () =>
    Effect.gen(function*() {
      const failWith = (
        reason: (request: Parameters<Parameters<typeof HttpClient.make>[0]>[0]) => HttpClientError.HttpClientErrorReason
      ) =>
        Layer.succeed(
          HttpClient.HttpClient,
          HttpClient.make((request) => Effect.fail(new HttpClientError.HttpClientError({ reason: reason(request) })))
        )
      const nested = new Error(`outer ${key}`, {
        cause: Object.assign(new Error(`inner ${key}`), { code: key, headers: { "x-api-key": key } })
      })
      const response = () =>
        new Response(`{"detail":"${key}"}`, {
          status: 418,
          headers: { "x-key": encodeURIComponent(key) }
        })
      const clients = [
        failWith((request) => new HttpClientError.TransportError({ request, description: key })),
        failWith((request) => new HttpClientError.TransportError({ request, cause: key })),
        failWith((request) => new HttpClientError.TransportError({ request, cause: nested })),
        failWith((request) => new HttpClientError.EncodeError({ request, cause: nested, description: key })),
        failWith((request) => new HttpClientError.InvalidUrlError({ request, cause: nested, description: key })),
        failWith((request) =>
          new HttpClientError.DecodeError({
            request,
            response: HttpClientResponse.fromWeb(request, response()),
            cause: nested,
            description: key
          })
        ),
        failWith((request) =>
          new HttpClientError.StatusCodeError({
            request,
            response: HttpClientResponse.fromWeb(request, response()),
            description: key
          })
        )
      ]
      for (const client of clients) {
        yield* Effect.forEach(operationNames, (name) =>
          Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(overhear(operations[name]), { startImmediately: true })
            // A review whose answer is lost looks for the outcome, more than once.
            yield* TestClock.adjust("5 minutes")
            assertSilent(yield* Fiber.join(fiber))
          })).pipe(Effect.provide(Layer.provide(everyService({ apiKey: key }), client)))
      }
    }))
})

describe("the transport itself", () => {
  it.effect("does not show the key", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(scripted([], { apiKey: keys[0]! }))
      assertSilent(spellings(context))
    }))

  it.effect("does not show a key that it refuses", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(scripted([], { apiKey: `${core} é` })))
      assertSilent(chain(error).flatMap(spellings))
    }))

  it.effect("does not show a password in a URL that it refuses", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(scripted([], { url: `https://user:${core}@vargate.ai` })))
      assertSilent(chain(error).flatMap(spellings))
    }))
})

describe.each(keys)("the secret %s of webhooks", (key) => {
  const body = bodyOf("test.ping", {})
  const deliveries: ReadonlyArray<readonly [string, string | undefined]> = [
    [body, undefined],
    [body, `sha256=${key}`],
    [body, signatureOf(body, "another")],
    ["no event", signatureOf("no event", key)],
    [bodyOf("test.ping", {}, 1e9), signatureOf(bodyOf("test.ping", {}, 1e9), key)],
    ["x".repeat(100_000), signatureOf(body, key)],
    [body, signatureOf(body, key)]
  ]

  it.effect("is in no refusal, no failure of a consumer, no log and no span", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(
        Webhooks.layer({ secret: [Redacted.make(key), key], handle: () => Effect.fail("no database") })
      )
      assertSilent(spellings(context))
      const { receive } = Context.get(context, Webhooks.Webhooks)
      for (const [text, signature] of deliveries) assertSilent(yield* overhear(receive(text, signature)))
    }))

  it.effect("is in no refusal of a list that holds an empty one", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Webhooks.sign("", [key, ""]))
      assertSilent(chain(error).flatMap(spellings))
    }))
})
