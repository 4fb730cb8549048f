/**
 * How much memory verification takes, whatever the length of the log: 1,000,000 records as one file, and as pages, on one
 * thread and on two more.
 *
 * Usage: `node --conditions=effect-vargate-source bench/chainMemory.ts [records]`. Another process makes the log, so
 * that only the verifier is measured.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as ChainVerifier from "../src/ChainVerifier.ts"
import * as NodeHasher from "../src/node/NodeHasher.ts"
import * as VerifierThreads from "../src/node/VerifierThreads.ts"
import { pageSize, recordAt, sha256 } from "./makeLog.ts"

const records = Number(process.argv[2] ?? 1_000_000)
const role = process.argv[3]
const form = process.argv[4] ?? "file"

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

const verify = async (path: string, threads: number) => {
  const before = process.memoryUsage().rss
  const started = performance.now()
  const hashing = threads === 0 ? NodeHasher.layer : Layer.merge(NodeHasher.layer, VerifierThreads.layer({ threads }))
  const report = await Effect.runPromise(
    Effect.provide(
      form === "file"
        ? ChainVerifier.verifyFile(Stream.fromIterable(chunksOf(path), { chunkSize: 1 }))
        : ChainVerifier.verifyPages(Stream.fromIterable(linesOf(path), { chunkSize: 1 })),
      hashing
    )
  )
  const seconds = (performance.now() - started) / 1000
  const growth = process.resourceUsage().maxRSS * 1024 - before
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
  console.log(
    `${form.padEnd(5)}  ${threads} threads more  valid: ${report.valid}, ${report.records} records in ${
      seconds.toFixed(1)
    } s  ` +
      `RSS at the start ${mib(before)}, peak growth ${mib(growth)} (target 64 MiB)`
  )
}

const run = async (form: string, folder: string) => {
  const path = join(folder, form)
  const self = fileURLToPath(import.meta.url)
  const start = (role: string, output: number | "inherit", threads = 0) =>
    once(
      spawn(
        process.execPath,
        ["--conditions=effect-vargate-source", self, String(records), role, form, path, String(threads)],
        { stdio: ["ignore", output, "inherit"] }
      ),
      "exit"
    )
  const file = openSync(path, "w")
  await start("generate", file)
  closeSync(file)
  for (const threads of [0, 2]) await start("verify", "inherit", threads)
}

if (role === "generate") {
  await generate()
} else if (role === "verify") {
  await verify(process.argv[5]!, Number(process.argv[6]))
} else {
  const folder = mkdtempSync(join(tmpdir(), "bench-"))
  try {
    for (const form of ["file", "pages"]) await run(form, folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
