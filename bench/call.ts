/**
 * What one governed call costs the process that makes it: CPU of all threads, against other HTTP clients that do less.
 *
 * Usage: `npm run bench bench/call.ts [rounds] [calls]`. All rows are measured in turns: only ratios within one run mean
 * anything.
 */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { fork } from "node:child_process"
import { once } from "node:events"
import { Pool } from "undici"
import * as NodeTransport from "../src/node/NodeTransport.ts"
import { ToolCalls } from "../src/ToolCalls.ts"
import * as Vargate from "../src/Vargate.ts"
import type { VargateError } from "../src/VargateError.ts"

const rounds = Number(process.argv[2] ?? 9)
const calls = Number(process.argv[3] ?? 4_000)

const child = fork(new URL("./support/gateway.ts", import.meta.url))
const [port] = await once(child, "message") as [number]
const url = `http://127.0.0.1:${port}`

const request = { tool: "stripe", method: "create_refund", params: { charge: "ch_1", amount: 50 } }
const body = JSON.stringify({ agent_id: "agent", agent_type: "unknown", agent_version: "0.0.0", ...request })
const headers = { "x-api-key": "key", "content-type": "application/json" }

const pool = new Pool(url, { connections: 128, pipelining: 1 })

const plainFetch = async () => {
  const response = await fetch(`${url}/mcp/tools/call`, { method: "POST", headers, body })
  return await response.json()
}

const undiciRequest = async () => {
  const response = await pool.request({ path: "/mcp/tools/call", method: "POST", headers, body })
  return await response.body.json()
}

const dispatch = () =>
  new Promise((resolve, reject) => {
    const chunks: Array<Buffer> = []
    pool.dispatch({ path: "/mcp/tools/call", method: "POST", headers, body }, {
      onRequestStart() {},
      onResponseStart() {},
      onResponseData(_, chunk) {
        chunks.push(chunk)
      },
      onResponseEnd() {
        resolve(JSON.parse(Buffer.concat(chunks).toString()))
      },
      onResponseError(_, error) {
        reject(error)
      }
    })
  })

type Call = (n: number, inFlight: number) => Promise<unknown>

const promised = (call: () => Promise<unknown>): Call => async (n, inFlight) => {
  let left = n
  const worker = async () => {
    while (left-- > 0) await call()
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
}

const governed = (transport: Layer.Layer<HttpClient, VargateError>): Call => {
  const runtime = ManagedRuntime.make(Layer.provide(Vargate.layer({ apiKey: "key", url }), transport))
  return (n, inFlight) => {
    let left = n - inFlight
    const worker = ToolCalls.use((toolCalls) => Effect.repeat(toolCalls.call(request), { while: () => left-- > 0 }))
    return runtime.runPromise(
      Effect.all(Array.from({ length: inFlight }, () => worker), { concurrency: "unbounded", discard: true })
    )
  }
}

const rows: Record<string, Call> = {
  "undici.request": promised(undiciRequest),
  "undici dispatch": promised(dispatch),
  "fetch": promised(plainFetch),
  "ToolCalls over NodeTransport": governed(NodeTransport.layer()),
  "ToolCalls over fetch": governed(FetchHttpClient.layer)
}

const cost = async (call: Call, inFlight: number) => {
  const before = process.cpuUsage()
  await call(calls, inFlight)
  const { system, user } = process.cpuUsage(before)
  return (system + user) / calls
}

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[values.length >> 1]!

for (const inFlight of [64, 1]) {
  const costs: Record<string, Array<number>> = {}
  for (let round = -1; round < rounds; round++) {
    for (const [name, call] of Object.entries(rows)) {
      const measured = await cost(call, inFlight)
      if (round >= 0) (costs[name] ??= []).push(measured)
    }
  }
  const base = costs["undici.request"]!
  console.log(`${inFlight} in flight`)
  for (const [name, values] of Object.entries(costs)) {
    console.log(
      `  ${name.padEnd(32)} ${median(values).toFixed(1).padStart(7)} µs  ${
        median(values.map((value, i) => value / base[i]!)).toFixed(2)
      } x undici.request`
    )
  }
}
child.disconnect()
process.exit()
