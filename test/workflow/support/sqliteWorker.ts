/**
 * One machine that runs durable payments on a SQLite file, to be killed. It starts or joins all of them, and writes down
 * how each ended.
 *
 * Arguments: gateway URL, folder, number of payments.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Vargate } from "effect-vargate"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import { FetchHttpClient } from "effect/http"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { makePayments } from "./payments.ts"

const [url, folder, count] = process.argv.slice(2)

const payments = makePayments(join(folder!, "executed"), "2 seconds")

const program = Effect.forEach(
  Array.from({ length: Number(count) }, (_, n) => n),
  (n) =>
    Effect.matchCause(payments.of(n), {
      onSuccess: ({ executedBy }) => executedBy as string,
      onFailure: (cause) => String(cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : reason))
    }).pipe(Effect.tap((outcome) => Effect.sync(() => appendFileSync(join(folder!, "outcomes"), `${n} ${outcome}\n`)))),
  { concurrency: "unbounded", discard: true }
).pipe(Effect.andThen(Effect.sync(() => console.log("finished"))))

const layer = payments.layer.pipe(
  Layer.provideMerge(EngineSqlite.layer({ filename: join(folder!, "workflows.db") })),
  Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url: url! })),
  Layer.provide(FetchHttpClient.layer)
)

console.log("started")
NodeRuntime.runMain(Effect.provide(program, layer))
