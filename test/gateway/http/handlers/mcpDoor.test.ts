import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Effect, Layer } from "effect"
import { Agent, Approvals, AuditLog, ManagedAgents, Reviews, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { PolicyOutage } from "effect-vargate/gateway/policy/PolicyOutage"
import * as McpDoor from "effect-vargate/mcp/McpDoor"
import { HttpBody, HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { createServer } from "node:http"

const executed: Array<unknown> = []

const inputSchema = { type: "object", properties: { channel: { type: "string" } }, required: ["channel"] }

const options: Gateway.Options = {
  tenants: [
    {
      id: "fx-main",
      apiKey: "a-key-of-fx-main",
      burst: 1000,
      keys: [{ name: "eyes", apiKey: "a-key-to-review", scopes: ["reviewer"] }]
    },
    { id: "narrow", apiKey: "a-key-of-narrow", burst: 1 }
  ],
  policy: {
    rules: [{ name: "not_there", severity: "high", when: ({ action }) => action.params["channel"] === "#board" }],
    approvals: [({ action }) => action.params["channel"] === "#all"]
  },
  tools: {
    "slack/post_message": {
      name: "vargate_post_slack",
      description: "Post a message to a Slack channel.",
      inputSchema,
      run: (params) =>
        Effect.suspend(() => {
          executed.push(params)
          return params["channel"] === "#gone" ? Effect.fail("no_channel") : Effect.succeed({ ok: true })
        })
    },
    "stripe/create.refund": () => Effect.succeed("refunded"),
    "a_b/c": () => Effect.void,
    "a/b_c": () => Effect.void
  }
}

const world = Layer.suspend(() => {
  executed.length = 0
  return McpDoor.layer.pipe(
    Layer.provideMerge(Vargate.layerOperator({ apiKey: "a-key-of-fx-main" })),
    Layer.provideMerge(Gateway.layerMemory(options)),
    Layer.orDie
  )
})

const key = { "x-api-key": "a-key-of-fx-main" }

/** A request as it is on the wire: ids that differ each time are masked. */
const send = Effect.fnUntraced(function*(text: string, headers: Record<string, string> = key) {
  const client = yield* HttpClient.HttpClient
  const response = yield* client.execute(
    HttpClientRequest.post("http://gateway/api/mcp/server", {
      headers,
      body: HttpBody.text(text, "application/json")
    })
  )
  const body = (yield* response.text).replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
  return { status: response.status, body }
})

const rpc = (method: string, params?: unknown, id: unknown = 1) =>
  JSON.stringify({ jsonrpc: "2.0", id, method, params })
const post = (channel: string, more: object = {}, name = "vargate_post_slack") =>
  rpc("tools/call", { name, arguments: { channel, ...more } })

describe("POST /mcp/server of the embedded gateway", () => {
  /** As the measured gateway answers, to the letter. */
  const measured: ReadonlyArray<readonly [name: string, request: string, answer: string]> = [
    ["ping", rpc("ping"), `{"jsonrpc":"2.0","id":1,"result":{}}`],
    [
      "a batch",
      `[${rpc("ping")}]`,
      `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Batch requests are not supported"}}`
    ],
    ["no object", "5", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid request"}}`],
    ["no JSON", "{bad", `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`],
    [
      "no method",
      `{"jsonrpc":"2.0","id":9}`,
      `{"jsonrpc":"2.0","id":9,"error":{"code":-32601,"message":"Method not found: "}}`
    ],
    [
      "another method",
      rpc("resources/list"),
      `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found: resources/list"}}`
    ],
    [
      "a notification",
      `{"jsonrpc": "2.0", "method": "notifications/initialized"}`,
      `{"jsonrpc":"2.0","id":null,"result":{}}`
    ],
    [
      "another revision, and an id that is a text",
      rpc("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: {} }, "abc"),
      `{"jsonrpc":"2.0","id":"abc","result":{"protocolVersion":"2024-11-05","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"vargate-governance","version":"1.0.0"},"vargate":{"session_id":"ID","tenant_id":"fx-main","governance":"active","features":["opa_policy_evaluation","behavioral_analysis","pii_detection","credential_brokering","hash_chain_audit","merkle_tree_anchoring"]}}}`
    ],
    [
      "a tool that is not there",
      post("#general", {}, "nope"),
      `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: nope"}}`
    ],
    [
      "a call that is denied",
      post("#board"),
      `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\\"status\\":\\"blocked\\",\\"violations\\":[\\"not_there\\"],\\"severity\\":\\"high\\"}"}],"isError":true,"_vargate":{"action_id":"ID","decision":"denied","violations":["not_there"],"severity":"high","source":"mcp_governed"}}}`
    ],
    [
      "a call that needs an approval",
      post("#all"),
      `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\\"status\\":\\"pending_approval\\",\\"action_id\\":\\"ID\\",\\"message\\":\\"This action requires human approval. Check back using the action_id.\\"}"}],"isError":false,"_vargate":{"action_id":"ID","decision":"pending_approval","source":"mcp_governed"}}}`
    ]
  ]

  it.effect.each(measured)("answers %s as measured", ([, request, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* send(request), { status: 200, body: expected })
      assert.deepStrictEqual(executed, [])
    }).pipe(Effect.provide(world)))

  it.effect("lists what the gateway executes, by names that are unique and that clients take", () =>
    Effect.gen(function*() {
      const { body } = yield* send(rpc("tools/list"))
      assert.deepStrictEqual(JSON.parse(body).result, {
        tools: [
          { name: "vargate_post_slack", description: "Post a message to a Slack channel.", inputSchema },
          {
            name: "stripe_create_refund",
            description: "Performs stripe/create.refund.",
            inputSchema: { type: "object" }
          }
        ]
      })
    }).pipe(Effect.provide(world)))

  it.effect("lists for a managed agent what it may use", () =>
    Effect.gen(function*() {
      const agents = yield* ManagedAgents.ManagedAgents
      const named = yield* agents.register({ name: "a", allowedTools: ["vargate_post_slack"] })
      const byPath = yield* agents.register({ name: "b", allowedTools: ["stripe/create.refund"] })
      const all = yield* agents.register({ name: "c" })
      const door = yield* McpDoor.McpDoor
      const names = (agentId: typeof named.id) =>
        Effect.map(door.tools({ agentId }), (tools) => tools.map(({ name }) => name))
      assert.deepStrictEqual(yield* names(named.id), ["vargate_post_slack"])
      assert.deepStrictEqual(yield* names(byPath.id), ["stripe_create_refund"])
      assert.lengthOf(yield* names(all.id), 2)
    }).pipe(Effect.provide(world)))

  it.effect("calls nothing for a managed agent, or in its session, that it may not use", () =>
    Effect.gen(function*() {
      const agents = yield* ManagedAgents.ManagedAgents
      const none = yield* agents.register({ name: "a", allowedTools: [] })
      const one = yield* agents.register({ name: "b", allowedTools: ["slack/post_message"] })
      const session = yield* agents.start(none.id)
      for (
        const refused of [{ _vargate_agent_id: none.id }, { _vargate_session_id: session.id }, {
          _vargate_agent_id: one.id,
          _vargate_session_id: session.id
        }]
      ) {
        const { body, status } = yield* send(post("#general", refused))
        assert.deepStrictEqual([status, JSON.parse(body).error], [
          200,
          { code: -32602, message: "Unknown tool: vargate_post_slack" }
        ])
      }
      assert.deepStrictEqual(executed, [])
      const records = Effect.map(
        AuditLog.AuditLog.use((log) => log.page()),
        ({ records }) => records.filter(({ tool }) => tool === "slack")
      )
      assert.deepStrictEqual(yield* records, [])
      yield* send(post("#general", { _vargate_agent_id: one.id }))
      assert.deepStrictEqual(executed, [{ channel: "#general" }])
      assert.lengthOf(yield* records, 1)
    }).pipe(Effect.provide(world)))

  it.effect("executes what is allowed, once, and records it in the name of the agent and its session", () =>
    Effect.gen(function*() {
      const { body } = yield* send(post("#general", { _vargate_agent_id: "desk", _vargate_session_id: "vs-x" }))
      const { content, isError, _vargate: verdict } = JSON.parse(body).result
      assert.deepStrictEqual(JSON.parse(content[0].text).result, { ok: true })
      assert.deepStrictEqual([isError, verdict.decision, verdict.execution_mode], [
        false,
        "allowed",
        "vargate_brokered"
      ])
      assert.deepStrictEqual(executed, [{ channel: "#general" }])
      const { records } = yield* AuditLog.AuditLog.use((log) => log.page())
      assert.lengthOf(records, 1)
      assert.deepInclude(records[0]!, {
        agentId: "desk",
        tool: "slack",
        method: "post_message",
        params: { channel: "#general" },
        decision: "allow",
        source: "mcp_governed",
        managedSessionId: "vs-x",
        executionMode: "vargate_brokered"
      })
    }).pipe(Effect.provide(world)))

  it.effect("never queues what needs an approval: it cannot be approved, and is never executed", () =>
    Effect.gen(function*() {
      const door = yield* McpDoor.McpDoor
      const error = yield* Effect.flip(door.call({ name: "vargate_post_slack", arguments: { channel: "#all" } }))
      assert(error._tag === "NeverQueued")
      assert.deepStrictEqual((yield* Approvals.Approvals.use(({ pending }) => pending)).pending, [])
      const refused = yield* Effect.flip(Reviews.Reviews.use(({ approve }) => approve(error.actionId)))
      assert(refused._tag === "VargateError" && refused.reason._tag === "NotFound")
      const { records } = yield* AuditLog.AuditLog.use((log) => log.page())
      assert.deepStrictEqual(records.map(({ agentId, decision }) => [agentId, decision]), [[
        "desk",
        "pending_approval"
      ]])
      assert.deepStrictEqual(executed, [])
    }).pipe(Effect.provideService(Agent.Agent, { id: "desk" }), Effect.provide(world)))

  it.effect("is read by McpDoor: executed, failed, denied, and away", () =>
    Effect.gen(function*() {
      const door = yield* McpDoor.McpDoor
      const call = (channel: string) => door.call({ name: "vargate_post_slack", arguments: { channel } })
      const { execution } = yield* call("#general")
      assert.deepInclude(execution, { _tag: "Executed", result: { ok: true } })
      assert.deepInclude((yield* call("#gone")).execution, {
        _tag: "ExecutionFailed",
        error: "execution_failed: no_channel"
      })
      const denied = yield* Effect.flip(call("#board"))
      assert.deepInclude(denied, { _tag: "Denied", violations: ["not_there"], severity: "high" })
      yield* PolicyOutage.use((outage) => outage.set(true))
      assert.strictEqual((yield* Effect.flip(call("#general")))._tag, "OpaUnavailable")
      assert.deepStrictEqual(yield* door.health, {
        status: "ok",
        service: "vargate-mcp-server",
        protocolVersion: "2024-11-05"
      })
      assert.lengthOf(executed, 2)
    }).pipe(Effect.provide(world)))

  const nameless = { name: undefined, arguments: {} }
  it.effect.each([
    nameless,
    { name: "", arguments: {} },
    { name: 5 },
    { name: "vargate_post_slack", arguments: [1] },
    { name: "vargate_post_slack", arguments: null },
    { name: "vargate_post_slack", arguments: { _vargate_agent_id: "no agent" } },
    { name: "vargate_post_slack", arguments: { _vargate_session_id: 7 } },
    { name: "vargate_post_slack", arguments: { channel: "x".repeat(65_537) } }
  ])("refuses a call that it cannot read, and records nothing (%#)", (params) =>
    Effect.gen(function*() {
      const { body, status } = yield* send(rpc("tools/call", params))
      assert.deepStrictEqual([status, JSON.parse(body).error.code], [200, -32602])
      assert.deepStrictEqual(executed, [])
      assert.strictEqual((yield* AuditLog.AuditLog.use((log) => log.page())).records.length, 0)
    }).pipe(Effect.provide(world)))

  it.effect("takes the key also as a bearer token, and nothing without a key or with a wrong one", () =>
    Effect.gen(function*() {
      const pong = { status: 200, body: `{"jsonrpc":"2.0","id":1,"result":{}}` }
      assert.deepStrictEqual(yield* send(rpc("ping"), { authorization: "Bearer a-key-of-fx-main" }), pong)
      const refused = { status: 401, body: `{"detail":"MCP server requires authentication"}` }
      assert.deepStrictEqual(yield* send(rpc("ping"), {}), refused)
      assert.deepStrictEqual(yield* send(rpc("ping"), { authorization: "Bearer bad" }), refused)
      assert.deepStrictEqual(yield* send(rpc("ping"), { authorization: "Bearer bad", ...key }), refused)
      assert.deepStrictEqual(yield* send(rpc("ping"), { "x-api-key": "vg-bad-key" }), {
        status: 401,
        body: `{"detail":"Invalid API key"}`
      })
      // A key that may only review performs nothing.
      assert.strictEqual((yield* send(post("#general"), { "x-api-key": "a-key-to-review" })).status, 403)
      assert.strictEqual((yield* send(post("#general"), { authorization: "Bearer a-key-to-review" })).status, 403)
      assert.deepStrictEqual(executed, [])
    }).pipe(Effect.provide(world)))

  it.effect("limits calls, by an error under a 200", () =>
    Effect.gen(function*() {
      const narrow = { "x-api-key": "a-key-of-narrow" }
      assert.notInclude((yield* send(post("#general"), narrow)).body, "error\":")
      assert.deepStrictEqual(yield* send(post("#general"), narrow), {
        status: 200,
        body:
          `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Rate limit exceeded","data":{"vargate_action_id":"ID"}}}`
      })
      assert.lengthOf(executed, 1)
    }).pipe(Effect.provide(world)))

  it.live("serves the client of the official SDK", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const transport = new StreamableHTTPClientTransport(new URL(`${HttpServer.formatAddress(address)}/mcp/server`), {
        requestInit: { headers: key }
      })
      const client = new Client({ name: "test", version: "1.0.0" })
      yield* Effect.promise(() => client.connect(transport as Parameters<Client["connect"]>[0]))
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.deepStrictEqual(tools.map(({ name }) => name), ["vargate_post_slack", "stripe_create_refund"])
      const call = (channel: string) =>
        Effect.promise(() => client.callTool({ name: "vargate_post_slack", arguments: { channel } }))
      assert.strictEqual((yield* call("#general")).isError, false)
      assert.strictEqual((yield* call("#board")).isError, true)
      yield* Effect.promise(() => client.close())
    }).pipe(Effect.provide(
      Gateway.serve(options).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
        Layer.provide(Gateway.layerParts(options))
      )
    )))
})
