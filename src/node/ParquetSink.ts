/**
 * Exports into Parquet files, for analysts. Needs `hyparquet-writer`, which is not among the dependencies.
 *
 * **Details**
 *
 * Each batch is a file of its own, `audit-<first>-<last>-<hash>.parquet` by the counts of its events and the hash of its last
 * record: it is written beside its place, forced to the disk, and then moved there, so that a file is whole or is not there. An
 * export that was stopped continues behind the last of them: each record is there once. A folder has the log of one tenant.
 *
 * Columns: `type`, `id`, `tenant`, `count`, `redacted`, `record_id`, `action_id`, `agent_id`, `tool`, `method`, `requested_at`,
 * `decision`, `severity`, `bundle_revision`, `prev_hash`, `record_hash`, and as JSON `violations`, `params` and `event` (all
 * that is known of the event).
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { mkdir, open, readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import type { ExportEvent } from "../export/ExportEvent.ts"
import * as ExportSink from "../export/ExportSink.ts"
import { nanosOf, payloadOf, textOf } from "../export/internal/payload.ts"
import * as FileLock from "../internal/fileLock.ts"
import { replaceFile } from "../internal/replaceFile.ts"
import { codeOf, syncFolder } from "./internal/durableFile.ts"

/**
 * What is used of `hyparquet-writer`.
 *
 * @category models
 * @since 0.2.0
 */
export interface ParquetWriter {
  readonly parquetWriteBuffer: (options: {
    readonly columnData: Array<{
      readonly name: string
      readonly data: Array<unknown>
      readonly type: "STRING" | "INT64" | "BOOLEAN" | "TIMESTAMP"
      readonly nullable: boolean
    }>
  }) => ArrayBuffer
}

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
  /** The module `hyparquet-writer`. Default: the one that is installed. */
  readonly writer?: ParquetWriter | undefined
}

type Column = readonly [
  name: string,
  type: "STRING" | "INT64" | "BOOLEAN" | "TIMESTAMP",
  value: (event: ExportEvent, fields: Readonly<Record<string, unknown>> | undefined) => unknown
]

const text = (name: string, field = name): Column => [name, "STRING", (_, fields) => fields && textOf(fields[field])]

const json = (name: string): Column => [
  name,
  "STRING",
  (_, fields) => fields?.[name] === undefined || fields[name] === null ? null : JSON.stringify(fields[name])
]

const columns: ReadonlyArray<Column> = [
  ["type", "STRING", ({ _tag }) => _tag.toLowerCase()],
  ["id", "STRING", ({ id }) => id],
  ["tenant", "STRING", ({ tenantId }) => tenantId],
  ["count", "INT64", ({ count }) => BigInt(count)],
  ["redacted", "BOOLEAN", (event) => event._tag === "Record" ? event.isRedacted : null],
  ["record_id", "INT64", (event) => event._tag === "Record" ? BigInt(event.recordId) : null],
  text("action_id"),
  text("agent_id"),
  text("tool"),
  text("method"),
  ["requested_at", "TIMESTAMP", (_, fields) => {
    const nanos = nanosOf(fields?.["requested_at"])
    return nanos === undefined ? null : new Date(Number(nanos / 1_000_000n))
  }],
  text("decision"),
  text("severity"),
  text("bundle_revision"),
  text("prev_hash"),
  text("record_hash"),
  json("violations"),
  json("params"),
  ["event", "STRING", (event) => JSON.stringify(payloadOf(event))]
]

const columnsOf = (events: ReadonlyArray<ExportEvent>) => {
  const fields = events.map((event) => event._tag === "Record" ? event.fields : undefined)
  return columns.map(([name, type, value]) => ({
    name,
    type,
    nullable: true,
    data: events.map((event, i) => value(event, fields[i]) ?? null)
  }))
}

const packageName = "hyparquet-writer"

const digits = (count: number) => String(count).padStart(12, "0")

/**
 * A sink that writes Parquet files. Fails with `SinkFailed` where `hyparquet-writer` is missing, the folder cannot be used, or
 * another export is writing there.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ExportSink.Sink, ExportSink.SinkFailed, Scope.Scope> {
  const { folder, name = "audit" } = options
  const failed = ExportSink.failed("parquet")
  const attempt = <A>(action: () => Promise<A>) =>
    Effect.tryPromise({
      try: action,
      catch: (cause) =>
        failed(codeOf(cause) === "ENOSPC" ? "Unavailable" : "Rejected", `the files cannot be used (${codeOf(cause)})`)
    })
  const writer = options.writer ?? (yield* Effect.tryPromise({
    try: (): Promise<ParquetWriter> => import(packageName),
    catch: () => failed("Rejected", `${packageName} is not installed here: npm install ${packageName}`)
  }))
  yield* attempt(() => mkdir(folder, { recursive: true, mode: 0o700 }))
  yield* Effect.mapError(
    FileLock.acquire(join(folder, `${name}.parquet`)),
    ({ detail, isHeld }) => failed("Rejected", isHeld ? "another export is writing into its folder" : detail)
  )
  // What a killed process has left.
  yield* attempt(async () => {
    const drafts = (await readdir(folder)).filter((file) =>
      file.startsWith(`${name}-`) && file.endsWith(".parquet.new")
    )
    await Promise.all(drafts.map((file) => rm(join(folder, file), { force: true })))
  })
  const writing = Semaphore.makeUnsafe(1)

  const send: ExportSink.Sink["send"] = (events) =>
    attempt(async () => {
      const last = events.at(-1)!
      const hash = last._tag === "Record" ? last.recordHash : last._tag.toLowerCase()
      const path = join(folder, `${name}-${digits(events[0].count)}-${digits(last.count)}-${hash}.parquet`)
      const bytes = new Uint8Array(writer.parquetWriteBuffer({ columnData: columnsOf(events) }))
      const draft = `${path}.new`
      const file = await open(draft, "w", 0o600)
      try {
        await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      await replaceFile(draft, path)
      await syncFolder(folder)
    }).pipe(writing.withPermits(1), Effect.uninterruptible)

  const tail = () =>
    attempt(async (): Promise<ExportSink.Tail | undefined> => {
      const ends = (await readdir(folder)).flatMap((file) => {
        if (!file.startsWith(`${name}-`)) return []
        const match = /^\d{12}-(\d{12})-(\w+)\.parquet$/.exec(file.slice(name.length + 1))
        return match === null ? [] : [{ count: Number(match[1]), hash: match[2]! }]
      })
      const count = ends.reduce((most, end) => Math.max(most, end.count), -1)
      if (count < 0) return undefined
      const ids = ends.filter((end) => end.count === count && end.hash.length === 64).map(({ hash }) => hash)
      return { count, ids, recordHash: ids[0] }
    })

  return { name: "parquet", maxEvents: 10_000, maxBytes: 64 * 1024 * 1024, send, tail }
})
