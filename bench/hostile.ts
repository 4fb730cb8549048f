/**
 * A gateway server among hostile clients: 8 agents on 127.0.0.1 make calls at a fixed rate, first alone and then beside
 * clients on 127.0.0.2 to 127.0.0.9 that pipeline without reading, read nothing, sit idle, sign up, listen to events and
 * send large bodies. Server, agents and hostile clients are processes of their own.
 *
 * It stops by itself. For a shorter run: `BENCH_HOSTILE_SECONDS`.
 */
import { Effect, Fiber, Redacted } from "effect"
import * as GatewayServer from "effect-vargate/gateway/GatewayServer"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { Agent, request } from "node:http"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { percentile } from "./support/statistics.ts"

const seconds = Number(process.env["BENCH_HOSTILE_SECONDS"] ?? 60)
const agents = 8
/** Calls of one agent in a second. */
const pace = 10
/** Connections that the hostile clients open in a second, of each kind. */
const hostilePace = 4
/** Hostile connections that are open at a time; each is given up in the end. */
const hostileLimit = 1500

const sleep = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

interface Usage {
  readonly rss: number
  /** Microseconds of a core so far. */
  readonly cpu: number
}

const serve = (data: string) => {
  const server = Effect.runFork(GatewayServer.run(
    { data, port: 0, burst: 1e6, sendMail: () => Effect.void },
    ({ tenant, url }) => Effect.sync(() => process.send!({ url, apiKey: Redacted.value(tenant.apiKey) }))
  ))
  process.on("message", (message) => {
    if (message === "end") {
      return void Effect.runFork(Effect.andThen(Fiber.interrupt(server), Effect.sync(process.exit)))
    }
    const { system, user } = process.cpuUsage()
    process.send!({ rss: process.memoryUsage.rss(), cpu: system + user } satisfies Usage)
  })
}

// --- hostile clients -------------------------------------------------------------------------------------------------

const head = (method: string, path: string, headers = "") =>
  `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`

const post = (path: string, body: string) =>
  head("POST", path, `content-type: application/json\r\ncontent-length: ${body.length}\r\n`) + body

const kinds: ReadonlyArray<(key: string) => string> = [
  () => head("GET", "/inbox/app.js").repeat(1300),
  (key) => head("GET", "/audit/log?limit=1000", `x-api-key: ${key}\r\n`).repeat(20),
  () => "",
  () => post("/auth/signup", JSON.stringify({ email: `a@${"a.".repeat(50_000)}@`, name: "x" })),
  () => post("/auth/signup", JSON.stringify({ email: `${Math.random()}@x.example`, name: "x".repeat(200) })),
  (key) => head("GET", "/inbox/events", `x-api-key: ${key}\r\n`),
  () => post("/mcp/tools/call", JSON.stringify({ params: "x".repeat(1_000_000) }))
]

const attack = async (url: string, key: string) => {
  const open = new Set<Socket>()
  const end = Date.now() + seconds * 1000
  const port = Number(new URL(url).port)
  for (let n = 0; Date.now() < end; n++) {
    if (open.size < hostileLimit) {
      const socket = connect({ host: "127.0.0.1", port, localAddress: `127.0.0.${2 + n % 8}` })
      open.add(socket.on("error", () => {}).once("close", () => open.delete(socket)))
      socket.pause().write(kinds[n % kinds.length]!(key))
      setTimeout(() => socket.destroy(), 20_000).unref()
    }
    await sleep(1000 / (hostilePace * kinds.length))
  }
  for (const socket of open) socket.destroy()
}

// --- agents ----------------------------------------------------------------------------------------------------------

interface Served {
  readonly calls: number
  /** Answers other than 200, by status; 0 for none at all. */
  readonly refused: Readonly<Record<string, number>>
  readonly p50: number
  readonly p99: number
}

/** Agents of many names: the policy bounds what one of them does in a day. */
const bodyOf = (agent: string) =>
  JSON.stringify({ agent_id: agent, tool: "slack", method: "post_message", params: { channel: "#general" } })

const act = async (url: string, key: string) => {
  const latencies: Array<number> = []
  const refused: Record<string, number> = {}
  const end = Date.now() + seconds * 1000
  const one = (agent: Agent, body: string) =>
    new Promise<number>((resolve) => {
      const headers = { "x-api-key": key, "content-type": "application/json", "content-length": body.length }
      request(`${url}/mcp/tools/call`, { agent, method: "POST", headers }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode!)).on("error", () => resolve(0))
      }).on("error", () => resolve(0)).end(body)
    })
  await Promise.all(Array.from({ length: agents }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (Date.now() < end) {
      const started = performance.now()
      const status = await one(agent, bodyOf(`a-${latencies.length % 1000}`))
      const took = performance.now() - started
      latencies.push(took)
      if (status !== 200) refused[status] = (refused[status] ?? 0) + 1
      await sleep(Math.max(0, 1000 / pace - took))
    }
    agent.destroy()
  }))
  process.send!(
    {
      calls: latencies.length,
      refused,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99)
    } satisfies Served
  )
}

// --- the soak --------------------------------------------------------------------------------------------------------

const start = (...words: ReadonlyArray<string>) =>
  fork(fileURLToPath(import.meta.url), words, { execArgv: ["--conditions=effect-vargate-source"] })

const heard = async <A>(child: ChildProcess) => (await once(child, "message"))[0] as A

const soak = async (server: ChildProcess, url: string, key: string, isHostile: boolean) => {
  const usage = async () => {
    server.send("usage")
    return heard<Usage>(server)
  }
  const before = await usage()
  const others = isHostile ? [start("attack", url, key)] : []
  const honest = start("act", url, key)
  const answer = heard<Served>(honest)
  let rss = before.rss
  let last = before
  for (let second = 0; second < 2 * seconds; second++) {
    await sleep(500)
    last = await usage()
    rss = Math.max(rss, last.rss)
  }
  const served = await answer
  for (const child of others) child.kill()
  honest.kill()
  return { ...served, rss, cpu: last.cpu - before.cpu }
}

const main = async () => {
  const folder = mkdtempSync(join(tmpdir(), "vargate-hostile-"))
  const server = start("serve", join(folder, "vargate.db"))
  try {
    const { apiKey, url } = await heard<{ readonly url: string; readonly apiKey: string }>(server)
    const quiet = await soak(server, url, apiKey, false)
    const hostile = await soak(server, url, apiKey, true)
    const share = Math.min(1, (quiet.cpu / quiet.calls) * hostile.calls / hostile.cpu)
    for (const [name, { calls, cpu, p50, p99, refused, rss }] of Object.entries({ quiet, hostile })) {
      console.log(
        `${name}: ${calls} calls, refused ${JSON.stringify(refused)}, p50 ${p50.toFixed(1)} ms, p99 ${
          p99.toFixed(1)
        } ms, ` +
          `at most ${Math.round(rss / 2 ** 20)} MB, ${(cpu / 1e6).toFixed(1)} s of a core`
      )
    }
    console.log(
      `hostile / quiet: ${(hostile.rss / quiet.rss).toFixed(2)} of the memory, ` +
        `${(hostile.p99 / quiet.p99).toFixed(1)} of the p99; calls got ${
          (share * 100).toFixed(0)
        } % of the gateway's CPU`
    )
  } finally {
    server.send("end")
    await Promise.race([once(server, "exit"), sleep(15_000)])
    server.kill("SIGKILL")
    rmSync(folder, { recursive: true })
  }
}

const [role, first, second] = process.argv.slice(2)
if (role === "serve") serve(first!)
else if (role === "attack") void attack(first!, second!).then(() => process.exit(0))
else if (role === "act") void act(first!, second!)
else await main()
