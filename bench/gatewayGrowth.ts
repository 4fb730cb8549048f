/**
 * What an embedded gateway costs as its ledger and its listeners grow: `GET /audit/verify` over long logs, calls beside it,
 * and pending calls before listeners of the inbox. The server is a process of its own.
 */
import { Pool } from "@effect/platform-node/Undici"
import { Context, DateTime, Effect, Layer, Redacted } from "effect"
import * as GatewayServer from "effect-vargate/gateway/GatewayServer"
import { Tenants } from "effect-vargate/gateway/tenants/Tenants"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { type ClientRequest, get } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { genesis, linked } from "../src/gateway/ledger/internal/chain.ts"
import { rowOf } from "../src/gateway/sqlite/recordRows.ts"
import { ActionId } from "../src/model/ActionId.ts"
import { atMost, hand } from "./support/report.ts"
import { isLarge, isQuick, thorough } from "./support/settings.ts"
import { percentile } from "./support/statistics.ts"

const ledgers = isQuick ? [1000, 5000] : isLarge ? [100_000, 500_000] : [10_000, 100_000]
const alone = thorough(isLarge ? 10 : 6, 1)
const connections = 4
const pendingCalls = thorough(2000, 100)
/** A tenant may have 64 streams, and an address 32. */
const tenantsOfListeners = ["local", "b", "c", "d"]
const listenersOf = [0, thorough(50, 10)]

// --- the server ------------------------------------------------------------------------------------------------------

const serve = (data: string) => {
  const layer = GatewayServer.layer({ data, port: 0, burst: 1e9, keys: {} })
  Effect.runFork(
    Effect.gen(function*() {
      const context = yield* Layer.build(layer)
      const { tenant, url } = Context.get(context, GatewayServer.GatewayServer)
      const tenants = Context.get(context, Tenants)
      for (const id of tenantsOfListeners.slice(1)) {
        yield* tenants.put({ id, apiKey: `key-of-tenant-${id}`, burst: 1e9 })
      }
      process.send!({ url, apiKey: Redacted.value(tenant.apiKey) })
      return yield* Effect.never
    }).pipe(Effect.scoped)
  )
  process.on("message", (message) => {
    if (message === "end") process.exit()
    const { system, user } = process.cpuUsage()
    process.send!({ cpu: system + user })
  })
}

interface Server {
  readonly url: string
  readonly apiKey: string
  /** Milliseconds of a core so far. */
  readonly cpu: () => Promise<number>
  readonly end: () => Promise<unknown>
}

const start = async (data: string): Promise<Server> => {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ["serve", data], {
    execArgv: ["--conditions=effect-vargate-source", "--disable-warning=ExperimentalWarning"]
  })
  const [{ apiKey, url }] = await once(child, "message") as [{ readonly apiKey: string; readonly url: string }]
  return {
    apiKey,
    url,
    cpu: async () => {
      child.send("cpu")
      return (await once(child, "message") as [{ readonly cpu: number }])[0].cpu / 1000
    },
    end: () => {
      child.send("end")
      return once(child, "exit")
    }
  }
}

/** Writes records of a chain that holds. Appending them one after another would take most of an hour. */
const grow = (data: string, records: number) => {
  const db = new DatabaseSync(data)
  db.exec("PRAGMA synchronous = OFF; BEGIN")
  const at = DateTime.makeUnsafe(Date.UTC(2026, 0, 1))
  let prevHash: string = genesis
  let insert: ReturnType<typeof db.prepare> | undefined
  for (let n = 1; n <= records; n++) {
    const record = linked({
      tenantId: "local",
      actionId: ActionId.make(`grown-${n}`),
      agentId: `agent-${n % 100}`,
      tool: "slack",
      method: "post_message",
      params: { n, channel: "#general", text: "All green. ".repeat(20), nested: { list: [1, 2, 3] } },
      requestedAt: at,
      decision: "allow",
      violations: [],
      severity: "none",
      alertTier: "none",
      bundleRevision: "builtin-2",
      executionMode: "agent_direct",
      anomalyScore: 0,
      containsPii: false,
      piiFields: []
    }, { id: n, createdAt: at, prevHash })
    prevHash = record.recordHash
    const row = { tenant_id: "local", position: n, ...rowOf(record) }
    insert ??= db.prepare(
      `INSERT INTO records (${Object.keys(row).join(", ")}) VALUES (${Object.keys(row).map(() => "?").join(", ")})`
    )
    insert.run(...Object.values(row))
  }
  db.exec("COMMIT")
  db.close()
}

// --- verification ----------------------------------------------------------------------------------------------------

let calls = 0

const post = async (pool: Pool, apiKey: string, tool: string, method: string): Promise<number> => {
  const n = calls++
  const started = performance.now()
  const { body, statusCode } = await pool.request({
    path: "/mcp/tools/call",
    method: "POST",
    headers: { "x-api-key": apiKey, "content-type": "application/json" },
    body: JSON.stringify({
      agent_id: `caller-${Math.floor(n / 100)}`,
      agent_type: "autonomous",
      agent_version: "1.0.0",
      tool,
      method,
      params: { n, text: "All green. ".repeat(20) }
    })
  })
  await body.text()
  if (statusCode !== 200 && statusCode !== 202) throw new Error(`a call was answered ${statusCode}`)
  return performance.now() - started
}

/** The times of calls, until something is over. */
const callsWhile = async (pool: Pool, apiKey: string, over: Promise<unknown>): Promise<Array<number>> => {
  const times: Array<number> = []
  const end = new AbortController()
  const ending = over.then(() => end.abort())
  const worker = async () => {
    while (!end.signal.aborted) times.push(await post(pool, apiKey, "slack", "post_message"))
  }
  await Promise.all([ending, ...Array.from({ length: connections }, worker)])
  return times
}

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

const measureLedger = async (folder: string, records: number) => {
  const data = join(folder, `${records}.db`)
  await (await start(data)).end()
  grow(data, records)
  const server = await start(data)
  const pool = new Pool(server.url, { connections: connections + 8, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 })
  const verify = async () => {
    const { body } = await pool.request({
      path: "/audit/verify",
      method: "GET",
      headers: { "x-api-key": server.apiKey }
    })
    const status = await body.json() as { readonly valid: boolean }
    if (!status.valid) throw new Error("the chain is not valid")
  }
  await callsWhile(pool, server.apiKey, sleep(alone / 2))
  const without = await callsWhile(pool, server.apiKey, sleep(alone))
  const cpuBefore = await server.cpu()
  const started = performance.now()
  await verify()
  const seconds = (performance.now() - started) / 1000
  const cpu = (await server.cpu()) - cpuBefore
  const during = await callsWhile(pool, server.apiKey, verify())
  const cpuFive = await server.cpu()
  await Promise.all(Array.from({ length: 5 }, verify))
  const five = (await server.cpu()) - cpuFive
  await pool.close()
  await server.end()
  rmSync(data)
  return { records, without, during, seconds, cpu, five }
}

// --- listeners -------------------------------------------------------------------------------------------------------

const listen = (url: string, apiKey: string, localAddress: string) =>
  new Promise<ClientRequest>((resolve, reject) => {
    const request = get(`${url}/inbox/events`, { headers: { "x-api-key": apiKey }, localAddress, agent: false })
    request.on("error", reject).on("response", (response) => {
      if (response.statusCode !== 200) reject(new Error(`a listener was answered ${response.statusCode}`))
      response.once("data", () => resolve(request)).resume()
      response.on("error", () => {})
    })
  })

const measureListeners = async (folder: string, perTenant: number) => {
  const server = await start(join(folder, `listeners-${perTenant}.db`))
  const keys = tenantsOfListeners.map((id, n) => n === 0 ? server.apiKey : `key-of-tenant-${id}`)
  const listeners: Array<ClientRequest> = []
  for (const [tenant, key] of keys.entries()) {
    for (let n = 0; n < perTenant; n++) {
      listeners.push(await listen(server.url, key, `127.0.0.${2 + tenant * 2 + Math.floor(n / 32)}`))
    }
  }
  const pool = new Pool(server.url, { connections, pipelining: 1 })
  const run = async (count: number) => {
    let left = count
    const worker = async () => {
      while (left-- > 0) await post(pool, keys[left % keys.length]!, "files", "delete")
    }
    await Promise.all(Array.from({ length: connections }, worker))
  }
  await run(pendingCalls / 2)
  const before = await server.cpu()
  await run(pendingCalls)
  const cpu = ((await server.cpu()) - before) / pendingCalls
  for (const listener of listeners) listener.on("error", () => {}).destroy()
  await pool.close()
  await server.end()
  return { listeners: listeners.length, cpu }
}

if (process.argv[2] === "serve") serve(process.argv[3]!)
else {
  const folder = mkdtempSync(join(tmpdir(), "vargate-growth-"))
  try {
    const grown: Array<Awaited<ReturnType<typeof measureLedger>>> = []
    for (const records of ledgers) grown.push(await measureLedger(folder, records))
    const heard: Array<Awaited<ReturnType<typeof measureListeners>>> = []
    for (const perTenant of listenersOf) heard.push(await measureListeners(folder, perTenant))
    const slowdown = ({ during, without }: (typeof grown)[number]) =>
      percentile(during, 0.99) / percentile(without, 0.99)
    const longest = grown.at(-1)!
    hand({
      title: `The embedded gateway as it grows${isLarge ? ", large" : ""}`,
      about:
        `\`GatewayServer\` with its ledger in SQLite. Above: GET /audit/verify over ledgers of two lengths, and tool calls on ` +
        `${connections} connections without and during a verification. Below: pending calls of ${tenantsOfListeners.length} ` +
        "tenants, each an event for every listener of its tenant.",
      tables: [
        {
          columns: [
            "records",
            "verified, records/s",
            "CPU of one, ms",
            "CPU of five at once, ms",
            "POST p50, ms",
            "p50 meanwhile, ms",
            "POST p99, ms",
            "p99 meanwhile, ms",
            "slowest meanwhile, ms"
          ],
          rows: grown.map(({ cpu, during, five, records, seconds, without }) => [
            records.toLocaleString("en"),
            records / seconds,
            cpu,
            five,
            percentile(without, 0.5),
            percentile(during, 0.5),
            percentile(without, 0.99),
            percentile(during, 0.99),
            Math.max(...during)
          ])
        },
        {
          columns: ["listeners", "server's CPU for a pending call, ms"],
          rows: heard.map(({ cpu, listeners }) => [String(listeners), cpu])
        }
      ],
      targets: [
        atMost(
          `POST p99 while ${longest.records.toLocaleString("en")} records are verified`,
          3,
          "times that without",
          slowdown(longest)
        ),
        atMost(
          "CPU of five verifications that are asked for at once",
          1.5,
          "times that of one",
          longest.five / longest.cpu
        ),
        atMost(
          `CPU of a pending call before ${heard[1]!.listeners} listeners`,
          1.5,
          "times that without",
          heard[1]!.cpu / heard[0]!.cpu
        )
      ]
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  process.exit()
}
