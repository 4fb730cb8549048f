/** Durable payments wait for people while their process is killed again and again. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random, Schedule } from "effect"
import { Approvals, Reviews, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/Ledger"
import { FetchHttpClient, HttpServer } from "effect/http"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { linesOf } from "./support/payments.ts"

const isFull = process.env["VARGATE_FULL_CAMPAIGNS"] !== undefined
const payments = isFull ? 200 : 60
const kills = isFull ? 20 : 5

const options = {
  tenants: [{ id: "t", apiKey: "key", burst: 1e6 }],
  policy: { approvals: [() => true] },
  tools: { "bank/transfer": ({ n }: { readonly n?: unknown }) => Effect.succeed({ paid: n }) }
}

const worker = fileURLToPath(new URL("./support/sqliteWorker.ts", import.meta.url))

const start = (url: string, folder: string): ChildProcess =>
  spawn(process.execPath, ["--conditions=effect-vargate-source", worker, url, folder, String(payments)], {
    stdio: ["ignore", "ignore", "inherit"]
  })

const exit = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("exit", () => resume(Effect.void))
  })

const kill = (child: ChildProcess) => {
  child.kill("SIGKILL")
  return exit(child)
}

const numberOf = (params: unknown) => (params as { readonly n: number }).n

/** Two of three payments are approved. */
const isApproved = (n: number) => n % 3 !== 0

const world = Layer.unwrap(
  Effect.map(HttpServer.HttpServer, (server) => {
    const url = HttpServer.formatAddress(server.address)
    return Layer.merge(Reviews.layer, Approvals.layer).pipe(
      Layer.provideMerge(Vargate.layer({ apiKey: "key", url })),
      Layer.provide(FetchHttpClient.layer)
    )
  })
).pipe(
  Layer.provideMerge(
    Gateway.serve(options).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
      Layer.provideMerge(Gateway.layerParts(options))
    )
  )
)

describe("EngineSqlite", () => {
  it.live(`${payments} payments survive ${kills} kills`, () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
      const { pending } = yield* Approvals.Approvals
      const reviews = yield* Reviews.Reviews

      const decide = Effect.gen(function*() {
        for (const { actionId, params } of (yield* pending).pending) {
          if ((yield* Random.next) > 0.1) continue
          yield* isApproved(numberOf(params)) ? reviews.approve(actionId) : reviews.reject(actionId)
        }
      })
      yield* Effect.forkScoped(Effect.repeat(Effect.ignore(decide), Schedule.spaced("200 millis")))

      let child = start(url, folder)
      yield* Effect.addFinalizer(() => kill(child))
      for (let n = 0; n < kills; n++) {
        yield* Effect.sleep(yield* Random.nextBetween(500, 3_000))
        yield* kill(child)
        child = start(url, folder)
      }
      yield* exit(child)

      const outcomes = new Map<number, Set<string>>()
      for (const line of linesOf(join(folder, "outcomes"))) {
        const [n, outcome] = line.split(" ")
        outcomes.set(Number(n), (outcomes.get(Number(n)) ?? new Set()).add(outcome!))
      }
      const executed = linesOf(join(folder, "executed")).map(Number)
      assert.strictEqual(new Set(executed).size, executed.length, "an action was run twice")
      for (let n = 0; n < payments; n++) {
        const expected = !isApproved(n) ? "Rejected" : n % 2 === 0 ? "agent" : "gateway"
        assert.deepStrictEqual([...outcomes.get(n) ?? []], [expected], `payment ${n}`)
        assert.strictEqual(executed.includes(n), expected === "agent", `payment ${n}`)
      }
      const records = yield* Ledger.use((ledger) => ledger.records("t"))
      const submitted = records.filter(({ tool }) => tool === "bank").map(({ params }) => numberOf(params))
      assert.deepStrictEqual(submitted.toSorted((a, b) => a - b), Array.from({ length: payments }, (_, n) => n))
    }).pipe(Effect.scoped, Effect.provide(world)), 300_000)
})
