/**
 * What stands between a client and the bank, in a process of its own: the proxy over standard input and output, or over
 * HTTP, or a governed toolkit as a server of either kind. Over HTTP it says on which port.
 *
 * Argument: {@link Arguments} as JSON.
 */
import { NodeHttpServer, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer, References, Schema } from "effect"
import { Governed } from "effect-vargate"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import * as GovernedMcpServer from "effect-vargate/mcp/GovernedMcpServer"
import * as McpHttpProxy from "effect-vargate/mcp/McpHttpProxy"
import * as McpStdio from "effect-vargate/mcp/McpStdio"
import { McpProtocol, McpServer, Tool, Toolkit } from "effect/ai"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { appendFileSync } from "node:fs"
import { createServer } from "node:http"
import { book, millis, perform, services } from "../story.ts"

export interface Arguments {
  readonly form: "stdio" | "answering" | "http" | "server" | "server over http"
  readonly url: string
  readonly seed: number
  /** The program before which the proxy stands. */
  readonly bank: string
  readonly file: string
}

const { bank: bankProgram, file, form, seed, url } = JSON.parse(process.argv[2]!) as Arguments

const bank = {
  command: process.execPath,
  args: [bankProgram, file]
}

const submission = { onPending: Governed.wait({ timeout: millis(120_000) }), reconcile: { wait: millis(30_000) } }

const Tools = Toolkit.make(
  Tool.make("bank__note", {
    parameters: Schema.Struct({
      amount: Schema.Finite,
      story: Schema.Int,
      note: Schema.Struct({ to: Schema.String, list: Schema.Array(Schema.Finite) })
    }),
    success: Schema.String
  })
)

book.performed = (bytes) => appendFileSync(file, `${bytes}\n`)

const server = {
  name: "bank",
  version: "1.0.0",
  protocols: [McpProtocol.v2025_11_25, McpProtocol.v2025_06_18],
  registrations: GovernedMcpServer.toolkit(Tools, submission).pipe(
    Layer.provide(Tools.toLayer({ bank__note: perform }))
  )
} as const

const serve = <A, E, R>(routes: Layer.Layer<A, E, R>) =>
  HttpServer.HttpServer.use(({ address }) =>
    Effect.sync(() => console.log("port", "port" in address ? address.port : 0))
  ).pipe(
    Effect.andThen(Effect.never),
    Effect.provide(
      HttpRouter.serve(Layer.orDie(routes), { disableListenLog: true, disableLogger: true }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
      )
    )
  )

const world = Layer.mergeAll(
  Layer.provideMerge(services(seed, url), FetchHttpClient.layer),
  NodeServices.layer
)

const forms = {
  stdio: GovernedMcpProxy.stdio({ ...bank, ...submission, tool: "bank" }),
  answering: GovernedMcpProxy.stdio({
    ...bank,
    ...submission,
    tool: "bank",
    onPending: GovernedMcpProxy.answer({ patience: millis(5000) })
  }),
  http: serve(McpHttpProxy.layer("/mcp", McpStdio.server(bank), { ...submission, tool: "bank" })),
  server: Layer.launch(McpServer.layerStdio(server)),
  "server over http": serve(McpServer.layerHttp({ ...server, path: "/mcp" }))
}

const run: Effect.Effect<unknown, unknown, Layer.Success<typeof world>> = forms[form]

NodeRuntime.runMain(Effect.provide(Effect.provideService(run, References.MinimumLogLevel, "None"), world))
