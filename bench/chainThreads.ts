/** Verifying a long log on two threads, against one: as one file, and as pages. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { loadavg } from "node:os"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import * as VerifierThreads from "../src/node/VerifierThreads.ts"
import * as ChainVerifier from "../src/verify/ChainVerifier.ts"
import { pageSize, recordAt, sha256 } from "./support/makeLog.ts"
import { atLeast, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { inTurns, median, medianRatio } from "./support/statistics.ts"

const rounds = thorough(7, 1)
const records = thorough(150_000, 20_000)
const threads = 2

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
const chunkSize = 64 * 1024
const chunks = Array.from(
  { length: Math.ceil(file.length / chunkSize) },
  (_, i) => file.subarray(i * chunkSize, (i + 1) * chunkSize)
)

interface Taken {
  /** Seconds on the clock. */
  readonly time: number
  /** What it would be with as many free cores: the work of all threads shared by them, or of the one that feeds them. */
  readonly work: number
}

const secondsOf = ({ system, user }: NodeJS.CpuUsage): number => (system + user) / 1e6

const taken = (
  verification: () => ReturnType<typeof ChainVerifier.verifyFile<never, never>>,
  context: Context.Context<never>,
  threads: number
) =>
async (): Promise<Taken> => {
  const start = performance.now()
  const all = process.cpuUsage()
  const own = process.threadCpuUsage()
  const report = await Effect.runPromise(
    verification().pipe(Effect.provide(NodeHasher.layer), Effect.provide(context))
  )
  if (!report.valid || report.records !== records) throw new Error("The chain does not verify")
  return {
    time: (performance.now() - start) / 1000,
    work: Math.max(secondsOf(process.threadCpuUsage(own)), secondsOf(process.cpuUsage(all)) / threads)
  }
}

const forms = {
  "verifyPages": () => ChainVerifier.verifyPages(pages),
  "verifyFile": () => ChainVerifier.verifyFile(Stream.fromIterable(chunks))
}
const one = (form: string) => `${form}, one thread`
const several = (form: string) => `${form}, ${threads} threads`

const scope = Scope.makeUnsafe()
const withThreads = await Effect.runPromise(Layer.buildWithScope(VerifierThreads.layer({ threads }), scope))
const [loadBefore] = loadavg()
const results = await inTurns(
  rounds,
  Object.fromEntries(
    Object.entries(forms).flatMap(([form, verification]) => [
      [one(form), taken(verification, Context.empty(), 1)],
      [several(form), taken(verification, withThreads, threads)]
    ])
  )
)
await Effect.runPromise(Scope.close(scope, Exit.void))

const speed = (form: string, of: keyof Taken) =>
  medianRatio(results[one(form)]!.map((each) => each[of]), results[several(form)]!.map((each) => each[of]))

hand({
  title: "Verification on two threads",
  about:
    `${records.toLocaleString("en")} records, medians of ${rounds} rounds in turns, at a load average of ${
      loadBefore!.toFixed(1)
    }: the clock tells the truth where two cores are free. Elsewhere the CPU time tells what it would be: of all threads, ` +
    "shared by two cores, or of the one that feeds them, whichever is more.",
  tables: [{
    columns: ["way", "records/s", "x one thread", "x one thread by CPU time"],
    rows: Object.keys(forms).flatMap((form) => [
      [one(form), records / median(results[one(form)]!.map(({ time }) => time)), 1, 1],
      [
        several(form),
        records / median(results[several(form)]!.map(({ time }) => time)),
        speed(form, "time"),
        speed(form, "work")
      ]
    ])
  }],
  targets: Object.keys(forms).map((form) =>
    atLeast(several(form), 1.8, "x one thread, by CPU time", speed(form, "work"))
  )
})
