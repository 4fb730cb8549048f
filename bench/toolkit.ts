/**
 * What governing a toolkit costs over submitting the bare call: 1,000 parallel calls a round through `GovernedToolkit`
 * against `ToolCalls.call`, interleaved, CPU of this process.
 *
 * Three gateways: one behind a socket in a process of its own, the embedded one, and one that answers at once and costs
 * nothing, so that the client alone is measured.
 */
import { Effect, Layer, Schema, Stream } from "effect"
import { ToolCalls, Vargate } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { Tool, Toolkit } from "effect/ai"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"
import { spawn } from "node:child_process"
import { once } from "node:events"

const calls = 1000
const rounds = 30
const warmUp = 10

const Tools = Toolkit.make(
  Tool.make("stripe__create_refund", {
    parameters: Schema.Struct({ charge: Schema.String, amount: Schema.Finite }),
    success: Schema.Struct({ refunded: Schema.Finite })
  })
)

/** Allows every call, in a process of its own. */
const server = `
  let answered = 0
  require("node:http").createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ status: "allowed", action_id: "a-" + answered++ }))
    })
  }).listen(0, "127.0.0.1", function() { console.log(this.address().port) })
`
const overSocket = Layer.unwrap(Effect.gen(function*() {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["-e", server], { stdio: ["ignore", "pipe", "inherit"] })),
    (child) => Effect.sync(() => child.kill())
  )
  const [port] = yield* Effect.promise(() => once(child.stdout, "data"))
  return Vargate.layer({ apiKey: "bench-key", url: `http://127.0.0.1:${String(port).trim()}` })
})).pipe(Layer.provide(FetchHttpClient.layer))

let answered = 0
/** Nothing but the client: every call is allowed at once. */
const instant = Vargate.layer({ apiKey: "bench-key" }).pipe(
  Layer.provide(Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) =>
      Effect.sync(() =>
        HttpClientResponse.fromWeb(
          request,
          new Response(JSON.stringify({ status: "allowed", action_id: `a-${answered++}` }), {
            headers: { "content-type": "application/json" }
          })
        )
      )
    )
  ))
)

const embedded = Layer.fresh(GatewayMemory.layer({
  tenants: [{ id: "bench", apiKey: "bench-key", burst: 1e9, policyConfig: { dailyActionLimit: 1e9 } }]
}))

const cpuOf = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
  Effect.suspend(() => {
    // Or a variant would pay for the garbage of the one before.
    globalThis.gc?.()
    const before = process.cpuUsage()
    return Effect.map(effect, () => {
      const { system, user } = process.cpuUsage(before)
      return (user + system) / calls
    })
  })

const many = <A, E, R>(call: (n: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: calls }, (_, n) => n), call, { concurrency: "unbounded", discard: true })

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const measure = (name: string) =>
  Effect.gen(function*() {
    const governed = yield* GovernedToolkit.govern(Tools)
    const params = (n: number) => ({ charge: `ch_${n}`, amount: n })
    const plain = yield* Tools
    const variants: Record<string, Effect.Effect<void, unknown, ToolCalls.ToolCalls>> = {
      "ToolCalls.call": many((n) => ToolCalls.call({ tool: "stripe", method: "create_refund", params: params(n) })),
      "GovernedToolkit": many((n) =>
        governed.handle("stripe__create_refund", params(n), `call_${n}`).pipe(Stream.unwrap, Stream.runDrain)
      ),
      "Toolkit (ungoverned)": many((n) =>
        plain.handle("stripe__create_refund", params(n), `call_${n}`).pipe(Stream.unwrap, Stream.runDrain)
      )
    }
    const times: Record<string, Array<number>> = {}
    for (let round = 0; round < warmUp + rounds; round++) {
      for (const [variant, effect] of Object.entries(variants)) {
        const time = yield* cpuOf(effect)
        if (round >= warmUp) (times[variant] ??= []).push(time)
      }
    }
    const base = times["ToolCalls.call"]!
    console.log(`${name}, median of ${rounds} rounds of ${calls} parallel calls`)
    for (const [variant, values] of Object.entries(times)) {
      const ratio = median(values.map((value, round) => value / base[round]!))
      console.log(
        `  ${variant.padEnd(22)} ${median(values).toFixed(1).padStart(7)} us CPU a call  x ${ratio.toFixed(2)}`
      )
    }
    const withVargate = times["GovernedToolkit"]!
    const without = times["Toolkit (ungoverned)"]!
    const added = median(base.map((value, round) => (withVargate[round]! - without[round]!) / value))
    console.log(`  what governing adds to an ungoverned call of a tool: x ${added.toFixed(2)}`)
  })

const handlers = Tools.toLayer({ stripe__create_refund: ({ amount }) => Effect.succeed({ refunded: amount }) })

const worlds: Record<string, Layer.Layer<Vargate.Services, unknown>> = {
  "over a socket": overSocket,
  "on the embedded gateway": embedded,
  "client alone": instant
}
for (const [name, world] of Object.entries(worlds)) {
  await Effect.runPromise(measure(name).pipe(Effect.provide([handlers, world])))
}
