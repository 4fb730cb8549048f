/**
 * A gateway server in a process of its own, to be stopped, killed and started again. It says what happens in lines of
 * JSON: first its address and key, or the reason why it does not start; then which slow tools have begun.
 *
 * Argument: options of the server as JSON, `apiKey` as a text.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Redacted } from "effect"
import * as GatewayServer from "effect-vargate/gateway/GatewayServer"

const { apiKey, ...options } = JSON.parse(process.argv[2] ?? "{}")

const say = (line: object) => Effect.sync(() => console.log(JSON.stringify(line)))

const tools = {
  "files/purge": ({ n }: Readonly<Record<string, unknown>>) => Effect.succeed({ purged: n }),
  "slow/wait": ({ ms }: Readonly<Record<string, unknown>>) =>
    say({ began: "wait" }).pipe(Effect.andThen(Effect.sleep(Number(ms))), Effect.as("waited")),
  "slow/hang": () => Effect.andThen(say({ began: "hang" }), Effect.never)
}

GatewayServer.run(
  { port: 0, tools, ...options, ...(apiKey === undefined ? {} : { apiKey: Redacted.make(apiKey) }) },
  ({ isNew, tenant, url }) => say({ url, apiKey: Redacted.value(tenant.apiKey), isNew, pid: process.pid })
).pipe(
  Effect.tapError(({ _tag, message }) => say({ _tag, message })),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
