/** Keys for one scope each. */
import { assert, describe } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Reviews } from "../../../src/approvals/Reviews.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { Account } from "../../../src/operator/Account.ts"
import { Tenant } from "../../../src/operator/Tenant.ts"
import { allowed, hold, log } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send, wireCall } from "./doors.ts"

const scopes = ["agent", "reviewer", "operator"] as const
const keyOf = (scope: (typeof scopes)[number]) => ({ id: "acme", apiKey: `${scope}-key` })
const keys = scopes.map((scope) => ({ name: scope, scopes: [scope], apiKey: `${scope}-key` }))

/** What an operation lacks by a key: the scope, or nothing. */
const lacking = <A, E, R>(operation: Effect.Effect<A, E, R>) =>
  Effect.match(operation, {
    onSuccess: () => "nothing",
    onFailure: (error: unknown) => {
      const { reason } = error as { readonly reason: { readonly _tag: string; readonly requiredScope?: string } }
      assert.strictEqual(reason._tag, "Forbidden")
      assert.include(String(error), `scope ${reason.requiredScope}`)
      return reason.requiredScope
    }
  })

const operations = {
  agent: lacking(ToolCalls.call(allowed)),
  reviewer: Effect.flatMap(as(acme)(hold()), (id) => lacking(Reviews.use((reviews) => reviews.approve(id)))),
  operator: lacking(Tenant.use((tenant) => tenant.apply({ name: "Acme" })))
}

export const scopedKeys = (door: Door) => {
  const test = caseOf(door, { tenants: [{ ...acme, keys }, globex] })

  describe("a key with a scope", () => {
    for (const scope of scopes) {
      test(`${scope} may do that, and nothing of the others`, function*() {
        for (const other of scopes) {
          assert.strictEqual(
            yield* as(keyOf(scope))(operations[other]),
            other === scope ? "nothing" : other
          )
        }
        yield* as(keyOf(scope))(log())
      })
    }

    test("is refused with a body that names the scope", function*() {
      const answer = yield* send("DELETE", "/agents/a-1/history", { key: "agent-key" })
      assert.deepStrictEqual([answer.status, JSON.parse(answer.text)], [403, {
        detail: "This key has the scope agent, and this operation needs operator",
        required_scope: "operator"
      }])
    })

    test("opens a session only as a reviewer, which may do no more than its key and ends with it", function*() {
      for (const scope of ["agent", "operator"] as const) {
        const refused = yield* send("POST", "/auth/session", { key: `${scope}-key` })
        assert.strictEqual(JSON.parse(refused.text).required_scope, "reviewer")
      }
      const { token } = yield* as(keyOf("reviewer"))(Account.use((account) => account.session))
      const bearer = { key: null, headers: { authorization: `Bearer ${Redacted.value(token)}` } }
      assert.strictEqual((yield* send("GET", "/approvals", bearer)).status, 200)
      assert.strictEqual((yield* send("POST", "/api-keys/rotate", bearer)).status, 403)
      const made = yield* send("POST", "/api-keys", { body: { name: "reviewer", scopes: ["reviewer"] } })
      assert.strictEqual(made.status, 200)
      assert.strictEqual((yield* send("GET", "/approvals", bearer)).status, 401)
      assert.strictEqual((yield* send("GET", "/approvals", { key: "reviewer-key" })).status, 401)
      assert.strictEqual((yield* send("GET", "/approvals", { key: JSON.parse(made.text).api_key })).status, 200)
    })
  })

  describe("scoped keys", () => {
    test("are made, listed without the key, and removed by an operator of the tenant", function*() {
      const key = "operator-key"
      const made = JSON.parse((yield* send("POST", "/api-keys", { key, body: { name: "ci", scopes: ["agent"] } })).text)
      assert.deepInclude(made, { name: "ci", scopes: ["agent"] })
      const listed = yield* send("GET", "/api-keys", { key })
      assert.deepStrictEqual(
        JSON.parse(listed.text).keys.map(({ name }: { readonly name: string }) => name),
        ["agent", "ci", "operator", "reviewer"]
      )
      assert.notInclude(listed.text, made.api_key)
      assert.deepStrictEqual(JSON.parse((yield* send("GET", "/api-keys", { key: globex.apiKey })).text), { keys: [] })
      assert.strictEqual((yield* send("DELETE", "/api-keys/ci", { key: globex.apiKey })).status, 404)
      assert.strictEqual((yield* send("DELETE", "/api-keys/ci", { key })).status, 200)
      assert.strictEqual((yield* send("GET", "/audit/log", { key: made.api_key })).status, 401)
      for (
        const body of [{ name: "", scopes: ["agent"] }, { name: "x", scopes: [] }, { name: "x", scopes: ["root"] }]
      ) {
        assert.strictEqual((yield* send("POST", "/api-keys", { key, body })).status, 422)
      }
    })

    test("are rotated by themselves", function*() {
      const answer = yield* send("POST", "/api-keys/rotate", { key: "operator-key" })
      const { api_key: key } = JSON.parse(answer.text)
      assert.strictEqual((yield* send("GET", "/api-keys", { key: "operator-key" })).status, 401)
      assert.strictEqual((yield* send("GET", "/api-keys", { key })).status, 200)
      assert.strictEqual((yield* send("POST", "/mcp/tools/call", { key, body: wireCall() })).status, 403)
      yield* log()
    })
  })
}
