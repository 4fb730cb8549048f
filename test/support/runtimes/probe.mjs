/**
 * What each runtime is asked: a JavaScript program as a user would write it, in a project that has the package. Prints
 * one JSON object, with "yes" or what went wrong by capability.
 */
import { Effect, Layer, References } from "effect"
import { Agent, FetchTransport, ToolCalls, Vargate } from "effect-vargate"
import { FetchHttpClient } from "effect/http"

const { closed, gateway } = JSON.parse(process.env.PROBE)

const over = (transport, url = gateway) => Vargate.layer({ apiKey: "a-key-of-t", url }).pipe(Layer.provide(transport))

const call = (layer, tool = "mail") =>
  ToolCalls.call({ tool, method: "send", params: { to: "é 漢 😀" } }).pipe(
    Effect.map(({ execution }) => execution._tag),
    Effect.catchTag("Denied", ({ violations }) => Effect.succeed(violations.join())),
    Effect.provideService(Agent.Agent, { id: `probe-${crypto.randomUUID()}` }),
    Effect.provide(layer),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

const expect = async (found, expected) => {
  const value = await found
  if (value !== expected) throw new Error(`${JSON.stringify(value)} instead of ${JSON.stringify(expected)}`)
}

const decides = async (layer) => {
  await expect(Effect.runPromise(call(layer)), "NotExecuted")
  await expect(Effect.runPromise(call(layer, "forbidden")), "tool_forbidden")
}

const overFetch = [FetchTransport.layer, FetchHttpClient.layer]

const capabilities = {
  "calls over fetch": async () => {
    for (const transport of overFetch) await decides(over(transport))
  },
  NodeTransport: async () => {
    const { layer } = await import("effect-vargate/node/NodeTransport")
    await decides(over(typeof layer === "function" ? layer() : layer))
  },
  "gateway in memory": async () => {
    const GatewayMemory = await import("effect-vargate/testing/GatewayMemory")
    await expect(Effect.runPromise(call(GatewayMemory.layer())), "NotExecuted")
  },
  "gateway in SQLite": async () => {
    const Gateway = await import("effect-vargate/gateway/Gateway")
    const { mkdtempSync, rmSync } = await import("node:fs")
    const { tmpdir } = await import("node:os")
    const folder = mkdtempSync(`${tmpdir()}/probe-`)
    const parts = Gateway.layerSqlite({ filename: `${folder}/v.db`, tenants: [{ id: "t", apiKey: "a-key-of-t" }] })
    const client = Layer.provide(Gateway.layerClient(), parts)
    try {
      await expect(Effect.runPromise(call(over(client))), "NotExecuted")
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  "Unreachable is told": async () => {
    for (const [url, transport] of closed.flatMap((url) => overFetch.map((transport) => [url, transport]))) {
      const error = await Effect.runPromise(Effect.flip(call(over(transport, url))))
      await expect(`${url}: ${error.reason?._tag ?? error._tag}`, `${url}: Unreachable`)
    }
  }
}

const results = {}
for (const [name, check] of Object.entries(capabilities)) {
  results[name] = await check().then(() => "yes", (error) => String(error?.message ?? error).slice(0, 300))
}
console.log(`RESULT ${JSON.stringify(results)}`)
process.exit(0)
