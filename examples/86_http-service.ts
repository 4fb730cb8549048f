/**
 * @title A service that makes refunds for its clients
 *
 * One endpoint of an `HttpApi` performs a governed call. What clients read of its failures is in the contract.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema } from "effect"
import { Governed } from "effect-vargate"
import * as PublicError from "effect-vargate/http/PublicError"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiClient, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { createServer } from "node:http"

const Refund = Schema.Struct({ charge: Schema.String, amount: Schema.Finite })

const api = HttpApi.make("shop").add(
  HttpApiGroup.make("refunds").add(
    HttpApiEndpoint.post("create", "/refunds", { payload: Refund, success: Schema.String, error: PublicError.schemas })
  )
)

const refund = Governed.tool({
  tool: "stripe",
  method: "create_refund",
  params: Refund,
  isBusinessHours: true,
  onPending: Governed.fail,
  run: ({ amount, charge }) => Effect.succeed(`refunded ${amount} of ${charge}`)
})

const handlers = HttpApiBuilder.group(
  api,
  "refunds",
  (handlers) =>
    handlers.handle("create", ({ payload }) =>
      refund(payload).pipe(
        Effect.map(({ actionId, executedBy }) => `${actionId} was executed by the ${executedBy}`),
        PublicError.expose
      ))
)

const server = HttpRouter.serve(Layer.provide(HttpApiBuilder.layer(api), handlers), {
  disableListenLog: true,
  disableLogger: true
}).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provide(GatewayMemory.layer({ tenants: [{ id: "shop", apiKey: "test-key", policyTemplate: "financial" }] }))
)

const client = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  const { refunds } = yield* HttpApiClient.make(api, { baseUrl: HttpServer.formatAddress(address) })
  for (const amount of [50, 2000, 9000]) {
    yield* refunds.create({ payload: { charge: "ch_1", amount } }).pipe(
      Effect.flatMap((answer) => Console.log(`${amount}: ${answer}`)),
      Effect.catchTags({
        ActionPending: ({ actionId }) => Console.log(`${amount}: wait for ${actionId}`),
        ActionRefused: ({ by, violations }) => Console.log(`${amount}: refused by the ${by}, ${violations.join(", ")}`)
      })
    )
  }
})

NodeRuntime.runMain(Effect.provide(client, [server, FetchHttpClient.layer]))
