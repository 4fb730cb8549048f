/** What stands beside a target: the figure of an earlier state, and what is in the way of one that is missed. */
import { commitBefore } from "./before.ts"
import type { Target } from "./report.ts"

/** As measured on that state, on days of their own, so that they tell no more than the order of magnitude. */
const figures: ReadonlyArray<readonly [what: string, unit: string, figure: number]> = [
  ["CPU a call, 64 in flight", "x undici.request", 1.10],
  ["CPU a call, one by one", "x undici.request", 1.18],
  ["CPU a call, 64 in flight", "x fetch", 0.199],
  ["CPU a call, 64 in flight", "x httpx.Client", 0.0406],
  ["CPU a call, 64 in flight", "x httpx.AsyncClient", 0.00413],
  ["CPU with spans exported, 64 in flight", "x undici.request", 1.42],
  ["CPU over fetch, 64 in flight", "x fetch", 1.54],
  ["CPU of a denied call", "x allowed", 1.16],
  ["CPU of a pending call", "x allowed", 1.08],
  ["CPU of a denied call", "x undici.request", 1.24],
  ["heap growth over calls", "MB per 100,000", -0.724],
  ["fibers left by interruptions", "", 0],
  ["sockets left by interruptions", "", 0],
  ["listeners left on a socket", "", 0],
  ["sockets and connections left by a closed layer", "", 0],
  ["scan, the gateway's order", "% of pure SHA-256", 43.3],
  ["scan, the gateway's order", "x JSON.parse", 1.84],
  ["scan, the gateway's order", "x Python", 8.89],
  ["ChainVerifier.verifyPages", "% of pure SHA-256", 42.9],
  ["ChainVerifier.verifyPages", "x JSON.parse", 1.80],
  ["ChainVerifier.verifyPages", "x Python", 8.89],
  ["scan, any order", "% of pure SHA-256", 13.8],
  ["verifyPages, 2 threads", "x one thread, by CPU time", 1.89],
  ["verifyFile, 2 threads", "x one thread, by CPU time", 1.87],
  ["memory over a log, as file", "MiB", 18.1],
  ["memory over a log, as pages", "MiB", 18.4],
  ["root of a tree", "x Python over hex", 1.85],
  ["proof of inclusion", "x Python over hex", 1.56],
  ["heap of a waiter, no deadline", "kB", 1.36],
  ["heap of a waiter, with a deadline", "kB", 1.45],
  ["heap of a waiter, with a span", "kB", 4.31],
  ["polls for all waiters, one a tick", "a second", 1],
  ["CPU of 10,000 waiters", "% of a core", 2.29],
  ["cold start, ToolCalls over NodeTransport", "ms", 218],
  ["cold start, ToolCalls over NodeTransport", "MB", 114],
  ["cold start, ToolCalls over NodeTransport, bundled", "ms", 84.8],
  ["cold start, ToolCalls over NodeTransport, bundled", "MB", 74.1],
  ["cold start, Vargate.layer over fetch", "ms", 280],
  ["cold start, Vargate.layer over fetch", "MB", 127],
  ["cold start, Vargate.layer over fetch, bundled", "ms", 124],
  ["cold start, Vargate.layer over fetch, bundled", "MB", 89.7],
  ["bundle of a governed call, retried, with approvals", "kB min+gzip", 96.0],
  ["CPU of Governed.run, 64 in flight", "x ToolCalls.call", 1.92],
  ["CPU of Governed.tool, 64 in flight", "x ToolCalls.call", 2.79],
  ["CPU of Governed.tool, 64 in flight", "x undici.request", 2.9],
  ["ChainVerifier.verifyFile", "% of pure SHA-256", 21.5],
  ["cold start, Vargate.layer over fetch, bundled", "x nothing but fetch", 2.3],
  ["start of effect-vargate status", "x node -e 0", 16],
  ["CPU of ToolCalls where the answer is chunked, params of 60 B", "x the same with its length", 3.46],
  ["CPU of Governed.run where the answer is chunked, params of 60 B", "x the same with its length", 2.05],
  ["CPU of Governed.tool where the answer is chunked, params of 60 B", "x the same with its length", 1.97],
  ["install of effect and effect-vargate", "MB", 98],
  ["From an approval to its run, median, 15 approvals a second", "ms", 12300],
  ["From an approval to its run, p99, 15 approvals a second", "ms", 18800],
  ["A process with 20,000 waiting executions", "MB resident", 375]
]

const before = new Map(figures.map(([what, unit, figure]) => [`${what}, ${unit}`, figure]))

/** The heading of the column for {@link figureBefore}. */
export const columnBefore = `at ${commitBefore}`

/** Where the unit is a ratio to that state, it is 1. */
export const figureBefore = ({ unit, what }: Target): number | undefined =>
  unit.endsWith(commitBefore) ? 1 : before.get(`${what}, ${unit}`)

/** By the beginning of what was measured. */
const reasons: ReadonlyArray<readonly [what: string, reason: string]> = [
  [
    "CPU of Governed.tool",
    "Params are copied, encoded by the tool's schema, taken as the snapshot that is sent, and decoded again before " +
    "anything is sent, so that nothing but what was decided can run."
  ],
  [
    "CPU over fetch",
    "A signal for each call, which ends the request at its deadline or at an interruption, costs about a tenth of a plain " +
    "`fetch`, which has none."
  ],
  [
    "governing a toolkit",
    "Params are read twice, by us before they are submitted and by the toolkit before they are handled, and every call " +
    "is a stream of its own with a scope and a context."
  ],
  [
    "a head from the beginning",
    "A tree of RFC 6962 takes three blocks of SHA-256 a record, where the verification takes about ten in special " +
    "instructions. WebAssembly has none of those and no rotation: four blocks side by side take as long as the vector " +
    "units of a core need, which is most of the time; the rest reads hashes from hex."
  ],
  [
    "cold start, Vargate.layer over fetch",
    "Node itself takes a sixth of that time, undici a fifth, reading and compiling the file a fifth, and the schemas of " +
    "all routes a quarter. `Vargate.layerOf` pays only for what it names."
  ],
  [
    "cold start, ToolCalls over NodeTransport",
    "Effect with Schema and HttpClient takes most of it, and undici the rest."
  ],
  [
    "bundle of",
    "Effect with Schema and HttpClient alone is 44 kB. HttpApi, which the typed client derives from, brings 15 more: " +
    "without it the bundle would still be 86 kB. The rest is errors, the checks of params, duplicates, reconciliation " +
    "and waiting."
  ]
]

/** Undefined where nothing is known to be in the way but the machine of that day. */
export const reasonOf = ({ what }: Target): string | undefined => reasons.find(([start]) => what.startsWith(start))?.[1]
