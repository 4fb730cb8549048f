/**
 * @title Look for the log's roots on a chain
 *
 * Chain, contract and nodes are the auditor's own. `RPC_URL=https://... node examples/61_anchors.ts` asks a node; without one
 * nothing is known about the anchors, which is not the same as valid.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Redacted } from "effect"
import { AnchorVerifier, ToolCalls } from "effect-vargate"
import * as NodeHasher from "effect-vargate/node/NodeHasher"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { FetchHttpClient } from "effect/http"

const program = Effect.gen(function*() {
  yield* Effect.forEach([1, 2, 3], (page) => ToolCalls.call({ tool: "files", method: "read", params: { page } }))
  const url = yield* Config.Redacted("RPC_URL").pipe(Config.withDefault(Redacted.make("http://127.0.0.1:9/no-node")))

  const report = yield* AnchorVerifier.verify({
    nodes: [{ label: "mine", url }],
    chainId: 137,
    contract: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    finality: "finalized",
    maxDelay: "3 hours"
  })
  yield* Console.log(`the log:  ${report.chain?.valid ? "valid" : "not valid"}, ${report.chain?.records} records`)
  yield* Console.log(`anchors:  ${report.isChecked ? (report.valid ? "valid" : "not valid") : "not checked"}`)
  for (const { label, why } of report.nodes) yield* Console.log(`  node ${label} ${why ?? "was asked"}`)
  for (const finding of report.findings) yield* Console.log(`  ${finding._tag}`)
}).pipe(
  Effect.provide(AnchorVerifier.layer.pipe(Layer.provide(FetchHttpClient.layer))),
  Effect.provide([GatewayMemory.layer(), NodeHasher.layer])
)

NodeRuntime.runMain(program)
