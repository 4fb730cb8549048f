/**
 * A governed server in a process of its own, in rounds that another process may continue.
 *
 * Arguments: the file to which it writes what it performed, and the database of the claims.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer, Redacted, References, Schedule, Schema } from "effect"
import { Approvals, Vargate } from "effect-vargate"
import * as GovernedMcpServer from "effect-vargate/mcp/GovernedMcpServer"
import * as HandOverClaims from "effect-vargate/mcp/HandOverClaims"
import * as JournalSql from "effect-vargate/workflow/JournalSql"
import { McpProtocol, McpServer, Tool, Toolkit } from "effect/ai"
import { FetchHttpClient } from "effect/http"
import { appendFileSync } from "node:fs"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"

const [log, database] = process.argv.slice(2) as [string, string]

const Tools = Toolkit.make(
  Tool.make("words__echo", {
    parameters: Schema.Struct({ message: Schema.String }),
    success: Schema.Struct({ echo: Schema.String })
  })
)

const services = Approvals.layerWith({ poll: Schedule.spaced("20 millis") }).pipe(
  Layer.provideMerge(Vargate.layerConfig()),
  Layer.provide(FetchHttpClient.layer)
)

const claims = HandOverClaims.layerJournal.pipe(
  Layer.provide(JournalSql.layer),
  Layer.provide(SqliteClient.layer({ filename: database }))
)

Layer.launch(McpServer.layerStdio({
  name: "words",
  version: "1.0.0",
  protocols: [McpProtocol.v2026_07_28],
  registrations: GovernedMcpServer.toolkit(Tools, {
    stateKeys: [Redacted.make("k".repeat(32))],
    rounds: { first: "50 millis", next: "10 seconds" }
  })
})).pipe(
  Effect.provide(Tools.toLayer({
    words__echo: ({ message }) =>
      Effect.sync(() => {
        appendFileSync(log, `${message}\n`)
        return { echo: message }
      })
  })),
  Effect.provide(claims),
  Effect.provide([services, NodeServices.layer]),
  Effect.provideService(References.LogToStderr, true),
  NodeRuntime.runMain
)
