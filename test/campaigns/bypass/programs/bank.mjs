/**
 * An MCP server over standard input and output that writes down the params of each call, before anything else can happen.
 *
 * Argument: the file.
 */
import { appendFileSync } from "node:fs"
import { createInterface } from "node:readline"

const [file] = process.argv.slice(2)

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "bank", version: "1" }
  }),
  "tools/call": ({ arguments: given }) => {
    appendFileSync(file, `${JSON.stringify(given)}\n`)
    return { content: [{ type: "text", text: "done" }] }
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line)
  const result = results[method]
  if (id === undefined || result === undefined) return
  const message = JSON.stringify({ jsonrpc: "2.0", id, result: result(params) })
  // Some answers are late, so that there is time for an end in between.
  setTimeout(() => console.log(message), id % 3 === 0 ? 50 : 0)
})
