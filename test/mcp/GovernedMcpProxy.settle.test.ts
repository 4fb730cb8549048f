import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import { actionId, answering, cases, type Ending } from "../support/decisions.ts"
import { scripted } from "../support/mcp.ts"

/** What the client is told of an ending. */
const told: Record<Ending, RegExp> = {
  performed: /"paid 5"/,
  executed: /"structuredContent":\{"paid":7\}/,
  "result lost": /"PERFORMED, RESULT UNKNOWN: /,
  ToolFailed: /"FAILED: .*no funds/,
  Denied: /"NOT PERFORMED: the policy denied/,
  Rejected: /"NOT PERFORMED: a reviewer rejected/,
  Expired: /"NOT PERFORMED: .*(no longer be approved|approved this action)/,
  ApprovalTimeout: /"NOT PERFORMED YET: /,
  VargateError: /"NOT PERFORMED: (?!.*denied)(?!.*rejected)/
}

const request = (id: number, name: string, given: unknown) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: given }
})

const converse = Effect.fnUntraced(function*(options: Partial<GovernedMcpProxy.Options>) {
  const client = yield* scripted
  const server = yield* scripted
  yield* Effect.forkChild(GovernedMcpProxy.run(client.channel, server.channel, { tool: "bank", ...options }))
  return {
    server,
    ask: Effect.fnUntraced(function*(id: number, name: string, given: unknown) {
      yield* client.says(request(id, name, given))
      return JSON.stringify(yield* client.hears((message) => message["id"] === id))
    }),
    performing: (id: number) =>
      Effect.forkChild(Effect.andThen(
        server.hears((message) => message["id"] === id),
        server.says({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "paid 5" }] } })
      ))
  }
})

describe("what each answer leads to", () => {
  for (const one of cases) {
    const passedOn = (id: number) =>
      one.ending === "performed" ? [request(id, "pay", { amount: 5 })].map(({ params }) => params.arguments) : []
    const argumentsOf = (messages: ReadonlyArray<{ readonly [key: string]: unknown }>) =>
      messages.map(({ params }) => (params as { readonly arguments: unknown }).arguments)

    it.effect(`a call: ${one.name}`, () =>
      Effect.gen(function*() {
        const { ask, performing, server } = yield* converse({})
        yield* performing(1)
        assert.match(yield* ask(1, "pay", { amount: 5 }), told[one.ending])
        assert.deepStrictEqual(argumentsOf(server.sent), passedOn(1))
      }).pipe(Effect.provide(answering(one))))

    it.effect(`a call that is answered at once: ${one.name}`, () =>
      Effect.gen(function*() {
        const { ask, performing, server } = yield* converse({ onPending: GovernedMcpProxy.answer() })
        const isPending = one.decision._tag === "PendingApproval"
        yield* performing(isPending ? 2 : 1)
        const answer = yield* ask(1, "pay", { amount: 5 })
        if (isPending) {
          assert.match(answer, /NOT PERFORMED YET/)
          assert.match(yield* ask(2, "vargate_check_approval", { action_id: actionId }), told[one.ending])
        } else {
          assert.match(answer, told[one.ending])
        }
        assert.deepStrictEqual(argumentsOf(server.sent), passedOn(1))
      }).pipe(Effect.provide(answering(one))))
  }
})
