/** What executions that wait for a reviewer cost a process, and what they and those that have ended take on the disk. */
import { Effect, Layer, Schema } from "effect"
import { Vargate } from "effect-vargate"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as NodeTransport from "effect-vargate/node/NodeTransport"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Journal } from "effect-vargate/workflow/Journal"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startHoldingGateway } from "./support/holdingGateway.ts"
import { atMost, hand } from "./support/report.ts"
import { isQuick, thorough } from "./support/settings.ts"

const sizes = isQuick ? [200, 1_000] : [1_000, 5_000, 20_000]
const gateway = await startHoldingGateway()
const seconds = thorough(20, 5)
const finished = thorough(1_000, 200)

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)

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

/** A process with so many waiting executions in which nothing happens. */
const waiting = (size: number) =>
  Effect.gen(function*() {
    const filename = join(yield* temporaryFolder, "workflows.db")
    const world = Pay.layer.pipe(
      Layer.provideMerge(EngineSqlite.layer({ filename })),
      Layer.provideMerge(vargate(gateway.url))
    )
    return yield* Effect.gen(function*() {
      yield* Effect.forEach(
        Array.from({ length: size }, (_, n) => n),
        (n) => Pay.executeDetached({ key: String(n), params: { n } }),
        { concurrency: 50, discard: true }
      )
      yield* untilWaiting(size)
      // Entities that idle are released after ten seconds.
      yield* Effect.sleep("15 seconds")
      globalThis.gc!()
      const cpu = process.cpuUsage()
      yield* Effect.sleep(seconds * 1000)
      const { system, user } = process.cpuUsage(cpu)
      globalThis.gc!()
      const { heapUsed, rss } = process.memoryUsage()
      return {
        size,
        core: (system + user) / seconds / 1e4,
        heap: heapUsed / 1e6,
        rss: rss / 1e6,
        disk: sizeOf(filename) / size / 1e3
      }
    }).pipe(Effect.provide(Layer.fresh(world)))
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

const rows: Array<Effect.Success<ReturnType<typeof waiting>>> = []
for (const size of sizes) rows.push(await run(waiting(size)))
const done = await run(ended)
const largest = rows.at(-1)!

hand({
  title: "Durable calls",
  about:
    `Executions on SQLite that wait for a reviewer, ${seconds} s in which nothing is decided; then ${finished} that have ended, before and after their retention.`,
  tables: [
    {
      title: "Waiting",
      columns: ["executions", "of a core, %", "heap, MB", "resident, MB", "on the disk, kB each"],
      rows: rows.map(({ core, disk, heap, rss, size }) => [size.toLocaleString("en"), core, heap, rss, disk])
    },
    {
      title: "Ended",
      columns: ["", "bytes each"],
      rows: [
        ["kept", done.disk * 1e3],
        ["its tombstone", done.tombstone],
        ["the whole file after retention", done.after],
        ["messages of the engine that are left", done.messages]
      ]
    }
  ],
  targets: [
    atMost(`A process with ${largest.size.toLocaleString("en")} waiting executions`, 2, "% of a core", largest.core),
    atMost(`A process with ${largest.size.toLocaleString("en")} waiting executions`, 350, "MB resident", largest.rss)
  ]
})
process.exit(0)
