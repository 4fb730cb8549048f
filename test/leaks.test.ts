/** The API key is in nothing that a program may print: errors, logs, spans, and whatever hangs on them. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Logger, Redacted, Tracer } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import * as Approvals from "../src/Approvals.ts"
import { Claims, CurrentClaims } from "../src/internal/claims.ts"
import * as Reconcile from "../src/Reconcile.ts"
import * as ScriptedTransport from "../src/testing/ScriptedTransport.ts"
import * as ToolCalls from "../src/ToolCalls.ts"
import * as Vargate from "../src/Vargate.ts"
import * as Webhooks from "../src/Webhooks.ts"
import {
  actionId,
  answering,
  type OperationName,
  operationNames,
  operations,
  rewindable,
  scripted
} from "./operations.ts"
import { bodyOf, signatureOf } from "./support/webhooks.ts"

/** Quotes and backslashes change their looks in JSON; the core never does. */
const core = "S3CR3TC0R3"
const keys = [`vg_live_${core}_x`, `vg"${core}\\/'`]

// --- everything that can be printed ----------------------------------------------------------------------------------

const spellings = (value: unknown): ReadonlyArray<string> => [
  String(value),
  JSON.stringify(value) ?? "",
  inspect(value, { depth: 20, showHidden: true, getters: true }),
  ...(value instanceof Error ? [value.message, value.stack ?? "", `${value.name}`] : [])
]

/** The value and what it was caused by, as deep as it goes. */
const chain = (value: unknown): ReadonlyArray<unknown> => {
  const found: Array<unknown> = []
  const visit = (value: unknown) => {
    if (typeof value !== "object" || value === null || found.includes(value)) return
    found.push(value)
    visit(Reflect.get(value, "reason"))
    visit(Reflect.get(value, "cause"))
  }
  visit(value)
  return found
}

/** Runs an effect while listening to its logs and spans; gives every text that came of it. */
const overhear = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const logged: Array<unknown> = []
    const spans: Array<Tracer.NativeSpan> = []
    const logger = Logger.make<unknown, void>((entry) => {
      logged.push(entry.message, Cause.pretty(entry.cause))
      logged.push(Logger.formatStructured.log(entry), Logger.formatJson.log(entry), Logger.formatLogFmt.log(entry))
    })
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const exit = yield* Effect.exit(effect.pipe(
      Effect.tapCause((cause) => Effect.logError("it failed", cause)),
      Effect.tapError((error) => Effect.logError(error)),
      Effect.withSpan("program"),
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(Tracer.Tracer, tracer)
    ))
    assert.isTrue(Exit.isFailure(exit))
    assert.isNotEmpty(logged)
    assert.isAtLeast(spans.length, 2)
    const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
    return [
      Cause.pretty(cause),
      ...[cause, exit, ...chain(Cause.squash(cause))].flatMap(spellings),
      ...logged.flatMap(spellings),
      ...spans.flatMap((span) => [
        span.name,
        inspect({ ...span }, { depth: 20 }),
        ...[...span.attributes].flat().flatMap(spellings),
        ...span.events.flat().flatMap(spellings)
      ])
    ]
  })

const assertSilent = (texts: ReadonlyArray<string>) => {
  for (const text of texts) {
    if (text.includes(core)) assert.fail(text.slice(Math.max(0, text.indexOf(core) - 300), text.indexOf(core) + 100))
  }
}

// --- answers that echo the key ---------------------------------------------------------------------------------------

const statuses = [200, 202, 204, 301, 302, 307, 400, 401, 403, 404, 405, 408, 409, 413, 418, 422, 429, 500, 502, 503]

const bodiesWith = (key: string): Readonly<Record<string, unknown>> => ({
  "a text": `The key ${key} is bad`,
  "a page": `<html><body>${key}</body></html>`,
  "a detail": { detail: `The key ${key} is bad` },
  "an unreachable policy engine": { detail: `OPA unreachable: ${key}` },
  "field issues": { detail: [{ type: key, loc: ["header", key, 0], msg: `bad ${key}`, input: key, ctx: { key } }] },
  "a denial": { detail: { action_id: actionId, violations: [key, `v ${key}`], severity: key, alert_tier: key } },
  "a limit": { detail: { error: "rate_limit_exceeded", tenant_id: key, rate_limit_rps: 1, rate_limit_burst: 1 } },
  "a bare limit": { error: "rate_limit_exceeded", tenant_id: key },
  "a pending approval": { status: "pending_approval", action_id: actionId, message: `held for ${key}` },
  "another shape": { [key]: key, status: key, action_id: `${key} `, pending: [{ [key]: key }], records: [key] },
  "a list": [key, [key]],
  "nothing": ""
})

/** What these read is hardly more than a text, so that many a 200 is good enough for them. */
const easilyPleased: ReadonlyArray<OperationName> = [
  "System.health",
  "System.metrics",
  "Maintenance.clearHistory",
  "Maintenance.clearCounters"
]

const headersWith = (key: string): Readonly<Record<string, string>> => ({
  "content-type": `text/plain; x=${key}`,
  "retry-after": key,
  "location": `https://elsewhere.example/?key=${key}`,
  "www-authenticate": key,
  "set-cookie": `key=${key}`,
  "x-api-key": key
})

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
          })).pipe(Effect.provide(Layer.provide(Vargate.layerOperator({ apiKey: key }), client)))
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
