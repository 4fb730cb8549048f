/** Random logs of the embedded gateway, as the bytes that it sends. */
import { Effect, Layer } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { generateJson, type Random } from "./generateJson.ts"

export const tenant = { id: "t", apiKey: "test-key", policyTemplate: "financial", burst: 1_000_000 } as const

/** A gateway with every service over it, and Node's hasher. */
export const gateway = () => Layer.mergeAll(GatewayMemory.layer({ tenants: [tenant] }), NodeHasher.layer)

/** Submits tool calls of all sorts until `count` of them are on record; some are denied, some held, some refused unsent. */
export const submitSome = Effect.fnUntraced(function*(random: Random, count: number, between: number = 1000) {
  const toolCalls = yield* ToolCalls
  for (let i = 0; i < count;) {
    const params = {
      value: generateJson(random),
      amount: random.pick([5, 1500, 9000]),
      currency: random.pick(["EUR", "USD"]),
      ...(random.below(3) === 0 ? { email: `p${i}@example.org`, customer_id: `c${random.below(3)}` } : {})
    }
    const result = yield* Effect.result(toolCalls.decide({ tool: "stripe", method: "create_charge", params }))
    if (result._tag === "Success") i++
    yield* TestClock.adjust(random.below(between))
  }
})

/** The bytes of one page. */
export const rawPage = Effect.fnUntraced(function*(limit = 1000, offset = 0) {
  const client = yield* HttpClient.HttpClient
  const response = yield* client.execute(
    HttpClientRequest.get(`http://localhost/audit/log?limit=${limit}&offset=${offset}`).pipe(
      HttpClientRequest.setHeader("X-API-Key", tenant.apiKey)
    )
  )
  return new Uint8Array(yield* response.arrayBuffer)
})
