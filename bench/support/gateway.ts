/**
 * The other side of the call benchmarks: a process that answers tool calls with fixed texts, as cheaply as Node can.
 * `denied` and `pending` as the tool's name get those answers.
 */
import { createServer } from "node:http"

const answers = {
  allowed: { status: 200, body: { status: "allowed", action_id: "9c96cc23-0d04-4613-a3b5-9c9af2bb811c" } },
  pending: {
    status: 202,
    body: {
      status: "pending_approval",
      action_id: "9c96cc23-0d04-4613-a3b5-9c9af2bb811c",
      message: "Action requires human approval"
    }
  },
  denied: {
    status: 403,
    body: {
      detail: {
        status: "blocked",
        action_id: "9c96cc23-0d04-4613-a3b5-9c9af2bb811c",
        violations: ["transaction_exceeds_limit", "currency_mismatch"],
        severity: "high",
        alert_tier: "soc_ticket"
      }
    }
  }
} as const

const texts = Object.fromEntries(
  Object.entries(answers).map(([name, { body, status }]) => [name, { status, text: JSON.stringify(body) }])
)

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  let body = ""
  request.setEncoding("utf8")
  request.on("data", (chunk) => body += chunk)
  request.on("end", () => {
    const name = body.includes("\"tool\":\"denied\"")
      ? "denied"
      : body.includes("\"tool\":\"pending\"")
      ? "pending"
      : "allowed"
    const { status, text } = texts[name]!
    response.writeHead(status, { "content-type": "application/json", "content-length": text.length })
    response.end(text)
  })
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.send?.(typeof address === "object" && address !== null ? address.port : 0)
})
process.on("disconnect", () => process.exit())
