/** What one governed call costs the process that makes it, against other HTTP clients that do less. */
import type { Turn } from "./support/client.ts"
import type { ClientName } from "./support/clients.ts"
import { startGateway } from "./support/gateway.ts"
import { startPlayers, warmUp } from "./support/players.ts"
import { atMost, type Chart, hand, type Table } from "./support/report.ts"
import { isQuick, thorough } from "./support/settings.ts"
import { inTurns, median, medianRatio } from "./support/statistics.ts"

/** One process of a client may be lucky in what V8 makes of it, so those that the targets name are started anew. */
const casts = thorough(2, 1)
const rounds = thorough(3, 1)
const seconds = thorough(0.25, 0.06)

const names: ReadonlyArray<ClientName> = [
  "undici.request",
  "undici dispatch",
  "ToolCalls over NodeTransport",
  "Governed.run over NodeTransport",
  "Governed.tool over NodeTransport",
  "ToolCalls over NodeTransport, spans exported",
  "ToolCalls over @effect/platform-node's undici",
  "fetch",
  "effect's FetchHttpClient",
  "ToolCalls over FetchTransport",
  "ToolCalls over fetch",
  "ky",
  "axios",
  "@open-policy-agent/opa",
  "httpx.Client",
  "httpx.AsyncClient"
]

/** Far enough from the others that one cast tells it. */
const onlyOnce: ReadonlyArray<ClientName> = [
  "undici dispatch",
  "ToolCalls over @effect/platform-node's undici",
  "effect's FetchHttpClient",
  "ToolCalls over fetch",
  "ky",
  "axios",
  "@open-policy-agent/opa",
  "httpx.Client",
  "httpx.AsyncClient"
]

/** Those that are also measured in other regimes than the kindest one. */
const inEveryRegime: ReadonlyArray<ClientName> = [
  "undici.request",
  "ToolCalls over NodeTransport",
  "Governed.run over NodeTransport",
  "Governed.tool over NodeTransport",
  "fetch",
  "ToolCalls over FetchTransport"
]

interface Regime {
  readonly params: string
  readonly body: "with its length" | "chunked"
  readonly latency: 0 | 20
  readonly padding: number
}

const paddings = { "60 B": 20, "2 kB": 2_000, "60 kB": 60_000 }

/** Every length both ways; waiting costs the same whatever the length is. */
const regimes: ReadonlyArray<Regime> = (["with its length", "chunked"] as const).flatMap((body) => [
  ...Object.entries(paddings).map(([params, padding]) => ({ params, body, latency: 0, padding }) as const),
  { params: "60 B", body, latency: 20, padding: paddings["60 B"] } as const
]).filter(({ latency, params }) => !isQuick || (latency === 0 && params !== "60 kB"))

/** The gateway answers as the tool's name says. */
const toolOf = ({ body, latency }: Regime) =>
  `allowed${body === "chunked" ? ".chunked" : ""}${latency === 0 ? "" : `.${latency}ms`}`

type Turns = Readonly<Record<string, ReadonlyArray<Turn>>>

const gateway = await startGateway()
const skipped = new Set<string>()
let parallel: Turns = {}
let single: Turns = {}
let inRegimes: ReadonlyArray<Turns> = regimes.map(() => ({}))

const joined = (turns: Turns, more: Turns): Turns =>
  Object.fromEntries(Object.entries(more).map(([name, taken]) => [name, [...turns[name] ?? [], ...taken]]))

for (let cast = 0; cast < casts; cast++) {
  const { missing, players } = await startPlayers(
    names.filter((name) => cast === 0 || !onlyOnce.includes(name)),
    gateway.url
  )
  for (const message of missing) skipped.add(message)
  for (const player of players) await warmUp(player, ["allowed"])
  const measure = (inFlight: number): Promise<Turns> =>
    inTurns(
      rounds,
      Object.fromEntries(players.map(({ name, play }) => [name, () => play({ tool: "allowed", inFlight, seconds })]))
    )
  parallel = joined(parallel, await measure(64))
  single = joined(single, await measure(1))
  const core = players.filter(({ name }) => inEveryRegime.includes(name))
  for (const { name, stop } of players) if (!inEveryRegime.includes(name)) stop()
  for (const [i, regime] of regimes.entries()) {
    // With an answer after 20 ms there are far fewer calls in a turn.
    const turn = {
      tool: toolOf(regime),
      padding: regime.padding,
      inFlight: 64,
      seconds: regime.latency === 0 ? seconds * 0.6 : 0.4
    }
    const more = await inTurns(
      thorough(2, 1),
      Object.fromEntries(core.map(({ name, play }) => [name, () => play(turn)]))
    )
    inRegimes = inRegimes.with(i, joined(inRegimes[i]!, more))
  }
  for (const { stop } of core) stop()
}
gateway.stop()

const cpuOf = (turns: ReadonlyArray<Turn>) => turns.map(({ cpu }) => cpu)

const cpuRatio = (turns: Turns, name: ClientName, base: ClientName) => {
  const [own, others] = [turns[name], turns[base]]
  if (own === undefined || others === undefined) return undefined
  // The turns of the first cast, where one of the two had no other.
  const taken = Math.min(own.length, others.length)
  return medianRatio(cpuOf(own.slice(0, taken)), cpuOf(others))
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

const regimeTable: Table = {
  title: "In every regime, 64 in flight: CPU a call, µs, and x undici.request in the same regime",
  columns: [
    "params",
    "answer",
    "latency, ms",
    ...inEveryRegime.flatMap((name) => name === "undici.request" ? [name] : [name, "x"])
  ],
  rows: regimes.map(({ body, latency, params }, i) => [
    params,
    body,
    latency,
    ...inEveryRegime.flatMap((name) => {
      const turns = inRegimes[i]!
      const cpu = turns[name] === undefined ? undefined : median(cpuOf(turns[name]))
      return name === "undici.request" ? [cpu] : [cpu, cpuRatio(turns, name, "undici.request")]
    })
  ])
}

const regimeOf = (params: string, body: Regime["body"], latency: Regime["latency"] = 0): Turns =>
  inRegimes[
    regimes.findIndex((regime) => regime.params === params && regime.body === body && regime.latency === latency)
  ]!

/** The same client in two regimes. They were measured one after the other, so that only medians can be compared. */
const chunkedRatio = (name: ClientName, params: string) => {
  const [chunked, sized] = (["chunked", "with its length"] as const).map((body) => regimeOf(params, body)[name])
  return chunked === undefined || sized === undefined ? undefined : median(cpuOf(chunked)) / median(cpuOf(sized))
}

const chartOf = (title: string, turns: Turns): Chart => ({
  title,
  bars: Object.entries(turns).map(([name, taken]) => ({
    name,
    value: 1e6 / median(cpuOf(taken)),
    isOurs: /^(ToolCalls|Governed)/.test(name)
  })).sort((a, b) => b.value - a.value)
})

const ours = "ToolCalls over NodeTransport"
const governedRun = "Governed.run over NodeTransport"
const governedTool = "Governed.tool over NodeTransport"
const traced = "ToolCalls over NodeTransport, spans exported"

hand({
  title: "A governed call",
  about:
    "POST, JSON both ways, a new body for each call; `ToolCalls` checks its input, decodes the answer and has typed " +
    "errors. Every client is a process of its own, and so is the server, which answers at once. Clients take turns " +
    `of ${seconds} s, ${rounds} rounds; those that the targets name do so ${casts} times, each time in new processes. CPU is that of all threads of the client's process. The server runs on one ` +
    "thread, so that the fastest clients in parallel wait for it: there only CPU tells them apart. " +
    "`@open-policy-agent/opa` asks an OPA for a decision, and no record is kept. `httpx.Client` has a thread for " +
    "each call in flight; it is what the hosted gateway's guide tells Python programs to use, and no package of that " +
    "gateway for Python is in the index. The params are 60 bytes long where nothing else is said.",
  tables: [tableOf("64 in flight", parallel), tableOf("One by one", single), regimeTable],
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
    atMost("CPU of Governed.run, 64 in flight", 1.15, "x ToolCalls.call", cpuRatio(parallel, governedRun, ours)),
    atMost("CPU of Governed.tool, 64 in flight", 1.25, "x ToolCalls.call", cpuRatio(parallel, governedTool, ours)),
    atMost(
      "CPU of Governed.tool, 64 in flight",
      1.45,
      "x undici.request",
      cpuRatio(parallel, governedTool, "undici.request")
    ),
    atMost(
      "CPU of Governed.tool, params of 2 kB",
      1.6,
      "x ToolCalls.call",
      cpuRatio(regimeOf("2 kB", "with its length"), governedTool, ours)
    ),
    atMost(
      "CPU of Governed.tool, params of 2 kB",
      1.9,
      "x undici.request",
      cpuRatio(regimeOf("2 kB", "with its length"), governedTool, "undici.request")
    ),
    ...([ours, governedRun, governedTool] as const).flatMap((name) =>
      ["60 B", "2 kB"].map((params) =>
        atMost(
          `CPU of ${name.split(" ")[0]} where the answer is chunked, params of ${params}`,
          1.3,
          "x the same with its length",
          chunkedRatio(name, params)
        )
      )
    ),
    atMost(
      "CPU over fetch, 64 in flight",
      1.35,
      "x fetch",
      cpuRatio(parallel, "ToolCalls over FetchTransport", "fetch")
    )
  ],
  charts: [
    chartOf("Calls for a second of CPU, 64 in flight", parallel),
    chartOf("Calls for a second of CPU, one by one", single)
  ],
  skipped: [...skipped]
})
