/**
 * Exports a log while receiver and exporter are killed again and again, at random places, without warning. Every record is
 * there at least once (in files: once), in order, as the gateway's log has it, and the cursor was never ahead.
 *
 * The second receiver is that of OpenTelemetry's collector, where `.ci/otlp/build` has built it.
 */
import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync
} from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createServer as createSocketServer } from "node:net"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import { wireRecords } from "../support/exporting.ts"
import { isFull } from "../support/isFull.ts"

const size = isFull ? 100_000 : 4000
const kills = isFull ? 20 : 4

const support = fileURLToPath(new URL("../support", import.meta.url))
const records = wireRecords(size)
const texts = records.map((record) => JSON.stringify(record))
const hashes = records.map(({ record_hash }) => record_hash)

/** The log, in pages as a gateway serves it. */
const gateway = createServer(({ url }, response) => {
  const query = new URL(url ?? "", "http://localhost").searchParams
  const offset = Number(query.get("offset"))
  const to = Math.max(0, size - offset)
  const page = texts.slice(Math.max(0, to - Number(query.get("limit"))), to).reverse()
  response.writeHead(200, { "content-type": "application/json" })
  response.end(
    `{"records":[${page.join(",")}],"count":${page.length},"offset":${offset},"total":${size},"tenant_id":"t"}`
  )
})
let gatewayUrl = ""
const folder = mkdtempSync(join(tmpdir(), "vargate-export-"))
const running = new Set<ChildProcess>()

beforeAll(async () => {
  gateway.listen(0, "127.0.0.1")
  await once(gateway, "listening")
  gatewayUrl = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
})

afterAll(() => {
  for (const child of running) child.kill("SIGKILL")
  gateway.close()
  gateway.closeAllConnections()
  rmSync(folder, { recursive: true, force: true })
})

const freePort = async () => {
  const server = createSocketServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

interface Process {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  readonly out: () => string
  readonly err: () => string
}

const start = (command: string, args: ReadonlyArray<string>): Process => {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
  running.add(child)
  let out = ""
  let err = ""
  child.stdout!.on("data", (chunk) => void (out += chunk))
  child.stderr!.on("data", (chunk) => void (err += chunk))
  const ended = new Promise<number | null>((resolve) =>
    child.on("exit", (code) => {
      running.delete(child)
      resolve(code)
    })
  )
  return { child, ended, out: () => out, err: () => err }
}

const program = (name: string, ...args: ReadonlyArray<string>) =>
  start(process.execPath, [
    "--conditions=effect-vargate-source",
    "--no-warnings",
    "--max-old-space-size=96",
    join(support, name),
    ...args
  ])

const sizeOf = (path: string) => existsSync(path) ? statSync(path).size : 0
const sizeOfFolder = (path: string) =>
  existsSync(path) ? readdirSync(path).filter(isLines).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : 0
const isLines = (name: string) => name.endsWith(".jsonl")
const linesOf = (text: string) => text.split("\n").slice(0, -1).filter((line) => line !== "")

/** Of a line that was cut off, nothing. */
const attributesOf = (line: string): ReadonlyArray<Readonly<Record<string, unknown>>> => {
  try {
    return [JSON.parse(line).attributes]
  } catch {
    return []
  }
}

/** The end of a file. */
const lastOf = (path: string): string => {
  const file = openSync(path, "r")
  try {
    const { size } = fstatSync(file)
    const bytes = Buffer.alloc(Math.min(size, 64 * 1024))
    readSync(file, bytes, 0, bytes.length, size - bytes.length)
    return bytes.toString("utf8")
  } finally {
    closeSync(file)
  }
}

const cursorAt = (path: string): number =>
  existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).checkpoint.count : 0

/** Kills what is running whenever the receiver has got a part more, and starts it again; until the exporter has ended. */
const campaign = async (options: {
  readonly exporter: () => Process
  readonly receiver?: (() => Process) | undefined
  readonly progress: () => number
  readonly expected: number
  readonly look: () => void
}) => {
  let exporter: Process | undefined = options.exporter()
  let receiver = options.receiver?.()
  let killed = { exporter: 0, receiver: 0 }
  const end: { code?: number | null } = {}
  const watch = (process: Process) =>
    void process.ended.then((ended) => {
      if (process === exporter) end.code = ended
    })
  watch(exporter)
  let next = 1
  while (end.code === undefined) {
    await sleep(2)
    const share = options.progress() / options.expected
    if (end.code !== undefined || next > 2 * kills || share < next / (2 * kills + 2)) continue
    const isExporter = next % 2 === 1 || receiver === undefined
    next += receiver === undefined ? 2 : 1
    await sleep(Math.random() * 20)
    if (isExporter) {
      const last = exporter
      exporter = undefined
      last!.child.kill("SIGKILL")
      await last!.ended
      options.look()
      killed = { ...killed, exporter: killed.exporter + 1 }
      exporter = options.exporter()
      watch(exporter)
    } else {
      receiver!.child.kill("SIGKILL")
      await receiver!.ended
      receiver = options.receiver!()
      killed = { ...killed, receiver: killed.receiver + 1 }
    }
  }
  receiver?.child.kill("SIGTERM")
  await receiver?.ended
  assert.strictEqual(end.code, 0, exporter!.err())
  options.look()
  return { killed, summary: JSON.parse(exporter!.out()) as { readonly peak: number } }
}

const report = (name: string, { killed, summary }: Awaited<ReturnType<typeof campaign>>, lines: number) => {
  if (isFull) console.log(`${name}: ${size} records, ${lines} lines, killed`, killed, `peak ${summary.peak >> 20} MiB`)
  // Of a log of 50 MB no more than a few pages, and what the garbage collector has not come to yet.
  assert.isBelow(summary.peak, 160 * 1024 * 1024)
}

const receivers: ReadonlyArray<readonly [name: string, start: ((port: number, file: string) => Process) | undefined]> =
  [
    ["a receiver that reads by OTLP's schema", (port, file) => program("otlpProgram.ts", String(port), file)],
    (() => {
      const cache = join(
        process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
        "effect-vargate",
        "otlp-0.165.0",
        "otlp"
      )
      const isThere = existsSync(cache)
      return [
        `the receiver of OpenTelemetry's collector${isThere ? "" : " (needs .ci/otlp/build)"}`,
        isThere ? (port, file) => start(cache, [String(port), file]) : undefined
      ] as const
    })()
  ]

describe("an export survives", () => {
  for (const [index, [name, receive]] of receivers.entries()) {
    it.skipIf(receive === undefined)(`its own end and that of ${name}`, async () => {
      const port = await freePort()
      const file = join(folder, `received-${index}`)
      const cursor = join(folder, `cursor-${index}.json`)
      const received = () => linesOf(existsSync(file) ? readFileSync(file, "utf8") : "").flatMap(attributesOf)
      const result = await campaign({
        exporter: () => program("exportProgram.ts", gatewayUrl, "otlp", `http://127.0.0.1:${port}/v1/logs`, cursor),
        receiver: () => {
          // Whoever is killed while it writes leaves half a line, which nobody was told of.
          if (existsSync(file) && !readFileSync(file, "utf8").endsWith("\n")) appendFileSync(file, "\n")
          return receive!(port, file)
        },
        progress: () => sizeOf(file),
        expected: size * 700,
        look: () => {
          // What is sent again begins behind the cursor: the last line is never before it.
          const last = linesOf(existsSync(file) ? lastOf(file) : "").flatMap(attributesOf).at(-1)
          assert.isAtMost(cursorAt(cursor), Number(last?.["vargate.log.count"] ?? 0), "the cursor is never ahead")
        }
      })
      const ids = received().map((attributes) => String(attributes["vargate.event.id"]))
      assert.deepStrictEqual([...new Set(ids)], hashes, "each record is there, first in the order of the log")
      assert.strictEqual(cursorAt(cursor), size)
      assert.deepStrictEqual(result.killed, { exporter: kills, receiver: kills })
      report(name, result, ids.length)
    })
  }

  it("its own end while it writes files, which have each record once", async () => {
    const target = join(folder, "files")
    const cursor = join(folder, "cursor-files.json")
    const lines = () =>
      existsSync(target)
        ? readdirSync(target).filter(isLines).sort().flatMap((name) =>
          linesOf(readFileSync(join(target, name), "utf8"))
        )
        : []
    const result = await campaign({
      exporter: () => program("exportProgram.ts", gatewayUrl, "jsonl", target, cursor),
      progress: () => sizeOfFolder(target),
      expected: size * 500,
      look: () => assert.isAtMost(cursorAt(cursor), lines().length, "the cursor is never ahead of the files")
    })
    const ids = lines().map((line) => JSON.parse(line).id)
    assert.deepStrictEqual(ids, hashes)
    report("files", result, ids.length)
  })
})
