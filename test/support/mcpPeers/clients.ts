/** The MCP clients of the matrix, each as one interface. */
import { NodeServices } from "@effect/platform-node"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import { Effect, Layer, type Scope } from "effect"
import { McpClient, McpProtocol } from "effect/ai"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { ChildProcess } from "effect/process"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { spawn } from "node:child_process"
import { pathToFileURL } from "node:url"
import { mcpPeer } from "../../../.ci/mcpPeers.ts"

/** Where a server is: to be started, or at an address. */
export type Target =
  | { readonly _tag: "Command"; readonly command: string; readonly args: ReadonlyArray<string>; readonly env: Env }
  | { readonly _tag: "Url"; readonly url: string }

type Env = Readonly<Record<string, string>>

export interface Said {
  readonly text: string
  readonly isError: boolean
}

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: number) => void
}

export interface Conversation {
  readonly list: () => Promise<ReadonlyArray<string>>
  readonly call: (name: string, args: Readonly<Record<string, unknown>>, options?: CallOptions) => Promise<Said>
}

export interface ClientPeer {
  readonly name: string
  /** What it speaks: one of both, or what the server speaks. */
  readonly era: "legacy" | "modern" | "auto"
  /** What it can do beyond listing and calling. */
  readonly can: ReadonlyArray<"progress" | "cancel" | "answer">
  /** Starts a process for each call. */
  readonly isSlow?: boolean
  /** Rejects where it finds no server that it can speak with. */
  readonly connect: (target: Target) => Effect.Effect<Conversation, unknown, Scope.Scope>
}

/** What the user of each client answers to whatever is asked. */
const answer = { action: "accept" as const, content: { answer: "yes", name: "Ada" } }

interface Content {
  readonly content: ReadonlyArray<{ readonly type: string; readonly text?: string }>
  readonly isError?: boolean
}

const saidIn = ({ content, isError = false }: Content): Said => ({
  text: content.map(({ text, type }) => text ?? type).join("\n"),
  isError
})

const opened = <A extends { close(): Promise<void> }>(open: () => Promise<A>) =>
  Effect.acquireRelease(Effect.tryPromise(open), (client) => Effect.ignore(Effect.tryPromise(() => client.close())))

const sdk1: ClientPeer = {
  name: "SDK 1",
  era: "legacy",
  can: ["progress", "cancel", "answer"],
  connect: Effect.fnUntraced(function*(target) {
    const client = yield* opened(async () => {
      const client = new Client({ name: "sdk1", version: "1.0.0" }, { capabilities: { elicitation: {} } })
      client.setRequestHandler(ElicitRequestSchema, () => answer)
      await client.connect(
        (target._tag === "Url"
          ? new StreamableHTTPClientTransport(new URL(target.url))
          : new StdioClientTransport({ ...target, args: [...target.args], stderr: "ignore" })) as never
      )
      return client
    })
    return {
      list: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, args, { onProgress, signal } = {}) =>
        saidIn(
          await client.callTool({ name, arguments: args }, undefined, {
            ...(signal && { signal }),
            ...(onProgress && { onprogress: ({ progress }) => onProgress(progress) })
          }) as Content
        )
    }
  })
}

/** Of the second version, which is not installed with this package. */
interface Client2 {
  setRequestHandler(method: string, handler: () => unknown): void
  connect(transport: unknown): Promise<void>
  close(): Promise<void>
  listTools(): Promise<{ readonly tools: ReadonlyArray<{ readonly name: string }> }>
  callTool(params: unknown, options: unknown): Promise<Content>
}

const sdk2 = (name: string, era: ClientPeer["era"], mode: unknown): ClientPeer => ({
  name,
  era,
  can: ["progress", "cancel", "answer"],
  connect: Effect.fnUntraced(function*(target) {
    const client = yield* opened(async () => {
      const load = (file: string) => import(pathToFileURL(mcpPeer(file)).href)
      const { Client, StreamableHTTPClientTransport } = await load("client/dist/index.mjs") as {
        readonly Client: new(info: unknown, options: unknown) => Client2
        readonly StreamableHTTPClientTransport: new(url: URL) => unknown
      }
      const { StdioClientTransport } = await load("client/dist/stdio.mjs") as {
        readonly StdioClientTransport: new(options: unknown) => unknown
      }
      const client = new Client({ name: "sdk2", version: "1.0.0" }, {
        capabilities: { elicitation: { form: {} } },
        versionNegotiation: { mode }
      })
      client.setRequestHandler("elicitation/create", () => answer)
      await client.connect(
        target._tag === "Url"
          ? new StreamableHTTPClientTransport(new URL(target.url))
          : new StdioClientTransport({ ...target, stderr: "ignore" })
      )
      return client
    })
    return {
      list: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, args, { onProgress, signal } = {}) =>
        saidIn(
          await client.callTool({ name, arguments: args }, {
            signal,
            ...(onProgress && {
              onprogress: ({ progress }: { readonly progress: number }) => onProgress(progress)
            })
          })
        )
    }
  })
})

const effect = (
  name: string,
  era: "legacy" | "modern",
  protocol: typeof McpProtocol.v2026_07_28 | typeof McpProtocol.v2025_11_25
): ClientPeer => ({
  name,
  era,
  can: ["cancel"],
  connect: Effect.fnUntraced(function*(target) {
    const transport: Effect.Effect<
      McpClient.Transport,
      unknown,
      HttpClient.HttpClient | ChildProcessSpawner | Scope.Scope
    > = target._tag === "Url"
      ? McpClient.http({ url: target.url, protocol })
      : McpClient.stdio({ command: ChildProcess.make(target.command, target.args, { env: target.env }), protocol })
    const context = yield* Layer.build(
      Layer.effect(McpClient.McpClient)(McpClient.make({ name: "effect", version: "1.0.0" })).pipe(
        Layer.provide(Layer.effect(McpClient.Transport)(transport)),
        Layer.provide([NodeServices.layer, FetchHttpClient.layer])
      )
    )
    return yield* Effect.provideContext(
      Effect.gen(function*() {
        const client = yield* McpClient.McpClient
        const tools = yield* client.listTools()
        return {
          list: async () => (await Effect.runPromise(client.listTools())).map(({ name }) => name),
          call: async (name: string, args: Readonly<Record<string, unknown>>, { signal }: CallOptions = {}) => {
            const tool = tools.find((tool) => tool.name === name)!
            return saidIn(
              await Effect.runPromise(client.callTool({ tool, arguments: args }), signal && { signal }) as Content
            )
          }
        }
      }),
      context
    )
  })
})

const inspector = (name: string, era: "legacy" | "modern"): ClientPeer => ({
  name,
  era,
  can: [],
  isSlow: true,
  connect: Effect.fnUntraced(function*(target) {
    const run = (args: ReadonlyArray<string>) =>
      new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
        const place = target._tag === "Url"
          ? ["--transport", "http", "--server-url", target.url]
          : ["--", target.command, ...target.args]
        const own = target._tag === "Url"
          ? []
          : Object.entries(target.env).flatMap(([key, value]) => ["-e", `${key}=${value}`])
        const bin = mcpPeer("inspector/clients/launcher/build/index.js")
        const child = spawn(process.execPath, [
          bin,
          "--cli",
          "--connect-timeout",
          "300000",
          "--protocol-era",
          era,
          ...own,
          ...args,
          ...place
        ], {
          stdio: ["ignore", "pipe", "pipe"]
        })
        let out = ""
        let err = ""
        child.stdout.on("data", (chunk) => void (out += chunk))
        child.stderr.on("data", (chunk) => void (err += chunk))
        child.on("close", (code) => {
          try {
            // A result with `isError` ends it with a code of its own.
            resolve(JSON.parse(out))
          } catch {
            reject(new Error(`the Inspector ended with ${code}: ${err}${out}`))
          }
        })
      })
    const list = async () =>
      (await run(["--method", "tools/list"]) as unknown as { readonly tools: ReadonlyArray<{ readonly name: string }> })
        .tools.map(({ name }) => name)
    // Every call is a connection of its own, so that it shows at the first whether there is one.
    yield* Effect.tryPromise(list)
    return {
      list,
      call: async (name, args) =>
        saidIn(
          await run([
            "--method",
            "tools/call",
            "--tool-name",
            name,
            ...Object.entries(args).flatMap(([key, value]) => ["--tool-arg", `${key}=${String(value)}`])
          ]) as unknown as Content
        )
    }
  })
})

export const clients: ReadonlyArray<ClientPeer> = [
  sdk1,
  sdk2("SDK 2 legacy", "legacy", "legacy"),
  sdk2("SDK 2 pinned", "modern", { pin: "2026-07-28" }),
  sdk2("SDK 2 auto", "auto", "auto"),
  effect("Effect legacy", "legacy", McpProtocol.v2025_11_25),
  effect("Effect modern", "modern", McpProtocol.v2026_07_28),
  inspector("Inspector legacy", "legacy"),
  inspector("Inspector modern", "modern")
]
