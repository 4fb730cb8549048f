/**
 * `npm run bench` runs every benchmark in a process of its own and writes RESULTS.md and results.svg; `npm run bench --
 * call chain` runs those two and shows what they found. `--quick` is short, and only shows.
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import * as os from "node:os"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { drawCharts } from "./support/chart.ts"
import { reportSection, targetSection } from "./support/markdown.ts"
import { httpxVersion, pythonVersion } from "./support/python.ts"
import type { Report } from "./support/report.ts"

/** In the order of the report. */
const benchmarks = [
  "call",
  "answers",
  "leaks",
  "chain",
  "chainThreads",
  "chainMemory",
  "merkle",
  "waiters",
  "workflows",
  "coldStart",
  "bundle",
  "install",
  "toolkit",
  "mcpProxy",
  "gatewayLoad",
  "gatewayGrowth"
]

const minutes = 60_000
const [loadBefore] = os.loadavg() as [number, number, number]

const run = async (name: string, isQuick: boolean): Promise<Report> => {
  const child = spawn(
    process.execPath,
    [
      "--expose-gc",
      "--disable-warning=ExperimentalWarning",
      "--conditions=effect-vargate-source",
      fileURLToPath(new URL(`${name}.ts`, import.meta.url)),
      ...(isQuick ? ["--quick"] : [])
    ],
    { stdio: ["ignore", "pipe", "inherit"], timeout: 8 * minutes }
  )
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve))
  const output = await text(child.stdout)
  return await ended === 0
    ? JSON.parse(output)
    : { title: name, about: "It did not end here.", tables: [] }
}

/** Not all of them export their package.json. */
const versionOf = (name: string): string => {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return existsSync(file) ? `${name} ${JSON.parse(readFileSync(file, "utf8")).version}` : `no ${name}`
}

const machine = () => {
  const [cpu] = os.cpus()
  const memory = Math.round(os.totalmem() / 2 ** 30)
  return `${os.cpus().length} x ${cpu?.model ?? "unknown"}, ${memory} GiB, ${os.type()} ${os.release()} ${os.arch()}`
}

const versions = () => {
  const packages = ["effect", "undici", "ky", "axios", "@open-policy-agent/opa"]
  const python = pythonVersion === undefined ? "no Python" : `Python ${pythonVersion}, httpx ${httpxVersion}`
  return [`Node ${process.versions.node}`, ...packages.map(versionOf), python].join(", ")
}

const write = (reports: ReadonlyArray<Report>, seconds: number) => {
  const charts = reports.flatMap(({ charts = [] }) => charts)
  const file = (name: string) => new URL(name, import.meta.url)
  writeFileSync(file("results.svg"), drawCharts(charts, "effect-vargate against the alternatives"))
  const header = [
    "# Measurements",
    `Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}, in ${
      Math.round(seconds / 60)
    } minutes. ` +
    "Only ratios within one run mean anything: figures of other machines, and of this one on another day, differ. All " +
    "are medians of rounds in which everything that is compared takes turns.",
    `- Machine: ${machine()}; load before the start: ${loadBefore.toFixed(1)}\n- Versions: ${versions()}`,
    "![Calls for a second of CPU, and audit records checked in a second: longer bars are better](results.svg)"
  ]
  writeFileSync(
    file("RESULTS.md"),
    [...header, targetSection(reports), ...reports.map(reportSection)].join("\n\n") + "\n"
  )
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { quick: { type: "boolean" } } })
const isQuick = values.quick ?? false
const unknown = positionals.filter((name) => !benchmarks.includes(name))
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(", ")}. There are: ${benchmarks.join(", ")}.`)
  process.exit(2)
}

const names = benchmarks.filter((name) => positionals.length === 0 || positionals.includes(name))
const started = performance.now()
const reports: Array<Report> = []
for (const name of names) {
  console.error(`${name} ...`)
  const begun = performance.now()
  const report = await run(name, isQuick)
  reports.push(report)
  console.error(`${name} took ${((performance.now() - begun) / 1000).toFixed(0)} s`)
  console.log(`\n${reportSection(report)}\n`)
}
console.log(targetSection(reports))
if (positionals.length === 0 && !isQuick) write(reports, (performance.now() - started) / 1000)
