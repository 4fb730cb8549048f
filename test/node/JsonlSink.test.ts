import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import * as AuditExport from "../../src/export/AuditExport.ts"
import * as ExportCursor from "../../src/export/ExportCursor.ts"
import * as Redaction from "../../src/export/Redaction.ts"
import * as FileExportCursor from "../../src/node/FileExportCursor.ts"
import * as JsonlSink from "../../src/node/JsonlSink.ts"
import { verifyFile } from "../../src/verify/ChainVerifier.ts"
import { serving, wireRecords } from "../support/exporting.ts"
import { folder } from "../support/folder.ts"

const filesIn = (path: string) => readdirSync(path).filter((name) => name.endsWith(".jsonl")).sort()
const linesIn = (path: string) =>
  filesIn(path).flatMap((name) => readFileSync(join(path, name), "utf8").split("\n").slice(0, -1)).map((line) =>
    JSON.parse(line)
  )
const idsIn = (path: string) => linesIn(path).map(({ record, type }) => type === "record" ? record.id : type)
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

const exportTo = (path: string, options: Partial<JsonlSink.Options & AuditExport.EventsOptions> = {}) =>
  Effect.gen(function*() {
    const { format, maxBytes, ...rest } = options
    const sink = yield* JsonlSink.make({ folder: path, format, maxBytes })
    const cursor = yield* FileExportCursor.make(join(path, "cursor.json"))
    return yield* AuditExport.run({ sink, cursor, ...rest })
  }).pipe(Effect.scoped)

describe("JsonlSink", () => {
  it.effect("writes each event on a line, and goes on where it ended", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "new", "audit")
      const all = wireRecords(30)
      const { layer, served } = serving(all.slice(0, 20), { hidden: new Set([5]) })
      yield* exportTo(path).pipe(Effect.provide(layer))
      served.records = all
      yield* exportTo(path).pipe(Effect.provide(layer))
      assert.deepStrictEqual(idsIn(path), upTo(30).map((id) => id === 5 ? "gap" : id))
      const [first] = linesIn(path)
      const { params, ...rest } = all[0]!
      assert.deepStrictEqual(first, {
        type: "record",
        id: all[0]!.record_hash,
        tenant: "t",
        count: 1,
        redacted: true,
        record: { ...rest, params: null }
      })
      assert.isNotNull(params)
      if (process.platform !== "win32") {
        for (const name of readdirSync(path)) assert.strictEqual(statSync(join(path, name)).mode & 0o077, 0, name)
      }
    }))

  it.effect("begins a new file where one is full, and each event is in one of them", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { layer } = serving(wireRecords(100))
      yield* exportTo(path, { maxBytes: 4000, pageSize: 30 }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(idsIn(path), upTo(100))
      assert.isAtLeast(filesIn(path).length, 8)
      for (const name of filesIn(path)) {
        assert.isAtMost(statSync(join(path, name)).size, 4000)
        const [line] = readFileSync(join(path, name), "utf8").split("\n")
        assert.strictEqual(name, `audit-${String(JSON.parse(line!).count).padStart(12, "0")}.jsonl`)
      }
      yield* exportTo(path, { maxBytes: 10 }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(idsIn(path), upTo(100))
    }))

  it.effect("has each event once, wherever the last export was cut off, with or without its cursor", () =>
    Effect.gen(function*() {
      const all = wireRecords(12)
      const { layer } = serving(all, { hidden: new Set([4]) })
      const whole = yield* folder
      yield* exportTo(whole).pipe(Effect.provide(layer))
      const [name] = filesIn(whole)
      const bytes = readFileSync(join(whole, name!))
      for (const length of [0, 1, 100, 333, 700, 1500, bytes.length - 1, bytes.length]) {
        const path = yield* folder
        writeFileSync(join(path, name!), bytes.subarray(0, length))
        yield* exportTo(path).pipe(Effect.provide(layer))
        assert.deepStrictEqual(readFileSync(join(path, name!)), bytes, `cut at ${length}`)
      }
    }))

  it.effect("writes OCSF where it is told to, each event once wherever the last export was cut off", () =>
    Effect.gen(function*() {
      const all = wireRecords(12, (index) => ({ agent_id: `Zoë ${index}` }))
      const { layer } = serving(all, { hidden: new Set([4]) })
      const whole = yield* folder
      yield* exportTo(whole, { format: "ocsf" }).pipe(Effect.provide(layer))
      const lines = linesIn(whole)
      const idsOf = (path: string) => linesIn(path).map(({ id, metadata }) => metadata?.uid ?? id)
      const expected = all.map(({ record_hash }, index) => index === 3 ? "t:gap:4" : record_hash)
      assert.deepStrictEqual(idsOf(whole), expected)
      assert.deepStrictEqual(lines.map(({ metadata }) => metadata.sequence), upTo(12))
      assert.deepStrictEqual(lines.map(({ class_uid }) => class_uid).slice(2, 5), [6003, 2004, 6003])
      const [name] = filesIn(whole)
      const bytes = readFileSync(join(whole, name!))
      const lineEnd = bytes.indexOf(10, 1500) + 1
      const withinLetter = bytes.indexOf(Buffer.from("ë"), 1500) + 1
      for (const length of [0, 100, 1500, withinLetter, lineEnd, bytes.length - 1, bytes.length]) {
        for (const format of ["ocsf", "vargate"] as const) {
          const path = yield* folder
          writeFileSync(join(path, name!), bytes.subarray(0, length))
          yield* exportTo(path, { format }).pipe(Effect.provide(layer))
          assert.deepStrictEqual(idsOf(path), expected, `cut at ${length}, then ${format}`)
        }
      }
      const other = yield* folder
      writeFileSync(join(other, name!), "{\"class_uid\":6003,\"metadata\":null}\n")
      const error = yield* exportTo(other).pipe(Effect.provide(layer), Effect.flip)
      assert.include(error.message, "no event of an export")
    }))

  it.effect("writes again what is missing at the end, though the cursor is behind it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const all = wireRecords(40)
      const { layer, served } = serving(all.slice(0, 30), { hidden: new Set([11]) })
      const exporting = exportTo(path, { maxBytes: 2000 }).pipe(Effect.provide(layer))
      yield* exporting
      const names = filesIn(path)
      const before = names.map((name) => readFileSync(join(path, name), "utf8"))
      for (const lost of [1, 3, names.length - 1]) {
        for (const name of filesIn(path).slice(-lost)) rmSync(join(path, name))
        yield* exporting
        assert.deepStrictEqual(idsIn(path), upTo(30).map((id) => id === 11 ? "gap" : id), `${lost} files`)
      }
      assert.deepStrictEqual(filesIn(path).map((name) => readFileSync(join(path, name), "utf8")), before)
      for (const name of filesIn(path)) rmSync(join(path, name))
      served.records = all
      yield* exporting
      assert.deepStrictEqual(idsIn(path), upTo(40).slice(30), "files that were taken away are not written again")
    }))

  it.effect("removes a last line that was cut within a character", () =>
    Effect.gen(function*() {
      const all = wireRecords(3, (index) => ({ agent_id: `Zoë ${index}` }))
      const { layer } = serving(all)
      const whole = yield* folder
      yield* exportTo(whole).pipe(Effect.provide(layer))
      const [name] = filesIn(whole)
      const bytes = readFileSync(join(whole, name!))
      const path = yield* folder
      writeFileSync(join(path, name!), bytes.subarray(0, bytes.lastIndexOf(Buffer.from("ë")) + 1))
      yield* exportTo(path).pipe(Effect.provide(layer))
      assert.deepStrictEqual(readFileSync(join(path, name!)), bytes)
    }))

  it.effect("keeps records that can be verified again where nothing is redacted", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { layer } = serving(wireRecords(40))
      yield* exportTo(path, { redact: Redaction.none, maxBytes: 3000 }).pipe(Effect.provide(layer))
      const records = filesIn(path).flatMap((name) => readFileSync(join(path, name), "utf8").split("\n").slice(0, -1))
        .map((line) => line.slice(line.indexOf("\"record\":") + 9, -1)).toReversed()
      const text = `{"records":[${records.join(",")}],"count":40,"offset":0,"total":40,"tenant_id":"t"}`
      const report = yield* verifyFile(new TextEncoder().encode(text))
      assert.deepInclude({ ...report }, { valid: true, records: 40, findings: [] })
    }))

  it.effect("writes a line for a record that came on several", () =>
    Effect.gen(function*() {
      for (let blanks = 0; blanks < 6; blanks++) {
        const path = yield* folder
        const { layer } = serving(wireRecords(3), {
          pretty: (text) => " ".repeat(blanks) + JSON.stringify(JSON.parse(text), null, 2).replaceAll("\n", "\r\n")
        })
        yield* exportTo(path, { redact: Redaction.none }).pipe(Effect.provide(layer))
        assert.deepStrictEqual(idsIn(path), [1, 2, 3])
      }
    }))

  it.effect("refuses a second export into the same folder or with the same cursor, and a file that is not its own", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { layer } = serving(wireRecords(3))
      const held = yield* Effect.scoped(Effect.gen(function*() {
        yield* JsonlSink.make({ folder: path })
        yield* FileExportCursor.make(join(path, "cursor.json"))
        const sink = yield* Effect.flip(JsonlSink.make({ folder: path }))
        const cursor = yield* Effect.flip(FileExportCursor.make(join(path, "cursor.json")))
        return [sink.message, cursor.message] as const
      }))
      assert.include(held[0], "another export is writing")
      assert.include(held[1], "another export is using it")
      appendFileSync(join(path, "audit-000000000001.jsonl"), "{\"some\":\"thing\"}\n")
      const error = yield* exportTo(path).pipe(Effect.provide(layer), Effect.flip)
      assert.include(error.message, "no event of an export")
      mkdirSync(join(path, "cursor.json"))
      assert.strictEqual((yield* exportTo(path).pipe(Effect.provide(layer), Effect.flip))._tag, "StorageFailed")
    }))

  it.effect("says what is wrong with a cursor that is none, and with one of another log", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { layer } = serving(wireRecords(3))
      yield* exportTo(path).pipe(Effect.provide(layer))
      const text = readFileSync(join(path, "cursor.json"), "utf8")
      writeFileSync(join(path, "cursor.json"), "{}")
      const none = yield* exportTo(path).pipe(Effect.provide(layer), Effect.flip)
      assert.strictEqual(none._tag, "StorageFailed")
      assert.include(none.message, "not the cursor of an export")
      writeFileSync(join(path, "cursor.json"), text.replace("\"t\"", "\"another\""))
      const foreign = yield* exportTo(path).pipe(Effect.provide(layer), Effect.flip)
      assert.include(foreign.message, "the cursor is of the log of another")
    }))

  it.effect("removes what a killed process has left beside the cursor", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const draft = join(path, "cursor.json.0f8fad5b-d9cb-469f-a165-70867728950e.new")
      writeFileSync(draft, "half")
      const { layer } = serving(wireRecords(3))
      yield* exportTo(path).pipe(Effect.provide(layer))
      assert.deepStrictEqual(readdirSync(path).filter((name) => name.endsWith(".new")), [])
      truncateSync(join(path, "cursor.json"), 10)
      assert.strictEqual((yield* exportTo(path).pipe(Effect.provide(layer), Effect.flip))._tag, "StorageFailed")
    }))

  it.effect("shares a cursor in memory between runs", () =>
    Effect.gen(function*() {
      const cursor = yield* ExportCursor.memory
      const { layer } = serving(wireRecords(3))
      const path = yield* folder
      const sink = yield* JsonlSink.make({ folder: path })
      const first = yield* AuditExport.run({ sink, cursor }).pipe(Effect.provide(layer))
      const second = yield* AuditExport.run({ sink, cursor }).pipe(Effect.provide(layer))
      assert.deepStrictEqual([first.records, second.records], [3, 0])
    }))
})
