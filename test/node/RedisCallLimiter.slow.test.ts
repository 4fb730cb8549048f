/** Programs that know nothing of one another, and one count. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ToolCalls, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import * as RedisCallLimiter from "effect-vargate/node/RedisCallLimiter"
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createClient } from "redis"
import { freePort } from "../workflow/support/postgres.ts"

const server = "/usr/bin/redis-server"

const redis = Effect.gen(function*() {
  const port = yield* freePort
  yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>>((resume) => {
      const child = spawn(server, ["--port", String(port), "--bind", "127.0.0.1", "--save", ""], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      child.stdout.on("data", (chunk) => {
        if (String(chunk).includes("Ready to accept connections")) resume(Effect.succeed(child))
      })
    }),
    (child) => Effect.sync(() => child.kill())
  )
  return `redis://127.0.0.1:${port}`
})

describe.skipIf(!existsSync(server))("RedisCallLimiter (needs Debian's redis-server)", () => {
  it.live("counts the calls of two programs in one place", () =>
    Effect.gen(function*() {
      const url = yield* redis
      const program = Effect.forEach(
        Array.from({ length: 30 }),
        () => ToolCalls.call({ tool: "http", method: "GET" }),
        {
          concurrency: 10
        }
      ).pipe(Effect.provide(Layer.fresh(RedisCallLimiter.layer({ url, burst: 100, key: "acme" }))))
      yield* Effect.all([program, program], { concurrency: 2 })
      const stats = yield* Effect.acquireUseRelease(
        Effect.promise(() => createClient({ url }).connect()),
        (client) => Effect.promise(() => client.info("commandstats")),
        (client) => Effect.promise(() => client.close())
      )
      const scripts = [...stats.matchAll(/cmdstat_eval\w*:calls=(\d+)/g)].map(([, calls]) => Number(calls))
      assert.isAtLeast(scripts.reduce((sum, calls) => sum + calls, 0), 60)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Vargate.layer({ apiKey: "test-key" }).pipe(
          Layer.provide(Gateway.layerMemory({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] }))
        )
      )
    ))

  it.live("says so when there is no Redis", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(RedisCallLimiter.layer({ url: "redis://127.0.0.1:1" })))
      )
      assert.strictEqual(error._tag, "RedisError")
    }))
})
