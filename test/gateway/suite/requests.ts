/** Requests that do not fit the contract, and those that just fit. */
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { HttpClientRequest } from "effect/http"
import { log } from "./cases.ts"
import { acme, Address, caseOf, type Door, receive, send, type Sent, wireCall } from "./doors.ts"

const call = (sent: Sent) => send("POST", "/mcp/tools/call", sent)

/** Params whose text has this length in the gateway's way of counting: `{"a": "xxx"}`. */
const paramsOf = (length: number) => ({ a: "x".repeat(length - `{"a": ""}`.length) })

const mebibyte = 1024 * 1024

/** A body of exactly so many bytes; the padding is a field that the gateway ignores. */
const bodyOf = (bytes: number) => {
  const text = JSON.stringify({ ...wireCall(), padding: "" })
  return text.replace(`"padding":""`, () => `"padding":"${"x".repeat(bytes - text.length)}"`)
}

export const requests = (door: Door) => {
  const test = caseOf(door)

  describe("requests", () => {
    const invalid: ReadonlyArray<readonly [string, Sent, ReadonlyArray<string>]> = [
      ["a malformed body", { text: `{"agent_id": ` }, ["body"]],
      ["a bare word", { text: "nonsense" }, ["body"]],
      ["an empty body", { text: "" }, ["body"]],
      ["an array", { body: [] }, ["body"]],
      ["null", { body: null }, ["body"]],
      ["a text", { body: "x" }, ["body"]],
      ["params that are an array", { body: wireCall({ params: [1] }) }, ["body", "params"]],
      ["params that are null", { body: wireCall({ params: null }) }, ["body", "params"]],
      ["params that are a text", { body: wireCall({ params: "x" }) }, ["body", "params"]],
      ["an agent_id that is a number", { body: wireCall({ agent_id: 12 }) }, ["body", "agent_id"]],
      ["an empty agent_id", { body: wireCall({ agent_id: "" }) }, ["body", "agent_id"]],
      ["an agent_id that ends in a newline", { body: wireCall({ agent_id: "abc\n" }) }, ["body", "agent_id"]],
      ["an agent_id of 257 characters", { body: wireCall({ agent_id: "a".repeat(257) }) }, ["body", "agent_id"]],
      ["an agent_type of 65 characters", { body: wireCall({ agent_type: "a".repeat(65) }) }, ["body", "agent_type"]],
      ["an agent_version without numbers", { body: wireCall({ agent_version: "v1" }) }, ["body", "agent_version"]],
      ["a missing tool", { body: wireCall({ tool: undefined }) }, ["body", "tool"]],
      ["a tool with a blank", { body: wireCall({ tool: "a b" }) }, ["body", "tool"]],
      ["a method with a slash", { body: wireCall({ method: "a/b" }) }, ["body", "method"]],
      ["a method of 129 characters", { body: wireCall({ method: "m".repeat(129) }) }, ["body", "method"]],
      [
        "a context_override that is no boolean",
        { body: wireCall({ context_override: { is_business_hours: 3 } }) },
        ["body", "context_override", "is_business_hours"]
      ]
    ]

    for (const [name, sent, loc] of invalid) {
      test(`${name} is 422 and leaves no record`, function*() {
        const answer = yield* call(sent)
        assert.strictEqual(answer.status, 422, answer.text)
        const { detail } = JSON.parse(answer.text)
        assert.deepStrictEqual(detail[0].loc, loc)
        assert.isString(detail[0].msg)
        assert.isString(detail[0].type)
        assert.strictEqual((yield* log()).total, 0)
      })
    }

    test("a note that is no text is 422", function*() {
      const answer = yield* send("POST", "/approve/xyz", { body: { note: 5 } })
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(JSON.parse(answer.text).detail[0].loc, ["body", "note"])
    })

    test("values do not come back in a refusal", function*() {
      const answer = yield* call({ body: wireCall({ agent_id: "secret word" }) })
      assert.strictEqual(answer.status, 422)
      assert.notInclude(answer.text, "secret")
    })

    test("the bounds themselves are accepted, and other fields ignored", function*() {
      const answer = yield* call({
        body: wireCall({
          agent_id: "a".repeat(256),
          agent_type: "😀".repeat(64),
          agent_version: `1.0.0-${"x".repeat(26)}`,
          tool: "t".repeat(256),
          method: "m".repeat(128),
          foo: 1
        })
      })
      assert.strictEqual(answer.status, 200, answer.text)
    })

    test("defaults stand in for what may be left out", function*() {
      const answer = yield* call({ body: { agent_id: "a", tool: "t", method: "m" } })
      assert.strictEqual(answer.status, 200, answer.text)
      const { records: [record] } = yield* log()
      assert.deepStrictEqual(record!.params, {})
    })

    test("params may have 65,536 characters and no more", function*() {
      assert.strictEqual((yield* call({ body: wireCall({ params: paramsOf(65_536) }) })).status, 200)
      const answer = yield* call({ body: wireCall({ params: paramsOf(65_537) }) })
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(JSON.parse(answer.text), {
        detail: [{
          type: "value_error",
          loc: ["body", "params"],
          msg: "Value error, params payload exceeds 64KB limit"
        }]
      })
      assert.strictEqual((yield* log()).total, 1)
    })

    test("params are measured with non-ASCII characters as escapes", function*() {
      const filler = 65_536 - `{"a": ""}`.length
      const fits = `${"é".repeat(Math.floor(filler / 6))}${"x".repeat(filler % 6)}`
      assert.strictEqual((yield* call({ body: wireCall({ params: { a: fits } }) })).status, 200)
      assert.strictEqual((yield* call({ body: wireCall({ params: { a: `${fits}x` } }) })).status, 422)
    })
  })

  describe("bodies", () => {
    const tooLarge = { status: 413, text: `{"detail":"Request body too large"}` }

    const chunked = Effect.fnUntraced(function*(text: string) {
      const url = yield* Address
      const bytes = new TextEncoder().encode(text)
      const chunks = Array.from(
        { length: Math.ceil(bytes.length / 65_536) },
        (_, i) => bytes.subarray(i * 65_536, (i + 1) * 65_536)
      )
      return yield* receive(
        HttpClientRequest.post(`${url}/mcp/tools/call`, { headers: { "x-api-key": acme.apiKey } }).pipe(
          HttpClientRequest.bodyStream(Stream.fromIterable(chunks), { contentType: "application/json" })
        )
      )
    })

    for (const [way, post] of [["with a length", (text: string) => call({ text })], ["chunked", chunked]] as const) {
      test(`of more than 1 MiB are 413, ${way}`, function*() {
        for (const bytes of [mebibyte + 1, 3 * mebibyte]) {
          const { status, text } = yield* post(bodyOf(bytes))
          assert.deepStrictEqual({ status, text }, tooLarge)
        }
        assert.strictEqual((yield* log()).total, 0)
      })

      test(`of 1 MiB are read, ${way}`, function*() {
        const answer = yield* post(bodyOf(mebibyte))
        assert.strictEqual(answer.status, 200, answer.text)
      })
    }

    test("of more than 1 MiB are 413 before they are read as JSON", function*() {
      const { status, text } = yield* call({ text: "x".repeat(mebibyte + 1) })
      assert.deepStrictEqual({ status, text }, tooLarge)
    })
  })
}
