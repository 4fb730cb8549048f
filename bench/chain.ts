/** Chain verification from the response text, against pure SHA-256, bare `JSON.parse` and the Python reference. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import * as ChainVerifier from "../src/verify/ChainVerifier.ts"
import { type AuditRecordView, scanAuditPage } from "../src/verify/internal/scan/auditScanner.ts"
import { pageSize, recordAt, sha256 } from "./support/makeLog.ts"
import { pythonVersion } from "./support/python.ts"
import { atLeast, hand } from "./support/report.ts"
import { thorough } from "./support/settings.ts"
import { cpuSeconds, inTurns, median, medianRatio } from "./support/statistics.ts"

const rounds = thorough(5, 1)
const records = thorough(150_000, 20_000)

const makeLog = () => {
  const rows: Array<ReadonlyArray<readonly [string, unknown]>> = []
  const payloads: Array<string> = []
  let previous = "GENESIS"
  for (let i = 0; i < records; i++) {
    const { fields, payload } = recordAt(i, previous)
    previous = sha256(payload)
    payloads.push(payload)
    rows.push(fields(previous))
  }
  rows.reverse()
  const pagesOf = (
    order: (row: ReadonlyArray<readonly [string, unknown]>) => ReadonlyArray<readonly [string, unknown]>
  ) =>
    Array.from({ length: Math.ceil(records / pageSize) }, (_, page) => {
      const offset = page * pageSize
      const slice = rows.slice(offset, offset + pageSize).map((row) => Object.fromEntries(order(row)))
      return JSON.stringify({ records: slice, count: slice.length, offset, total: records, tenant_id: "bench" })
    })
  return { payloads, pages: pagesOf((row) => row), reversedPages: pagesOf((row) => row.toReversed()) }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const encode = (text: string): Uint8Array => encoder.encode(text)

const verify = (pages: ReadonlyArray<Uint8Array>): void => {
  let broken = 0
  const onRecord = (record: AuditRecordView): void => {
    if (!record.recordHashIs(sha256(record.payload)) || record.isLinked === false) broken++
  }
  let next: string | undefined
  for (const bytes of pages) {
    const page = Result.getOrThrow(scanAuditPage(bytes, onRecord))
    if (next !== undefined && next !== page.firstRecordHash) broken++
    next = page.lastPrevHash
  }
  if (broken > 0 || next !== "GENESIS") throw new Error(`The chain does not verify: ${broken} broken records`)
}

/** What users call: the same, with the chain put together, dates, and a report. */
const report = async (verification: ReturnType<typeof ChainVerifier.verifyPages<never, never>>): Promise<void> => {
  const { findings, records: found, valid } = await Effect.runPromise(Effect.provide(verification, NodeHasher.layer))
  if (!valid || found !== records) throw new Error(`The chain does not verify: ${JSON.stringify(findings)}`)
}

const reference = `
import hashlib, json, sys, time
pages = []
compact = lambda value: json.dumps(value, separators=(",", ":"))
hashed = ("action_id", "agent_id", "tool", "method", "params", "requested_at", "decision", "violations", "severity",
          "bundle_revision", "prev_hash")
for line in sys.stdin:
    if line != "\\n":
        pages.append(line)
        continue
    start = time.process_time()
    linked = None
    for page in pages:
        for record in json.loads(page)["records"]:
            payload = {key: record[key] for key in hashed}
            payload["params"] = compact(payload["params"])
            payload["violations"] = compact(payload["violations"])
            digest = hashlib.sha256(compact(payload).encode()).hexdigest()
            assert digest == record["record_hash"] and linked in (None, digest)
            linked = record["prev_hash"]
    assert linked == "GENESIS"
    print(time.process_time() - start, flush=True)
`

const startReference = async (pages: ReadonlyArray<string>) => {
  if (pythonVersion === undefined) return undefined
  const child = spawn("python3", ["-c", reference], { stdio: ["pipe", "pipe", "inherit"] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  for (const page of pages) {
    if (!child.stdin.write(page + "\n")) await once(child.stdin, "drain")
  }
  return {
    seconds: async () => {
      child.stdin.write("\n")
      const line = await lines.next()
      if (line.done === true) throw new Error("The reference does not verify the chain")
      return Number(line.value)
    },
    stop: () => child.stdin.end()
  }
}

const { pages: texts, payloads: payloadTexts, reversedPages } = makeLog()
const pages = texts.map(encode)
const reversed = reversedPages.map(encode)
const payloads = payloadTexts.map(encode)
const python = await startReference(texts)

const whole = encode(
  `{"records":[${texts.map((text) => text.slice(text.indexOf("[") + 1, text.lastIndexOf("]"))).join(",")}],` +
    `"count":${records},"offset":0,"total":${records},"tenant_id":"bench"}`
)
const chunkSize = 64 * 1024
const chunks = Array.from(
  { length: Math.ceil(whole.length / chunkSize) },
  (_, i) => whole.subarray(i * chunkSize, (i + 1) * chunkSize)
)

const pure = "pure SHA-256"
const parsing = "decoding and JSON.parse"
const pythonReference = "Python reference"

const seconds = await inTurns(rounds, {
  [pure]: cpuSeconds(() => {
    for (const payload of payloads) sha256(payload)
  }),
  [parsing]: cpuSeconds(() => {
    for (const page of pages) JSON.parse(decoder.decode(page))
  }),
  "scan, the gateway's order": cpuSeconds(() => verify(pages)),
  "scan, any order": cpuSeconds(() => verify(reversed)),
  "ChainVerifier.verifyPages": cpuSeconds(() => report(ChainVerifier.verifyPages(pages))),
  "ChainVerifier.verifyFile": cpuSeconds(() => report(ChainVerifier.verifyFile(Stream.fromIterable(chunks)))),
  ...(python === undefined ? {} : { [pythonReference]: python.seconds })
})
python?.stop()

/** How many times as fast as another row. */
const speed = (row: string, base: string) =>
  seconds[base] === undefined ? undefined : medianRatio(seconds[base], seconds[row]!)

const bytes = payloads.reduce((sum, payload) => sum + payload.length, 0)
const recordsPerSecond = (row: string) => records / median(seconds[row]!)

hand({
  title: "Verification of an audit chain",
  about: `${records.toLocaleString("en")} records, ${Math.round(bytes / records)} hashed bytes each, in pages of ` +
    `${
      pageSize.toLocaleString("en")
    }, from the text of the answers, by the CPU time of one thread; medians of ${rounds} rounds in ` +
    "turns. The scans find and hash records; `ChainVerifier` also reads dates, puts the chain together and writes a " +
    "report. The reference does in Python what the gateway's guide says.",
  tables: [{
    columns: ["way", "records/s", "µs a record", "% of pure SHA-256", "x JSON.parse", "x Python"],
    rows: Object.keys(seconds).map((row) => [
      row,
      recordsPerSecond(row),
      1e6 / recordsPerSecond(row),
      100 * speed(row, pure)!,
      speed(row, parsing),
      speed(row, pythonReference)
    ])
  }],
  targets: ["scan, the gateway's order", "ChainVerifier.verifyPages"].flatMap((row) => [
    atLeast(row, 22, "% of pure SHA-256", 100 * speed(row, pure)!),
    atLeast(row, 1.2, "x JSON.parse", speed(row, parsing)),
    atLeast(row, 6, "x Python", speed(row, pythonReference))
  ]).concat(
    atLeast("ChainVerifier.verifyFile", 40, "% of pure SHA-256", 100 * speed("ChainVerifier.verifyFile", pure)!),
    atLeast("scan, any order", 13, "% of pure SHA-256", 100 * speed("scan, any order", pure)!)
  ),
  charts: [{
    title: "Audit records checked in a second",
    bars: ["ChainVerifier.verifyPages", "ChainVerifier.verifyFile", parsing, pythonReference]
      .filter((row) => row in seconds)
      .map((row) => ({ name: row, value: recordsPerSecond(row), isOurs: row.startsWith("ChainVerifier") }))
      .sort((a, b) => b.value - a.value)
  }],
  skipped: python === undefined ? ["Python: python3 is missing"] : []
})
