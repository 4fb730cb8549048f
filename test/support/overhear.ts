/** Listens to everything that a program may print, for secrets that must not be in it. */
import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Logger, Tracer } from "effect"
import { inspect } from "node:util"
import { isFull } from "./isFull.ts"
import { actionId } from "./operations.ts"

/** Quotes and backslashes change their looks in JSON; the core never does. */
export const core = "S3CR3TC0R3"
export const keys = [`vg_live_${core}_x`, `vg"${core}\\/'`]

// --- everything that can be printed ----------------------------------------------------------------------------------

export const spellings = (value: unknown): ReadonlyArray<string> => [
  String(value),
  JSON.stringify(value) ?? "",
  inspect(value, { depth: 20, showHidden: true, getters: true }),
  ...(value instanceof Error ? [value.message, value.stack ?? "", `${value.name}`] : [])
]

/** The value and what it was caused by, as deep as it goes. */
export const chain = (value: unknown): ReadonlyArray<unknown> => {
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
export const overhear = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
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

export const assertSilent = (texts: ReadonlyArray<string>) => {
  for (const text of texts) {
    if (text.includes(core)) assert.fail(text.slice(Math.max(0, text.indexOf(core) - 300), text.indexOf(core) + 100))
  }
}

// --- answers that echo the key ---------------------------------------------------------------------------------------

const everyStatus = [200, 202, 204, 301, 302, 307, 400, 401, 403, 404, 405, 408, 409, 413, 418, 422, 429, 500, 502, 503]

/** Those that the gateway itself gives to most routes, where the campaign is small. */
export const statuses = isFull ? everyStatus : [200, 202, 401, 403, 422, 429, 502]

export const bodiesWith = (key: string): Readonly<Record<string, unknown>> => ({
  "a text": `The key ${key} is bad`,
  "a page": `<html><body>${key}</body></html>`,
  "a detail": { detail: `The key ${key} is bad` },
  "an unreachable policy engine": { detail: `OPA unreachable: ${key}` },
  "field issues": { detail: [{ type: key, loc: ["header", key, 0], msg: `bad ${key}`, input: key, ctx: { key } }] },
  "a denial": { detail: { action_id: actionId, violations: [key, `v ${key}`], severity: key, alert_tier: key } },
  "a limit": { detail: { error: "rate_limit_exceeded", tenant_id: key, rate_limit_rps: 1, rate_limit_burst: 1 } },
  "a bare limit": { error: "rate_limit_exceeded", tenant_id: key },
  "a pending approval": { status: "pending_approval", action_id: actionId, message: `held for ${key}` },
  "an error by JSON-RPC": { jsonrpc: "2.0", id: null, error: { code: -32602, message: `bad ${key}`, data: key } },
  "a fault by JSON-RPC": { jsonrpc: "2.0", id: null, error: { code: -32603, message: `bad ${key}` } },
  "another shape": { [key]: key, status: key, action_id: `${key} `, pending: [{ [key]: key }], records: [key] },
  "a list": [key, [key]],
  "nothing": ""
})

export const headersWith = (key: string): Readonly<Record<string, string>> => ({
  "content-type": `text/plain; x=${key}`,
  "retry-after": key,
  "location": `https://elsewhere.example/?key=${key}`,
  "www-authenticate": key,
  "set-cookie": `key=${key}`,
  "x-api-key": key
})
