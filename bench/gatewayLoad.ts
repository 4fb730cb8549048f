/**
 * The embedded gateway at work, its server with the ledger on disk: tool calls alone and in process against an earlier
 * commit, in turns, and then a mixed load: allowed, denied and pending calls, reviews, looks at lists and log. Every gateway
 * is a process of its own, so that its memory and its CPU are its own.
 *
 * For longer runs of the mixed load: `npm run bench -- gatewayLoad` with `BENCH_LOAD_SECONDS`. With `BENCH_LOAD_EXECUTED`
 * every request of it is a call that the gateway executes itself.
 */
import { Pool } from "@effect/platform-node/Undici"
import { Effect, Fiber, Layer, ManagedRuntime, Redacted } from "effect"
import type * as ToolCalls from "effect-vargate/calls/ToolCalls"
import type * as GatewayServer from "effect-vargate/gateway/GatewayServer"
import type * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { fork } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { commitBefore, modulesBefore } from "./support/before.ts"
import { atLeast, atMost, type Cell, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { inTurns, median, medianRatio, percentile } from "./support/statistics.ts"

const seconds = Number(process.env["BENCH_LOAD_SECONDS"] ?? thorough(10, 2))
/** The first seconds go to the compiler, and to V8's making room for young objects. */
const warmUp = thorough(4, 1)
const rounds = thorough(5, 1)
const secondsOfTurn = thorough(1.5, 0.4)
const connections = 64
/** Whether the gateway executes every call that it allows, so that each of them is written twice. */
const isExecuting = process.env["BENCH_LOAD_EXECUTED"] !== undefined

interface Usage {
  readonly rss: number
  readonly heap: number
  /** Microseconds of a core so far. */
  readonly cpu: number
}

/** What a process serves: this state of the package, or the modules of an earlier one. */
interface Setup {
  readonly way: "server" | "in process"
  readonly modules: string | undefined
  readonly data: string
  readonly isExecuting: boolean
}

const load = async <Module>(modules: string | undefined, ...paths: ReadonlyArray<string>): Promise<Module> => {
  if (modules === undefined) return await import(`effect-vargate/${paths[0]}`)
  // Some have moved since.
  const file = paths.map((path) => join(modules, `${path}.js`)).find(existsSync)
  return await import(pathToFileURL(file!).href)
}

const usage = (): Usage => {
  const { system, user } = process.cpuUsage()
  const { heapUsed, rss } = process.memoryUsage()
  return { rss, heap: heapUsed, cpu: system + user }
}

const serve = async ({ data, isExecuting, modules }: Setup) => {
  const Server = await load<typeof GatewayServer>(modules, "gateway/GatewayServer")
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
    Server.run(
      options,
      ({ tenant, url }) => Effect.sync(() => process.send!({ url, apiKey: Redacted.value(tenant.apiKey) }))
    )
  )
  process.on("message", (message) => {
    if (message === "end") {
      return void Effect.runFork(Effect.andThen(Fiber.interrupt(server), Effect.sync(process.exit)))
    }
    // Where the memory is asked for, it is what is left of it.
    if (message === "memory") globalThis.gc?.()
    process.send!(usage())
  })
}

const callsOfTurn = thorough(3000, 300)

/** Calls through the client of the same state, with the gateway in memory and no socket. */
const serveInProcess = async ({ modules }: Setup) => {
  const Memory = await load<typeof GatewayMemory>(modules, "testing/GatewayMemory")
  const Calls = await load<typeof ToolCalls>(modules, "calls/ToolCalls", "ToolCalls")
  const runtime = ManagedRuntime.make(Layer.fresh(Memory.layer({
    tenants: [{ id: "bench", apiKey: "bench-key", burst: 1e9, policyConfig: { dailyActionLimit: 1e9 } }]
  })))
  let n = 0
  process.on("message", async (message) => {
    if (message === "end") process.exit()
    const before = process.cpuUsage()
    const started = performance.now()
    await runtime.runPromise(Effect.forEach(
      Array.from({ length: callsOfTurn }, () => n++),
      (n) =>
        Calls.call({
          agent: { id: `agent-${n % connections}-${Math.floor(n / 6400)}` },
          tool: "slack",
          method: "post_message",
          params: { n, channel: "#general", text: "All green." }
        }),
      { concurrency: connections, discard: true }
    ))
    const { system, user } = process.cpuUsage(before)
    const rate = callsOfTurn / (performance.now() - started) * 1000
    process.send!({ rate, cpu: (system + user) / callsOfTurn })
  })
  process.send!("ready")
}

const start = (setup: Setup) =>
  fork(fileURLToPath(import.meta.url), ["serve", JSON.stringify(setup)], {
    execArgv: ["--expose-gc", "--conditions=effect-vargate-source", "--disable-warning=ExperimentalWarning"]
  })

const startServer = async (setup: Omit<Setup, "way">) => {
  const child = start({ way: "server", ...setup })
  const [{ apiKey, url }] = await once(child, "message") as [{ readonly apiKey: string; readonly url: string }]
  const usage = async (about: "cpu" | "memory") => {
    child.send(about)
    return (await once(child, "message"))[0] as Usage
  }
  const pool = new Pool(url, { connections, pipelining: 1 })
  const send = async (request: Request) => {
    const started = performance.now()
    const response = await pool.request({
      path: request.path,
      method: request.body === undefined ? "GET" : "POST",
      headers: { "x-api-key": apiKey, "content-type": "application/json" },
      body: request.body ?? null
    })
    const text = await response.body.text()
    return { status: response.statusCode, text, milliseconds: performance.now() - started }
  }
  return {
    usage,
    send,
    end: async () => {
      await pool.close()
      child.send("end")
      await once(child, "exit")
    },
    kill: () => child.kill("SIGKILL")
  }
}
type RunningServer = Awaited<ReturnType<typeof startServer>>

interface Request {
  readonly path: string
  readonly body?: string
}

const json = (body: unknown) => JSON.stringify(body)

let sent = 0
/** So many agents that neither the daily limit of the template nor its cool-down applies to any. */
const callOf = (tool: string, method: string, agent: string): Request => ({
  path: "/mcp/tools/call",
  body: json({
    agent_id: agent,
    agent_type: "autonomous",
    agent_version: "1.0.0",
    tool,
    method,
    params: { n: sent++, channel: "#general", text: "All green. ".repeat(20), nested: { list: [1, 2, 3] } }
  })
})

/** The requests of one connection, one after another. */
const requestsOf = (connection: number) => {
  const pending: Array<string> = []
  let n = 0
  const call = (tool: string, method: string, agent = `agent-${connection}-${Math.floor(n / 100)}`) =>
    callOf(tool, method, agent)
  const next = (): Request => {
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

/** Tool calls alone, all connections at once, for a while. */
const callsAlone = (server: RunningServer, name: string) => {
  let turn = 0
  return async () => {
    turn++
    const times: Array<number> = []
    const before = await server.usage("cpu")
    const started = performance.now()
    const end = started + secondsOfTurn * 1000
    await Promise.all(Array.from({ length: connections }, async (_, connection) => {
      for (let n = 0; performance.now() < end; n++) {
        const agent = `${name}-${connection}-${turn}-${Math.floor(n / 100)}`
        const { milliseconds, status, text } = await server.send(callOf("slack", "post_message", agent))
        if (status !== 200) throw new Error(`A call was answered ${status}: ${text}`)
        times.push(milliseconds)
      }
    }))
    const elapsed = (performance.now() - started) / 1000
    const after = await server.usage("cpu")
    return {
      rate: times.length / elapsed,
      cpu: (after.cpu - before.cpu) / times.length,
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99)
    }
  }
}

interface Compared {
  readonly title: string
  readonly turns: Readonly<
    Record<
      string,
      ReadonlyArray<{ readonly rate: number; readonly cpu: number; readonly p50?: number; readonly p99?: number }>
    >
  >
}

/** The two states of the package in turns. */
const statesOf = (before: string | undefined): Readonly<Record<string, string | undefined>> =>
  before === undefined ? { now: undefined } : { [commitBefore]: before, now: undefined }

const compareServers = async (
  title: string,
  folder: string,
  before: string | undefined,
  isExecuting: boolean
): Promise<Compared> => {
  const servers: Record<string, RunningServer> = {}
  try {
    for (const [name, modules] of Object.entries(statesOf(before))) {
      servers[name] = await startServer({ modules, data: join(folder, `${name}-${isExecuting}.db`), isExecuting })
      // The first seconds go to the compiler.
      await callsAlone(servers[name], "warm")()
    }
    const rows = Object.entries(servers).map(([name, server]) => [name, callsAlone(server, name)] as const)
    const turns = await inTurns(rounds, Object.fromEntries(rows))
    for (const server of Object.values(servers)) await server.end()
    return { title, turns }
  } finally {
    for (const server of Object.values(servers)) server.kill()
  }
}

const compareInProcess = async (title: string, before: string | undefined): Promise<Compared> => {
  const children = []
  for (const [name, modules] of Object.entries(statesOf(before))) {
    const child = start({ way: "in process", modules, data: "", isExecuting: false })
    await once(child, "message")
    children.push([name, child] as const)
  }
  const turns = await inTurns(
    rounds,
    Object.fromEntries(children.map(([name, child]) => [name, async () => {
      child.send("calls")
      return (await once(child, "message"))[0] as { readonly rate: number; readonly cpu: number }
    }]))
  )
  for (const [, child] of children) child.kill()
  return { title, turns }
}

const tableOf = ({ title, turns }: Compared) => ({
  title,
  columns: ["state", "calls/s", "CPU, µs a call", "p50, ms", "p99, ms", "x calls/s"],
  rows: Object.entries(turns).map(([name, taken]): ReadonlyArray<Cell> => {
    const of = (field: "rate" | "cpu" | "p50" | "p99") => {
      const values = taken.map((turn) => turn[field])
      return values.includes(undefined) ? undefined : median(values as ReadonlyArray<number>)
    }
    return [name, of("rate"), of("cpu"), of("p50"), of("p99"), ratioOf({ title, turns }, "rate", name)]
  })
})

const ratioOf = ({ turns }: Compared, field: "rate" | "p99", name = "now") => {
  const base = turns[commitBefore]
  return base === undefined
    ? undefined
    : medianRatio(turns[name]!.map((turn) => turn[field]!), base.map((turn) => turn[field]!))
}

const mixed = async (folder: string) => {
  const data = join(folder, "vargate.db")
  const server = await startServer({ modules: undefined, data, isExecuting })
  try {
    const statuses: Record<number, number> = {}
    let times: Array<number> = []
    const over = new AbortController()
    const worker = async (connection: number) => {
      const { next, took } = requestsOf(connection)
      while (!over.signal.aborted) {
        const { milliseconds, status, text } = await server.send(next())
        times.push(milliseconds)
        statuses[status] = (statuses[status] ?? 0) + 1
        took(status, text)
      }
    }
    const workers = Array.from({ length: connections }, (_, connection) => worker(connection))
    const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    await sleep(warmUp)
    const before = await server.usage("memory")
    times = []
    const started = performance.now()
    await sleep(seconds / 2)
    const middle = await server.usage("memory")
    await sleep(seconds / 2)
    const after = await server.usage("memory")
    const elapsed = (performance.now() - started) / 1000
    const taken = times
    over.abort()
    await Promise.all(workers)
    await server.end()
    return [
      {
        title: "A mixed load",
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
  } finally {
    server.kill()
  }
}

const measure = async () => {
  const folder = mkdtempSync(join(tmpdir(), "vargate-load-"))
  try {
    const before = modulesBefore()
    const decided = await compareServers("Tool calls alone, the agent acts", folder, before, false)
    const executed = await compareServers("Tool calls alone, the gateway executes each", folder, before, true)
    const inProcess = await compareInProcess("In process, in memory", before)
    const mixedTables = await mixed(folder)
    hand({
      title: "The embedded gateway under load",
      about:
        `\`GatewayServer\` with its ledger in SQLite and ${connections} connections. First POST /mcp/tools/call alone, beside the package as it ` +
        `was at ${commitBefore}, in ${rounds} turns of ${secondsOfTurn} s: an answer is given once the record is on the disk, and what the gateway ` +
        "executes is there as an intent before it begins, which the earlier state did not write. In process the client of the " +
        `same state makes ${callsOfTurn} calls a turn, ${connections} in flight, and everything is in memory. Then a mixed load for ${seconds} s after ${warmUp} s ` +
        "that warm up: tool calls of which one in twenty is denied and one is pending, approvals, and looks at list and log. " +
        "The one that sends shares the machine with the server.",
      tables: [tableOf(decided), tableOf(executed), tableOf(inProcess), ...mixedTables],
      targets: [
        atLeast("gateway server, the agent acts", 2, `x calls/s of ${commitBefore}`, ratioOf(decided, "rate")),
        atMost("gateway server, the agent acts", 0.5, `x p99 of ${commitBefore}`, ratioOf(decided, "p99")),
        atLeast("gateway server, executed calls", 2, `x calls/s of ${commitBefore}`, ratioOf(executed, "rate")),
        atMost("gateway server, executed calls", 0.5, `x p99 of ${commitBefore}`, ratioOf(executed, "p99")),
        atLeast("gateway in memory, in process", 2, `x calls/s of ${commitBefore}`, ratioOf(inProcess, "rate"))
      ],
      skipped: before === undefined ? [`${commitBefore} cannot be built here`] : []
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[2] === "serve") {
  const setup: Setup = JSON.parse(process.argv[3]!)
  await (setup.way === "server" ? serve(setup) : serveInProcess(setup))
} else {
  await measure()
}
