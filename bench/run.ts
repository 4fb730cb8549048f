/**
 * `npm run bench` runs every benchmark in a process of its own and writes RESULTS.md and results.svg; `npm run bench --
 * call chain` runs those two and shows what they found. `--quick` is short, and only shows.
 *
 * What takes too long for every run is measured by its name alone (`npm run bench -- growthLarge`) and kept: RESULTS.md
 * shows it with the day of that measurement until the next one.
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import * as os from "node:os"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { modulesBefore } from "./support/before.ts"
import { drawCharts } from "./support/chart.ts"
import { reportSection, targetSection } from "./support/markdown.ts"
import { httpxVersion, pythonVersion } from "./support/python.ts"
import type { Report } from "./support/report.ts"

interface Benchmark {
  /** Its file, where it has no other one. */
  readonly name: string
  readonly file?: string
  readonly args?: ReadonlyArray<string>
  /** How many seconds it is meant to take at most, in full and with `--quick`. */
  readonly seconds: number
  readonly quick: number
  /** Is measured where it is asked for by name, and kept. */
  readonly isKept?: boolean
}

/**
 * In the order of the report. Those of a run of all take twelve minutes together, and two with `--quick`. Where the machine
 * is busy with other things, a benchmark whose time is over takes no further rounds, and is ended at twice its time.
 */
const benchmarks: ReadonlyArray<Benchmark> = [
  { name: "call", seconds: 130, quick: 15 },
  { name: "answers", seconds: 35, quick: 6 },
  { name: "leaks", seconds: 45, quick: 6 },
  { name: "chain", seconds: 40, quick: 5 },
  { name: "chainThreads", seconds: 15, quick: 4 },
  { name: "chainMemory", seconds: 28, quick: 5 },
  { name: "merkle", seconds: 15, quick: 3 },
  { name: "heads", seconds: 12, quick: 3 },
  { name: "auditExport", seconds: 32, quick: 5 },
  { name: "waiters", seconds: 20, quick: 4 },
  { name: "workflows", seconds: 85, quick: 10 },
  { name: "workflowsLarge", file: "workflows", args: ["--large"], seconds: 900, quick: 120, isKept: true },
  { name: "coldStart", seconds: 36, quick: 14 },
  { name: "bundle", seconds: 10, quick: 8 },
  { name: "install", seconds: 15, quick: 8 },
  { name: "policy", seconds: 15, quick: 5 },
  { name: "toolkit", seconds: 32, quick: 5 },
  { name: "mcpProxy", seconds: 22, quick: 3 },
  { name: "gatewayLoad", seconds: 75, quick: 13 },
  { name: "gatewayGrowth", seconds: 50, quick: 8 },
  { name: "gatewayGrowthLarge", file: "gatewayGrowth", args: ["--large"], seconds: 600, quick: 60, isKept: true }
]

const here = (name: string) => new URL(name, import.meta.url)
const [loadBefore] = os.loadavg() as [number, number, number]

const run = async ({ args = [], file, name, quick, seconds }: Benchmark, isQuick: boolean): Promise<Report> => {
  const limit = isQuick ? quick : seconds
  const child = spawn(
    process.execPath,
    [
      "--expose-gc",
      "--disable-warning=ExperimentalWarning",
      "--conditions=effect-vargate-source",
      fileURLToPath(here(`${file ?? name}.ts`)),
      ...args,
      `--seconds=${limit}`,
      ...(isQuick ? ["--quick"] : [])
    ],
    { stdio: ["ignore", "pipe", "inherit"], timeout: 2 * limit * 1000 }
  )
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve))
  const output = await text(child.stdout)
  const code = await ended
  if (code === 0) return JSON.parse(output)
  const why = code === null ? `did not end here within ${2 * limit} s` : `failed here with exit code ${code}`
  return { title: name, about: `It ${why}.`, tables: [] }
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

// --- what is kept ----------------------------------------------------------------------------------------------------

interface Kept {
  readonly measured: string
  readonly machine: string
  readonly load: number
  readonly report: Report
}

const keptFile = here("kept.json")
const kept: Record<string, Kept> = existsSync(keptFile) ? JSON.parse(readFileSync(keptFile, "utf8")) : {}
const today = new Date().toISOString().slice(0, 10)

const keep = (name: string, report: Report) => {
  kept[name] = { measured: today, machine: machine(), load: Number(loadBefore.toFixed(1)), report }
  writeFileSync(keptFile, JSON.stringify(kept, null, 2) + "\n")
}

const keptReport = (name: string): Report => {
  const found = kept[name]
  if (found === undefined) return { title: name, about: `Not measured yet: \`npm run bench -- ${name}\`.`, tables: [] }
  const { load, machine, measured, report } = found
  return {
    ...report,
    about: `Kept from a run of its own on ${measured} (\`npm run bench -- ${name}\`; ${machine}; load before the ` +
      `start: ${load}). ${report.about}`
  }
}

// --- the report ------------------------------------------------------------------------------------------------------

const write = (reports: ReadonlyArray<Report>, seconds: number) => {
  const charts = reports.flatMap(({ charts = [] }) => charts)
  writeFileSync(here("results.svg"), drawCharts(charts, "effect-vargate against the alternatives"))
  const header = [
    "# Measurements",
    `Written by \`npm run bench\` on ${today}, in ${(seconds / 60).toFixed(1)} minutes. ` +
    "Only ratios within one run mean anything: figures of other machines, and of this one on another day, differ. All " +
    "are medians of rounds in which everything that is compared takes turns.",
    `- Machine: ${machine()}; load before the start: ${loadBefore.toFixed(1)}\n- Versions: ${versions()}`,
    "![Calls for a second of CPU, and audit records checked in a second: longer bars are better](results.svg)"
  ]
  writeFileSync(
    here("RESULTS.md"),
    [...header, targetSection(reports), ...reports.map(reportSection)].join("\n\n") + "\n"
  )
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { quick: { type: "boolean" } } })
const isQuick = values.quick ?? false
const unknown = positionals.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name))
if (unknown.length > 0) {
  console.error(
    `There is no benchmark ${unknown.join(", ")}. There are: ${benchmarks.map(({ name }) => name).join(", ")}.`
  )
  process.exit(2)
}

const isAll = positionals.length === 0
// Built once, and kept: no time of a benchmark.
if (isAll || positionals.includes("gatewayLoad")) modulesBefore()
const started = performance.now()
const reports: Array<Report> = []
for (const benchmark of benchmarks) {
  const { isKept = false, name } = benchmark
  if (!isAll && !positionals.includes(name)) continue
  if (isAll && isKept) {
    if (!isQuick) reports.push(keptReport(name))
    continue
  }
  console.error(`${name} ...`)
  const begun = performance.now()
  const report = await run(benchmark, isQuick)
  reports.push(report)
  console.error(`${name} took ${((performance.now() - begun) / 1000).toFixed(0)} s`)
  console.log(`\n${reportSection(report)}\n`)
  if (isKept && !isQuick && report.tables.length > 0) keep(name, report)
}
console.log(targetSection(reports))
const seconds = (performance.now() - started) / 1000
console.error(`all took ${seconds.toFixed(0)} s`)
if (isAll && !isQuick) write(reports, seconds)
