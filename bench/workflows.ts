/** What executions that wait for a reviewer cost a process, and what they and those that have ended take on the disk. */
import { Effect, Layer, References, Schema } from "effect"
import { Vargate } from "effect-vargate"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as NodeTransport from "effect-vargate/node/NodeTransport"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Journal } from "effect-vargate/workflow/Journal"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { approvalRate, hasPostgres } from "./support/approvalRate.ts"
import { startHoldingGateway } from "./support/holdingGateway.ts"
import { atMost, hand } from "./support/report.ts"
import { isLarge, isQuick, thorough } from "./support/settings.ts"

const sizes = isQuick ? [200] : isLarge ? [20_000] : [1_000, 5_000]
/** The first looks are at everything, the log is read for all that wait, and for a minute something may still come. */
const settling = thorough(60, 4)
const seconds = thorough(20, 3)
const finished = thorough(1_000, 200)

/** What an engine says of its start and end is no part of the report. */
const run = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.runPromise(Effect.provideService(effect, References.MinimumLogLevel, "Error"))

const vargate = (url: string) => Vargate.layer({ apiKey: "test-key", url }).pipe(Layer.provide(NodeTransport.layer))

const Pay = GovernedWorkflow.make({
  name: "Pay",
  tool: "bank",
  method: "pay",
  params: Schema.Struct({ n: Schema.Int }),
  success: Schema.String,
  timeout: "10 days",
  run: () => Effect.succeed("paid")
})

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "workflows-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const untilWaiting = (count: number) =>
  Effect.repeat(
    Effect.andThen(
      Effect.sleep("200 millis"),
      Journal.use((journal) => Effect.map(journal.news(), ({ changes }) => changes.length))
    ),
    { until: (found) => found >= count }
  )

const sizeOf = (filename: string) =>
  ["", "-wal"].reduce((sum, suffix) => sum + (statSync(filename + suffix, { throwIfNoEntry: false })?.size ?? 0), 0)

/**
 * Waiting executions as the engine has stored one: with its messages, replies, claims and journal row, under other ids. To
 * start 20,000 of them takes longer than to measure them.
 */
const copies = (filename: string, size: number) =>
  Effect.promise(async () => {
    const { DatabaseSync } = await import("node:sqlite")
    const database = new DatabaseSync(filename)
    const rowsOf = (sql: string) => {
      const statement = database.prepare(sql)
      statement.setReadBigInts(true)
      return statement.all()
    }
    const [execution] = rowsOf("SELECT * FROM vargate_executions") as [Record<string, unknown>]
    const messages = rowsOf("SELECT * FROM cluster_messages")
    const replies = rowsOf("SELECT * FROM cluster_replies")
    const insert = (table: string, row: Record<string, unknown>) => {
      const names = Object.keys(row)
      database.prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`)
        .run(...Object.values(row) as Array<string>)
    }
    const from = String(execution["execution_id"])
    const step = 1_000_000n
    database.exec("BEGIN")
    for (let n = 1; n < size; n++) {
      const id = n.toString(16).padStart(from.length, "0")
      const by = step * BigInt(n)
      const moved = (value: unknown) => typeof value === "bigint" ? value + by : value
      const change = (execution["change"] as bigint) + BigInt(n)
      insert("vargate_executions", { ...execution, execution_id: id, action_id: actionOf(n), change })
      for (const message of messages) {
        insert("cluster_messages", {
          ...message,
          id: moved(message["id"]),
          request_id: moved(message["request_id"]),
          last_reply_id: moved(message["last_reply_id"]),
          message_id: String(message["message_id"]).replace(from, id),
          entity_id: id
        })
      }
      for (const reply of replies) {
        const { rowid: _, ...row } = reply
        insert("cluster_replies", { ...row, id: moved(row["id"]), request_id: moved(row["request_id"]) })
      }
    }
    database.exec("COMMIT")
    database.close()
  })

const actionOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

/** A gateway's pending list and log, of so many actions on which nothing is decided. */
const pendingGateway = (size: number) => {
  const now = new Date().toISOString().replace("Z", "000+00:00")
  const record = (n: number) => ({
    id: n + 1,
    action_id: actionOf(n),
    tenant_id: "t",
    agent_id: "effect-agent",
    tool: "bank",
    method: "pay",
    params: { n },
    requested_at: now,
    created_at: now,
    decision: "pending_approval",
    violations: [],
    severity: "none",
    alert_tier: "none",
    bundle_revision: null,
    prev_hash: "0".repeat(64),
    record_hash: "1".repeat(64)
  })
  const newest = (offset: number, limit: number) =>
    Array.from({ length: Math.min(limit, size - offset) }, (_, n) => record(size - 1 - offset - n))
  const reads = { log: 0 }
  const layer = ScriptedTransport.layer(({ method, path }) => {
    const query = new URL(path, "http://gateway").searchParams
    if (method === "POST") {
      return ScriptedTransport.json(202, { status: "pending_approval", action_id: actionOf(0), message: "pending" })
    }
    if (path.includes("/audit/log")) {
      reads.log++
      const records = newest(Number(query.get("offset") ?? 0), Number(query.get("limit") ?? 100))
      return ScriptedTransport.json(200, { records, count: records.length, total: size, tenant_id: "t" })
    }
    if (path.includes("/history")) return ScriptedTransport.json(200, { history: [] })
    return ScriptedTransport.json(200, {
      pending: newest(0, 50).map((row) => ({ ...row, timeout_at: "2099-01-01T00:00:00.000000+00:00" })),
      stats: { pending: size, approved: 0, rejected: 0, expired: 0 }
    })
  })
  return { layer, reads }
}

interface Measured {
  readonly size: number
  readonly core: number
  readonly heap: number
  readonly rss: number
  readonly disk: number
  readonly pages: number
}

const worldOf = (filename: string, layer: ReturnType<typeof pendingGateway>["layer"]) =>
  Pay.layer.pipe(
    Layer.provideMerge(EngineSqlite.layer({ filename })),
    Layer.provideMerge(Vargate.layer({ apiKey: "test-key" })),
    Layer.provide(layer),
    Layer.fresh
  )

/** Measures this process, in which so many executions wait and nothing happens. */
const measure = (filename: string, size: number) => {
  const { layer, reads } = pendingGateway(size)
  return Effect.gen(function*() {
    yield* Effect.sleep(settling * 1000)
    const pages = reads.log
    globalThis.gc!()
    const cpu = process.cpuUsage()
    yield* Effect.sleep(seconds * 1000)
    const { system, user } = process.cpuUsage(cpu)
    globalThis.gc!()
    const { heapUsed, rss } = process.memoryUsage()
    const core = (system + user) / seconds / 1e4
    const disk = sizeOf(filename) / size / 1e3
    return { size, core, heap: heapUsed / 1e6, rss: rss / 1e6, disk, pages } satisfies Measured
  }).pipe(Effect.provide(worldOf(filename, layer)))
}

/** A process of its own with so many waiting executions. */
const waiting = (size: number) =>
  Effect.gen(function*() {
    const filename = join(yield* temporaryFolder, "workflows.db")
    yield* Effect.provide(
      Effect.andThen(
        Pay.executeDetached({ key: "0", params: { n: 0 } }),
        Effect.andThen(untilWaiting(1), Effect.sleep(1000))
      ),
      worldOf(filename, pendingGateway(size).layer)
    )
    yield* copies(filename, size)
    return yield* Effect.promise(async () => {
      const args = [...process.execArgv, fileURLToPath(import.meta.url), "measure", filename, String(size)]
      const child = spawn(process.execPath, [...args, ...process.argv.slice(2)], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      return JSON.parse(await text(child.stdout)) as Measured
    })
  }).pipe(Effect.scoped)

/** What one that has ended takes, and what its tombstone does. */
const ended = Effect.gen(function*() {
  const filename = join(yield* temporaryFolder, "workflows.db")
  const Done = GovernedWorkflow.make({
    name: "Done",
    tool: "bank",
    method: "at_once",
    params: Schema.Struct({ n: Schema.Int }),
    success: Schema.String,
    run: () => Effect.succeed("paid")
  })
  const world = (retention: string) =>
    Done.layer.pipe(
      Layer.provideMerge(EngineSqlite.layer({ filename, retention: retention as "1 day" })),
      Layer.provideMerge(vargate(gateway.url)),
      Layer.fresh
    )
  yield* Effect.provide(
    Effect.forEach(
      Array.from({ length: finished }, (_, n) => n),
      (n) => Done.execute({ key: String(n), params: { n } }),
      { concurrency: 50, discard: true }
    ),
    world("1 day")
  )
  const before = sizeOf(filename)
  yield* Effect.provide(
    Effect.repeat(
      Effect.andThen(
        Effect.sleep("200 millis"),
        Journal.use((journal) => Effect.map(journal.list({ limit: 100_000 }), ({ length }) => length))
      ),
      { until: (left) => left === 0 }
    ),
    world("1 milli")
  )
  const { DatabaseSync } = yield* Effect.promise(() => import("node:sqlite"))
  const database = new DatabaseSync(filename)
  database.exec("VACUUM")
  const pages = database.prepare(
    "SELECT SUM(LENGTH(execution_id) + LENGTH(outcome) + LENGTH(ended_at)) AS bytes FROM vargate_tombstones"
  ).get() as { bytes: number }
  const left = database.prepare("SELECT COUNT(*) AS n FROM cluster_messages").get() as { n: number }
  database.close()
  return {
    disk: before / finished / 1e3,
    tombstone: pages.bytes / finished,
    messages: left.n,
    after: sizeOf(filename) / finished
  }
}).pipe(Effect.scoped)

if (process.argv[2] === "measure") {
  console.log(JSON.stringify(await run(measure(process.argv[3]!, Number(process.argv[4])))))
  process.exit(0)
}

const gateway = await startHoldingGateway()
// At the same time: each is a process that does next to nothing, and is told by its CPU time.
const rows = await run(Effect.forEach(sizes, waiting, { concurrency: "unbounded" }))
const done = isLarge ? undefined : await run(ended)
/** A steady rate takes minutes. */
const decided = isLarge && hasPostgres
  ? await run(approvalRate(gateway.url, thorough(1_000, 100), thorough(300, 45), 15))
  : undefined
const largest = rows.at(-1)!

hand({
  title: `Durable calls${isLarge ? ", large" : ""}`,
  about:
    `Executions on SQLite that wait for a reviewer, each size in a process of its own, ${seconds} s in which nothing is decided; ` +
    (isLarge
      ? "and approvals at a steady rate on Postgres, from the moment in which each is sent until its action is performed."
      : `and ${finished} that have ended, before and after their retention.`),
  tables: [
    {
      title: "Waiting",
      columns: [
        "executions",
        "of a core, %",
        "heap, MB",
        "resident, MB",
        "on the disk, kB each",
        "pages of the log read at the start"
      ],
      rows: rows.map(({ core, disk, heap, pages, rss, size }) => [
        size.toLocaleString("en"),
        core,
        heap,
        rss,
        disk,
        pages
      ])
    },
    ...(done === undefined ? [] : [{
      title: "Ended",
      columns: ["", "bytes each"],
      rows: [
        ["kept", done.disk * 1e3],
        ["its tombstone", done.tombstone],
        ["the whole file after retention", done.after],
        ["messages of the engine that are left", done.messages]
      ]
    }]),
    ...(decided === undefined ? [] : [{
      title: "Approved, on Postgres",
      columns: ["waiting", "approvals", "a second", "to the run: median, ms", "p99, ms", "longest, ms", "of a core, %"],
      rows: [[
        decided.waiting.toLocaleString("en"),
        decided.approved,
        decided.perSecond,
        decided.p50,
        decided.p99,
        decided.longest,
        decided.core
      ]]
    }])
  ],
  ...(isLarge && decided === undefined ? { skipped: ["Approvals on Postgres: there is none on this machine."] } : {}),
  targets: [
    atMost(`A process with ${largest.size.toLocaleString("en")} waiting executions`, 2, "% of a core", largest.core),
    atMost(`A process with ${largest.size.toLocaleString("en")} waiting executions`, 350, "MB resident", largest.rss),
    ...(isLarge
      ? [
        atMost("From an approval to its run, median, 15 approvals a second", 2_000, "ms", decided?.p50),
        atMost("From an approval to its run, p99, 15 approvals a second", 5_000, "ms", decided?.p99)
      ]
      : [])
  ]
})
process.exit(0)
