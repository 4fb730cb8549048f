/**
 * One of several machines whose durable payments have no `recover` and no `resendAfter`. It writes down when a payment
 * begins, when it has ended, and what its callers were told.
 *
 * Arguments: gateway URL, database URL, folder, port of this runner, the payments that it starts (from, to), and the longest
 * that a payment takes, in milliseconds.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Effect, Layer, Option, References, Schedule, Schema } from "effect"
import { Vargate } from "effect-vargate"
import * as EnginePostgres from "effect-vargate/node/EnginePostgres"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { RunnerAddress } from "effect/cluster"
import { FetchHttpClient } from "effect/http"
import { appendFileSync } from "node:fs"
import { join } from "node:path"

const [url, database, folder, port, from, to, longest] = process.argv.slice(2)

const line = (file: string, text: string) => Effect.sync(() => appendFileSync(join(folder!, file), `${text}\n`))

const define = (name: string, method: string) =>
  GovernedWorkflow.make({
    name,
    tool: "bank",
    method,
    params: Schema.Struct({ n: Schema.Int }),
    success: Schema.String,
    lookFor: "20 seconds",
    // Every fourth takes long.
    run: ({ n }) =>
      line("begun", `${n} ${process.pid}`).pipe(
        Effect.andThen(Effect.sleep(n % 4 === 0 ? Number(longest) * (0.5 + (n % 3) / 4) : 0)),
        Effect.andThen(line("ended", String(n))),
        Effect.as(`paid ${n}`)
      )
  })

const byAgent = define("Payment", "pay")
const byGateway = define("Transfer", "transfer")

const program = Effect.forEach(
  Array.from({ length: Number(to) - Number(from) }, (_, n) => Number(from) + n),
  (n) =>
    Effect.matchCause((n % 2 === 0 ? byAgent : byGateway).execute({ key: String(n), params: { n } }), {
      onSuccess: ({ executedBy }) => executedBy as string,
      onFailure: (cause) =>
        cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : `${reason._tag}:${String(cause)}`)
          .join("+").replaceAll(/\s+/g, "_")
    }).pipe(Effect.tap((outcome) => line("outcomes", `${n} ${outcome}`))),
  { concurrency: "unbounded", discard: true }
).pipe(Effect.andThen(Effect.never))

const layer = Layer.merge(byAgent.layer, byGateway.layer).pipe(
  Layer.provideMerge(EnginePostgres.layer({
    url: database!,
    shardingConfig: { runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", Number(port))) }
  })),
  Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url: url! })),
  Layer.provide(FetchHttpClient.layer)
)

// A machine that does not find its database when it starts is started again.
NodeRuntime.runMain(
  Effect.provide(program, layer).pipe(
    Effect.sandbox,
    Effect.retry({ schedule: Schedule.spaced("1 second"), while: (cause) => !Cause.hasInterruptsOnly(cause) }),
    Effect.provideService(References.MinimumLogLevel, "Fatal")
  )
)
