/**
 * A machine with many payments that wait for their turn with the limiter, to be shut down or killed. They have no `recover`
 * and no `resendAfter`.
 *
 * Arguments: gateway URL, folder, number of payments, calls in a second.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Schema } from "effect"
import { CallLimiter, Vargate } from "effect-vargate"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { FetchHttpClient } from "effect/http"
import { appendFileSync } from "node:fs"
import { join } from "node:path"

const [url, folder, count, burst] = process.argv.slice(2)

const Pay = GovernedWorkflow.make({
  name: "Queued",
  tool: "bank",
  method: "pay",
  params: Schema.Struct({ n: Schema.Int }),
  success: Schema.String,
  lookFor: "5 seconds",
  run: ({ n }) => Effect.sync(() => (appendFileSync(join(folder!, "executed"), `${n}\n`), `paid ${n}`))
})

const program = Effect.forEach(
  Array.from({ length: Number(count) }, (_, n) => n),
  (n) =>
    Effect.match(Pay.execute({ key: String(n), params: { n } }), {
      onSuccess: ({ executedBy }) => executedBy as string,
      onFailure: ({ _tag }) => _tag
    }).pipe(Effect.tap((outcome) => Effect.sync(() => appendFileSync(join(folder!, "outcomes"), `${n} ${outcome}\n`)))),
  { concurrency: "unbounded", discard: true }
)

const layer = Pay.layer.pipe(
  Layer.provideMerge(EngineSqlite.layer({ filename: join(folder!, "workflows.db") })),
  Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url: url! })),
  Layer.provide(FetchHttpClient.layer),
  Layer.provideMerge(CallLimiter.layerMemory({ burst: Number(burst), maxWait: "1 hour" }))
)

NodeRuntime.runMain(Effect.provide(program, layer))
