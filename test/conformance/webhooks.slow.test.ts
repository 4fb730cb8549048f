/** The deliveries of a real gateway verify; with one bit flipped, anywhere, they do not. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Result } from "effect"
import { type WebhookEvent, Webhooks } from "effect-vargate"
import { TestClock } from "effect/testing"
import { deliveries, type Delivery, hasCaptures, plain, reason, retries, time } from "./captures.ts"

const secret = Redacted.make(deliveries[0]?.secret ?? "")

const header = ({ headers }: Delivery) => headers["x-vargate-signature"]!

const at = ({ body_text }: Delivery) => time(JSON.parse(body_text).timestamp)!

const verify = (delivery: Delivery, body: string | Uint8Array = delivery.body_text, signature = header(delivery)) =>
  Effect.andThen(TestClock.setTime(at(delivery)), Webhooks.verify(body, signature, secret))

/** The tag and the fields that each body must become. */
const expected: Readonly<Record<string, (data: Readonly<Record<string, unknown>>) => object>> = {
  "00-test.ping.json": ({ message }) => ({ _tag: "TestPing", message }),
  "01-action.allowed.json": (data) => ({ _tag: "ActionAllowed", ...action(data) }),
  "02-action.denied.json": (data) => ({ _tag: "ActionDenied", ...action(data) }),
  "03-action.pending.json": (data) => ({ _tag: "ActionPending", ...action(data) }),
  "04-action.denied-mcp.json": (data) => ({ _tag: "ActionDenied", ...action(data) }),
  "05-session.interrupted.json": ({ anthropic_interrupt_sent, auto_triggered, reason, session_id }) => ({
    _tag: "SessionInterrupted",
    sessionId: session_id,
    reason,
    autoTriggered: auto_triggered,
    interruptSent: anthropic_interrupt_sent
  }),
  "retries-500.json": (data) => ({ _tag: "ActionAllowed", ...action(data) })
}

const action = (data: Readonly<Record<string, unknown>>) => ({
  actionId: data["action_id"],
  agentId: data["agent_id"],
  tool: data["tool"],
  method: data["method"],
  decision: data["decision"],
  violations: data["violations"],
  severity: data["severity"],
  requiresHuman: data["requires_human"],
  source: data["source"]
})

const flipped = (bytes: Uint8Array, bit: number) => {
  const copy = bytes.slice()
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}

describe.skipIf(!hasCaptures)(`captured webhooks (${reason})`, () => {
  it("are all here", () => {
    assert.deepStrictEqual([...new Set(deliveries.map(({ file }) => file))], Object.keys(expected))
    assert.strictEqual(retries.length, 4)
  })

  it.effect.each(deliveries)("$file verifies and decodes", (delivery) =>
    Effect.gen(function*() {
      const event = yield* verify(delivery)
      const { data } = JSON.parse(delivery.body_text)
      assert.deepStrictEqual(
        plain(event),
        plain({ id: header(delivery).slice(7), timestamp: at(delivery), ...expected[delivery.file]!(data) })
      )
      const bytes = new Uint8Array(Buffer.from(delivery.body_base64, "base64"))
      assert.deepStrictEqual(plain(yield* verify(delivery, bytes)), plain(event))
    }))

  it.effect.each(deliveries)("$file with one bit of the body flipped is refused", (delivery) =>
    Effect.gen(function*() {
      const bytes = new TextEncoder().encode(delivery.body_text)
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const result = yield* Effect.result(verify(delivery, flipped(bytes, bit)))
        assert(Result.isFailure(result) && result.failure._tag === "WebhookRefused", `bit ${bit} passed`)
        assert.strictEqual(result.failure.reason._tag, "WrongSignature")
      }
    }))

  it.effect.each(deliveries)(
    "$file with one bit of the signature flipped is refused",
    (delivery) =>
      Effect.gen(function*() {
        const bytes = new TextEncoder().encode(header(delivery))
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const signature = String.fromCharCode(...flipped(bytes, bit))
          const result = yield* Effect.result(verify(delivery, delivery.body_text, signature))
          assert(
            Result.isFailure(result) && result.failure._tag === "WebhookRefused",
            `bit ${bit} passed: ${signature}`
          )
          assert.oneOf(result.failure.reason._tag, ["WrongSignature", "MalformedSignature"])
        }
      })
  )

  it.effect("four attempts are one event", () =>
    Effect.gen(function*() {
      const seen: Array<WebhookEvent.WebhookEvent> = []
      const webhooks = yield* Effect.provideContext(
        Webhooks.Webhooks,
        yield* Layer.build(Webhooks.layer({ secret, handle: (event) => Effect.sync(() => seen.push(event)) }))
      )
      for (const attempt of retries) {
        yield* TestClock.setTime(Date.parse(attempt.received_at))
        yield* webhooks.receive(attempt.body_text, header(attempt))
      }
      assert.strictEqual(seen.length, 1)
    }))
})
