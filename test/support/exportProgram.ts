/** An exporter in a process of its own: GATEWAY jsonl|otlp TARGET CURSOR. Prints what it did, and its memory, at its end. */
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer, Schedule } from "effect"
import * as AuditExport from "../../src/export/AuditExport.ts"
import * as OtlpSink from "../../src/export/OtlpSink.ts"
import * as FileExportCursor from "../../src/node/FileExportCursor.ts"
import * as JsonlSink from "../../src/node/JsonlSink.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as Vargate from "../../src/Vargate.ts"

const [gateway, kind, target, cursorPath] = process.argv.slice(2) as [string, string, string, string]

let peak = 0
const sample = () => {
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  peak = Math.max(peak, heapUsed + arrayBuffers)
}

const program = Effect.gen(function*() {
  const sink = kind === "jsonl"
    ? yield* JsonlSink.make({ folder: target, maxBytes: 2 * 1024 * 1024 })
    : yield* OtlpSink.make({ url: target, maxEvents: 200, timeout: "5 seconds" })
  const cursor = yield* FileExportCursor.make(cursorPath)
  return yield* AuditExport.run({
    sink,
    cursor,
    retry: Schedule.spaced("50 millis"),
    onProgress: () => Effect.sync(sample)
  })
}).pipe(
  Effect.scoped,
  Effect.provide(
    AuditExport.layer.pipe(
      Layer.provide(Vargate.layer({ apiKey: "test-key", url: gateway })),
      Layer.provideMerge(NodeHttpClient.layerUndici),
      Layer.provideMerge(NodeHasher.layer)
    )
  )
)

const { records, skipped } = await Effect.runPromise(program)
console.log(JSON.stringify({ records, skipped, peak }))
