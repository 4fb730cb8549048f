/** Stands before a node, and answers some questions itself: what a node in between could do. */
import { Effect } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface JsonRpc {
  readonly method: string
  // oxlint-disable-next-line typescript/no-explicit-any -- as wide as JSON-RPC's
  readonly params: ReadonlyArray<any>
}

/** `answer` is asked first; where it has none, the node is, and `lie` may change what it says. */
export const rpcProxy = (
  target: string,
  answer: (request: JsonRpc) => object | undefined,
  lie: (text: string, request: JsonRpc) => string = (text) => text
) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer(async (request, response) => {
        const body: Array<Buffer> = []
        for await (const chunk of request) body.push(chunk)
        const headers = { "content-type": "application/json" }
        const text = Buffer.concat(body).toString()
        const question = JSON.parse(text) as JsonRpc
        const own = answer(question)
        if (own !== undefined) return void response.writeHead(200, headers).end(JSON.stringify(own))
        const theirs = await fetch(target, { method: "POST", headers, body: text })
        response.writeHead(theirs.status, headers).end(lie(await theirs.text(), question))
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return server
    }),
    (server) => Effect.sync(() => void server.close())
  ).pipe(Effect.map((server) => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })))
