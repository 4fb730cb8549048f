/**
 * A gateway server under load on this machine, with its ledger on disk: allowed, denied and pending calls, reviews,
 * looks at lists and log. The server is a process of its own, so that its memory is its own.
 *
 * For longer runs: `npm run bench -- gatewayLoad` with `BENCH_LOAD_SECONDS`. With `BENCH_LOAD_EXECUTED` every request is a
 * call that the gateway executes itself.
 */
import { Pool } from "@effect/platform-node/Undici"
import { Effect, Fiber, Redacted } from "effect"
import * as GatewayServer from "effect-vargate/gateway/GatewayServer"
import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { percentile } from "./support/statistics.ts"

const seconds = Number(process.env["BENCH_LOAD_SECONDS"] ?? thorough(20, 4))
/** The first seconds go to the compiler, and to V8's making room for young objects. */
const warmUp = thorough(10, 3)
const connections = 64
/** Whether the gateway executes every call that it allows, so that each of them is written twice. */
const isExecuting = process.env["BENCH_LOAD_EXECUTED"] !== undefined

interface Usage {
  readonly rss: number
  readonly heap: number
  /** Microseconds of a core so far. */
  readonly cpu: number
}

const serve = (data: string) => {
  const options: GatewayServer.Options = {
    data,
    port: 0,
    burst: 1e9,
    tools: isExecuting ? { "slack/post_message": () => Effect.succeed({ posted: true }) } : {},
    policy: {
      rules: [{ name: "tool_forbidden", severity: "low", when: ({ action }) => action.tool === "forbidden" }]
    }
  }
  const server = Effect.runFork(
    GatewayServer.run(
      options,
      ({ tenant, url }) => Effect.sync(() => process.send!({ url, apiKey: Redacted.value(tenant.apiKey) }))
    )
  )
  process.on("message", (message) => {
    if (message === "end") {
      return void Effect.runFork(Effect.andThen(Fiber.interrupt(server), Effect.sync(process.exit)))
    }
    const { system, user } = process.cpuUsage()
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    process.send!({ rss, heap: heapUsed, cpu: system + user } satisfies Usage)
  })
}

const json = (body: unknown) => JSON.stringify(body)

/** The requests of one connection, one after another. */
const requestsOf = (connection: number) => {
  const pending: Array<string> = []
  let n = 0
  // So many agents that neither the daily limit of the template nor its cool-down applies to any.
  const call = (tool: string, method: string, agent = `agent-${connection}-${Math.floor(n / 100)}`) => ({
    path: "/mcp/tools/call",
    body: json({
      agent_id: agent,
      agent_type: "autonomous",
      agent_version: "1.0.0",
      tool,
      method,
      params: { n, channel: "#general", text: "All green. ".repeat(20), nested: { list: [1, 2, 3] } }
    })
  })
  const next = (): { readonly path: string; readonly body?: string } => {
    n++
    if (isExecuting) return call("slack", "post_message")
    switch (n % 20) {
      case 0:
        return call("forbidden", "use", `rogue-${connection}-${n}`)
      case 5:
        return call("files", "delete")
      case 10: {
        const id = pending.shift()
        return id === undefined ? call("slack", "post_message") : { path: `/approve/${id}`, body: "{}" }
      }
      case 15:
        return n % 40 === 15 ? { path: "/approvals" } : { path: "/audit/log?limit=20" }
      default:
        return call("slack", "post_message")
    }
  }
  const took = (status: number, text: string) => {
    if (status === 202) pending.push(JSON.parse(text).action_id)
  }
  return { next, took }
}

const load = async () => {
  const folder = mkdtempSync(join(tmpdir(), "vargate-load-"))
  const data = join(folder, "vargate.db")
  const child = fork(fileURLToPath(import.meta.url), ["serve", data], {
    execArgv: ["--expose-gc", "--conditions=effect-vargate-source"]
  })
  try {
    const [{ apiKey, url }] = await once(child, "message") as [{ readonly apiKey: string; readonly url: string }]
    const usage = async () => {
      child.send("usage")
      return (await once(child, "message"))[0] as Usage
    }
    const pool = new Pool(url, { connections, pipelining: 1 })
    const statuses: Record<number, number> = {}
    let times: Array<number> = []
    const over = new AbortController()

    const worker = async (connection: number) => {
      const { next, took } = requestsOf(connection)
      while (!over.signal.aborted) {
        const { body, path } = next()
        const started = performance.now()
        const response = await pool.request({
          path,
          method: body === undefined ? "GET" : "POST",
          headers: { "x-api-key": apiKey, "content-type": "application/json" },
          body: body ?? null
        })
        const text = await response.body.text()
        times.push(performance.now() - started)
        statuses[response.statusCode] = (statuses[response.statusCode] ?? 0) + 1
        took(response.statusCode, text)
      }
    }
    const workers = Array.from({ length: connections }, (_, connection) => worker(connection))
    const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    await sleep(warmUp)
    const before = await usage()
    times = []
    const started = performance.now()
    await sleep(seconds / 2)
    const middle = await usage()
    await sleep(seconds / 2)
    const after = await usage()
    const elapsed = (performance.now() - started) / 1000
    const taken = times
    over.abort()
    await Promise.all(workers)
    await pool.close()
    child.send("end")
    await once(child, "exit")
    hand({
      title: "The embedded gateway under load",
      about:
        `\`GatewayServer\` with its ledger in SQLite, ${connections} connections for ${seconds} s after ${warmUp} s ` +
        "that warm up: tool calls of which one in twenty is denied and one is pending, approvals, and looks at list and log. " +
        "The one that sends shares the machine with it.",
      tables: [
        {
          columns: ["requests/s", "server's CPU, ms", "p50, ms", "p99, ms", "5xx", "file, MB"],
          rows: [[
            taken.length / elapsed,
            (after.cpu - before.cpu) / taken.length / 1000,
            percentile(taken, 0.5),
            percentile(taken, 0.99),
            Object.entries(statuses).reduce((sum, [status, count]) => Number(status) >= 500 ? sum + count : sum, 0),
            statSync(data).size / 1e6
          ]]
        },
        {
          columns: ["memory of the server", "RSS, MB", "heap, MB"],
          rows: Object.entries({ start: before, middle, end: after }).map(([when, { heap, rss }]) => [
            when,
            rss / 1e6,
            heap / 1e6
          ])
        }
      ]
    })
  } finally {
    child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[2] === "serve") serve(process.argv[3]!)
else await load()
