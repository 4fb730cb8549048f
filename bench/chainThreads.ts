/**
 * Verifying a long log on two threads, against one: as one file, and as pages.
 *
 * Usage: `node --conditions=effect-vargate-source bench/chainThreads.ts [rounds] [records] [threads]`. The rows are
 * measured in turns, since only ratios within one run mean anything, and those only where as many cores are free. What
 * they would be if they were is told by CPU time: of all threads shared by the cores, or of the one that feeds them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { loadavg } from "node:os"
import * as ChainVerifier from "../src/ChainVerifier.ts"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import * as VerifierThreads from "../src/node/VerifierThreads.ts"
import { pageSize, recordAt, sha256 } from "./makeLog.ts"

const rounds = Number(process.argv[2] ?? 7)
const records = Number(process.argv[3] ?? 200_000)
const threads = Number(process.argv[4] ?? 2)

const encoder = new TextEncoder()
const rows: Array<string> = []
let previous = "GENESIS"
for (let i = 0; i < records; i++) {
  const { fields, payload } = recordAt(i, previous)
  previous = sha256(payload)
  rows.push(JSON.stringify(Object.fromEntries(fields(previous))))
}
rows.reverse()
const pageOf = (rows: ReadonlyArray<string>, offset: number): Uint8Array =>
  encoder.encode(
    `{"records":[${rows.join(",")}],"count":${rows.length},"offset":${offset},"total":${records},"tenant_id":"bench"}`
  )
const pages = Array.from(
  { length: Math.ceil(records / pageSize) },
  (_, page) => pageOf(rows.slice(page * pageSize, (page + 1) * pageSize), page * pageSize)
)
const file = pageOf(rows, 0)
rows.length = 0
const chunkSize = 64 * 1024
const chunks = Array.from(
  { length: Math.ceil(file.length / chunkSize) },
  (_, i) => file.subarray(i * chunkSize, (i + 1) * chunkSize)
)

const scope = Scope.makeUnsafe()
const withThreads = await Effect.runPromise(Layer.buildWithScope(VerifierThreads.layer({ threads }), scope))
const ways: Record<string, Context.Context<never>> = {
  "one thread": Context.empty(),
  [`${threads} threads`]: withThreads
}
const forms: Record<string, () => ReturnType<typeof ChainVerifier.verifyFile<never, never>>> = {
  pages: () => ChainVerifier.verifyPages(pages),
  file: () => ChainVerifier.verifyFile(Stream.fromIterable(chunks))
}

const seconds = new Map<string, Array<number>>()
const cpu = new Map<string, Array<number>>()
const secondsOf = ({ system, user }: NodeJS.CpuUsage): number => (system + user) / 1e6
for (let round = -1; round < rounds; round++) {
  for (const [form, verification] of Object.entries(forms)) {
    for (const [way, context] of Object.entries(ways)) {
      const start = performance.now()
      const cpuStart = secondsOf(process.cpuUsage())
      const ownStart = secondsOf(process.threadCpuUsage())
      const report = await Effect.runPromise(
        verification().pipe(Effect.provide(NodeHasher.layer), Effect.provide(context))
      )
      if (!report.valid || report.records !== records) throw new Error("The chain does not verify")
      // The first turn of each warms up.
      if (round < 0) continue
      const row = `${form}, ${way}`
      seconds.set(row, [...(seconds.get(row) ?? []), (performance.now() - start) / 1000])
      const all = secondsOf(process.cpuUsage()) - cpuStart
      const own = secondsOf(process.threadCpuUsage()) - ownStart
      const atLeast = context === withThreads ? Math.max(own, all / threads) : all
      cpu.set(row, [...(cpu.get(row) ?? []), atLeast])
    }
  }
}
await Effect.runPromise(Scope.close(scope, Exit.void))

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
console.log(`${records} records, medians of ${rounds} rounds, load average ${loadavg()[0]!.toFixed(1)}`)
for (const form of Object.keys(forms)) {
  const ratio = (values: Map<string, Array<number>>, way: string) =>
    (median(values.get(`${form}, one thread`)!) / median(values.get(`${form}, ${way}`)!)).toFixed(2)
  for (const way of Object.keys(ways)) {
    const time = median(seconds.get(`${form}, ${way}`)!)
    console.log(
      `${form}, ${way}`.padEnd(20),
      `${(time / records * 1e6).toFixed(2)} µs a record`,
      way === "one thread" ? "" : ` ${ratio(seconds, way)} x one thread, ${ratio(cpu, way)} by CPU time  target 1.8`
    )
  }
}
