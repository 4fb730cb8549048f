/**
 * How much memory verification takes, whatever the length of the log, as one file and as pages. Another process makes
 * the log, so that only the verifier is measured.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { spawn, type StdioOptions } from "node:child_process"
import { once } from "node:events"
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import * as ChainVerifier from "../src/verify/ChainVerifier.ts"
import { pageSize, recordAt, sha256 } from "./support/makeLog.ts"
import { atMost, hand } from "./support/report.ts"
import { isQuick, thorough } from "./support/settings.ts"

const records = thorough(600_000, 50_000)
const forms = ["file", "pages"] as const
type Form = typeof forms[number]
const [role, form, pathOfLog] = process.argv.slice(2) as [string | undefined, Form, string]

const write = async (text: string) => {
  if (!process.stdout.write(text)) await once(process.stdout, "drain")
}

/** Newest first, although hashes come about oldest first: so all of them are remembered, as bytes. */
const generate = async () => {
  const hashes = Buffer.alloc(32 * records)
  let previous = "GENESIS"
  for (let i = 0; i < records; i++) {
    previous = sha256(recordAt(i, previous).payload)
    hashes.write(previous, 32 * i, "hex")
  }
  const hashAt = (i: number) => i < 0 ? "GENESIS" : hashes.toString("hex", 32 * i, 32 * i + 32)
  const rowAt = (i: number) => JSON.stringify(Object.fromEntries(recordAt(i, hashAt(i - 1)).fields(hashAt(i))))
  const rowsFrom = (offset: number) =>
    Array.from({ length: Math.min(pageSize, records - offset) }, (_, i) => rowAt(records - 1 - offset - i))
  if (form === "file") await write("{\"records\":[")
  for (let offset = 0; offset < records; offset += pageSize) {
    const rows = rowsFrom(offset)
    await write(
      form === "file"
        ? (offset === 0 ? "" : ",") + rows.join(",")
        : `{"records":[${
          rows.join(",")
        }],"count":${rows.length},"offset":${offset},"total":${records},"tenant_id":"bench"}\n`
    )
  }
  if (form === "file") await write(`],"count":${records},"offset":0,"total":${records},"tenant_id":"bench"}`)
}

const newline = 0x0a
const buffer = Buffer.alloc(2 * 1024 * 1024)

/**
 * The file through a few buffers that are used again and again: what a reader leaves to the garbage collector is not the
 * verifier's, and V8 lets 64 MiB of it pile up before it looks.
 */
function* chunksOf(path: string) {
  const file = openSync(path, "r")
  const buffers = Array.from({ length: 8 }, () => Buffer.alloc(65_536))
  for (let i = 0;; i++) {
    const chunk = buffers[i % buffers.length]!
    const size = readSync(file, chunk)
    if (size === 0) return
    yield chunk.subarray(0, size)
  }
}

/** The same, line by line. */
function* linesOf(path: string) {
  const file = openSync(path, "r")
  let filled = 0
  for (;;) {
    const size = readSync(file, buffer, filled, buffer.length - filled, null)
    if (size === 0) return
    filled += size
    let start = 0
    for (let end = buffer.indexOf(newline); end !== -1 && end < filled; end = buffer.indexOf(newline, start)) {
      yield buffer.subarray(start, end)
      start = end + 1
    }
    buffer.copyWithin(0, start, filled)
    filled -= start
  }
}

const verify = async (path: string) => {
  const before = process.memoryUsage().rss
  const started = performance.now()
  const report = await Effect.runPromise(
    Effect.provide(
      form === "file"
        ? ChainVerifier.verifyFile(Stream.fromIterable(chunksOf(path), { chunkSize: 1 }))
        : ChainVerifier.verifyPages(Stream.fromIterable(linesOf(path), { chunkSize: 1 })),
      NodeHasher.layer
    )
  )
  const seconds = (performance.now() - started) / 1000
  const growth = process.resourceUsage().maxRSS * 1024 - before
  process.send!({ seconds, before, growth, valid: report.valid, records: report.records } satisfies Measured)
}

interface Measured {
  readonly seconds: number
  readonly valid: boolean
  readonly records: number
  /** Resident before the first byte is read, and how much more there was at the peak. */
  readonly before: number
  readonly growth: number
}

const measure = async (form: Form, folder: string): Promise<Measured> => {
  const path = join(folder, form)
  const start = (role: string, stdio: StdioOptions) =>
    spawn(process.execPath, [
      "--conditions=effect-vargate-source",
      fileURLToPath(import.meta.url),
      role,
      form,
      path,
      ...(isQuick ? ["--quick"] : [])
    ], { stdio })
  const file = openSync(path, "w")
  await once(start("generate", ["ignore", file, "inherit"]), "exit")
  closeSync(file)
  const [measured] = await once(start("verify", ["ignore", "ignore", "inherit", "ipc"]), "message") as [Measured]
  if (!measured.valid || measured.records !== records) throw new Error(`The log as ${form} does not verify`)
  return measured
}

const measureAll = async () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-"))
  try {
    const measured = { file: await measure("file", folder), pages: await measure("pages", folder) }
    const mebibytes = (bytes: number) => bytes / 1024 / 1024
    hand({
      title: "Memory of verification",
      about:
        `${records.toLocaleString("en")} records from a file, as one document and as pages; resident memory of a ` +
        "process that does nothing else.",
      tables: [{
        columns: ["form", "records/s", "MiB at the start", "MiB more at the peak"],
        rows: forms.map((form) => [
          form,
          records / measured[form].seconds,
          mebibytes(measured[form].before),
          mebibytes(measured[form].growth)
        ])
      }],
      targets: forms.map((form) => atMost(`memory over a log, as ${form}`, 64, "MiB", mebibytes(measured[form].growth)))
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (role === "generate") await generate()
else if (role === "verify") await verify(pathOfLog)
else await measureAll()
