import { time } from "./captures.ts"
import { type Raw, rows, suite } from "./suite.ts"

suite({ route: "POST /credentials/register", operation: "Credentials.register", expected: () => undefined })

const credential = (row: Raw) => ({ toolId: row["tool_id"], name: row["name"], createdAt: time(row["created_at"]) })

suite({
  route: "GET /credentials",
  operation: "Credentials.list",
  expected: (body) => rows(body, "credentials").map(credential)
})

suite({
  route: "GET /credentials/{tool_id}/status",
  operation: "Credentials.status",
  expected: (body) => ({
    toolId: body["tool_id"],
    registered: body["registered"],
    credentials: rows(body, "credentials").map((row) => credential({ ...row, tool_id: body["tool_id"]! }))
  })
})

suite({ route: "DELETE /credentials/{tool_id}/{name}", operation: "Credentials.remove", expected: () => undefined })

suite({
  route: "GET /credentials/access-log",
  operation: "Credentials.accessLog",
  expected: (body) =>
    rows(body, "entries").map((row) => ({
      toolId: row["tool_id"],
      name: row["name"],
      actionId: row["action_id"],
      agentId: row["agent_id"],
      accessedAt: time(row["accessed_at"])
    }))
})
