/** An embedded gateway in a process of its own, which needs a reviewer for everything. */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { HttpServer } from "effect/http"
import { fork } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"

const serve = () => {
  const options: Gateway.Options = {
    tenants: [{ id: "t", apiKey: "test-key", burst: 1e6, policyConfig: { dailyActionLimit: 1e9 } }],
    policy: { approvals: [({ action }) => action.method !== "at_once"] }
  }
  process.on("disconnect", () => process.exit())
  NodeRuntime.runMain(
    Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
      Effect.andThen(
        Effect.sync(() => process.send!("port" in address ? address.port : 0)),
        Effect.never
      )).pipe(
        Effect.provide(
          Gateway.serve(options).pipe(
            Layer.provide(Gateway.layerParts(options)),
            Layer.provideMerge(
              NodeHttpServer.layer(() => createServer({ keepAliveTimeout: 120_000 }), { host: "127.0.0.1", port: 0 })
            )
          )
        )
      )
  )
}

/** Starts it. It ends together with the process that started it. */
export const startHoldingGateway = async () => {
  const child = fork(fileURLToPath(import.meta.url), ["serve"], {
    execArgv: ["--conditions=effect-vargate-source", "--disable-warning=ExperimentalWarning"]
  })
  const [port] = await once(child, "message") as [number]
  return { url: `http://127.0.0.1:${port}`, stop: () => child.disconnect() }
}

if (process.argv[2] === "serve" && process.argv[1] === fileURLToPath(import.meta.url)) serve()
