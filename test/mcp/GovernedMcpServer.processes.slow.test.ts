/** One governed server in two processes behind one address: each round may come to either, and to both at once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule } from "effect"
import { Approvals, AuditLog, Reviews, Vargate } from "effect-vargate"
import { FetchHttpClient } from "effect/http"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { Served, served } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { isFull } from "../support/isFull.ts"
import { decide, gateway } from "../support/mcp.ts"
import { modern, resultOf, toldBy } from "../support/mcpModern.ts"

const world = Layer.unwrap(Effect.map(Served, ({ url }) =>
  Layer.mergeAll(Reviews.layer, AuditLog.layer).pipe(
    Layer.provideMerge(Approvals.layerWith({ poll: Schedule.spaced("20 millis") })),
    Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url })),
    Layer.provide(FetchHttpClient.layer)
  ))).pipe(Layer.provideMerge(served(gateway)))

const program = fileURLToPath(new URL("../support/governedServer.ts", import.meta.url))

type Message = ReturnType<typeof JSON.parse>

const start = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const { env } = yield* Served
  const child: ChildProcessByStdio<Writable, Readable, null> = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--conditions=effect-vargate-source", program, ...args], {
        env: { ...env, PATH: process.env["PATH"] },
        stdio: ["pipe", "pipe", "ignore"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const open = new Map<number, (message: Message) => void>()
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message = JSON.parse(line) as Message
    open.get(message.id)?.(message)
  })
  let ids = 0
  return (message: string, more: object = {}) =>
    Effect.promise(() =>
      new Promise<Message>((resolve) => {
        open.set(++ids, resolve)
        const call = modern(ids, "tools/call", { name: "words__echo", arguments: { message }, ...more })
        child.stdin.write(`${JSON.stringify(call)}\n`)
      })
    )
})

describe("a governed server in two processes", () => {
  it.live("performs an approved action once, whichever of them get its round, and says so to all", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const log = join(path, "performed.log")
      writeFileSync(log, "")
      const one = yield* start(log, join(path, "claims.db"))
      const two = yield* start(log, join(path, "claims.db"))
      let performed = 0
      for (let n = 0; n < (isFull ? 50 : 6); n++) {
        const words = `delicate ${n}.`
        const { requestState } = resultOf(yield* one(words))
        const rounds = yield* Effect.forkChild(
          Effect.all([one, two, one, two].map((ask) => ask(words, { requestState })), { concurrency: 4 })
        )
        yield* decide("approve", words)
        const answers: ReadonlyArray<Message> = yield* Fiber.join(rounds)
        for (const answer of answers) {
          if (resultOf(answer).isError === true) assert.match(toldBy(answer), /NOT PERFORMED AGAIN/)
          else performed++
        }
        // Both know it from now on.
        for (const ask of [one, two]) assert.notStrictEqual(resultOf(yield* ask(words, { requestState })).isError, true)
        assert.lengthOf(readFileSync(log, "utf8").split("\n").filter((line) => line === words), 1, words)
      }
      assert.isAtLeast(performed, 6)
    }).pipe(Effect.scoped, Effect.provide(world)))
})
