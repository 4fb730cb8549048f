/**
 * A server of the official SDK, version 2, in both eras.
 *
 * Arguments: the file to which it writes what it performed; a port for Streamable HTTP, without which it serves over
 * standard input and output.
 */
import { appendFileSync } from "node:fs"
import { createServer } from "node:http"
import { buffer } from "node:stream/consumers"
import { pathToFileURL } from "node:url"
import { mcpPeer } from "../../../.ci/mcpPeers.ts"

interface Context {
  readonly mcpReq: {
    readonly _meta?: { readonly progressToken?: unknown }
    readonly signal: AbortSignal
    readonly inputResponses?: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
    readonly notify: (notification: unknown) => Promise<void>
  }
}

type Handler = (args: Readonly<Record<string, unknown>>, context: Context) => Promise<unknown>

interface Server {
  registerTool(name: string, options: unknown, handler: Handler): void
}

const load = (file: string) => import(pathToFileURL(mcpPeer(file)).href)
const { McpServer, createMcpHandler, fromJsonSchema, inputRequired } = await load("server/dist/index.mjs") as {
  readonly McpServer: new(info: unknown, options: unknown) => Server
  readonly createMcpHandler: (factory: () => Server) => { readonly fetch: (request: Request) => Promise<Response> }
  readonly fromJsonSchema: (schema: unknown) => unknown
  readonly inputRequired: ((spec: unknown) => unknown) & { readonly elicit: (params: unknown) => unknown }
}
const { serveStdio } = await load("server/dist/stdio.mjs") as { readonly serveStdio: (factory: () => Server) => void }

const log = process.argv[2]!
const text = (words: string) => ({ content: [{ type: "text", text: words }] })
const object = (properties: Readonly<Record<string, unknown>>) =>
  fromJsonSchema({ type: "object", properties, required: Object.keys(properties) })

const make = () => {
  const server = new McpServer({ name: "lab", version: "1.0.0" }, { capabilities: { tools: {} } })
  server.registerTool("echo", { inputSchema: object({ message: { type: "string" } }) }, async ({ message }) => {
    appendFileSync(log, `${String(message)}\n`)
    return text(`echo ${String(message)}`)
  })
  server.registerTool(
    "slow",
    { inputSchema: object({ steps: { type: "integer" } }) },
    async ({ steps }, { mcpReq }) => {
      for (let progress = 1; progress <= Number(steps); progress++) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        if (mcpReq.signal.aborted) {
          appendFileSync(log, "cancelled\n")
          return text("cancelled")
        }
        const progressToken = mcpReq._meta?.progressToken
        if (progressToken === undefined) continue
        await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: steps } })
      }
      return text("slow at last")
    }
  )
  server.registerTool(
    "ask",
    { inputSchema: object({ message: { type: "string" } }) },
    async ({ message }, { mcpReq }) => {
      const answer = mcpReq.inputResponses?.["answer"]?.content?.["answer"]
      if (answer === undefined) {
        return inputRequired({
          inputRequests: {
            answer: inputRequired.elicit({
              message: `What about ${String(message)}?`,
              requestedSchema: { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] }
            })
          }
        })
      }
      appendFileSync(log, `${String(message)}\n`)
      return text(`answered ${String(answer)}`)
    }
  )
  return server
}

const port = process.argv[3]

if (port === undefined) serveStdio(make)
else {
  const handler = createMcpHandler(make)
  createServer(async (request, response) => {
    const { headers, method = "GET", url = "/" } = request
    const body = method === "POST" ? { body: new Uint8Array(await buffer(request)) } : {}
    const leaving = new AbortController()
    response.on("close", () => leaving.abort())
    const answer = await handler.fetch(
      new Request(new URL(url, `http://${headers.host}`), {
        method,
        signal: leaving.signal,
        headers: Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]),
        ...body
      })
    )
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    const reader = answer.body?.getReader()
    leaving.signal.addEventListener("abort", () => void reader?.cancel())
    for (let part = await reader?.read(); part?.done === false; part = await reader!.read()) response.write(part.value)
    response.end()
  }).listen(Number(port), "127.0.0.1")
}
