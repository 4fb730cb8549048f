import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Stream } from "effect"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { routeScopes } from "../../../src/gateway/http/routeScopes.ts"
import { maxWholeLogs, wholeLogRoutes } from "../../../src/gateway/http/wholeLog.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { acme, as, caseOf, globex, inProcess, onDisk, send } from "../suite/doors.ts"

it("the routes that read a whole log are routes", () => {
  for (const [group, endpoints] of Object.entries(wholeLogRoutes)) {
    for (const endpoint of endpoints) assert.property(routeScopes[group], endpoint)
  }
})

describe("whole logs", () => {
  const test = caseOf(inProcess)

  test("are read a few at a time, tenants take turns, and calls wait for none of them", function*() {
    const ledger = yield* Ledger
    const { stream } = ledger
    const latch = yield* Latch.make()
    const begun: Array<string> = []
    let running = 0
    let most = 0
    const slow: Ledger["Service"]["stream"] = (tenantId) =>
      Stream.unwrap(Effect.suspend(() => {
        begun.push(tenantId)
        most = Math.max(most, ++running)
        return Effect.as(latch.await, stream(tenantId)).pipe(Effect.ensuring(Effect.sync(() => running--)))
      }))
    Object.assign(ledger, { stream: slow })
    const read = Effect.map(send("GET", "/dashboard/me"), ({ status }) => status)
    const theirs = Effect.map(send("GET", "/dashboard/me", { key: globex.apiKey }), ({ status }) => status)
    const waiting = yield* Effect.forkChild(
      Effect.all(Array.from({ length: 50 }, () => read), { concurrency: "unbounded" }),
      { startImmediately: true }
    )
    while (begun.length < maxWholeLogs) yield* Effect.yieldNow
    const other = yield* Effect.forkChild(theirs, { startImmediately: true })
    const allowed = yield* ToolCalls.call({ tool: "slack", method: "post" })
    assert.strictEqual(allowed._tag, "Allowed")
    yield* as(globex)(ToolCalls.call({ tool: "slack", method: "post" }))
    yield* latch.open
    assert.strictEqual(yield* Fiber.join(other), 200)
    assert.deepStrictEqual([...new Set(yield* Fiber.join(waiting))], [200])
    assert.strictEqual(most, maxWholeLogs)
    assert.isAtMost(begun.indexOf(globex.id), maxWholeLogs + 1)
    assert.strictEqual(begun.filter((id) => id === acme.id).length, 50)
  })
})

describe("a long log on the disk", () => {
  const burst = 100_000
  const test = caseOf(onDisk, {
    tenants: [{ ...acme, burst, policyConfig: { dailyActionLimit: burst } }]
  })

  test("is read in slices, and others have their turn between them", function*() {
    for (let n = 0; n < 450; n++) yield* ToolCalls.call({ tool: "slack", method: "post", params: { n } })
    const ledger = yield* Ledger
    let turns = 0
    const others = yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.yieldNow, Effect.sync(() => turns++))))
    let largest = 0
    const ids = yield* ledger.stream("acme").pipe(
      Stream.chunks,
      Stream.tap((chunk) => Effect.sync(() => largest = Math.max(largest, chunk.length))),
      Stream.flattenIterable,
      Stream.map(({ id }) => id),
      Stream.runCollect
    )
    yield* Fiber.interrupt(others)
    assert.lengthOf(ids, 450)
    assert.isAtMost(largest, 100)
    assert.isAtLeast(turns, 2)
  })
})
