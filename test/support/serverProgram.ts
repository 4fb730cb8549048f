/**
 * A gateway server in a process of its own, to be stopped, killed and started again. It says what happens in lines of
 * JSON: first its address and key, or the reason why it does not start; then which slow tools have begun.
 *
 * Argument: options of the server as JSON, `apiKey` as a text.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Logger, Redacted } from "effect"
import * as GatewayServer from "effect-vargate/gateway/GatewayServer"
import { appendFileSync, readFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

const { apiKey, ...options } = JSON.parse(process.argv[2] ?? "{}")

const say = (line: object) => Effect.sync(() => console.log(JSON.stringify(line)))

/** What was really done, whatever becomes of answers and ledger. */
const done = (n: unknown) => appendFileSync(`${options.data}.done`, `${n}\n`)

const tools = {
  "files/purge": ({ n }: Readonly<Record<string, unknown>>) =>
    Effect.sync(() => done(n)).pipe(Effect.andThen(Effect.sleep(20)), Effect.as({ purged: n })),
  "notes/add": ({ n }: Readonly<Record<string, unknown>>) => Effect.sync(() => done(n)).pipe(Effect.as({ added: n })),
  "slow/wait": ({ ms }: Readonly<Record<string, unknown>>) =>
    say({ began: "wait" }).pipe(Effect.andThen(Effect.sleep(Number(ms))), Effect.as("waited")),
  "slow/purge": () => Effect.andThen(say({ began: "purge" }), Effect.never),
  "slow/hang": () => Effect.andThen(say({ began: "hang" }), Effect.never)
}

const policy = {
  rules: [{
    name: "tool_forbidden",
    severity: "high",
    when: ({ action }: { readonly action: { readonly tool: string } }) => action.tool === "forbidden"
  }]
} as const

/** What an embedding program may do with the file: take a checksum of it, look into it. */
process.on("SIGUSR2", () => {
  readFileSync(options.data)
  const db = new DatabaseSync(options.data, { readOnly: true })
  const { records } = db.prepare("SELECT count(*) AS records FROM records").get()!
  db.close()
  console.log(JSON.stringify({ records }))
})

GatewayServer.run(
  { port: 0, tools, policy, ...options, ...(apiKey === undefined ? {} : { apiKey: Redacted.make(apiKey) }) },
  ({ isNew, tenant, url }) => say({ url, apiKey: Redacted.value(tenant.apiKey), isNew, pid: process.pid })
).pipe(
  Effect.tapError(({ _tag, message }) => say({ _tag, message })),
  Effect.tapDefect((defect) => Effect.sync(() => console.error(defect))),
  // Lines on stdout are the test's.
  Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
