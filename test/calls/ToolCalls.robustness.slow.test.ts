/** Whatever comes back, however broken: a value or a typed error, and never a wrong promise about a tool call. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Arbitrary, Cause, Duration, Effect, Exit, Fiber, Layer, Schema } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { TestClock } from "effect/testing"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import {
  actionId,
  emptyGateway,
  everyService,
  type Failure,
  hasSideEffect,
  type OperationName,
  operationNames,
  operations,
  recordHash,
  rewindable,
  run
} from "../support/operations.ts"

// --- the laws --------------------------------------------------------------------------------------------------------

const errorTags = [
  "Denied",
  "PendingApproval",
  "RateLimited",
  "OpaUnavailable",
  "OutcomeUnknown",
  "VargateError",
  "InterruptNotConfirmed",
  "NeverQueued",
  "SettingNotApplied",
  "RotationUnknown"
]

/** What a lost answer becomes: where more than a read is at stake, it has a name of its own. */
const lossOf = (name: OperationName) =>
  name.startsWith("ToolCalls.") ? "OutcomeUnknown" : name === "Account.rotateKey" ? "RotationUnknown" : "VargateError"

const valueOrError = <A>(exit: Exit.Exit<A, Failure>): A | Failure => {
  if (Exit.isSuccess(exit)) return exit.value
  assert.isFalse(Cause.hasDies(exit.cause) || Cause.hasInterrupts(exit.cause), Cause.pretty(exit.cause))
  const error = Cause.squash(exit.cause) as Failure
  assert.include(errorTags, error._tag)
  assert.isNotEmpty(error.message)
  assert.isObject(JSON.parse(JSON.stringify(error)))
  return error
}

const parse = (body: string): unknown => {
  try {
    return JSON.parse(body.replace(/^\ufeff/, ""))
  } catch {
    return undefined
  }
}

const at = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined

const isText = (value: unknown) => typeof value === "string"
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText)

const saysOpa = (body: unknown) => {
  const detail = at(body, "detail")
  return isText(detail) && (detail as string).startsWith("OPA unreachable")
}
const saysLimited = (body: unknown) =>
  [body, at(body, "detail")].some((place) => at(place, "error") === "rate_limit_exceeded")
const saysTooMany = (body: unknown) => {
  const detail = at(body, "detail")
  return isText(detail) && (detail as string).startsWith("Too many requests")
}
const saysDenied = (body: unknown) =>
  isText(at(at(body, "detail"), "action_id")) && isTexts(at(at(body, "detail"), "violations"))
const saysAllowed = (body: unknown) => at(body, "status") === "allowed" && isText(at(body, "action_id"))
const saysPending = (body: unknown) => at(body, "status") === "pending_approval" && isText(at(body, "action_id"))

/** Which answer alone justifies which outcome of a tool call. */
const justified: Readonly<Record<string, (status: number, body: unknown) => boolean>> = {
  Allowed: (status, body) => status === 200 && saysAllowed(body),
  PendingApproval: (status, body) => status === 202 && saysPending(body),
  Denied: (status, body) => status === 403 && saysDenied(body),
  RateLimited: (status) => status === 429,
  OpaUnavailable: (status, body) => status === 502 && saysOpa(body),
  OutcomeUnknown: () => true,
  DuplicateSubmission: () => false,
  VargateError: (status) => status !== 200 && status !== 202 && status < 500
}

const checkToolCall = (exit: Exit.Exit<unknown, Failure>, status: number, text: string) => {
  const outcome = valueOrError(exit) as Failure
  const body = parse(text)
  assert.isTrue(justified[outcome._tag]?.(status, body), `${outcome._tag} after ${status} ${text.slice(0, 200)}`)
  if (outcome._tag === "VargateError") assert.strictEqual(outcome.sideEffect, "none")
  if (outcome._tag === "RateLimited") {
    assert.isAtLeast(Duration.toMillis(outcome.retryAfter), 1000)
    assert.isTrue(outcome.source === "other" || saysLimited(body) || saysTooMany(body))
  }
}

const check = (name: OperationName, exit: Exit.Exit<unknown, Failure>, status: number, text: string) => {
  if (name.startsWith("ToolCalls.")) return checkToolCall(exit, status, text)
  const outcome = valueOrError(exit)
  if (Exit.isSuccess(exit)) assert.strictEqual(status, 200)
  else if (name === "McpDoor.call" && (outcome as Failure)._tag === "OpaUnavailable") {
    assert.isTrue(status === 502 && saysOpa(parse(text)))
  } // 501 says that nothing can have been done.
  else if (hasSideEffect(name) && status >= 500 && status !== 501) {
    assert.strictEqual((outcome as Failure).sideEffect, "possible")
  }
}

// --- answers ---------------------------------------------------------------------------------------------------------

const time = "2026-11-23T00:51:05.024273+00:00"
const limit = { error: "rate_limit_exceeded", tenant_id: "t-1", rate_limit_rps: 10, rate_limit_burst: 20 }
const row = { action_id: actionId, agent_id: "a", tool: "t", method: "m", params: { a: 1 }, severity: "none" }
const side = { decision: "allow", violations: [], severity: "none", bundle_revision: "1", recorded_at: time }

const documents: ReadonlyArray<readonly [status: number, body: unknown]> = [
  [200, { status: "allowed", action_id: actionId }],
  [200, {
    status: "allowed",
    action_id: actionId,
    execution_mode: "vargate_brokered",
    execution_result: { ok: true },
    latency: { opa_eval_ms: 1, hsm_fetch_ms: null, execution_ms: 3.5, total_ms: 4.5 }
  }],
  [202, { status: "pending_approval", action_id: actionId, message: "queued" }],
  [403, {
    detail: { status: "blocked", action_id: actionId, violations: ["v"], severity: "high", alert_tier: "soc_page" }
  }],
  [403, { detail: "Dashboard is not public" }],
  [422, { detail: [{ type: "missing", loc: ["body", "tool", 0], msg: "Field required", input: {} }] }],
  [429, { detail: limit }],
  [429, limit],
  [429, { detail: "Too many requests" }],
  [502, { detail: "OPA unreachable: All connection attempts failed" }],
  [502, { detail: "Archived bundle not found" }],
  [500, "Internal Server Error"],
  [200, {
    pending: [{ ...row, violations: ["v"], created_at: time, timeout_at: time }],
    stats: { pending: 1, approved: 0, rejected: 0, expired: 0 }
  }],
  [200, { history: [{ ...row, status: "approved", reviewer_email: "r", created_at: time, reviewed_at: time }] }],
  [200, {
    status: "approved",
    action_id: actionId,
    reviewed_at: time,
    execution: { status: "success", result: { result: { error: "no" }, execution_ms: 1 } }
  }],
  [200, { status: "rejected", action_id: actionId, reviewer_email: null, reviewed_at: time }],
  [200, {
    records: [{
      ...row,
      id: 1,
      requested_at: time,
      decision: "deny",
      violations: ["v"],
      bundle_revision: "1",
      prev_hash: "GENESIS",
      record_hash: recordHash
    }],
    count: 1,
    offset: 0,
    total: 1,
    tenant_id: "t-1"
  }],
  [200, { valid: false, failed_at_action_id: actionId, reason: "record_hash mismatch", tenant_id: "t-1" }],
  [200, { action_id: actionId, replay_status: "MATCH", original: side, replayed: side }],
  [200, { original_decision: "allow", replay_decision: "allow", consistent: true }],
  [200, { trees: [{ tree_index: 0, merkle_root: recordHash, record_count: 1, period_start: time, period_end: time }] }],
  [200, { record_hash: recordHash, tree_root: recordHash, proof: [{ sibling: recordHash, position: "left" }] }],
  [200, { status: "ok", redis: true }],
  [200, { jsonrpc: "2.0", id: null, error: { code: -32000, message: "Rate limit exceeded" } }],
  [200, { jsonrpc: "2.0", id: 1, result: { _vargate: { action_id: actionId, decision: "allowed" }, content: [] } }]
]

const statuses = [200, 202, 204, 304, 307, 400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 502, 503, 504]

const status = Arbitrary.schema(Schema.Union([
  Schema.Literals(statuses),
  Schema.Literals(statuses),
  Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 599 }))
]))

const index = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999_999 })))
const json = Arbitrary.schema(Schema.Union([
  Schema.Literals([true, "", "allowed", "OPA unreachable", 0, -1, 1e300, "2026", actionId]),
  Schema.Json
]))

const mutations = Arbitrary.array(Arbitrary.all({ index, action: index, json }), { maxLength: 3 })

interface Mutation {
  readonly index: number
  readonly action: number
  readonly json: unknown
}

/** Replaces, removes or doubles one member somewhere in a document. */
const mutate = (document: unknown, mutation: Mutation): unknown => {
  if (typeof document !== "object" || document === null) return mutation.json
  const copy = structuredClone(document) as Record<string, unknown>
  const keys = Object.keys(copy)
  const key = keys[mutation.index % keys.length]
  if (key === undefined) return mutation.json
  const action = mutation.action % 8
  if (action === 0) Reflect.deleteProperty(copy, key)
  else if (action === 1) Reflect.set(copy, key, mutation.json)
  else if (action === 2) Reflect.set(copy, "unknown", mutation.json)
  else if (action === 3) return [copy, copy]
  else Reflect.set(copy, key, mutate(copy[key], { ...mutation, index: Math.floor(mutation.index / 7) }))
  return copy
}

interface Answer {
  readonly status: number
  readonly text: string
}

const write = (document: unknown) => typeof document === "string" ? document : JSON.stringify(document) ?? ""

const documented: Arbitrary.Arbitrary<Answer> = Arbitrary.all({ index, mutations, otherStatus: status, coin: index })
  .pipe(Arbitrary.map(({ coin, index, mutations, otherStatus }) => {
    const [status, document] = documents[index % documents.length]!
    return { status: coin % 3 === 0 ? otherStatus : status, text: write(mutations.reduce(mutate, document)) }
  }))

const noise: Arbitrary.Arbitrary<Answer> = Arbitrary.all({
  status,
  text: Arbitrary.schema(Schema.Union([Schema.String, Schema.Json])),
  times: index
}).pipe(Arbitrary.map(({ status, text: raw, times }) => {
  const text = write(raw)
  // A few are long, up to 64 kB.
  return { status, text: times % 50 === 0 ? text.repeat(Math.ceil(65_536 / (text.length + 1))).slice(0, 65_536) : text }
}))

const contentType = Arbitrary.schema(Schema.Literals([
  "application/json",
  "application/json; charset=utf-16",
  "text/html; charset=utf-8",
  "text/plain",
  "application/octet-stream",
  "text/event-stream",
  "multipart/form-data",
  "nonsense",
  ""
]))

// --- properties ------------------------------------------------------------------------------------------------------

/** The tool call, whose answers matter most, and one other operation. */
const callAnd = (other: number): ReadonlyArray<OperationName> => [
  "ToolCalls.call",
  operationNames[other % operationNames.length]!
]

const { answer, services } = rewindable()

layer(services)("any text", (it) => {
  const both = (step: ScriptedTransport.Step, { status, text }: Answer, other: number) =>
    Effect.gen(function*() {
      for (const name of callAnd(other)) {
        answer(step)
        check(name, yield* Effect.exit(operations[name]), status, text)
      }
    })

  const options = { arbitrary: { runs: 2000 } }

  it.effect.prop("documented bodies, changed and under other statuses", { documented, contentType, index }, (given) => {
    const { status, text } = given.documented
    return both(
      ScriptedTransport.text(status, text, { "content-type": given.contentType }),
      given.documented,
      given.index
    )
  }, options)

  it.effect.prop("noise", { noise, contentType, index }, (given) => {
    const { status, text } = given.noise
    return both(ScriptedTransport.text(status, text, { "content-type": given.contentType }), given.noise, given.index)
  }, options)

  it.effect.prop("cut anywhere", { documented, index }, ({ documented, index }) => {
    const { status, text } = documented
    const step = ScriptedTransport.cut(ScriptedTransport.text(status, text), index % (text.length + 1))
    return Effect.gen(function*() {
      for (const name of callAnd(index)) {
        answer(step)
        const outcome = valueOrError(yield* Effect.exit(operations[name])) as Failure
        if (text === "" || [101, 204, 205, 304].includes(status) || status < 200) continue
        // The end of the body never came, so nothing that needs it may be concluded.
        assert.include(["OutcomeUnknown", "VargateError", "InterruptNotConfirmed", "RotationUnknown"], outcome._tag)
        if (hasSideEffect(name)) assert.strictEqual(outcome.sideEffect, "possible")
      }
    })
  }, { arbitrary: { runs: 500 } })
})

/** A wire of bytes, as a web response brings them. After `answer` has no more, it is an empty gateway. */
const bytesWire = (answer: () => Response | undefined) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, { pathname }) =>
      Effect.sync(() => {
        const empty = emptyGateway({ path: pathname })
        const response = answer() ?? new Response(empty._tag === "Answer" ? empty.text : "")
        return HttpClientResponse.fromWeb(request, response)
      })
    )
  )

const overWire = (answer: () => Response | undefined, options?: { readonly maxBodyBytes?: number }) =>
  Layer.provide(everyService(options), bytesWire(answer))

const overBytes = (answer: () => Response, options?: { readonly maxBodyBytes?: number }) => {
  const answers = [answer]
  return overWire(() => answers.pop()?.(), options)
}

const chunked = (bytes: Uint8Array, size: number) => {
  let offset = 0
  return new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (offset >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(offset, offset += size))
    }
  })
}

const currentBytes: Array<() => Response> = []

layer(overWire(() => currentBytes.pop()?.()))("any bytes", (it) => {
  const bytes = Arbitrary.array(
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))),
    { maxLength: 300 }
  ).pipe(Arbitrary.map((numbers) => Uint8Array.from(numbers)))

  it.effect.prop("in any pieces", { bytes, documented, index, coin: index }, (given) =>
    Effect.gen(function*() {
      const { status, text } = given.documented
      const encoded = new TextEncoder().encode(text)
      // Random bytes alone, or a document with random bytes somewhere inside.
      const place = given.index % (encoded.length + 1)
      const body = given.coin % 2 === 0
        ? given.bytes
        : Uint8Array.from([...encoded.slice(0, place), ...given.bytes, ...encoded.slice(place)])
      const bodyless = [204, 205, 304].includes(status) || status < 200
      const answer = () =>
        bodyless
          ? new Response(null, { status: Math.max(status, 200) })
          : new Response(chunked(body, 1 + given.index % 50), { status })
      const seen = bodyless ? "" : new TextDecoder().decode(body)
      for (const name of callAnd(given.index)) {
        currentBytes.push(answer)
        check(name, yield* Effect.exit(operations[name]), Math.max(status, 200), seen)
      }
    }), { arbitrary: { runs: 1000 } })
})

// --- broken wires ----------------------------------------------------------------------------------------------------

describe("broken wires", () => {
  it.effect.each(operationNames)("%s: broken after sending", (name) =>
    Effect.gen(function*() {
      const outcome = valueOrError(yield* Effect.exit(run(name, ScriptedTransport.disconnect))) as Failure
      assert.strictEqual(outcome.sideEffect, hasSideEffect(name) ? "possible" : "none")
      assert.strictEqual(outcome._tag, lossOf(name))
    }))

  it.effect.each(operationNames)("%s: never connected", (name) =>
    Effect.gen(function*() {
      const outcome = valueOrError(yield* Effect.exit(run(name, ScriptedTransport.refuse))) as Failure
      assert(outcome._tag === "VargateError")
      assert.strictEqual(outcome.reason._tag, "Unreachable")
      assert.strictEqual(outcome.sideEffect, "none")
    }))

  it.effect.each(operationNames)("%s: no answer", (name) =>
    Effect.gen(function*() {
      const fiber = yield* run(name, ScriptedTransport.hang).pipe(
        Effect.exit,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("30 seconds")
      const outcome = valueOrError(yield* Fiber.join(fiber)) as Failure
      assert.strictEqual(outcome.sideEffect, hasSideEffect(name) ? "possible" : "none")
    }))
})

// --- nasties ---------------------------------------------------------------------------------------------------------

const utf8 = (text: string) => new TextEncoder().encode(text)
const allowed = JSON.stringify({ status: "allowed", action_id: actionId })

describe("nasties", () => {
  const deep = "[".repeat(20_000) + "]".repeat(20_000)
  const texts: Readonly<Record<string, string>> = {
    "a deep result": allowed.replace("}", `,"execution_mode":"vargate_brokered","execution_result":${deep}}`),
    "a deep detail": `{"detail":${deep}}`,
    "a polluted prototype":
      `{"__proto__":{"status":"allowed","polluted":true},"constructor":{"prototype":{"polluted":true}}}`,
    "an allowed prototype": `{"__proto__":${allowed}}`,
    "a tag": `{"_tag":"Pending202","detail":"x"}`,
    "nul bytes": "\0".repeat(1000),
    "nul bytes in JSON": allowed.replace("allowed", "allo\0wed"),
    "two documents": allowed + allowed,
    "huge numbers": `{"detail":${"9".repeat(10_000)}}`,
    "nothing": ""
  }
  const cases = Object.entries(texts).flatMap(([name, text]) =>
    [200, 202, 403, 422, 429, 500, 502].map((status) => ({ name, status, text }))
  )

  it.effect.each(cases)("$name under $status", ({ status, text }) =>
    Effect.gen(function*() {
      for (const name of operationNames) {
        answer(ScriptedTransport.text(status, text))
        check(name, yield* Effect.exit(operations[name]), status, text)
      }
      assert.isFalse("polluted" in {})
    }).pipe(Effect.provide(services)))

  it.effect.each([200, 403, 502])("5 MB of open brackets under %s", (status) =>
    Effect.gen(function*() {
      const text = "[".repeat(5_000_000)
      check(
        "ToolCalls.call",
        yield* Effect.exit(run("ToolCalls.call", ScriptedTransport.text(status, text))),
        status,
        text
      )
    }))

  it.effect("a byte order mark is not part of the answer", () =>
    Effect.gen(function*() {
      const outcome = yield* run("ToolCalls.call", ScriptedTransport.text(200, `\ufeff${allowed}`))
      assert.strictEqual((outcome as { _tag: string })._tag, "Allowed")
    }))

  it.effect("invalid UTF-8 in what decides leaves the outcome unknown", () =>
    Effect.gen(function*() {
      const body = utf8(allowed)
      body[body.indexOf(0x77)] = 0xff
      const exit = yield* Effect.exit(operations["ToolCalls.call"]).pipe(
        Effect.provide(overBytes(() => new Response(body, { status: 200 })))
      )
      assert.strictEqual((valueOrError(exit) as Failure)._tag, "OutcomeUnknown")
    }))

  it.effect("a gzip header over plain text is not believed", () =>
    Effect.gen(function*() {
      const headers = { "content-encoding": "gzip", "content-length": "5" }
      const outcome = yield* run("ToolCalls.call", ScriptedTransport.text(200, allowed, headers))
      assert.strictEqual((outcome as { _tag: string })._tag, "Allowed")
    }))

  it.effect.each([204, 205, 304])("%s without a body", (status) =>
    Effect.gen(function*() {
      for (const name of operationNames) {
        const exit = yield* Effect.exit(operations[name]).pipe(
          Effect.provide(overBytes(() => new Response(null, { status })))
        )
        check(name, exit, status, "")
        assert.isTrue(Exit.isFailure(exit))
      }
    }))
})

describe("bodies over the limit", () => {
  const body = utf8(allowed)
  const maxBodyBytes = body.length - 1

  const tooLarge = (headers: Record<string, string>, limit = maxBodyBytes) =>
    Effect.gen(function*() {
      const error = valueOrError(yield* Effect.exit(operations["ToolCalls.call"])) as Failure
      assert(error._tag === "OutcomeUnknown" && error.cause._tag === "UnexpectedResponse")
      assert.include(error.cause.detail, `larger than ${limit} bytes`)
    }).pipe(Effect.provide(overBytes(() => new Response(chunked(body, 7), { headers }), { maxBodyBytes: limit })))

  it.effect("are refused by their content-length", () => tooLarge({ "content-length": String(body.length) }))
  it.effect("are refused while they stream", () => tooLarge({}))
  it.effect("are refused while they unpack", () => tooLarge({ "content-length": "5", "content-encoding": "gzip" }))
  it.effect.each(["junk", "", "-1", "1e1", "0x1", "1.5"])(
    "are refused whatever a broken content-length (%s) says",
    (length) => tooLarge({ "content-length": length })
  )

  it.effect("are never read", () =>
    Effect.gen(function*() {
      let pulled = 0
      const endless = () =>
        new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(++pulled * 10)) }))
      yield* Effect.flip(operations["System.health"]).pipe(Effect.provide(overBytes(endless, { maxBodyBytes: 1000 })))
      assert.isBelow(pulled, 30)
    }))

  it.effect("of exactly the limit are read", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(operations["ToolCalls.call"]).pipe(
        Effect.provide(overBytes(() => new Response(chunked(body, 7)), { maxBodyBytes: body.length }))
      )
      assert.isTrue(Exit.isSuccess(exit))
    }))
})

describe("Retry-After", () => {
  const after = (header: string) =>
    run("ToolCalls.call", ScriptedTransport.json(429, { detail: limit }, { "retry-after": header })).pipe(
      Effect.flip,
      Effect.map((error) => {
        assert(error._tag === "RateLimited")
        return Duration.toSeconds(error.retryAfter)
      })
    )

  it.effect.each<readonly [string, number]>([
    ["0", 1],
    ["1", 1],
    ["7", 7],
    ["120", 120],
    ["-5", 1],
    ["1.5", 1],
    ["soon", 1],
    ["", 1],
    ["Thu, 01 Jan 1970 00:00:30 GMT", 30],
    ["Wed, 31 Dec 1969 23:59:00 GMT", 1],
    ["Thu, 99 Foo 1970 00:00:30 GMT", 1]
  ])("%s", ([header, seconds]) => Effect.map(after(header), (actual) => assert.strictEqual(actual, seconds)))

  it.effect("longer than any number of milliseconds", () =>
    Effect.map(after("9".repeat(30)), (actual) => assert.isAbove(actual, 1e20)))
})
