/**
 * A server with the tools, resources and prompts that the official conformance suite asks for, by the official SDK.
 *
 * Arguments: a port for Streamable HTTP; without one it serves over standard input and output.
 */
import { Server } from "@modelcontextprotocol/sdk/server/index.js"
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import * as Types from "@modelcontextprotocol/sdk/types.js"
import { createServer } from "node:http"

const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
const wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA="

const text = (words: string) => ({ type: "text" as const, text: words })
const image = { type: "image" as const, data: png, mimeType: "image/png" }
const resource = (uri: string) => ({
  type: "resource" as const,
  resource: { uri, mimeType: "text/plain", text: "words" }
})

type Handler = (
  server: Server,
  args: Readonly<Record<string, unknown>>,
  context: { readonly progressToken: string | number | undefined; readonly requestId: Types.RequestId }
) => Promise<Types.CallToolResult> | Types.CallToolResult

const pause = () => new Promise((resolve) => setTimeout(resolve, 30))

const tools: Readonly<Record<string, Handler>> = {
  test_simple_text: () => ({ content: [text("This is a simple text response for testing.")] }),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: "audio", data: wav, mimeType: "audio/wav" }] }),
  test_embedded_resource: () => ({ content: [resource("test://embedded-resource")] }),
  test_multiple_content_types: () => ({
    content: [text("Multiple content types test:"), image, resource("test://mixed-content-resource")]
  }),
  test_tool_with_logging: async (server, _args, { requestId: relatedRequestId }) => {
    for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      await server.notification({ method: "notifications/message", params: { level: "info", data } }, {
        relatedRequestId
      })
      await pause()
    }
    return { content: [text("logged")] }
  },
  test_error_handling: () => ({
    content: [text("This tool intentionally returns an error for testing")],
    isError: true
  }),
  test_tool_with_progress: async (server, _args, { progressToken, requestId: relatedRequestId }) => {
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) {
        await server.notification(
          { method: "notifications/progress", params: { progressToken, progress, total: 100 } },
          { relatedRequestId }
        )
      }
      await pause()
    }
    return { content: [text(String(progressToken))] }
  },
  test_sampling: async (server, { prompt }, { requestId: relatedRequestId }) => {
    const { content } = await server.createMessage(
      { messages: [{ role: "user", content: text(String(prompt)) }], maxTokens: 100 },
      { relatedRequestId }
    )
    return { content: [text(`LLM response: ${JSON.stringify(content)}`)] }
  },
  test_elicitation: async (server, { message }, { requestId: relatedRequestId }) => {
    const answer = await server.elicitInput({
      message: String(message),
      requestedSchema: {
        type: "object",
        properties: { username: { type: "string" }, email: { type: "string" } },
        required: ["username", "email"]
      }
    }, { relatedRequestId })
    return { content: [text(`User response: ${JSON.stringify(answer)}`)] }
  },
  test_elicitation_sep1034_defaults: async (server, _args, { requestId: relatedRequestId }) => {
    const answer = await server.elicitInput({
      message: "Please review and update the form fields with defaults",
      requestedSchema: {
        type: "object",
        properties: {
          name: { type: "string", default: "John Doe" },
          age: { type: "integer", default: 30 },
          score: { type: "number", default: 95.5 },
          status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
          verified: { type: "boolean", default: true }
        }
      }
    }, { relatedRequestId })
    return { content: [text(`Elicitation completed: ${JSON.stringify(answer)}`)] }
  }
}

const resources: Readonly<Record<string, object>> = {
  "test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
  "test://static-binary": { mimeType: "image/png", blob: png }
}

const prompts: Readonly<Record<string, (args: Readonly<Record<string, string>>) => ReadonlyArray<Types.ContentBlock>>> =
  {
    test_simple_prompt: () => [text("This is a simple prompt for testing.")],
    test_prompt_with_arguments: ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
    test_prompt_with_embedded_resource: (
      { resourceUri }
    ) => [resource(resourceUri ?? "test://static-text"), text("Use it.")],
    test_prompt_with_image: () => [image, text("Look at it.")]
  }

const make = () => {
  const server = new Server({ name: "conformance", version: "1.0.0" }, {
    capabilities: {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      logging: {},
      completions: {}
    }
  })
  const missing = (what: string) => new Types.McpError(Types.ErrorCode.InvalidParams, `${what} not found`)
  server.setRequestHandler(Types.ListToolsRequestSchema, () => ({
    tools: Object.keys(tools).map((name) => ({ name, description: name, inputSchema: { type: "object" as const } }))
  }))
  server.setRequestHandler(Types.CallToolRequestSchema, ({ params }, { requestId }) => {
    const handler = tools[params.name]
    if (handler === undefined) throw missing(params.name)
    return handler(server, params.arguments ?? {}, { progressToken: params._meta?.progressToken, requestId })
  })
  server.setRequestHandler(Types.ListResourcesRequestSchema, () => ({
    resources: Object.keys(resources).map((uri) => ({ uri, name: uri }))
  }))
  server.setRequestHandler(Types.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template" }]
  }))
  server.setRequestHandler(Types.ReadResourceRequestSchema, ({ params: { uri } }) => {
    const id = /^test:\/\/template\/(\w+)\/data$/.exec(uri)?.[1]
    const content = id === undefined ? resources[uri] : { mimeType: "application/json", text: JSON.stringify({ id }) }
    if (content === undefined) throw missing(uri)
    return { contents: [{ uri, ...content }] } as Types.ReadResourceResult
  })
  server.setRequestHandler(Types.SubscribeRequestSchema, () => ({}))
  server.setRequestHandler(Types.UnsubscribeRequestSchema, () => ({}))
  server.setRequestHandler(Types.ListPromptsRequestSchema, () => ({
    prompts: Object.keys(prompts).map((name) => ({ name, description: name }))
  }))
  server.setRequestHandler(Types.GetPromptRequestSchema, ({ params }) => {
    const content = prompts[params.name]
    if (content === undefined) throw missing(params.name)
    return { messages: content(params.arguments ?? {}).map((content) => ({ role: "user" as const, content })) }
  })
  server.setRequestHandler(Types.CompleteRequestSchema, () => ({ completion: { values: ["paris", "park"] } }))
  server.setRequestHandler(Types.SetLevelRequestSchema, () => ({}))
  return server
}

const port = process.argv[2]

if (port === undefined) {
  await make().connect(new StdioServerTransport())
} else {
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  createServer(async (request, response) => {
    const id = request.headers["mcp-session-id"]
    const known = typeof id === "string" ? sessions.get(id) : undefined
    if (id !== undefined && known === undefined) return void response.writeHead(404).end()
    if (known !== undefined) return void await known.handleRequest(request, response)
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (own) => void sessions.set(own, transport),
      onsessionclosed: (own) => void sessions.delete(own)
    })
    await make().connect(transport as never)
    await transport.handleRequest(request, response)
  }).listen(Number(port), "127.0.0.1")
}
