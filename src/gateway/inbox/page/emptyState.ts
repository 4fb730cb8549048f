/** What stands where nothing waits: the way to make something wait. */
import { element } from "./elements.ts"
import { jsonText } from "./jsonText.ts"

const exampleCall = () => {
  const url = new URL("mcp/tools/call", document.baseURI).href
  const body = jsonText({
    agent_id: "my-agent",
    agent_type: "autonomous",
    agent_version: "1.0.0",
    tool: "files",
    method: "delete",
    params: { path: "/reports/2025.csv" }
  })
  return [
    `curl ${url} \\`,
    `  -H "X-API-Key: $VARGATE_API_KEY" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${body}'`
  ].join("\n")
}

export const emptyState = () =>
  element(
    "div",
    { class: "empty panel" },
    element("p", {}, "When a policy requires an approval, the action appears here by itself."),
    element("p", { class: "hint" }, "To see one, send a call that your policy holds, for instance this deletion:"),
    element(
      "pre",
      { class: "params whole", tabindex: "0", role: "region", "aria-label": "Example call" },
      exampleCall()
    )
  )
