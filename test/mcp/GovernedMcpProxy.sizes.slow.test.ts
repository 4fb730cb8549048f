/** Messages at and beyond the limits. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import { allowing as live, startPiped as start } from "../support/mcpPiped.ts"
import { eventually } from "../support/payments.ts"

describe("a message that cannot be passed on", () => {
  const big = "x".repeat(16 * 1024 * 1024)

  live(
    "is answered, and the conversation continues: too long, too deep, no UTF-8, no JSON",
    () =>
      Effect.gen(function*() {
        const { client, server } = yield* start()
        const deep = "[".repeat(5000) + "]".repeat(5000)
        const cases: ReadonlyArray<readonly [string, string | Uint8Array, number]> = [
          [
            "1",
            `{"method":"tools/call","params":{"name":"a","arguments":{"a":"${big}"}},"jsonrpc":"2.0","id":1}\n`,
            -32600
          ],
          [`"two"`, `{"method":"resources/read","params":{"d":${deep}},"id":"two"}\n`, -32600],
          ["3", Buffer.from(`{"id":3,"method":"ping","params":{"a":"\xff"}}\n`, "latin1"), -32600],
          ["null", "no JSON\n", -32700],
          ["null", "[]\n", -32600],
          ["null", `\ufeff{"id":4,"method":"ping"}\n`, -32700]
        ]
        for (const [n, [id, message, code]] of cases.entries()) {
          yield* client.says(message)
          yield* eventually(Effect.sync(() => client.lines[n]))
          const told = JSON.parse(client.lines[n]!) as Message
          assert.deepStrictEqual([JSON.stringify(told["id"]), (told["error"] as { code: number }).code], [id, code])
        }
        yield* client.says(`{"id":5,"method":"ping"}`)
        yield* client.ends
        assert.deepStrictEqual(yield* server.hears(() => true), `{"id":5,"method":"ping"}`)
      })
  )

  live("is an unknown outcome or an error, where the server says it; and 16 MB pass", () =>
    Effect.gen(function*() {
      const { client, server } = yield* start()
      const answer = (id: number, text: string) =>
        server.says(`{"result":{"content":[{"type":"text","text":"${text}"}]},"jsonrpc":"2.0","id":${id}}\n`)
      for (const id of [1, 2]) yield* client.says(`{"id":${id},"method":"tools/call","params":{"name":"a"}}\n`)
      yield* client.says(`{"id":3,"method":"resources/read","params":{"uri":"a"}}\n`)
      yield* server.hears((line) => line.includes(`"id":3`))
      yield* server.hears((line) => line.includes(`"id":2`))
      yield* answer(1, big)
      assert.match(yield* client.hears((line) => line.includes(`"id":1`)), /OUTCOME UNKNOWN/)
      yield* answer(2, big.slice(200))
      assert.isAbove((yield* client.hears((line) => line.includes(`"id":2`))).length, big.length - 200)
      yield* answer(3, big)
      assert.match(yield* client.hears((line) => line.includes(`"id":3`)), /-32603.*16777216 bytes/)
    }))

  live("is told to the model, where the gateway's limit for arguments is what it passes", () =>
    Effect.gen(function*() {
      const { client, server } = yield* start()
      for (const [id, length] of [[1, 65_536 - 10], [2, 65_536], [3, 1_000_000]] as const) {
        yield* client.says(
          `{"id":${id},"method":"tools/call","params":{"name":"a","arguments":{"a":"${"x".repeat(length)}"}}}\n`
        )
        if (id === 1) yield* server.hears((line) => line.includes(`"id":1`))
        else {
          assert.match(
            yield* client.hears((line) => line.includes(`"id":${id}`)),
            /NOT PERFORMED: this action cannot be submitted/
          )
        }
      }
      assert.strictEqual(server.lines.length, 1)
    }))
})
