import { assert, describe } from "@effect/vitest"
import { Effect, Semaphore, Stream } from "effect"
import type { HttpServerResponse } from "effect/http"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { logAnswer } from "../../../src/gateway/http/logAnswer.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { caseOf, inProcess, onDisk, send } from "../suite/doors.ts"

const call = (pad: number) => ToolCalls.call({ tool: "slack", method: "post", params: { pad: "p".repeat(pad) } })

const textOf = ({ body }: HttpServerResponse.HttpServerResponse) =>
  body._tag === "Stream"
    ? Stream.mkString(Stream.decodeText(body.stream))
    : Effect.succeed(body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : "")

const burst = 100_000
const options = { tenants: [{ id: "acme", apiKey: "acme-key", burst, policyConfig: { dailyActionLimit: burst } }] }

for (const door of [inProcess, onDisk]) {
  const test = caseOf(door, options)

  describe(`the log, ${door.name}`, () => {
    test("is read only as far as it is taken", function*() {
      for (let n = 0; n < 210; n++) yield* call(20_000)
      const ledger = yield* Ledger
      let pages = 0
      const counted = Ledger.of({
        ...ledger,
        page: (...place) =>
          Effect.suspend(() => ledger.page(...place).pipe(Effect.tap(() => Effect.sync(() => pages++))))
      })
      const answer = yield* logAnswer(counted, "acme", 1000, 0, Semaphore.makeUnsafe(1))
      assert(answer.body._tag === "Stream")
      assert.strictEqual(pages, 1)
      const next = yield* Stream.toPull(answer.body.stream)
      yield* next
      yield* next
      assert.isAtMost(pages, 2)
    })

    test("is the same in blocks as in one, and is not shifted by what is appended", function*() {
      for (let n = 0; n < 130; n++) yield* call(4000)
      const ledger = yield* Ledger
      const submit = Effect.provideContext(Effect.orDie(call(1)), yield* Effect.context<ToolCalls.ToolCalls>())
      const expected = JSON.parse((yield* send("GET", "/audit/log?limit=1000")).text)
      assert.strictEqual(expected.count, 130)
      let pages = 0
      const growing = Ledger.of({
        ...ledger,
        page: (...place) =>
          Effect.suspend(() => pages++ === 1 ? Effect.andThen(submit, ledger.page(...place)) : ledger.page(...place))
      })
      const grown = JSON.parse(yield* textOf(yield* logAnswer(growing, "acme", 1000, 0, Semaphore.makeUnsafe(1))))
      assert.deepStrictEqual(grown, expected)
      const part = JSON.parse(yield* textOf(yield* logAnswer(ledger, "acme", 100, 11, Semaphore.makeUnsafe(1))))
      assert.deepStrictEqual(
        [part.count, part.offset, part.total, part.records[0].id, part.records[99].id],
        [100, 11, 131, 120, 21]
      )
      assert.deepStrictEqual(
        JSON.parse(yield* textOf(yield* logAnswer(ledger, "acme", 0, 0, Semaphore.makeUnsafe(1)))),
        { records: [], count: 0, offset: 0, total: 131, tenant_id: "acme" }
      )
    })
  })
}
