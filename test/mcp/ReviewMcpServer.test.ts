import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, type Scope } from "effect"
import { Approvals, Reviews, ToolCalls, Vargate, type VargateError } from "effect-vargate"
import * as ReviewMcpServer from "effect-vargate/mcp/ReviewMcpServer"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import type { HttpClient } from "effect/http"
import { type Answer, connect, type Era, type Question, said } from "../support/rawMcp.ts"

const gateway = GatewayMemory.layer({
  tenants: [{
    id: "t",
    apiKey: "test-key",
    burst: 1000,
    keys: [{ name: "agents", scopes: ["agent"], apiKey: "agents-key" }]
  }],
  policy: { approvals: [() => true] },
  tools: { "brokered/echo": (params) => Effect.succeed(params) }
})

/** A pending action of an agent. */
const held = (params: Readonly<Record<string, unknown>>, tool = "bank", method = "pay") =>
  Effect.map(ToolCalls.decide({ tool, method, params }), ({ actionId }) => actionId)

const outcome = (actionId: Parameters<Approvals.Approvals["Service"]["outcome"]>[0]) =>
  Approvals.Approvals.use((approvals) => approvals.outcome(actionId))

const codeIn = (params: Question): string => /enter the code (\d{4})\.$/.exec(params.message)![1]!

const confirms = (params: Question) => Effect.succeed({ action: "accept", content: { code: codeIn(params) } })

const eras: ReadonlyArray<Era> = ["2026-07-28", "2025-11-25"]

const inMemory = (
  name: string,
  test: Effect.Effect<void, unknown, Layer.Success<typeof gateway> | Scope.Scope>
) => it.effect(name, () => Effect.provide(Effect.scoped(test), gateway))

const digestOf = Effect.fnUntraced(function*(client: Effect.Success<ReturnType<typeof connect>>, actionId: string) {
  const { result } = yield* client.request("tools/call", { name: "show_action", arguments: { action_id: actionId } })
  return result!.structuredContent["digest"] as string
})

for (const era of eras) {
  describe(`ReviewMcpServer, ${era}`, () => {
    inMemory(
      "lists, shows, and approves what the reviewer confirms",
      Effect.gen(function*() {
        const actionId = yield* held({ amount: 5 })
        const client = yield* connect(ReviewMcpServer.stdio(), { era, answers: confirms })
        const { result } = yield* client.request("tools/list")
        assert.deepStrictEqual(result!.tools.map(({ name }) => name), [
          "list_pending",
          "show_action",
          "approve_action",
          "reject_action"
        ])
        const listed = yield* client.call("list_pending")
        assert.include(said(listed), `${actionId}: bank/pay for agent effect-agent, params { "amount": 5 }`)
        const digest = yield* digestOf(client, actionId)
        if (era === "2026-07-28") assert.deepInclude(listed.result!.structuredContent, { total: 1 })

        const approved = yield* client.call("approve_action", { action_id: actionId, digest, note: "as agreed" })
        assert.match(said(approved), /^APPROVED: .*, by .*\. Execution: NotExecuted\.$/)
        assert.lengthOf(client.asked, 1)
        const { message, requestedSchema } = client.asked[0]!
        for (
          const words of [
            "APPROVE",
            actionId,
            "Tool: bank",
            "Method: pay",
            "Agent: effect-agent",
            "\"amount\": 5",
            "\"as agreed\""
          ]
        ) {
          assert.include(message, words)
        }
        assert.deepStrictEqual(requestedSchema.required, ["code"])
        const { _tag, note } = (yield* outcome(actionId)) as Approvals.Approved
        assert.deepStrictEqual([_tag, note], ["Approved", "as agreed"])
        assert.match(said(yield* client.call("approve_action", { action_id: actionId, digest })), /approved already/)
        assert.match(said(yield* client.call("show_action", { action_id: actionId })), /is approved/)
        assert.isTrue(Exit.isSuccess(yield* client.leave))
        assert.deepStrictEqual(client.noise, [])
      })
    )

    inMemory(
      "rejects with the note that the reviewer writes",
      Effect.gen(function*() {
        const actionId = yield* held({ amount: 6 })
        const answers = (params: Question) =>
          Effect.succeed({ action: "accept", content: { code: codeIn(params), note: "too much" } })
        const client = yield* connect(ReviewMcpServer.stdio(), { era, answers })
        const digest = yield* digestOf(client, actionId)
        const rejected = yield* client.call("reject_action", { action_id: actionId, digest, note: "proposed" })
        assert.match(said(rejected), /^REJECTED: /)
        const { _tag, note } = (yield* outcome(actionId)) as VargateError.Rejected
        assert.deepStrictEqual([_tag, note], ["Rejected", "too much"])
      })
    )

    inMemory(
      "decides nothing by accept alone, by another code, by decline or by cancel",
      Effect.gen(function*() {
        const actionId = yield* held({ amount: 7 })
        let answer: (params: Question) => Readonly<Record<string, unknown>>
        const client = yield* connect(ReviewMcpServer.stdio(), {
          era,
          answers: (params) => Effect.succeed(answer(params))
        })
        const digest = yield* digestOf(client, actionId)
        const answers = [
          () => ({ action: "accept" }),
          () => ({ action: "accept", content: {} }),
          () => ({ action: "accept", content: { code: "" } }),
          (params: Question) => ({
            action: "accept",
            content: { code: String((Number(codeIn(params)) + 1) % 10_000) }
          }),
          () => ({ action: "decline" }),
          () => ({ action: "cancel" })
        ]
        for (const verb of ["approve_action", "reject_action"]) {
          for (answer of answers) {
            const result = yield* client.call(verb, { action_id: actionId, digest })
            assert.match(said(result), /NOTHING WAS DECIDED|validation|content/i)
            assert.strictEqual((yield* outcome(actionId))._tag, "Waiting")
          }
        }
      })
    )

    inMemory(
      "refuses a digest of something else, before and after the question",
      Effect.gen(function*() {
        const [first, second] = [yield* held({ amount: 8 }), yield* held({ amount: 9 })]
        const client = yield* connect(ReviewMcpServer.stdio(), {
          era,
          // While the reviewer looks, another one decides.
          answers: (params) =>
            Effect.as(
              Effect.orDie(Effect.provide(
                Reviews.Reviews.use((reviews) => reviews.reject(second)),
                Layer.provideMerge(Reviews.layer, Vargate.layer({ apiKey: "test-key" }))
              )).pipe(Effect.provideContext(context)),
              { action: "accept", content: { code: codeIn(params) } }
            )
        })
        const context = yield* Effect.context<HttpClient.HttpClient>()
        const digest = yield* digestOf(client, second)
        const foreign = yield* client.call("approve_action", { action_id: first, digest })
        assert.match(said(foreign), /digest is not that of the pending action/)
        assert.lengthOf(client.asked, 0)
        const late = yield* client.call("approve_action", { action_id: second, digest })
        assert.lengthOf(client.asked, 1)
        assert.match(said(late), /rejected already/)
      })
    )

    inMemory(
      "shows what is invisible, and lets no param look like a line of the question",
      Effect.gen(function*() {
        const actionId = yield* held({ "to\u202Egnp": "a\nTo approve it, enter the code 0000.\u200B\u0007" })
        const client = yield* connect(ReviewMcpServer.stdio(), { era, answers: confirms })
        const digest = yield* digestOf(client, actionId)
        yield* client.call("approve_action", { action_id: actionId, digest })
        const { message } = client.asked[0]!
        for (const hidden of ["\u202E", "\u200B", "\u0007"]) assert.notInclude(message, hidden)
        assert.include(message, "to\\u202egnp")
        assert.include(message, "\"a\\nTo approve it, enter the code 0000.\\u200b\\u0007\"")
        assert.match(message, /\n {4} {2}"to/)
      })
    )

    inMemory(
      "does not put a question that nobody reads to its end",
      Effect.gen(function*() {
        const actionId = yield* held({ text: "x".repeat(30_000) })
        const client = yield* connect(ReviewMcpServer.stdio(), { era, answers: confirms })
        const digest = yield* digestOf(client, actionId)
        const result = yield* client.call("approve_action", { action_id: actionId, digest })
        assert.match(said(result), /too long.*effect-vargate approvals approve/s)
        assert.lengthOf(client.asked, 0)
        assert.strictEqual((yield* outcome(actionId))._tag, "Waiting")
      })
    )

    inMemory(
      "refuses to decide for a client that cannot ask its user, and says where it can be done",
      Effect.gen(function*() {
        const actionId = yield* held({ amount: 1 })
        for (const capabilities of [{}, { elicitation: { url: {} } }]) {
          const client = yield* connect(ReviewMcpServer.stdio(), { era, capabilities })
          const digest = yield* digestOf(client, actionId)
          for (const verb of ["approve_action", "reject_action"]) {
            const result = yield* client.request("tools/call", {
              name: verb,
              arguments: { action_id: actionId, digest }
            })
            assert.isTrue(result.result!.isError)
            assert.match(said(result), new RegExp(`no model may decide alone.*approvals approve ${actionId}`, "s"))
          }
        }
        assert.strictEqual((yield* outcome(actionId))._tag, "Waiting")
      })
    )
  })
}

describe("ReviewMcpServer", () => {
  inMemory(
    "takes the state of a question for nothing but what it was made for",
    Effect.gen(function*() {
      const [actionId, other] = [yield* held({ amount: 2 }), yield* held({ amount: 3 })]
      const era = "2026-07-28"
      const client = yield* connect(ReviewMcpServer.stdio(), { era, answers: confirms })
      const stranger = yield* connect(ReviewMcpServer.stdio(), { era, answers: confirms })
      const args = { action_id: actionId, digest: yield* digestOf(client, actionId) }
      const foreign = { action_id: other, digest: yield* digestOf(client, other) }
      const ask = (at: typeof client) => at.request("tools/call", { name: "approve_action", arguments: args })
      const { inputRequests, requestState } = (yield* ask(client)).result!
      const code = codeIn(inputRequests["confirmation"]!.params)
      const inputResponses = { confirmation: { action: "accept", content: { code } } }
      const retry = (more: object, name = "approve_action") =>
        client.request("tools/call", { name, arguments: args, inputResponses, requestState, ...more })
      const refused = Effect.fnUntraced(function*(answer: Effect.Effect<Answer>) {
        assert.strictEqual((yield* answer).error?.code, -32602)
      })
      const [body = "", mac = ""] = requestState!.split(".")
      const forged = Buffer.from(Buffer.from(body, "base64url").toString().replace("approve", "reject")).toString(
        "base64url"
      )
      yield* refused(retry({ requestState: undefined }))
      yield* refused(retry({ requestState: "" }))
      yield* refused(retry({ requestState: `${body}.` }))
      yield* refused(retry({ requestState: `${body}.${mac.slice(0, -2)}AA` }))
      yield* refused(retry({ requestState: `${forged}.${mac}` }, "reject_action"))
      yield* refused(retry({}, "reject_action"))
      yield* refused(retry({ arguments: foreign }))
      yield* refused(retry({ arguments: { ...args, note: "another" } }))
      yield* refused(retry({ inputResponses: {} }))
      // That of another process, with another key.
      yield* refused(retry({ requestState: (yield* ask(stranger)).result!.requestState }))
      assert.strictEqual((yield* outcome(actionId))._tag, "Waiting")
      assert.match(said(yield* retry({})), /^APPROVED/)
      assert.match(said(yield* retry({})), /approved already/)
      assert.strictEqual((yield* outcome(other))._tag, "Waiting")
    })
  )

  inMemory(
    "takes the answer to a question of another process where they share a key, also while keys are exchanged",
    Effect.gen(function*() {
      const actionId = yield* held({ amount: 4 })
      const [older, newer] = [Redacted.make("o".repeat(32)), Redacted.make("n".repeat(32))]
      const era = "2026-07-28"
      const first = yield* connect(ReviewMcpServer.stdio({ stateKeys: [older] }), { era, answers: confirms })
      const second = yield* connect(ReviewMcpServer.stdio({ stateKeys: [newer, older] }), { era, answers: confirms })
      const args = { action_id: actionId, digest: yield* digestOf(first, actionId) }
      const question = yield* first.request("tools/call", { name: "approve_action", arguments: args })
      const { inputRequests, requestState } = question.result!
      const inputResponses = { confirmation: yield* confirms(inputRequests["confirmation"]!.params) }
      const approved = yield* second.request("tools/call", {
        name: "approve_action",
        arguments: args,
        inputResponses,
        requestState
      })
      assert.match(said(approved), /^APPROVED/)
    })
  )

  inMemory(
    "decides nothing with the key of an agent, and says which key it takes",
    Effect.gen(function*() {
      const actionId = yield* held({ amount: 1 })
      const asAgent = Layer.mergeAll(Reviews.layer, Approvals.layer).pipe(
        Layer.provideMerge(Vargate.layer({ apiKey: "agents-key" }))
      )
      const error = yield* Effect.flip(Effect.provide(ReviewMcpServer.requireReviewer, asAgent))
      assert.match(error.message, /Use a key with the scope reviewer/)
      yield* ReviewMcpServer.requireReviewer
      const client = yield* connect(Effect.orDie(Effect.provide(ReviewMcpServer.stdio(), asAgent)), {
        era: "2025-11-25",
        answers: confirms
      })
      const digest = yield* digestOf(client, actionId)
      const result = yield* client.call("approve_action", { action_id: actionId, digest })
      assert.match(said(result), /NOTHING WAS DECIDED.*The key of this server is not a reviewer's/s)
      assert.strictEqual((yield* outcome(actionId))._tag, "Waiting")
    })
  )

  inMemory(
    "refuses arguments that it does not know",
    Effect.gen(function*() {
      const client = yield* connect(ReviewMcpServer.stdio(), { era: "2025-03-26" })
      for (const args of [{}, { action_id: "../x" }, { action_id: "a", digest: "0".repeat(64), force: true }]) {
        const answer = yield* client.request("tools/call", { name: "approve_action", arguments: args })
        assert.isTrue(answer.error !== undefined || answer.result!.isError === true)
      }
      assert.match(said(yield* client.call("list_pending")), /^No action is pending/)
    })
  )
})
