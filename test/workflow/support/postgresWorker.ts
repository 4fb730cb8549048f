/**
 * One of many machines that run durable payments on a Postgres database.
 *
 * Arguments: gateway URL, database URL, folder, port of this runner, the payments that it starts (from, to),
 * and the seconds after which a lost submission is sent again.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Option } from "effect"
import { Vargate } from "effect-vargate"
import * as EnginePostgres from "effect-vargate/node/EnginePostgres"
import { RunnerAddress } from "effect/cluster"
import { FetchHttpClient } from "effect/http"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { makePayments } from "./payments.ts"

const [url, database, folder, port, from, to, seconds] = process.argv.slice(2)

const payments = makePayments(join(folder!, "executed"), `${Number(seconds)} seconds`)

const program = Effect.forEach(
  Array.from({ length: Number(to) - Number(from) }, (_, n) => Number(from) + n),
  (n) =>
    Effect.matchCause(payments.of(n), {
      onSuccess: ({ executedBy }) => executedBy as string,
      onFailure: (cause) => String(cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : reason))
    }).pipe(Effect.tap((outcome) => Effect.sync(() => appendFileSync(join(folder!, "outcomes"), `${n} ${outcome}\n`)))),
  { concurrency: "unbounded", discard: true }
).pipe(Effect.andThen(Effect.never))

const layer = payments.layer.pipe(
  Layer.provideMerge(EnginePostgres.layer({
    url: database!,
    shardingConfig: { runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", Number(port))) }
  })),
  Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url: url! })),
  Layer.provide(FetchHttpClient.layer)
)

NodeRuntime.runMain(Effect.provide(program, layer))
