/**
 * What the MCP proxy adds to a server over standard input and output: the same server, with and without it, called by a
 * client that speaks JSON-RPC. Each is a process of its own, and so is the gateway, which allows every call at once.
 */
import { type ChildProcessByStdio, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { apiKey } from "./support/client.ts"
import { startGateway } from "./support/gateway.ts"
import { atMost, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { inTurns, median } from "./support/statistics.ts"

const rounds = thorough(7, 1)
const calls = thorough(2000, 200)
const file = fileURLToPath(import.meta.url)

/** As small as an MCP server can be: what it costs itself must not hide what the proxy costs. */
const serve = async () => {
  const say = (message: unknown) => process.stdout.write(JSON.stringify(message) + "\n")
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line)
    if (method === "initialize") {
      say({
        jsonrpc: "2.0",
        id,
        result: {
          protocolVersion: params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: "bench", version: "1.0.0" }
        }
      })
    } else if (method === "tools/call") {
      say({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "done" }] } })
    }
  }
}

/** As `effect-vargate mcp-proxy` does it, over the transport of the docs. Asked by a message, it says what CPU it took. */
const proxy = async (url: string) => {
  const [{ NodeRuntime, NodeServices }, Effect, GovernedMcpProxy, NodeTransport, Vargate] = await Promise.all([
    import("@effect/platform-node"),
    import("effect/Effect"),
    import("effect-vargate/mcp/GovernedMcpProxy"),
    import("effect-vargate/node/NodeTransport"),
    import("effect-vargate/Vargate")
  ])
  process.on("message", () => {
    const { system, user } = process.cpuUsage()
    process.send!(system + user)
  })
  GovernedMcpProxy.stdio({ command: process.execPath, args: [file, "serve"], tool: "bench" }).pipe(
    Effect.provide([Vargate.layer({ apiKey, url }), NodeServices.layer]),
    Effect.provide(NodeTransport.layer),
    NodeRuntime.runMain
  )
}

/** A client of whatever speaks MCP on these two streams. */
const connect = async (child: ChildProcessByStdio<Writable, Readable, null>) => {
  const waiting = new Map<number, () => void>()
  const say = (message: object) => child.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n")
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { error, id, result } = JSON.parse(line)
    if (error !== undefined || result?.isError === true) throw new Error(`A call has failed: ${line}`)
    waiting.get(id)?.()
    waiting.delete(id)
  })
  let last = 0
  const ask = (method: string, params: object) =>
    new Promise<void>((resolve) => {
      waiting.set(++last, resolve)
      say({ id: last, method, params })
    })
  await ask("initialize", {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "bench", version: "1.0.0" }
  })
  say({ method: "notifications/initialized" })
  return () => ask("tools/call", { name: "echo", arguments: { n: ++last } })
}

const measure = async () => {
  const gateway = await startGateway()
  const bare = spawn(process.execPath, [file, "serve"], { stdio: ["pipe", "pipe", "inherit"] })
  const proxied = fork(file, ["proxy", gateway.url], {
    execArgv: ["--conditions=effect-vargate-source", "--disable-warning=ExperimentalWarning"],
    stdio: ["pipe", "pipe", "inherit", "ipc"]
  })
  const cpuOfProxy = async () => {
    proxied.send("cpu")
    return (await once(proxied, "message"))[0] as number
  }
  const play = (call: () => Promise<void>, inFlight: number, cpu: () => Promise<number>) => async () => {
    const times: Array<number> = []
    const before = await cpu()
    const started = performance.now()
    await Promise.all(Array.from({ length: inFlight }, async () => {
      for (let n = 0; n < calls / inFlight; n++) {
        const asked = performance.now()
        await call()
        times.push(performance.now() - asked)
      }
    }))
    const seconds = (performance.now() - started) / 1000
    return { cpu: (await cpu() - before) / times.length, p50: median(times), rate: times.length / seconds }
  }
  const nothing = () => Promise.resolve(0)
  const callBare = await connect(bare)
  const callProxied = await connect(proxied as ChildProcessByStdio<Writable, Readable, null>)
  const turns = await inTurns(rounds, {
    "the server alone, one by one": play(callBare, 1, nothing),
    "behind the proxy, one by one": play(callProxied, 1, cpuOfProxy),
    "the server alone, 16 in flight": play(callBare, 16, nothing),
    "behind the proxy, 16 in flight": play(callProxied, 16, cpuOfProxy)
  })
  bare.kill()
  proxied.kill()
  gateway.stop()
  const of = (name: string, field: "cpu" | "p50" | "rate") => median(turns[name]!.map((turn) => turn[field]))
  hand({
    title: "The MCP proxy",
    about: "An MCP server that does nothing, over standard input and output, called directly and through " +
      `\`GovernedMcpProxy.stdio\` over \`NodeTransport\`: the proxy asks a gateway that allows every call at once. Turns of ${calls} calls, ` +
      `medians of ${rounds} rounds. CPU is that of all threads of the proxy's process; server, gateway and client have their own.`,
    tables: [{
      columns: ["way", "CPU of the proxy, µs a call", "p50, ms", "calls/s"],
      rows: Object.keys(turns).map((name) => [
        name,
        name.startsWith("behind") ? of(name, "cpu") : undefined,
        of(name, "p50"),
        of(name, "rate")
      ])
    }],
    targets: [
      atMost(
        "what the MCP proxy adds to a call, one by one",
        1,
        "ms",
        of("behind the proxy, one by one", "p50") - of("the server alone, one by one", "p50")
      )
    ]
  })
  process.exit()
}

const [way, url] = process.argv.slice(2)
if (way === "serve") await serve()
else if (way === "proxy") await proxy(url!)
else await measure()
