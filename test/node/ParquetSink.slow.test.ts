import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { readdirSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as AuditExport from "../../src/export/AuditExport.ts"
import * as ExportCursor from "../../src/export/ExportCursor.ts"
import * as Redaction from "../../src/export/Redaction.ts"
import * as ParquetSink from "../../src/node/ParquetSink.ts"
import { serving, wireRecords } from "../support/exporting.ts"
import { folder } from "../support/folder.ts"

// Outside of the lock file: `npm install hyparquet-writer` and `pip install --target py duckdb` in this folder.
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-vargate", "parquet")

const writer = await (async (): Promise<ParquetSink.ParquetWriter | undefined> => {
  try {
    return await import(pathToFileURL(createRequire(join(cache, "index.js")).resolve("hyparquet-writer")).href)
  } catch {
    return undefined
  }
})()

const env = { ...process.env, PYTHONPATH: join(cache, "py") }
const query = (sql: string): unknown => {
  const program = "import duckdb, json, sys\nprint(json.dumps(duckdb.sql(sys.argv[1]).fetchall(), default=str))"
  return JSON.parse(execFileSync("python3", ["-c", program, sql], { encoding: "utf8", env }))
}
const hasDuckDb = (() => {
  try {
    execFileSync("python3", ["-c", "import duckdb"], { stdio: "ignore", env })
    return true
  } catch {
    return false
  }
})()

const isReady = writer !== undefined && hasDuckDb

describe("ParquetSink", () => {
  it.effect("says what to install where its writer is missing", () =>
    Effect.gen(function*() {
      const error = yield* ParquetSink.make({ folder: yield* folder }).pipe(Effect.scoped, Effect.flip)
      assert.include(error.message, "npm install hyparquet-writer")
    }))

  it.effect.skipIf(!isReady)(
    "writes what DuckDB reads, each record once (needs hyparquet-writer and duckdb)",
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        const all = wireRecords(
          500,
          (index) => ({ params: { amount: index, note: "n" }, violations: index === 3 ? ["x"] : [] })
        )
        const { layer, served } = serving(all.slice(0, 300), { hidden: new Set([50]) })
        const run = Effect.gen(function*() {
          const sink = yield* ParquetSink.make({ folder: path, writer })
          return yield* AuditExport.run({
            sink,
            cursor: yield* ExportCursor.memory,
            redact: Redaction.only(["amount"]),
            pageSize: 100
          })
        }).pipe(Effect.scoped, Effect.provide(layer))
        yield* run
        served.records = all
        // Without its cursor, and without the last of its files.
        rmSync(join(path, readdirSync(path).filter((name) => name.endsWith(".parquet")).sort().at(-1)!))
        yield* run
        const files = join(path, "*.parquet").replaceAll("'", "''")
        assert.deepStrictEqual(
          query(`select count(*), count(distinct id), min(count), max(count), sum(type = 'gap') from '${files}'`),
          [[500, 500, 1, 500, 1]]
        )
        assert.deepStrictEqual(
          query(
            `select id, tool, decision, params, violations, epoch_ms(requested_at) from '${files}' where count = 4`
          ),
          [[
            all[3]!.record_hash,
            "stripe",
            "allow",
            "{\"amount\":3,\"note\":\"<redacted>\"}",
            "[\"x\"]",
            Date.UTC(2026, 10, 30, 10)
          ]]
        )
      })
  )
})
