import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber } from "effect"
import { ActionId } from "effect-vargate"
import type { AuditRecord } from "effect-vargate/audit/AuditRecord"
import * as ApprovalLook from "../../../src/approvals/internal/approvalLook.ts"

const at = DateTime.makeUnsafe("2026-01-01T00:00:00Z")
const hashOf = (id: number) => String(id).padStart(64, "0")
const idOf = (name: string) => ActionId.ActionId.make(name)

const record = (id: number, actionId: string, params: object = {}) =>
  ({
    id,
    actionId,
    recordHash: hashOf(id),
    agentId: actionId.startsWith("approval-") ? "human-reviewer" : "bot",
    tool: actionId.startsWith("approval-") ? "approval_queue" : "bank",
    params,
    requestedAt: at
  }) as unknown as AuditRecord

/** A log that grows, and a list in which nothing is pending. */
const world = () => {
  const log: Array<AuditRecord> = []
  const state: { reads: number; pause: Effect.Effect<void> } = { reads: 0, pause: Effect.void }
  const source: ApprovalLook.Source = {
    pending: Effect.sync(() => ({ pending: [], stats: undefined }) as never),
    history: Effect.succeed([]),
    redact: (text) => text,
    page: ({ limit, offset }) =>
      Effect.gen(function*() {
        const records = log.toReversed().slice(offset, offset + limit)
        const total = log.length
        state.reads += records.length
        yield* state.pause
        return { records, total } as never
      })
  }
  return { log, state, look: ApprovalLook.make(source) }
}

const others = (from: number, count: number) => Array.from({ length: count }, (_, n) => record(from + n, `other-${n}`))

const watching = (...watches: ReadonlyArray<ApprovalLook.Watch>) =>
  new Map(watches.map((watch) => [watch.actionId as string, watch]))

const positionOf = (id: number) => ({ recordId: id, recordHash: hashOf(id) })

describe("approvalLook", () => {
  it.effect("reads what came after the position that it resumes", () =>
    Effect.gen(function*() {
      const { log, look, state } = world()
      log.push(record(1, "a"), ...others(2, 500), record(502, "approval-a"))
      const watch = ApprovalLook.makeWatch(idOf("a"), at.epochMilliseconds)
      look.resume(positionOf(490))
      assert.deepInclude((yield* look(watching(watch))).get(watch), { _tag: "Approved", actionId: idOf("a") })
      assert.deepStrictEqual([state.reads, look.position()], [20, positionOf(502)])
    }))

  it.effect("leaves nothing out for what is resumed while it reads", () =>
    Effect.gen(function*() {
      const { log, look, state } = world()
      log.push(record(1, "a"), record(2, "b"), ...others(3, 100))
      const b = ApprovalLook.makeWatch(idOf("b"))
      yield* look(watching(b))
      assert.deepStrictEqual(look.position(), positionOf(102))
      // Decided while nobody looked for it.
      log.push(record(103, "approval-a"), ...others(104, 100))
      const go = yield* Deferred.make<void>()
      state.pause = Deferred.await(go)
      const looking = yield* Effect.forkChild(look(watching(b)), { startImmediately: true })
      const a = ApprovalLook.makeWatch(idOf("a"), at.epochMilliseconds)
      look.resume(positionOf(90))
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(looking)
      assert.deepStrictEqual(look.position(), positionOf(90))
      assert.deepInclude((yield* look(watching(a, b))).get(a), { _tag: "Approved", actionId: idOf("a") })
      assert.deepStrictEqual(look.position(), positionOf(203))
    }))

  it.effect("begins anew where the log has another record in the position's place", () =>
    Effect.gen(function*() {
      const { log, look } = world()
      log.push(record(1, "a"), record(2, "approval-a"), ...others(3, 300))
      const watch = ApprovalLook.makeWatch(idOf("a"), at.epochMilliseconds)
      look.resume({ recordId: 290, recordHash: hashOf(1) })
      assert.deepInclude((yield* look(watching(watch))).get(watch), { _tag: "Approved", actionId: idOf("a") })
    }))

  it.effect("begins anew where the log is shorter than the position says", () =>
    Effect.gen(function*() {
      const { log, look } = world()
      log.push(record(1, "a"), record(2, "approval-a"), ...others(3, 300))
      const watch = ApprovalLook.makeWatch(idOf("a"), at.epochMilliseconds)
      look.resume(positionOf(1_000))
      assert.deepInclude((yield* look(watching(watch))).get(watch), { _tag: "Approved", actionId: idOf("a") })
      assert.deepStrictEqual(look.position(), positionOf(302))
    }))
})
