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
import { atMost, hand, type Table } from "./support/report.ts"
import { isLate, thorough } from "./support/settings.ts"
import { median } from "./support/statistics.ts"

const calls = thorough(1000, 300)
const rounds = thorough(12, 2)
const warmUp = thorough(4, 2)

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

const measure = (title: string) =>
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
    for (let round = 0; round < warmUp + rounds && (round < warmUp + 3 || !isLate()); round++) {
      for (const [variant, effect] of Object.entries(variants)) {
        const time = yield* cpuOf(effect)
        if (round >= warmUp) (times[variant] ??= []).push(time)
      }
    }
    const base = times["ToolCalls.call"]!
    const withVargate = times["GovernedToolkit"]!
    const without = times["Toolkit (ungoverned)"]!
    const table: Table = {
      title,
      columns: ["way", "CPU, µs a call", "x ToolCalls.call"],
      rows: [
        ...Object.entries(times).map(([variant, values]) => [
          variant,
          median(values),
          median(values.map((value, round) => value / base[round]!))
        ]),
        [
          "what governing adds to an ungoverned call",
          median(withVargate.map((value, round) => value - without[round]!)),
          median(base.map((value, round) => (withVargate[round]! - without[round]!) / value))
        ]
      ]
    }
    return { title, table, added: table.rows.at(-1)!.at(-1) as number }
  })

const handlers = Tools.toLayer({ stripe__create_refund: ({ amount }) => Effect.succeed({ refunded: amount }) })

const worlds: Record<string, Layer.Layer<Vargate.Services, unknown>> = {
  "over a socket": overSocket,
  "on the embedded gateway": embedded,
  "client alone": instant
}
const found: Array<{ readonly title: string; readonly table: Table; readonly added: number }> = []
for (const [name, world] of Object.entries(worlds)) {
  found.push(await Effect.runPromise(measure(name).pipe(Effect.provide([handlers, world]))))
}
hand({
  title: "Governing a toolkit",
  about:
    `A toolkit of \`effect/ai\`, called through \`GovernedToolkit\` and without it, beside \`ToolCalls.call\` alone: medians of ${rounds} ` +
    `rounds of ${calls} parallel calls in turns, CPU of this process. Over a socket the gateway is a process of its own and the ` +
    "client uses fetch; the embedded gateway works in this process; and one that answers at once and costs nothing " +
    "shows the client alone.",
  tables: found.map(({ table }) => table),
  targets: found.map(({ added, title }) => atMost(`governing a toolkit, ${title}`, 1.2, "x ToolCalls.call", added))
})
