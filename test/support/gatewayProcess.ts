/**
 * A gateway in a process of its own, to be killed. Its one tool writes a line for each execution: that file is what was
 * really done, whatever became of answers and ledger.
 *
 * Arguments: port, file.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { appendFileSync } from "node:fs"
import { createServer } from "node:http"

const [port, file] = process.argv.slice(2)

const gateway = Gateway.serve({
  tools: {
    "bank/pay": ({ n }) => Effect.sync(() => appendFileSync(file!, `${n}\n`)).pipe(Effect.as({ paid: true }))
  }
}).pipe(
  Layer.provide(Gateway.layerParts({
    tenants: [{
      id: "t",
      apiKey: "test-key",
      burst: 1e6,
      policyTemplate: "financial",
      policyConfig: { dailyTransactionCap: 1e9 }
    }]
  })),
  Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: Number(port) })),
  Layer.tap(() => Effect.sync(() => console.log("ready")))
)

NodeRuntime.runMain(Layer.launch(gateway))
