/** A gateway behind a socket whose people decide by a rule, and what a campaign must find in the end. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { Effect, Layer, Random, Schedule } from "effect"
import { Approvals, Reviews, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { linesOf } from "./payments.ts"

export const isFull = process.env["VARGATE_FULL_CAMPAIGNS"] !== undefined

const options = {
  tenants: [{ id: "t", apiKey: "test-key", burst: 1e6, policyConfig: { dailyActionLimit: 1e9 } }],
  policy: { approvals: [() => true] },
  tools: { "bank/transfer": ({ n }: { readonly n?: unknown }) => Effect.succeed({ paid: n }) }
}

/** When `GET /approvals` came in, in epoch milliseconds, from everybody but the people here. */
export const polls: Array<number> = []

const server = createServer()
server.on("request", ({ headers, method, url }) => {
  if (method === "GET" && url === "/approvals" && headers["x-people"] === undefined) polls.push(Date.now())
})

export const url = Effect.map(HttpServer.HttpServer, ({ address }) => HttpServer.formatAddress(address))

const people = (url: string) =>
  Layer.merge(Reviews.layer, Approvals.layer).pipe(
    Layer.provideMerge(Vargate.layer({
      apiKey: "test-key",
      url,
      transformClient: HttpClient.mapRequest(HttpClientRequest.setHeader("x-people", "yes"))
    })),
    Layer.provide(FetchHttpClient.layer)
  )

export const world = Layer.unwrap(Effect.map(url, people)).pipe(
  Layer.provideMerge(
    Gateway.serve(options).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => server, { host: "127.0.0.1", port: 0 })),
      Layer.provideMerge(Gateway.layerParts(options))
    )
  )
)

export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

// --- machines --------------------------------------------------------------------------------------------------------

/** Starts a program of this folder as a machine of its own. It is killed with the scope at the latest. */
export const machine = (program: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        process.execPath,
        ["--conditions=effect-vargate-source", fileURLToPath(new URL(program, import.meta.url)), ...args],
        { stdio: ["ignore", "ignore", "inherit"] }
      )
    ),
    (child) => kill(child)
  )

export const exit = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("exit", () => resume(Effect.void))
  })

export const kill = (child: ChildProcess) => {
  child.kill("SIGKILL")
  return exit(child)
}

/** Takes the gateway off the network for a while. */
export const outage = (milliseconds: number) =>
  Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    yield* Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
    yield* Effect.sleep(milliseconds)
    yield* Effect.callback<void>((resume) => {
      server.listen("port" in address ? address.port : 0, "127.0.0.1", () => resume(Effect.void))
    })
  })

// --- people ----------------------------------------------------------------------------------------------------------

export const numberOf = (params: unknown) => (params as { readonly n: number }).n

/** Two of three payments are approved. */
export const isApproved = (n: number) => n % 3 !== 0

/** Decides now over one, now over another of the actions that wait. */
export const deciding = (share: number) =>
  Effect.gen(function*() {
    const { pending } = yield* Approvals.Approvals
    const reviews = yield* Reviews.Reviews
    for (const { actionId, params } of (yield* pending).pending) {
      if ((yield* Random.next) > share) continue
      yield* isApproved(numberOf(params)) ? reviews.approve(actionId) : reviews.reject(actionId)
    }
  }).pipe(Effect.ignore, Effect.repeat(Schedule.spaced("200 millis")), Effect.forkScoped)

// --- the end ---------------------------------------------------------------------------------------------------------

export const outcomesIn = (folder: string): ReadonlyMap<number, ReadonlySet<string>> => {
  const outcomes = new Map<number, Set<string>>()
  for (const line of linesOf(join(folder, "outcomes"))) {
    const [n, outcome] = line.split(" ")
    outcomes.set(Number(n), (outcomes.get(Number(n)) ?? new Set()).add(outcome!))
  }
  return outcomes
}

/** Each payment ended as it had to, was submitted once, and was made at most once. */
export const check = Effect.fnUntraced(function*(folder: string, payments: number) {
  const outcomes = outcomesIn(folder)
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
})
