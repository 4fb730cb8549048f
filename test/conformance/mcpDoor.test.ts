/** The door hides what it means in JSON-RPC under a 200, so each of its captured answers is stated by itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { type OperationName, operations, scripted } from "../support/operations.ts"
import { type Capture, hasCaptures, plain, reason, routes } from "./captures.ts"
import { checkRefusal } from "./refusals.ts"
import { type Raw, suite } from "./suite.ts"

interface Expected {
  readonly operation: OperationName
  /** Of a yes, the value; of anything else the tag, or the reason's, and what the answer leaves open. */
  readonly outcome: (result: Raw) => unknown
}

const info = (result: Raw) => ({
  protocolVersion: result["protocolVersion"],
  serverName: result["serverInfo"]!["name"],
  serverVersion: result["serverInfo"]!["version"],
  sessionId: result["vargate"]!["session_id"],
  tenantId: result["vargate"]!["tenant_id"],
  features: result["vargate"]!["features"]
})

const tools = ({ tools }: Raw) => tools

const pong = () => undefined

const failed = ({ _vargate: verdict, content }: Raw) => {
  const { execution_ms, result } = JSON.parse(content![0]!["text"]!)
  return {
    _tag: "Allowed",
    actionId: verdict!["action_id"],
    execution: { _tag: "ExecutionFailed", error: result.error, latency: { executionMs: execution_ms } },
    reconciled: false
  }
}

const denied = ({ _vargate: verdict }: Raw) => ({
  _tag: "Denied",
  sideEffect: "none",
  actionId: verdict!["action_id"],
  violations: verdict!["violations"],
  severity: verdict!["severity"],
  alertTier: "none"
})

const neverQueued = ({ _vargate: verdict }: Raw) => ({
  _tag: "NeverQueued",
  sideEffect: "none",
  actionId: verdict!["action_id"]
})

const invalid = (message: string) => () => ({
  _tag: "VargateError",
  sideEffect: "none",
  reason: { _tag: "InvalidRequest", issues: [{ path: [], message }] }
})

const unexpected = () => ({ _tag: "VargateError", sideEffect: "none", reason: { _tag: "UnexpectedResponse" } })
const limited = () => ({ _tag: "RateLimited", sideEffect: "none" })

const answered: Readonly<Record<string, Expected>> = {
  "mcp/auth-bearer-api-key-ok.json": { operation: "McpDoor.ping", outcome: pong },
  "mcp/batch.json": { operation: "McpDoor.ping", outcome: invalid("Batch requests are not supported") },
  // It answers with the id that it was sent, which was a text.
  "mcp/initialize-string-id.json": { operation: "McpDoor.info", outcome: unexpected },
  "mcp/initialize.json": { operation: "McpDoor.info", outcome: info },
  "mcp/method-not-found.json": { operation: "McpDoor.ping", outcome: invalid("Method not found: resources/list") },
  "mcp/no-method.json": { operation: "McpDoor.ping", outcome: invalid("Method not found: ") },
  "mcp/not-object.json": { operation: "McpDoor.ping", outcome: invalid("Invalid request") },
  "mcp/notifications-initialized.json": { operation: "McpDoor.ping", outcome: unexpected },
  "mcp/parse-error.json": { operation: "McpDoor.ping", outcome: invalid("Parse error") },
  "mcp/ping.json": { operation: "McpDoor.ping", outcome: pong },
  "mcp/sub-route-tools-list.json": { operation: "McpDoor.tools", outcome: tools },
  "mcp/tools-call-allowed-opa-override.json": { operation: "McpDoor.call", outcome: failed },
  "mcp/tools-call-allowed-stripe-opa-override.json": { operation: "McpDoor.call", outcome: failed },
  "mcp/tools-call-denied-session.json": { operation: "McpDoor.call", outcome: denied },
  "mcp/tools-call-denied.json": { operation: "McpDoor.call", outcome: denied },
  "mcp/tools-call-in-managed-session.json": { operation: "McpDoor.call", outcome: denied },
  "mcp/tools-call-pending-opa-override.json": { operation: "McpDoor.call", outcome: neverQueued },
  "mcp/tools-call-rate-limited-200.json": { operation: "McpDoor.call", outcome: limited },
  "mcp/tools-call-unknown-tool.json": { operation: "McpDoor.call", outcome: invalid("Unknown tool: nope") },
  "mcp/tools-list-filtered-by-agent.json": { operation: "McpDoor.tools", outcome: tools },
  "mcp/tools-list-params-empty.json": { operation: "McpDoor.tools", outcome: tools },
  "mcp/tools-list.json": { operation: "McpDoor.tools", outcome: tools },
  "webhook/trigger-mcp-denied.json": { operation: "McpDoor.call", outcome: denied }
}

/** By the operation that would get them. */
const refused: Readonly<Record<string, OperationName>> = {
  "mcp/auth-401-bad-key.json": "McpDoor.ping",
  "mcp/auth-401-no-key.json": "McpDoor.tools",
  "mcp/auth-bearer-bad-401.json": "McpDoor.call",
  "mcp/initialize-missing-params-500.json": "McpDoor.info",
  "mcp/sub-route-initialize-422.json": "McpDoor.info",
  "mcp/tools-call-arguments-array-500.json": "McpDoor.call",
  "mcp/tools-call-missing-name-500.json": "McpDoor.call"
}

const opaDown = "mcp/tools-call-opa-down-502.json"

const captures = routes["POST /mcp/server"]
const among = (table: object) => captures.filter(({ file }) => Object.hasOwn(table, file))

const answerTo = (name: OperationName, { headers, status, text }: Capture) => {
  const { id } = text.startsWith("{") ? JSON.parse(text) : {}
  // The client counts its requests, and the capture has an id: the answer fits the request of that number.
  const earlier = Array.from({ length: Number.isInteger(id) ? id - 1 : 0 }, () => Effect.exit(operations[name]))
  return Effect.all(earlier).pipe(
    Effect.andThen(Effect.result(operations[name])),
    Effect.provide(scripted(() => ScriptedTransport.text(status, text, headers)))
  )
}

/** What of a value the expectation names, getters of errors included. */
const named = (value: unknown, expected: unknown): unknown =>
  typeof value !== "object" || value === null || typeof expected !== "object" || expected === null ||
    Array.isArray(expected)
    ? value
    : Object.fromEntries(
      Object.entries(expected).map(([key, inner]) => [key, named(Reflect.get(value, key), inner)])
    )

describe.skipIf(!hasCaptures)(`POST /mcp/server (${reason})`, () => {
  it("has an expectation for every captured answer", () => {
    assert.deepStrictEqual(
      captures.map(({ file }) => file).sort(),
      [...Object.keys(answered), ...Object.keys(refused), opaDown].sort()
    )
  })

  it.effect.each(among(answered))("reads $file", (capture) =>
    Effect.gen(function*() {
      const { operation, outcome } = answered[capture.file]!
      const result = yield* answerTo(operation, capture)
      const expected = plain(outcome(JSON.parse(capture.text).result))
      const value = plain(result._tag === "Success" ? result.success : named(result.failure, expected))
      assert.deepStrictEqual(value, expected)
    }))

  it.effect.each(among(refused))("is refused $status $file", (capture) =>
    Effect.gen(function*() {
      const operation = refused[capture.file]!
      const result = yield* answerTo(operation, capture)
      assert(result._tag === "Failure")
      checkRefusal(capture, result.failure, operation)
    }))

  it.effect.each(among({ [opaDown]: true }))("knows what $file did not do", (capture) =>
    Effect.gen(function*() {
      const call = yield* answerTo("McpDoor.call", capture)
      assert(call._tag === "Failure" && call.failure._tag === "OpaUnavailable")
      assert.deepStrictEqual([call.failure.sideEffect, call.failure.isRetryable], ["none", true])
    }))
})

suite({
  route: "GET /mcp/server/health",
  operation: "McpDoor.health",
  expected: ({ protocol_version, service, status }) => ({ status, service, protocolVersion: protocol_version })
})
