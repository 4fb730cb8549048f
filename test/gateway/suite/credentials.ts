/** The vault: what operators put in, what tools get out. */
import { assert, describe } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { CredentialVault } from "../../../src/gateway/tenants/CredentialVault.ts"
import { Credentials } from "../../../src/operator/Credentials.ts"
import { approve, hold, log, newest, reasonOf } from "./cases.ts"
import { as, caseOf, type Door, globex, send } from "./doors.ts"

const register = (toolId: string, name: string, value: string) =>
  Credentials.use((credentials) => credentials.register({ toolId, name, value: Redacted.make(value) }))
const list = Credentials.use((credentials) => credentials.list)
const status = (toolId: string) => Credentials.use((credentials) => credentials.status(toolId))
const remove = (toolId: string, name: string) => Credentials.use((credentials) => credentials.remove({ toolId, name }))
const accessLog = Credentials.use((credentials) => credentials.accessLog)

export const credentials = (door: Door) => {
  describe("credentials", () => {
    const test = caseOf(door)

    test("are registered, listed and removed", function*() {
      yield* register("stripe", "api_key", "sk-1")
      yield* TestClock.adjust("1 second")
      yield* register("stripe", "account id", "é/😀")
      yield* register("slack", "token", "xoxb")
      const listed = (yield* list).map(({ createdAt, name, toolId }) => [toolId, name, createdAt?.epochMilliseconds])
      assert.deepStrictEqual(listed, [["slack", "token", 1000], ["stripe", "account id", 1000], [
        "stripe",
        "api_key",
        0
      ]])
      const stripe = yield* status("stripe")
      assert.isTrue(stripe.registered)
      assert.deepStrictEqual(stripe.credentials.map(({ name }) => name), ["account id", "api_key"])
      yield* remove("stripe", "account id")
      assert.deepStrictEqual((yield* status("stripe")).credentials.map(({ name }) => name), ["api_key"])
      assert.deepInclude(yield* status("nope"), { toolId: "nope", registered: false, credentials: [] })
    })

    test("are so many, and so long, at most", function*() {
      const long = "x".repeat(257)
      const fits = { tool_id: "a", name: "b", value: "1" }
      for (const wrong of [{ tool_id: long }, { name: long }, { value: "x".repeat(16_385) }]) {
        const answer = yield* send("POST", "/credentials/register", { body: { ...fits, ...wrong } })
        assert.strictEqual(answer.status, 422)
        assert.include(answer.text, "A credential has at most 256 characters")
      }
      const vault = yield* CredentialVault
      for (let n = 0; n < 500; n++) {
        yield* vault.register("acme", { toolId: "stripe", name: `n${n}`, value: Redacted.make("1") })
      }
      assert.match(yield* reasonOf(register("stripe", "one more", "1")), /^Conflict: This tenant has 500 credentials/)
      yield* register("stripe", "n7", "2")
      yield* remove("stripe", "n7")
      yield* register("stripe", "one more", "1")
    })

    test("that are not there cannot be removed", function*() {
      assert.strictEqual(
        yield* reasonOf(remove("http", "api_key")),
        "NotFound: No credential found for http/api_key"
      )
    })

    test("are each tenant's own", function*() {
      yield* register("stripe", "api_key", "sk-1")
      assert.deepStrictEqual(yield* as(globex)(list), [])
      assert.match(yield* as(globex)(reasonOf(remove("stripe", "api_key"))), /^NotFound/)
      assert.lengthOf(yield* list, 1)
    })

    test("that make no sense are refused before they are sent", function*() {
      for (
        const [toolId, name, value] of [["", "a", "v"], ["t", "", "v"], ["t", "a/b", "v"], ["..", "a", "v"], [
          "t",
          "a",
          ""
        ]]
      ) {
        const error = yield* Effect.flip(register(toolId!, name!, value!))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      }
      assert.deepStrictEqual(yield* list, [])
    })

    test("without a value are 422", function*() {
      const answer = yield* send("POST", "/credentials/register", { body: { tool_id: "stripe" } })
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(JSON.parse(answer.text).detail.map(({ loc }: { loc: unknown }) => loc), [
        ["body", "name"],
        ["body", "value"]
      ])
    })
  })

  describe("a tool of the gateway", () => {
    const seen: Array<ReadonlyArray<unknown>> = []
    const test = caseOf(door, {
      tools: {
        "bank/pay": (_, credentials) =>
          Effect.sync(() => {
            seen.push([...credentials].map(([name, value]) => [name, Redacted.value(value)]))
            return { paid: true, by: Redacted.value(credentials.get("api_key") ?? Redacted.make("nobody")) }
          }),
        "bank/delete": (_, credentials) =>
          Effect.fail(`401 for ${[...credentials.values()].map(Redacted.value).join()}`)
      }
    })

    test("gets the tenant's credentials, and each use is logged", function*() {
      seen.length = 0
      yield* register("bank", "api_key", "S3CR3T")
      yield* register("other", "api_key", "other")
      const { actionId, execution } = yield* ToolCalls.call({ tool: "bank", method: "pay", agent: { id: "payer" } })
      assert.deepStrictEqual(seen, [[["api_key", "S3CR3T"]]])
      // Should a tool repeat a credential, the agent and the log do not learn it.
      assert(execution._tag === "Executed")
      assert.deepStrictEqual(execution.result, { paid: true, by: "<redacted>" })
      const [use, ...others] = yield* accessLog
      assert.deepInclude(use, { toolId: "bank", name: "api_key", actionId, agentId: "payer" })
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(yield* as(globex)(accessLog), [])
    })

    test("is run without any where there are none", function*() {
      seen.length = 0
      yield* ToolCalls.call({ tool: "bank", method: "pay" })
      assert.deepStrictEqual(seen, [[]])
      assert.deepStrictEqual(yield* accessLog, [])
    })

    test("that fails after an approval keeps them out of the log as well", function*() {
      yield* register("bank", "api_key", "S3CR3T")
      const id = yield* hold({ tool: "bank", method: "delete" })
      const { execution } = yield* approve(id)
      assert(execution._tag === "ExecutionFailed")
      assert.include(String(execution.error), "401 for <redacted>")
      assert.notInclude(JSON.stringify(yield* log()), "S3CR3T")
      assert.strictEqual((yield* newest).actionId, `approval-${id}`)
      assert.strictEqual((yield* accessLog)[0]?.actionId, id)
    })
  })
}
