/** Exports the audit log into files of JSON lines: verified, each record once, with params as far as they may leave. */
import { Console, Effect } from "effect"
import { AuditExport, Redaction, ToolCalls } from "effect-vargate"
import * as FileExportCursor from "effect-vargate/node/FileExportCursor"
import * as JsonlSink from "effect-vargate/node/JsonlSink"
import * as NodeHasher from "effect-vargate/node/NodeHasher"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const refund = (amount: number) =>
  ToolCalls.decide({ tool: "stripe", method: "refund", params: { amount, email: "ada@example.org" } })

const folder = mkdtempSync(join(tmpdir(), "vargate-example-"))

/** What a timer would run every minute; `follow: "5 seconds"` keeps it running instead. */
const exportNews = Effect.gen(function*() {
  const sink = yield* JsonlSink.make({ folder })
  const cursor = yield* FileExportCursor.make(join(folder, "cursor.json"))
  const redact = Redaction.only(["amount"])
  const { records } = yield* AuditExport.run({ sink, cursor, redact })
  yield* Console.log(`${records} new records are on the disk`)
}).pipe(Effect.scoped)

const program = Effect.gen(function*() {
  yield* refund(10)
  yield* refund(20)
  yield* exportNews
  yield* refund(30)
  yield* exportNews
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".jsonl"))) {
    for (const line of readFileSync(join(folder, name), "utf8").trim().split("\n")) {
      const { count, record } = JSON.parse(line)
      yield* Console.log(count, record.tool, record.params)
    }
  }
}).pipe(
  Effect.provide(AuditExport.layer),
  Effect.provide([GatewayMemory.layer(), NodeHasher.layer]),
  Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true })))
)

Effect.runPromise(program)
