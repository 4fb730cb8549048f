/** What a server's traces tell: nothing that opens a door. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Tracer } from "effect"
import { Account, Credentials, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { FetchHttpClient, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { inspect } from "node:util"

describe("spans of a server", () => {
  it.live("show no key, no token, no credential", () => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const server = Gateway.serve({ sendMail: () => Effect.void }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
      Layer.provide(Gateway.layerParts({ tenants: [{ id: "t", apiKey: "K3Y-S3CR3T" }] })),
      Layer.provide(Layer.succeed(Tracer.Tracer, tracer))
    )
    return Effect.gen(function*() {
      const { address } = Context.get(yield* Layer.build(server), HttpServer.HttpServer)
      const url = HttpServer.formatAddress(address)
      yield* Effect.gen(function*() {
        const account = yield* Account.Account
        const session = yield* account.session
        yield* account.tenants({ session })
        yield* Effect.exit(account.verifyEmail(Redacted.make("M41L-S3CR3T")))
        yield* Credentials.Credentials.use((credentials) =>
          credentials.register({ toolId: "t", name: "n", value: Redacted.make("V4LU3-S3CR3T") })
        )
        yield* account.rotateKey()
      }).pipe(
        Effect.provide(Vargate.layerOperator({ apiKey: "K3Y-S3CR3T", url }).pipe(Layer.provide(FetchHttpClient.layer)))
      )
      const told = inspect(spans.map(({ attributes, events, name }) => [name, [...attributes], events]), { depth: 6 })
      assert.include(told, "/auth/verify-email")
      assert.notInclude(told, "S3CR3T")
      assert.notMatch(told, /eyJ|vg-[0-9a-f]{10}/)
    }).pipe(Effect.scoped)
  })
})
