/**
 * Exports into files, one JSON object a line, that only ever grow.
 *
 * **Details**
 *
 * A file is called `audit-000000000001.jsonl`, by the `count` of its first event, and a new one is begun when one is full: no
 * file is renamed, so that whatever ships lines (Vector, Fluent Bit, `tail -F`) loses none. Each line is an event:
 *
 * | field | |
 * | --- | --- |
 * | `type` | `record`, `gap`, `finding` or `refused` |
 * | `id` | the same whenever the event is exported; of a record its hash |
 * | `tenant`, `count` | whose log, and how much of it is covered with this line |
 * | `redacted`, `record` | of a record: as the gateway sent it, but for what the redaction took out |
 *
 * With `format: "ocsf"` a line is the event in OCSF instead. A folder may have lines of both.
 *
 * An event is there once: lines are forced to the disk before they are acknowledged, and after a crash the export continues
 * where the file ends. A line that was cut by the crash is removed first. With `Redaction.none` the records are the bytes that
 * were hashed, and can be verified again.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { type FileHandle, mkdir, open, readdir } from "node:fs/promises"
import { join } from "node:path"
import type { ExportEvent } from "../export/ExportEvent.ts"
import * as ExportSink from "../export/ExportSink.ts"
import * as Ocsf from "../export/Ocsf.ts"
import * as FileLock from "../internal/fileLock.ts"
import { isRecord } from "../internal/isRecord.ts"
import { codeOf, syncFolder, writeAll } from "./internal/durableFile.ts"

/**
 * Which files.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** It is made where it is missing. One export writes there at a time. */
  readonly folder: string
  /** What the names of the files begin with. Default: `audit`. */
  readonly name?: string | undefined
  /** A new file is begun where one would get longer. Default: 256 MiB. */
  readonly maxBytes?: number | undefined
  /** What a line is. Default: `vargate`, which is written without being decoded, many times as fast. */
  readonly format?: ExportSink.Format | undefined
}

/** What an operator may correct while the export waits: a full disk, too many open files. */
const passing: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EAGAIN", "EBUSY"])

const decoder = new TextDecoder()
const newline = 0x0a
const closeBrace = 0x7d
const digits = 12

/** What stands before the record. Ids of tenants are the gateway's words: they are quoted as JSON. */
const headOf = (event: ExportEvent, tenant: string): string => {
  // The id of a record is a hash: there is nothing to escape.
  if (event._tag === "Record") {
    return `{"type":"record","id":"${event.id}","tenant":${tenant},"count":${event.count},"redacted":${event.isRedacted},"record":`
  }
  const common = `"id":${JSON.stringify(event.id)},"tenant":${tenant},"count":${event.count}`
  switch (event._tag) {
    case "Gap":
      return `{"type":"gap",${common},"recordHash":${JSON.stringify(event.recordHash ?? null)}`
    case "Finding":
      return `{"type":"finding",${common},"finding":${JSON.stringify({ ...event.finding })}`
    case "Refused":
      return `{"type":"refused",${common},"refused":${
        JSON.stringify(event.refused)
      },"byteLength":${event.byteLength},"detail":${JSON.stringify(event.detail)}`
  }
}

/** Lines of events, in one piece of memory that is used again. */
class Lines {
  private buffer = Buffer.allocUnsafeSlow(1024 * 1024)
  private tenantId: string | undefined
  private tenant = ""
  private isAscii = true
  size = 0

  addJson(value: unknown): void {
    const text = JSON.stringify(value)
    this.reserve(3 * text.length + 1)
    this.size += this.buffer.write(text, this.size)
    this.buffer[this.size++] = newline
  }

  add(event: ExportEvent): void {
    if (event.tenantId !== this.tenantId) {
      this.tenantId = event.tenantId
      this.tenant = JSON.stringify(event.tenantId)
      this.isAscii = /^[\x20-\x7e]*$/.test(this.tenant)
    }
    const head = headOf(event, this.tenant)
    const length = event._tag === "Record" ? event.byteLength : 0
    this.reserve(3 * head.length + length + 2)
    this.size += this.buffer.write(head, this.size, this.isAscii && event._tag === "Record" ? "latin1" : "utf8")
    if (event._tag === "Record") this.size = event.copyTo(this.buffer, this.size)
    this.buffer[this.size++] = closeBrace
    this.buffer[this.size++] = newline
  }

  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.size)
  }

  restart(line: Uint8Array): void {
    this.buffer.set(line)
    this.size = line.length
  }

  private reserve(length: number): void {
    if (this.size + length <= this.buffer.length) return
    const grown = Buffer.allocUnsafeSlow(2 * (this.size + length))
    grown.set(this.bytes)
    this.buffer = grown
  }
}

/** The end of a file is searched in pieces of this size. */
const pieceSize = 64 * 1024

/** The lines of a file from the last to the first, as far as they are asked for; and where the last whole one ends. */
async function* linesFromEnd(file: FileHandle, end: number): AsyncGenerator<string> {
  let rest = new Uint8Array(0)
  for (let from = end; from > 0;) {
    const length = Math.min(pieceSize, from)
    from -= length
    const piece = new Uint8Array(length + rest.length)
    await file.read(piece, 0, length, from)
    piece.set(rest, length)
    let until = piece.length
    for (;;) {
      const at = piece.lastIndexOf(newline, until - 2)
      if (at === -1 || until < 2) break
      yield decoder.decode(piece.subarray(at + 1, until - 1))
      until = at + 1
    }
    rest = piece.slice(0, until)
  }
  if (rest.length > 1) yield decoder.decode(rest.subarray(0, rest.length - 1))
}

const endOfLastLine = async (file: FileHandle): Promise<number> => {
  const { size } = await file.stat()
  const piece = new Uint8Array(pieceSize)
  for (let end = size; end > 0;) {
    const length = Math.min(pieceSize, end)
    await file.read(piece, 0, length, end - length)
    const at = piece.subarray(0, length).lastIndexOf(newline)
    if (at !== -1) return end - length + at + 1
    end -= length
  }
  return 0
}

/**
 * A sink that writes files in a folder. They belong to this user alone. Fails with `SinkFailed` where the folder cannot be
 * used, or another export is writing there.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ExportSink.Sink, ExportSink.SinkFailed, Scope.Scope> {
  const { folder, format = "vargate", maxBytes = 256 * 1024 * 1024, name = "audit" } = options
  const failed = ExportSink.failed("jsonl")
  const pattern = { prefix: `${name}-`, suffix: ".jsonl" }
  const attempt = <A>(action: () => Promise<A>) =>
    Effect.tryPromise({
      try: action,
      catch: (cause) =>
        cause instanceof ExportSink.SinkFailed
          ? cause
          : failed(
            passing.has(codeOf(cause)) ? "Unavailable" : "Rejected",
            `the files cannot be used (${codeOf(cause)})`
          )
    })

  yield* attempt(() => mkdir(folder, { recursive: true, mode: 0o700 }))
  yield* Effect.mapError(
    FileLock.acquire(join(folder, `${name}.jsonl`)),
    ({ detail, isHeld }) => failed("Rejected", isHeld ? "another export is writing into its folder" : detail)
  )

  let file: FileHandle | undefined
  let size = 0
  let isNew = false

  const close = async () => {
    const open = file
    file = undefined
    await open?.close()
  }
  yield* Effect.addFinalizer(() => Effect.ignore(attempt(close)))

  const isOurs = (file: string) =>
    file.startsWith(pattern.prefix) && file.endsWith(pattern.suffix) &&
    /^\d+$/.test(file.slice(pattern.prefix.length, -pattern.suffix.length))

  const files = async () => (await readdir(folder)).filter(isOurs).sort()

  /** Opens the last file, without the line that a crash has cut. */
  const reopen = async () => {
    const last = (await files()).at(-1)
    if (last === undefined) return
    const opened = await open(join(folder, last), "r+")
    try {
      const end = await endOfLastLine(opened)
      await opened.truncate(end)
      await opened.sync()
      size = end
      file = opened
    } catch (cause) {
      await opened.close()
      throw cause
    }
  }

  const begin = async (count: number) => {
    await close()
    const path = join(folder, `${pattern.prefix}${String(count).padStart(digits, "0")}${pattern.suffix}`)
    // An event that covers nothing may have the count of the one before it: then the file is there already.
    const opened = await open(path, "wx", 0o600).catch((cause) =>
      codeOf(cause) === "EEXIST" ? open(path, "r+") : Promise.reject(cause)
    )
    file = opened
    size = (await opened.stat()).size
    isNew = true
  }

  const write = async (bytes: Uint8Array) => {
    try {
      await writeAll(file!, bytes, size)
      await file!.datasync()
      if (isNew) await syncFolder(folder)
      isNew = false
    } catch (cause) {
      // What is there of the lines is in the way of their next attempt.
      await file!.truncate(size).catch(() => undefined)
      throw cause
    }
    size += bytes.length
  }

  const lines = new Lines()
  const writing = Semaphore.makeUnsafe(1)

  const append = (events: Parameters<ExportSink.Sink["send"]>[0], now: number) =>
    attempt(async () => {
      lines.size = 0
      let first = events[0].count
      for (const event of events) {
        const before = lines.size
        if (format === "ocsf") lines.addJson(Ocsf.eventOf(event, now))
        else lines.add(event)
        if (size + lines.size > maxBytes && size + before > 0) {
          // The line that is too much is the first of the next file.
          const line = lines.bytes.slice(before)
          lines.size = before
          if (before > 0) await flush(first)
          await begin(event.count)
          lines.restart(line)
          first = event.count
        }
      }
      await flush(first)
    }).pipe(writing.withPermits(1), Effect.uninterruptible)

  const send: ExportSink.Sink["send"] = (events) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => append(events, Math.trunc(now)))

  const flush = async (first: number) => {
    if (file === undefined) await begin(first)
    await write(lines.bytes)
    lines.size = 0
  }

  const tail = (tenantId: string) =>
    attempt(async (): Promise<ExportSink.Tail | undefined> => {
      for (const path of (await files()).toReversed()) {
        const opened = await open(join(folder, path), "r")
        try {
          const { size } = await opened.stat()
          let count: number | undefined
          let recordHash: string | undefined
          const ids: Array<string> = []
          for await (const text of linesFromEnd(opened, size)) {
            const line = parsed(text)
            if (line === undefined) throw failed("Rejected", `the last line of ${path} is no event of an export`)
            if (line.tenant !== tenantId) continue
            if (count !== undefined && line.count !== count) return { count, ids, recordHash }
            count = line.count
            if (line.isRecord) recordHash = line.id
            ids.push(line.id)
          }
          if (count !== undefined) return { count, ids, recordHash }
        } finally {
          await opened.close()
        }
      }
      return undefined
    })

  yield* attempt(reopen)
  return { name: "jsonl", maxEvents: 5000, maxBytes: 16 * 1024 * 1024, send, tail }
})

const parsed = (text: string): ReturnType<typeof Ocsf.keyOf> => {
  try {
    const line: unknown = JSON.parse(text)
    if (!isRecord(line)) return undefined
    const { count, id, tenant, type } = line
    return typeof count === "number" && typeof id === "string" && typeof tenant === "string" && typeof type === "string"
      ? { count, id, tenant, isRecord: type === "record" }
      : Ocsf.keyOf(line)
  } catch {
    return undefined
  }
}
