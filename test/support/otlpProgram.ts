/** A receiver of OTLP logs in a process of its own: PORT FILE. It reads by the schema, writes a line, and then answers. */
import { appendFileSync } from "node:fs"
import { createServer } from "node:http"
import { logsOf } from "./otlp.ts"

const [port, file] = process.argv.slice(2) as [string, string]

createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    try {
      const logs = logsOf(Buffer.concat(chunks).toString("utf8"))
      appendFileSync(file, logs.map(({ attributes }) => `${JSON.stringify({ attributes })}\n`).join(""))
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    } catch (error) {
      response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ message: String(error) }))
    }
  })
}).listen(Number(port), "127.0.0.1", () => console.error("ready"))
