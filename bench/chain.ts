/**
 * Chain verification from the response text, against pure SHA-256, bare `JSON.parse` and the Python reference.
 *
 * Usage: `node --conditions=effect-vargate-source bench/chain.ts [rounds] [records]`. All rows are measured in turns,
 * since only ratios within one run mean anything, and in CPU time of all threads: what else the machine does is left out.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import * as ChainVerifier from "../src/ChainVerifier.ts"
import { type AuditRecordView, scanAuditPage } from "../src/internal/auditScanner.ts"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import { pageSize, recordAt, sha256 } from "./makeLog.ts"

const rounds = Number(process.argv[2] ?? 5)
const records = Number(process.argv[3] ?? 200_000)
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
  const child = spawn("python3", ["-c", reference], { stdio: ["pipe", "pipe", "inherit"] })
  const failed = await Promise.race([once(child, "spawn").then(() => false), once(child, "error").then(() => true)])
  if (failed) return undefined
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

const cpuSeconds = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

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

const rows: Record<string, () => void | Promise<void>> = {
  "pure SHA-256": () => {
    for (const payload of payloads) sha256(payload)
  },
  "decoding and JSON.parse": () => {
    for (const page of pages) JSON.parse(decoder.decode(page))
  },
  "scan, the gateway's order": () => verify(pages),
  "scan, any order": () => verify(reversed),
  "ChainVerifier.verifyPages": () => report(ChainVerifier.verifyPages(pages)),
  "ChainVerifier.verifyFile": () => report(ChainVerifier.verifyFile(Stream.fromIterable(chunks)))
}

const seconds = new Map<string, Array<number>>()
const note = (row: string, value: number): void => void seconds.set(row, [...(seconds.get(row) ?? []), value])

for (let round = -1; round < rounds; round++) {
  for (const [row, run] of Object.entries(rows)) {
    const start = cpuSeconds()
    await run()
    // The first turn of each warms up.
    if (round >= 0) note(row, cpuSeconds() - start)
  }
  if (python !== undefined && round >= 0) note("Python reference", await python.seconds())
}
python?.stop()

/** Of bench-baselines: shares of pure SHA-256, of JSON.parse, of the Python reference. */
const targets: Record<string, string> = {
  "scan, the gateway's order": "target 22%, 1.2, 6",
  "scan, any order": "target 13%",
  "ChainVerifier.verifyPages": "target 22%, 1.2, 6"
}

const pure = median(seconds.get("pure SHA-256")!)
const slow = seconds.has("Python reference") ? median(seconds.get("Python reference")!) : undefined
const bytes = payloads.reduce((sum, payload) => sum + payload.length, 0)
console.log(`${records} records, ${Math.round(bytes / records)} payload bytes each, medians of ${rounds} rounds`)
for (const [row, values] of seconds) {
  const time = median(values)
  const share = `${(100 * pure / time).toFixed(1)}% of pure SHA-256`
  const parse = `${(median(seconds.get("decoding and JSON.parse")!) / time).toFixed(2)} x JSON.parse`
  const times = slow === undefined ? "python3 is missing" : `${(slow / time).toFixed(1)} x Python`
  console.log(
    [row.padEnd(26), `${(time / records * 1e6).toFixed(2)} µs of CPU`, share, parse, times, targets[row] ?? ""].join(
      "  "
    )
  )
}
