import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Approvals } from "../../../src/approvals/Approvals.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { Feed } from "../../../src/gateway/inbox/Feed.ts"
import { Expired, type FeedEvent, Held, Recorded, Settled } from "../../../src/gateway/inbox/FeedEvent.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import { allowed, approve, destructive, hold, reject } from "../suite/cases.ts"
import { acme, as, globex, inProcess } from "../suite/doors.ts"

const numbered = (n: number) => new Recorded({ actionId: ActionId.make(`a-${n}`), decision: "allow" })

/** Collects a tenant's events from now on; the returned effect waits for so many. */
const listen = Effect.fnUntraced(function*(tenantId: string) {
  const feed = yield* Feed
  const events = yield* feed.subscribe(tenantId)
  return (count: number) => Stream.runCollect(Stream.take(events, count))
})

const tags = (events: ReadonlyArray<FeedEvent>) => events.map(({ _tag }) => _tag)

describe("Feed", () => {
  const house = inProcess.layer({})

  it.effect("tells of records, of held actions and of decisions, in their order", () =>
    Effect.gen(function*() {
      const next = yield* listen(acme.id)
      const call = yield* ToolCalls.call(allowed)
      const [first, second] = [yield* hold(), yield* hold()]
      yield* approve(first)
      yield* reject(second)
      assert.deepStrictEqual(yield* next(9), [
        new Recorded({ actionId: call.actionId, decision: "allow" }),
        new Recorded({ actionId: first, decision: "pending_approval" }),
        new Held({ actionId: first }),
        new Recorded({ actionId: second, decision: "pending_approval" }),
        new Held({ actionId: second }),
        new Settled({ actionId: first, status: "approved" }),
        new Recorded({ actionId: ActionId.make(`approval-${first}`), decision: "allow" }),
        new Settled({ actionId: second, status: "rejected" }),
        new Recorded({ actionId: ActionId.make(`rejection-${second}`), decision: "deny" })
      ])
    }).pipe(Effect.provide(house)))

  it.effect("tells of expiry once, when somebody looks", () =>
    Effect.gen(function*() {
      const id = yield* hold()
      const next = yield* listen(acme.id)
      yield* TestClock.adjust("61 minutes")
      const look = Approvals.use((approvals) => approvals.pending)
      yield* look
      yield* look
      yield* ToolCalls.call(allowed)
      const [expired, after] = yield* next(2)
      assert.deepStrictEqual(expired, new Expired({ actionId: id }))
      assert.strictEqual(after!._tag, "Recorded")
    }).pipe(Effect.provide(house)))

  it.effect("says nothing of a decision that came too late", () =>
    Effect.gen(function*() {
      const id = yield* hold()
      yield* approve(id)
      const next = yield* listen(acme.id)
      yield* Effect.flip(reject(id))
      yield* ToolCalls.call(allowed)
      assert.deepStrictEqual(tags(yield* next(1)), ["Recorded"])
    }).pipe(Effect.provide(house)))

  it.effect("keeps tenants apart", () =>
    Effect.gen(function*() {
      const [ours, theirs] = [yield* listen(acme.id), yield* listen(globex.id)]
      const call = yield* ToolCalls.call(allowed)
      const other = yield* as(globex)(ToolCalls.decide(destructive))
      assert.deepStrictEqual((yield* ours(1)).map(({ actionId }) => actionId), [call.actionId])
      assert.deepStrictEqual((yield* theirs(1)).map(({ actionId }) => actionId), [other.actionId])
    }).pipe(Effect.provide(house)))

  it.effect("never waits for a listener: one that sleeps misses the oldest", () =>
    Effect.gen(function*() {
      const feed = yield* Feed
      const next = yield* listen(acme.id)
      for (let n = 0; n < 1000; n++) yield* feed.publish(acme.id, numbered(n))
      const events = yield* next(64)
      assert.deepStrictEqual(events[0], numbered(936))
      assert.deepStrictEqual(events[63], numbered(999))
    }).pipe(Effect.provide(house)))

  it.effect("ends for a listener whose scope has closed", () =>
    Effect.gen(function*() {
      const feed = yield* Feed
      const events = yield* Effect.scoped(feed.subscribe(acme.id))
      yield* feed.publish(acme.id, numbered(1))
      assert.deepStrictEqual(yield* Stream.runCollect(events), [])
    }).pipe(Effect.provide(house)))

  it.effect("is the same for every door into the same parts", () =>
    Effect.gen(function*() {
      const next = yield* listen(acme.id)
      const parts = yield* Effect.context<Layer.Success<typeof house>>()
      yield* ToolCalls.call(allowed).pipe(
        Effect.provide(inProcess.layer({}, Layer.succeedContext(Context.omit(ToolCalls.ToolCalls)(parts)))),
        Effect.andThen(next(1)),
        Effect.map((events) => assert.deepStrictEqual(tags(events), ["Recorded"]))
      )
    }).pipe(Effect.provide(house)))
})
