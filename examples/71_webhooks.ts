/**
 * @title Webhooks
 *
 * Every client on the Internet can post to a public URL. What the gateway signed comes through, once; all else is
 * turned away.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Queue } from "effect"
import { ToolCalls, type WebhookEvent, WebhookRoute, Webhooks } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { FetchHttpClient } from "effect/http"

const secret = "7b3e4457"
const webhookUrl = "https://shop.example/webhooks/vargate"

const program = Effect.gen(function*() {
  const inbox = yield* Queue.unbounded<WebhookEvent.WebhookEvent>()

  // On an edge runtime this is the whole program: export default { fetch: receive }
  const { handler: receive } = WebhookRoute.toWebHandler(Webhooks.layer({
    secret: [secret, "the one before it"],
    handle: (event) => Queue.offer(inbox, event)
  }))

  // The gateway of this example reaches it without a network.
  const client = FetchHttpClient.layer.pipe(
    Layer.provide(Layer.succeed(FetchHttpClient.Fetch, (input, init) => receive(new Request(input, init))))
  )
  const webhookEvents = ["action.allowed", "action.denied", "action.pending"]
  yield* Effect.gen(function*() {
    for (const amount of [50, 9000, 1500]) {
      yield* ToolCalls.decide({ tool: "stripe", method: "create_charge", params: { amount }, isBusinessHours: true })
      const event = yield* Queue.take(inbox)
      yield* Console.log(`${amount} EUR: ${event._tag}`)
    }
  }).pipe(Effect.provide(GatewayMemory.layer({
    tenants: [{
      id: "shop",
      apiKey: "test-key",
      policyTemplate: "financial",
      webhookUrl,
      webhookSecret: secret,
      webhookEvents
    }],
    webhooks: { client }
  })))

  const post = Effect.fn(function*(title: string, body: string, signature: string) {
    const headers = { "content-type": "application/json", "x-vargate-signature": signature }
    const answer = yield* Effect.promise(() => receive(new Request(webhookUrl, { method: "POST", headers, body })))
    yield* Console.log(`${title}: ${answer.status}`)
  })
  const bodyAt = (timestamp: string) => JSON.stringify({ event: "action.approved", timestamp, data: {} })
  const body = bodyAt(new Date().toISOString())
  const signature = yield* Webhooks.sign(body, secret)
  yield* post("an event of tomorrow's gateway", body, signature)
  yield* post("the same again, not consumed", body, signature)
  yield* post("signed with the old secret", `${body} `, yield* Webhooks.sign(`${body} `, "the one before it"))
  yield* post("one letter changed", body.replace("approved", "Approved"), signature)
  const old = bodyAt("2026-01-01T00:00:00Z")
  yield* post("from long ago", old, yield* Webhooks.sign(old, secret))
})

NodeRuntime.runMain(program)
