/**
 * A thousand governed calls over real sockets, through a proxy that resets, stalls and half-closes, to a gateway that is
 * killed and started again in the middle.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule } from "effect"
import { FetchTransport, Governed, Vargate } from "effect-vargate"
import * as NodeTransport from "effect-vargate/node/NodeTransport"
import * as TcpFaults from "effect-vargate/testing/TcpFaults"
import { FetchHttpClient } from "effect/http"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const calls = 1_000

const clients = {
  fetch: FetchHttpClient.layer,
  FetchTransport: FetchTransport.layer,
  NodeTransport: NodeTransport.layer
}

const program = fileURLToPath(new URL("../support/gatewayProcess.ts", import.meta.url))

const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const start = (port: number, file: string) =>
  Effect.callback<ChildProcess>((resume) => {
    const child = spawn(process.execPath, ["--conditions=effect-vargate-source", program, String(port), file], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    child.stdout.once("data", () => resume(Effect.succeed(child)))
  })

const kill = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const linesOf = (file: string) => readFileSync(file, "utf8").split("\n").filter((line) => line !== "").map(Number)

describe("at most once, over sockets", () => {
  it.live.each(Object.entries(clients))(
    "nothing is done twice, and every call ends: %s",
    ([, client]) =>
      Effect.gen(function*() {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "at-most-once-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true }))
        )
        const file = join(folder, "executed")
        const port = yield* freePort
        let child = yield* start(port, file)
        yield* Effect.addFinalizer(() => kill(child))
        const proxy = yield* TcpFaults.make({
          seed: 7,
          targetPort: port,
          resetBefore: 0.08,
          resetAfter: 0.08,
          stall: 0.02,
          halfClose: 0.05
        })
        const acted = new Map<number, number>()
        const one = (n: number) =>
          Effect.gen(function*() {
            if (n === calls / 2) {
              yield* kill(child)
              yield* Effect.sleep("300 millis")
              child = yield* start(port, file)
            }
            return yield* Effect.exit(Governed.run(
              {
                tool: "bank",
                method: n % 2 === 0 ? "pay" : "note",
                params: { n },
                isBusinessHours: true,
                reconcile: { wait: "1 second", poll: Schedule.spaced("250 millis") }
              },
              Effect.sync(() => void acted.set(n, (acted.get(n) ?? 0) + 1))
            ))
          })
        const exits = yield* Effect.forEach(Array.from({ length: calls }, (_, n) => n), one, { concurrency: 24 }).pipe(
          Effect.provide(
            Vargate.layer({ apiKey: "test-key", url: `http://127.0.0.1:${proxy.port}`, timeout: "1 second" }).pipe(
              Layer.provide(client)
            )
          )
        )

        const executed = linesOf(file)
        assert.strictEqual(new Set(executed).size, executed.length, "the gateway executed a call twice")
        const counts: Record<string, number> = {}
        for (const [n, exit] of exits.entries()) {
          assert.isFalse(Exit.hasDies(exit))
          const outcome = yield* Effect.match(exit, {
            onSuccess: ({ executedBy }) => `done by ${executedBy}`,
            onFailure: ({ _tag }) => _tag
          })
          counts[outcome] = (counts[outcome] ?? 0) + 1
          assert.isAtMost((acted.get(n) ?? 0) + (executed.includes(n) ? 1 : 0), 1, `call ${n} was done twice`)
          if (outcome === "done by gateway") assert.include(executed, n)
        }
        console.log(`${calls} calls over sockets:`, counts, "faults:", proxy.counts)
        assert.isAbove(counts["done by agent"]! + counts["done by gateway"]!, calls / 2)
      }).pipe(Effect.scoped),
    120_000
  )
})
