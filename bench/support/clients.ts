/**
 * The clients that are compared, by name. Each writes a call as JSON, sends it and reads the JSON of the answer. None is
 * imported before it is asked for, so that what is missing here fails alone, and no client carries another's code.
 */
import { apiKey, type Client, type Kind, requestOf } from "./client.ts"
import type { Options } from "./toolCallsClient.ts"

const headers = { "x-api-key": apiKey, "content-type": "application/json" }
const path = "/mcp/tools/call"
const bodyOf = (kind: Kind) => ({
  agent_id: "agent",
  agent_type: "unknown",
  agent_version: "0.0.0",
  ...requestOf(kind)
})
const textOf = (kind: Kind) => JSON.stringify(bodyOf(kind))

const looping = (call: (kind: Kind) => Promise<unknown>): Client => ({
  loop: (kind, inFlight, newLap) =>
    Promise.all(Array.from({ length: inFlight }, async () => {
      const goesOn = newLap()
      do await call(kind)
      while (goesOn())
    }))
})

const pooled = async (url: string) => {
  const { Pool } = await import("undici")
  return new Pool(url, { connections: 128, pipelining: 1 })
}

const plain = {
  "undici.request": async (url) => {
    const pool = await pooled(url)
    return looping(async (kind) => {
      const response = await pool.request({ path, method: "POST", headers, body: textOf(kind) })
      return await response.body.json()
    })
  },
  "undici dispatch": async (url) => {
    const pool = await pooled(url)
    return looping((kind) =>
      new Promise((resolve, reject) => {
        const chunks: Array<Buffer> = []
        pool.dispatch({ path, method: "POST", headers, body: textOf(kind) }, {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData: (_, chunk) => void chunks.push(chunk),
          onResponseEnd: () => resolve(JSON.parse(Buffer.concat(chunks).toString())),
          onResponseError: (_, error) => reject(error)
        })
      })
    )
  },
  "fetch": async (url) =>
    looping(async (kind) => {
      const response = await fetch(url + path, { method: "POST", headers, body: textOf(kind) })
      return await response.json()
    }),
  "effect's FetchHttpClient": async (url) => {
    const [Effect, { layer }, HttpBody, HttpClient] = await Promise.all([
      import("effect/Effect"),
      import("effect/http/FetchHttpClient"),
      import("effect/http/HttpBody"),
      import("effect/http/HttpClient")
    ])
    const client = await Effect.runPromise(Effect.provide(HttpClient.HttpClient, layer))
    const call = (kind: Kind) =>
      Effect.flatMap(
        client.post(url + path, { headers, body: HttpBody.text(textOf(kind), headers["content-type"]) }),
        (response) => response.json
      )
    return looping((kind) =>
      Effect.runPromise(Effect.provideService(call(kind), HttpClient.TracerDisabledWhen, () => true))
    )
  },
  "ky": async (url) => {
    const { default: ky } = await import("ky")
    const client = ky.create({ headers })
    return looping((kind) => client.post(url + path, { json: bodyOf(kind) }).json())
  },
  "axios": async (url) => {
    const [{ default: axios }, { Agent }] = await Promise.all([import("axios"), import("node:http")])
    const client = axios.create({ headers, httpAgent: new Agent({ keepAlive: true }), proxy: false })
    return looping(async (kind) => (await client.post(url + path, bodyOf(kind))).data)
  },
  "@open-policy-agent/opa": async (url) => {
    const { OPAClient } = await import("@open-policy-agent/opa")
    const client = new OPAClient(url)
    return looping((kind) => client.evaluate("tools/decision", bodyOf(kind)))
  }
} satisfies Record<string, (url: string) => Promise<Client>>

const toolCalls = async (options: Options) => {
  const { toolCallsClient } = await import("./toolCallsClient.ts")
  return toolCallsClient(options)
}

const nodeTransport = async () => (await import("effect-vargate/node/NodeTransport")).layer

const governed = {
  "ToolCalls over NodeTransport": async (url) => toolCalls({ url, transport: await nodeTransport() }),
  "ToolCalls over NodeTransport, spans exported": async (url) =>
    toolCalls({ url, transport: await nodeTransport(), isTraced: true }),
  "Governed.run over NodeTransport": async (url) => toolCalls({ url, transport: await nodeTransport(), way: "run" }),
  "Governed.tool over NodeTransport": async (url) => toolCalls({ url, transport: await nodeTransport(), way: "tool" }),
  "ToolCalls over @effect/platform-node's undici": async (url) => {
    const { layerUndici } = await import("@effect/platform-node/NodeHttpClient")
    return toolCalls({ url, transport: layerUndici })
  },
  "ToolCalls over FetchTransport": async (url) => {
    const { layer } = await import("effect-vargate/transport/FetchTransport")
    return toolCalls({ url, transport: layer })
  },
  "ToolCalls over fetch": async (url) => {
    const { layer } = await import("effect/http/FetchHttpClient")
    return toolCalls({ url, transport: layer })
  }
} satisfies Record<string, (url: string) => Promise<Client>>

export const clients = { ...governed, ...plain }

/** Those of Python live in `httpxPlayer.py`. */
export type ClientName = keyof typeof clients | "httpx.Client" | "httpx.AsyncClient"
