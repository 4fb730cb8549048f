/** What a denied (403) and a pending (202) call cost, against an allowed one and against undici's own. */
import type { Turn } from "./support/client.ts"
import type { ClientName } from "./support/clients.ts"
import { startGateway } from "./support/gateway.ts"
import { startPlayers, warmUp } from "./support/players.ts"
import { atMost, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { inTurns, median, medianRatio } from "./support/statistics.ts"

const rounds = thorough(6, 1)
const seconds = thorough(0.3, 0.1)
const inFlight = 64

const names: ReadonlyArray<ClientName> = [
  "undici.request",
  "ToolCalls over NodeTransport",
  "fetch",
  "ToolCalls over FetchTransport"
]
const tools = ["allowed", "denied", "pending"]

const gateway = await startGateway()
const { missing, players } = await startPlayers(names, gateway.url)
for (const player of players) await warmUp(player, tools)
const turns = await inTurns(
  rounds,
  Object.fromEntries(
    tools.flatMap((tool) =>
      players.map(({ name, play }) => [`${name}: ${tool}`, () => play({ tool, inFlight, seconds })] as const)
    )
  )
)
for (const { stop } of players) stop()
gateway.stop()

const cpu = (name: string, tool: string) => turns[`${name}: ${tool}`]!.map(({ cpu }: Turn) => cpu)
const ratio = (name: string, tool: string, base: string, baseTool: string) =>
  medianRatio(cpu(name, tool), cpu(base, baseTool))

const ours = "ToolCalls over NodeTransport"

hand({
  title: "Denied and pending calls",
  about:
    `Clients and server as for a governed call, ${inFlight} in flight, ${rounds} rounds. \`ToolCalls.call\` fails with a typed \`Denied\` or ` +
    "`PendingApproval`, which the caller catches; the plain clients read the body and look no further.",
  tables: [{
    columns: ["client", "answer", "CPU, µs a call", "x allowed", "x undici.request, same answer"],
    rows: players.flatMap(({ name }) =>
      tools.map((tool) => [
        name,
        tool,
        median(cpu(name, tool)),
        ratio(name, tool, name, "allowed"),
        ratio(name, tool, "undici.request", tool)
      ])
    )
  }],
  targets: [
    atMost("CPU of a denied call", 1.3, "x allowed", ratio(ours, "denied", ours, "allowed")),
    atMost("CPU of a pending call", 1.3, "x allowed", ratio(ours, "pending", ours, "allowed")),
    atMost("CPU of a denied call", 1.35, "x undici.request", ratio(ours, "denied", "undici.request", "denied"))
  ],
  skipped: missing
})
