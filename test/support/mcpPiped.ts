/** A proxy between two ends of pipes, with the framing of standard input and output on both sides. */
import { it } from "@effect/vitest"
import { type Cause, Effect, type Layer, Queue, type Scope, Sink, Stream } from "effect"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import * as McpStdio from "effect-vargate/mcp/McpStdio"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as Stdio from "effect/Stdio"
import { eventually } from "./payments.ts"

/** A channel over pipes whose other ends are the test's. */
const piped = Effect.gen(function*() {
  const input = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const lines: Array<string> = []
  let rest = ""
  const stdio = Stdio.make({
    args: Effect.succeed([]),
    stdin: Stream.fromQueue(input),
    stdout: () =>
      Sink.forEach((text) =>
        Effect.sync(() => {
          const [first, ...more] = String(text).split("\n")
          rest += first
          for (const next of more) {
            lines.push(rest)
            rest = next
          }
        })
      ),
    stderr: () => Sink.drain
  })
  const channel = yield* Effect.provideService(McpStdio.client, Stdio.Stdio, stdio)
  return {
    channel,
    says: (bytes: string | Uint8Array) => Queue.offer(input, typeof bytes === "string" ? Buffer.from(bytes) : bytes),
    ends: Queue.end(input),
    lines,
    hears: (test: (line: string) => boolean) => eventually(Effect.sync(() => lines.find(test)))
  }
})

/** A proxy between two of them. */
export const startPiped = Effect.fnUntraced(function*(options: Partial<GovernedMcpProxy.Options> = {}) {
  const client = yield* piped
  const server = yield* piped
  yield* Effect.forkChild(
    GovernedMcpProxy.run(client.channel, server.channel, { tool: "t", allowDuplicate: true, ...options }),
    { startImmediately: true }
  )
  return { client, server }
})

type Services = Layer.Success<ReturnType<typeof GatewayMemory.layer>> | Scope.Scope

/** With a gateway that allows everything. */
export const allowing = (name: string, test: () => Effect.Effect<void, unknown, Services>) =>
  it.effect(name, () =>
    Effect.provide(
      test(),
      GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", burst: 1_000_000 }], policy: { approvals: [] } })
    ))
