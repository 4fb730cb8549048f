/** The same package by `require`. */
const { Effect } = require("effect")
const { ToolCalls } = require("effect-vargate")
const GatewayMemory = require("effect-vargate/testing/GatewayMemory")

ToolCalls.call({ tool: "mail", method: "send" }).pipe(
  Effect.provide(GatewayMemory.layer()),
  Effect.runPromise
).then(({ execution }) => console.log(`RESULT ${JSON.stringify({ require: execution._tag })}`))
