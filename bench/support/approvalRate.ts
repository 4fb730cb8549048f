/** How long it takes from a reviewer's approval until the action is performed, while many others wait, on Postgres. */
import { Effect, Layer, Schedule } from "effect"
import { ActionId, Reviews, Vargate } from "effect-vargate"
import * as NodeTransport from "effect-vargate/node/NodeTransport"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Postgres from "../../test/workflow/support/postgres.ts"
import { percentile } from "./statistics.ts"

/** What a runner tells. */
export type RunnerMessage =
  | { readonly waiting: ReadonlyArray<string> }
  | { readonly ran: string; readonly at: number }
  | { readonly cpu: number; readonly rss: number }

export interface ApprovalRate {
  readonly waiting: number
  readonly approved: number
  readonly perSecond: number
  /** In milliseconds, from the moment in which the approval is sent. */
  readonly p50: number
  readonly p99: number
  readonly longest: number
  /** Of the runner, while approvals come. */
  readonly core: number
  readonly rss: number
}

export const hasPostgres = Postgres.hasPostgres

const runner = (args: ReadonlyArray<string>, hear: (message: RunnerMessage) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const file = fileURLToPath(new URL("postgresRunner.ts", import.meta.url))
      const child = spawn(process.execPath, [...process.execArgv, file, ...args], {
        stdio: ["ignore", "pipe", "inherit", "ipc"]
      })
      // A cluster on a busy machine says what troubles it.
      createInterface(child.stdout!).on("line", (line) => line.startsWith("{") && hear(JSON.parse(line)))
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** So many wait when the last one is approved. */
export const approvalRate = (url: string, waiting: number, approved: number, perSecond: number) =>
  Effect.gen(function*() {
    const database = yield* Postgres.start
    const port = yield* Postgres.freePort
    const sentAt = new Map<string, number>()
    const delays = new Map<string, number>()
    const actions: Array<string> = []
    const usage: Array<{ readonly cpu: number; readonly rss: number }> = []
    yield* runner([url, database, String(port), String(waiting + approved)], (message) => {
      if ("waiting" in message) actions.push(...message.waiting)
      else if ("cpu" in message) usage.push(message)
      else delays.set(message.ran, message.at - sentAt.get(message.ran)!)
    })
    yield* Effect.repeat(Effect.sleep("200 millis"), { until: () => actions.length > 0 })
    // What has just begun to wait is looked for in the log once.
    yield* Effect.sleep("10 seconds")
    const reviews = yield* Reviews.Reviews
    const before = usage.length - 1
    // One in so many of those that wait, so that old and new ones are among them.
    const step = actions.length / approved
    let n = 0
    yield* Effect.repeat(
      Effect.gen(function*() {
        const actionId = actions[Math.floor(n++ * step)]!
        sentAt.set(actionId, Date.now())
        yield* Effect.forkChild(reviews.approve(ActionId.ActionId.make(actionId)), { startImmediately: true })
      }),
      { schedule: Schedule.fixed(1000 / perSecond), times: approved - 1 }
    )
    const after = usage.length - 1
    yield* Effect.repeat(Effect.sleep("200 millis"), { until: () => delays.size === approved })
    const values = [...delays.values()]
    return {
      waiting,
      approved,
      perSecond,
      p50: percentile(values, 0.5),
      p99: percentile(values, 0.99),
      longest: Math.max(...values),
      core: (usage[after]!.cpu - usage[before]!.cpu) / (after - before) * 100,
      rss: usage[after]!.rss
    } satisfies ApprovalRate
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Reviews.layer.pipe(
        Layer.provide(Vargate.layer({ apiKey: "test-key", url })),
        Layer.provide(NodeTransport.layer)
      )
    )
  )
