/**
 * @title An MCP server behind Vargate
 *
 * The proxy stands between any MCP client and any MCP server. Here all of them live in one process; where a client starts
 * its servers itself, it starts `GovernedMcpProxy.stdio({ command: "npx", args: ["some-server"], tool: "notes" })` in the server's place.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { Console, Effect } from "effect"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import { fromTransport } from "effect-vargate/mcp/McpChannel"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"

const notes = new McpServer({ name: "notes", version: "1.0.0" })
notes.registerTool("wipe", { description: "Wipes all notes" }, () => {
  console.log("  the server wipes all notes")
  return { content: [{ type: "text", text: "wiped" }] }
})

/** Stands for a reviewer with a browser. */
const reviewer = { approve: TestReviewer.approveNext, reject: TestReviewer.rejectNext }

const program = Effect.gen(function*() {
  const client = new Client({ name: "chat", version: "1.0.0" })
  const [clientEnd, proxyFront] = InMemoryTransport.createLinkedPair()
  const [proxyBack, serverEnd] = InMemoryTransport.createLinkedPair()
  yield* Effect.promise(() => notes.connect(serverEnd))
  const front = yield* fromTransport(proxyFront)
  yield* Effect.forkScoped(GovernedMcpProxy.run(front, yield* fromTransport(proxyBack), { tool: "notes" }))
  yield* Effect.promise(() => client.connect(clientEnd))

  for (const decision of ["reject", "approve"] as const) {
    yield* Console.log(`wipe, and a reviewer will ${decision}`)
    yield* Effect.forkChild(reviewer[decision]({ note: "hm" }))
    const { content } = yield* Effect.promise(() => client.callTool({ name: "wipe" }))
    yield* Console.log(`  the model reads: ${JSON.stringify(content)}`)
  }
}).pipe(
  Effect.scoped,
  Effect.provide(GatewayMemory.layer({ policy: { approvals: [({ action }) => action.method === "wipe"] } }))
)

NodeRuntime.runMain(program)
