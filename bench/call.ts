/** What one governed call costs the process that makes it, against other HTTP clients that do less. */
import type { Turn } from "./support/client.ts"
import type { ClientName } from "./support/clients.ts"
import { startGateway } from "./support/gateway.ts"
import { startPlayers, warmUp } from "./support/players.ts"
import { atMost, type Chart, hand, type Table } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { inTurns, median, medianRatio } from "./support/statistics.ts"

/** One process of a client may be lucky in what V8 makes of it, so each is started anew a few times. */
const casts = thorough(3, 1)
const rounds = thorough(5, 3)
const seconds = thorough(0.4, 0.2)

const names: ReadonlyArray<ClientName> = [
  "undici.request",
  "undici dispatch",
  "ToolCalls over NodeTransport",
  "ToolCalls over NodeTransport, spans exported",
  "ToolCalls over @effect/platform-node's undici",
  "fetch",
  "effect's FetchHttpClient",
  "ToolCalls over fetch",
  "ky",
  "axios",
  "@open-policy-agent/opa",
  "httpx.Client",
  "httpx.AsyncClient"
]

type Turns = Readonly<Record<string, ReadonlyArray<Turn>>>

const gateway = await startGateway()
const skipped = new Set<string>()
let parallel: Turns = {}
let single: Turns = {}

const joined = (turns: Turns, more: Turns): Turns =>
  Object.fromEntries(Object.entries(more).map(([name, taken]) => [name, [...turns[name] ?? [], ...taken]]))

for (let cast = 0; cast < casts; cast++) {
  const { missing, players } = await startPlayers(names, gateway.url)
  for (const message of missing) skipped.add(message)
  for (const player of players) await warmUp(player, ["allowed"])
  const measure = (inFlight: number): Promise<Turns> =>
    inTurns(
      rounds,
      Object.fromEntries(players.map(({ name, play }) => [name, () => play({ tool: "allowed", inFlight, seconds })]))
    )
  parallel = joined(parallel, await measure(64))
  single = joined(single, await measure(1))
  for (const { stop } of players) stop()
}
gateway.stop()

const cpuOf = (turns: ReadonlyArray<Turn>) => turns.map(({ cpu }) => cpu)

const cpuRatio = (turns: Turns, name: ClientName, base: ClientName) => {
  const [own, others] = [turns[name], turns[base]]
  return own === undefined || others === undefined ? undefined : medianRatio(cpuOf(own), cpuOf(others))
}

const tableOf = (title: string, turns: Turns): Table => ({
  title,
  columns: ["client", "CPU, µs a call", "x undici.request", "x fetch", "p50, ms", "calls/s"],
  rows: Object.entries(turns).map(([name, taken]) => [
    name,
    median(cpuOf(taken)),
    cpuRatio(turns, name as ClientName, "undici.request"),
    cpuRatio(turns, name as ClientName, "fetch"),
    median(taken.map(({ p50 }) => p50)),
    median(taken.map(({ rate }) => rate))
  ])
})

const chartOf = (title: string, turns: Turns): Chart => ({
  title,
  bars: Object.entries(turns).map(([name, taken]) => ({
    name,
    value: 1e6 / median(cpuOf(taken)),
    isOurs: name.startsWith("ToolCalls")
  })).sort((a, b) => b.value - a.value)
})

const ours = "ToolCalls over NodeTransport"
const traced = "ToolCalls over NodeTransport, spans exported"

hand({
  title: "A governed call",
  about:
    "POST, JSON both ways, a new body for each call; `ToolCalls` checks its input, decodes the answer and has typed " +
    "errors. Every client is a process of its own, and so is the server, which answers at once. Clients take turns " +
    `of ${seconds} s, ${casts} times ${rounds} rounds, each time with new processes. CPU is that of all threads of the client's process. The server runs on one ` +
    "thread, so that the fastest clients in parallel wait for it: there only CPU tells them apart. " +
    "`@open-policy-agent/opa` asks an OPA for a decision, and no record is kept. `httpx.Client` has a thread for " +
    "each call in flight.",
  tables: [tableOf("64 in flight", parallel), tableOf("One by one", single)],
  targets: [
    atMost("CPU a call, 64 in flight", 1.15, "x undici.request", cpuRatio(parallel, ours, "undici.request")),
    atMost("CPU a call, one by one", 1.25, "x undici.request", cpuRatio(single, ours, "undici.request")),
    atMost("CPU a call, 64 in flight", 0.35, "x fetch", cpuRatio(parallel, ours, "fetch")),
    atMost("CPU a call, 64 in flight", 0.1, "x httpx.Client", cpuRatio(parallel, ours, "httpx.Client")),
    atMost("CPU a call, 64 in flight", 0.1, "x httpx.AsyncClient", cpuRatio(parallel, ours, "httpx.AsyncClient")),
    atMost(
      "CPU with spans exported, 64 in flight",
      1.6,
      "x undici.request",
      cpuRatio(parallel, traced, "undici.request")
    ),
    atMost("CPU over fetch, 64 in flight", 1.35, "x fetch", cpuRatio(parallel, "ToolCalls over fetch", "fetch"))
  ],
  charts: [
    chartOf("Calls for a second of CPU, 64 in flight", parallel),
    chartOf("Calls for a second of CPU, one by one", single)
  ],
  skipped: [...skipped]
})
