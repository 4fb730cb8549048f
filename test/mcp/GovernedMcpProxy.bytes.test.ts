/** What is passed on is the text that came, through the framing of standard input and output on both sides. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { Agent } from "effect-vargate"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { generateJson, type Random, seeded, spellJson } from "../support/generateJson.ts"
import { isFull } from "../support/isFull.ts"
import { allowing as live, startPiped as start } from "../support/mcpPiped.ts"
import { eventually } from "../support/payments.ts"

const records = GatewayMemory.GatewayMemory.use(({ records }) => records())

/** As it stands on a line. */
const flat = (text: string) => text.replaceAll(/[\r\n]/g, " ")

const tokens = ["0", "1.0", "-7", "9007199254740993", "1915883588174806058", "1e2", "123456789012345678901234567890"]
const spelledId = (random: Random, n: number) =>
  random.below(2) === 0 ? String(BigInt(n) + 9007199254740992n) : `"\\u0069d${n} \\/"`

/** Members in any order, spelled in any way. */
const object = (random: Random, members: ReadonlyArray<readonly [string, string]>) => {
  const shuffled = members.map((member) => [random.next(), member] as const).sort(([a], [b]) => a - b)
  const blank = () => random.pick(["", "", " ", "\t", "\r", "\n "])
  return `{${blank()}${
    shuffled.map(([, [key, value]]) => `"${key}"${blank()}:${blank()}${value}`).join(`${blank()},${blank()}`)
  }${blank()}}`
}

const anyJson = (random: Random) =>
  random.below(4) === 0 ? random.pick(tokens) : spellJson(random, generateJson(random))

const anyObject = (random: Random) => {
  const value = generateJson(random)
  return spellJson(random, typeof value === "object" && value !== null && !Array.isArray(value) ? value : { value })
}

describe("bytes", () => {
  live("pass as they came, both ways", () =>
    Effect.gen(function*() {
      let { client, server } = yield* start()
      let governed = 0
      for (let n = 0; n < (isFull ? 10_000 : 150); n++) {
        // The policy allows an agent so many actions in a day, and no more.
        if (n % 500 === 0) {
          ;({ client, server } = yield* Effect.provideService(start(), Agent.Agent, { id: `agent-${n}` }))
        }
        const random = seeded(n)
        const id = spelledId(random, n)
        const kind = random.below(3)
        const given = kind === 0 ? anyObject(random) : anyJson(random)
        const params = kind === 0
          ? object(random, [["name", `"e\\u0063ho"`], ["arguments", given], ["x-more", anyJson(random)]])
          : object(random, [["uri", anyJson(random)], ["more", given]])
        const method = kind === 0 ? `"tools\\/call"` : `"resources/read"`
        const request = object(random, [["jsonrpc", `"2.0"`], ["id", id], ["method", method], ["params", params]])
        const before = [client.lines.length, server.lines.length] as const
        // In two pieces, cut anywhere: also within a character.
        const bytes = Buffer.from(`${flat(request)}\n`)
        const cut = random.below(bytes.length)
        yield* client.says(bytes.subarray(0, cut))
        yield* client.says(bytes.subarray(cut))
        yield* eventually(
          Effect.sync(() => client.lines.length > before[0] || server.lines.length > before[1] ? true : undefined)
        )
        const [arrived] = server.lines.slice(before[1])
        if (arrived === undefined) {
          // What the gateway does not take is said so.
          const [told] = client.lines.slice(before[0])
          assert.include(told, `"id":${id}`)
          assert.match(told!, /cannot be submitted|lone surrogates/)
          continue
        }
        assert.strictEqual(arrived, flat(request))
        if (kind === 0) {
          governed++
          const { params } = (yield* records).at(-1)!
          assert.deepStrictEqual(
            params,
            (JSON.parse(request) as { params: { arguments: unknown } }).params.arguments as never
          )
        }
        const answer = object(random, [
          ["jsonrpc", `"2.0"`],
          ["id", id],
          random.below(5) === 0
            ? ["error", `{"code":1,"message":"","data":${anyJson(random)}}`]
            : ["result", anyObject(random)]
        ])
        yield* server.says(`${flat(answer)}\n`)
        yield* eventually(Effect.sync(() => client.lines[before[0]]))
        assert.strictEqual(client.lines.at(-1), flat(answer))
      }
      assert.isAtLeast(governed, 20)
    }))

  live("of arguments are those that the gateway has on record, beyond 2^53 too", () =>
    Effect.gen(function*() {
      const { client, server } = yield* start()
      const given = `{"campaign":1915883588174806058,"pi":3.14159265358979312,"one":1.0,"\\u0061":"\\ud83d\\ude00"}`
      const call = `{"params":{"arguments":${given},"name":"get"},"id":9007199254740993,"method":"tools/call"}`
      yield* client.says(`${call}\r\n`)
      assert.strictEqual(yield* server.hears(() => true), call)
      // A server that holds numbers as doubles answers another id.
      yield* server.says(`{"jsonrpc":"2.0","id":9007199254740992,"result":{"n":1915883588174806058}}\n`)
      assert.strictEqual(
        yield* client.hears(() => true),
        `{"jsonrpc":"2.0","id":9007199254740993,"result":{"n":1915883588174806058}}`
      )
    }))

  live("are refused where a name stands twice and something is decided on it", () =>
    Effect.gen(function*() {
      const { client, server } = yield* start({ methods: ["own/method"] })
      const cases: ReadonlyArray<readonly [number, string]> = [
        [-32600, `{"id":0,"method":"ping","method":"tools/call","params":{"name":"a"}}`],
        [-32600, `{"id":1,"method":"ping","\\u006dethod":"tools/call"}`],
        [-32602, `{"id":2,"method":"tools/call","params":{"name":"a","name":"b"}}`],
        [-32602, `{"id":3,"method":"tools/call","params":{"name":"a","arguments":{"x":1},"arguments":{"x":2}}}`],
        [-32602, `{"id":4,"method":"tools/call","params":{"name":"a","arguments":{"x":[{"y":1,"\\u0079":2}]}}}`],
        [-32602, `{"id":5,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1,"progressToken":2}}}`],
        [-32602, `{"id":6,"method":"own/method","params":{"a":1,"a":2}}`]
      ]
      for (const [id, [code, message]] of cases.entries()) {
        yield* client.says(`${message}\n`)
        const told = JSON.parse(yield* client.hears((line) => line.includes(`"id":${id},`))) as Message
        assert.strictEqual((told["error"] as { code: number }).code, code)
      }
      assert.deepStrictEqual([server.lines, yield* records], [[], []])
    }))

  live("on a line are one message, for a reader that ends its lines elsewhere too", () =>
    Effect.gen(function*() {
      const { client, server } = yield* start()
      const hidden = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"wipe"}}`
      yield* client.says(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":\r${hidden}\r}}\n`)
      const line = yield* server.hears(() => true)
      assert.strictEqual(line.split(/[\r\n]/).length, 1)
      assert.deepStrictEqual(yield* records, [])
    }))
})
