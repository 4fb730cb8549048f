/** A gateway that remembers: two lives on one file, and one chain of records. */
import { Console, Effect, Layer } from "effect"
import { AuditLog, ChainVerifier, ToolCalls, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "vargate-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** Everything is built anew for each life: only the file stays. */
const life = (filename: string) =>
  Vargate.layer({ apiKey: "a-key-of-your-own" }).pipe(
    Layer.provide(Gateway.layerSqlite({ filename, tenants: [{ id: "acme", apiKey: "a-key-of-your-own" }] })),
    Layer.fresh
  )

const act = Effect.gen(function*() {
  yield* ToolCalls.call({ tool: "slack", method: "post_message", params: { channel: "#general" } })
  const { records, total } = yield* AuditLog.AuditLog.use((log) => log.page({ limit: 1 }))
  const { valid } = yield* ChainVerifier.verify()
  yield* Console.log(`${total} records, the newest after ${records[0]!.prevHash.slice(0, 8)}; recomputed: ${valid}`)
})

const program = Effect.gen(function*() {
  const filename = join(yield* folder, "vargate.db")
  for (const name of ["first life", "second life"]) {
    yield* Console.log(`${name}:`)
    yield* Effect.provide(act, life(filename))
  }
})

await Effect.runPromise(Effect.scoped(program))
