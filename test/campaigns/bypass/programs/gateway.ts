/**
 * The gateway of the stories in a process of its own, to be killed and started again. It says when it is ready, and writes
 * down what it executes.
 *
 * Arguments: port, SQLite file, file for what it executes.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { appendFileSync } from "node:fs"
import { createServer } from "node:http"
import { book, gatewayOptions, perform } from "../story.ts"

const [port, filename, file] = process.argv.slice(2) as [string, string, string]

book.performed = (bytes) => appendFileSync(file, `${bytes}\n`)

const { policy, tenants } = gatewayOptions

// Time for an end in between.
const pay = (params: object) => Effect.andThen(perform(params), Effect.delay(Effect.succeed({ paid: true }), 20))

const gateway = Gateway.serve({ tools: { "broker/pay": pay }, inbox: false }).pipe(
  Layer.provide(Gateway.layerPartsSqlite({ filename, tenants, policy: policy as never })),
  Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: Number(port) })),
  Layer.tap(() => Effect.sync(() => console.log("ready")))
)

NodeRuntime.runMain(Layer.launch(gateway))
