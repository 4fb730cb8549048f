/**
 * What runs in a page: a governed call that waits for a person, the verification of the chain that it became part of, and
 * a webhook.
 */
import { Effect, Layer } from "effect"
import { ChainVerifier, Governed, Vargate, Webhooks } from "effect-vargate"
import { FetchHttpClient } from "effect/http"
import { PlainRecords } from "../../src/verify/internal/scan/plainRecords.ts"

const program = Effect.gen(function*() {
  const governed = yield* Governed.run(
    {
      tool: "db",
      method: "delete",
      params: { table: "é 漢 😀" },
      onPending: Governed.wait({ timeout: "30 seconds" })
    },
    Effect.succeed("deleted in the page")
  )
  const { findings, records, valid } = yield* ChainVerifier.verify()

  const body = JSON.stringify({ event: "test.ping", timestamp: new Date().toISOString(), data: { message: "hello" } })
  const event = yield* Webhooks.verify(body, yield* Webhooks.sign(body, "secret"), "secret")
  const refusal = yield* Effect.flip(Webhooks.verify(body, yield* Webhooks.sign(body, "other"), "secret"))
  return {
    governed,
    chain: { valid, records, findings: findings.length },
    webhook: event._tag,
    refusal: refusal.message,
    hasWebAssembly: PlainRecords.claim(new Uint8Array(), Infinity) !== undefined,
    hasNode: "process" in globalThis || "Buffer" in globalThis
  }
}).pipe(
  Effect.provide(Vargate.layer({ apiKey: "test-key", url: location.origin }).pipe(Layer.provide(FetchHttpClient.layer)))
)

Object.assign(globalThis, { outcome: Effect.runPromise(program) })
