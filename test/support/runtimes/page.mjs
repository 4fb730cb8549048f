/** What runs where there is nothing of Node: in a browser's page and in workerd. */
import { Effect, Layer } from "effect"
import { FetchTransport, ToolCalls, Vargate } from "effect-vargate"

const call = (url, tool) =>
  ToolCalls.call({ tool, method: "send", params: { to: "é 漢 😀" } }).pipe(
    Effect.map(({ execution }) => execution._tag),
    Effect.catch(({ _tag, reason }) => Effect.succeed(reason?._tag ?? _tag)),
    Effect.provide(Vargate.layer({ apiKey: "a-key-of-t", url }).pipe(Layer.provide(FetchTransport.layer))),
    Effect.runPromise
  )

export const probe = async (gateway, closed) => ({
  allowed: await call(gateway, "mail"),
  denied: await call(gateway, "forbidden"),
  closed: await call(closed, "mail")
})
