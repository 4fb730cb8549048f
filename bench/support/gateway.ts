/**
 * The other side of the call benchmarks: a process that answers tool calls, as cheaply as Node can.
 * `denied`, `pending` and `slow` as the tool's name get answers of that kind. After `.chunked` in it the answer does not say
 * its length, as behind a proxy that compresses; after `.20ms` it comes so much later. Beside that it decides like an OPA server
 * and swallows OTLP exports. Asked by a message, it tells how many connections it has.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"

/** Every answer has an action of its own, of the same length. */
const answerOf = (status: number, body: (actionId: string) => unknown) => {
  const text = JSON.stringify(body("#"))
  const [before, after] = text.split("#") as [string, string]
  const length = text.length - 1 + actionId(0).length
  return { status, length, text: () => before + actionId(sent++) + after }
}

let sent = 0
const actionId = (n: number) => `9c96cc23-0d04-4613-a3b5-${String(n).padStart(12, "0")}`

const allowed = answerOf(200, (action_id) => ({ status: "allowed", action_id }))
const pending = answerOf(202, (action_id) => ({
  status: "pending_approval",
  action_id,
  message: "Action requires human approval"
}))
const denied = answerOf(403, (action_id) => ({
  detail: {
    status: "blocked",
    action_id,
    violations: ["transaction_exceeds_limit", "currency_mismatch"],
    severity: "high",
    alert_tier: "soc_ticket"
  }
}))
const opaDecision = answerOf(200, (decision_id) => ({ decision_id, result: { allow: true, violations: [] } }))

const answerTo = (url: string, body: string) => {
  // An exporter looks no further than at the status.
  if (url.startsWith("/v1/data/") || url === "/v1/traces") return opaDecision
  const tool = toolOf(body)
  if (tool.startsWith("denied")) return denied
  return tool.startsWith("pending") ? pending : allowed
}

/** It stands before the params, so that long ones are not searched. */
const toolOf = (body: string): string => /"tool":"([^"]*)"/.exec(body.slice(0, 300))?.[1] ?? ""

/** Head and half of the body first, so that a caller can leave at every stage. */
const answerSlowly = async (response: ServerResponse, text: string) => {
  await sleep(20)
  response.write(text.slice(0, 20))
  await sleep(20)
  response.end(text.slice(20))
}

const serve = () => {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (chunk) => body += chunk)
    request.on("end", () => {
      const { length, status, text } = answerTo(request.url!, body)
      const tool = toolOf(body)
      const answer = () => {
        response.writeHead(
          status,
          tool.includes(".chunked")
            ? { "content-type": "application/json", "transfer-encoding": "chunked" }
            : { "content-type": "application/json", "content-length": length }
        )
        if (tool === "slow") void answerSlowly(response, text())
        else response.end(text())
      }
      if (tool.includes(".20ms")) setTimeout(answer, 20)
      else answer()
    })
  })
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    process.send!(typeof address === "object" && address !== null ? address.port : 0)
  })
  process.on("message", () => server.getConnections((_, count) => process.send!(count)))
  process.on("disconnect", () => process.exit())
}

/** Starts it. It ends together with the process that started it. */
export const startGateway = async () => {
  const child = fork(new URL(import.meta.url), { execArgv: [] })
  const [port] = await once(child, "message") as [number]
  const connections = async (): Promise<number> => {
    child.send("connections")
    return (await once(child, "message"))[0]
  }
  return { url: `http://127.0.0.1:${port}`, connections, stop: () => child.disconnect() }
}

if (import.meta.main) serve()
