import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as AuditExport from "../../src/export/AuditExport.ts"
import * as ExportCursor from "../../src/export/ExportCursor.ts"
import type { ExportEvent } from "../../src/export/ExportEvent.ts"
import * as Redaction from "../../src/export/Redaction.ts"
import { GatewayMemory } from "../../src/testing/GatewayMemory.ts"
import { collecting, exporting, failed, serving, until, wireRecords } from "../support/exporting.ts"
import { seeded } from "../support/generateJson.ts"
import { isFull } from "../support/isFull.ts"
import { submitSome } from "../support/rawLog.ts"

const ids = (events: ReadonlyArray<ExportEvent>) =>
  events.map((event) => event._tag === "Record" ? event.recordId : event._tag)
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
const findings = (events: ReadonlyArray<ExportEvent>) =>
  events.flatMap((event) => event._tag === "Finding" ? [event.finding._tag] : [])

describe("the verified stream", () => {
  it.effect("hands on every record of a gateway's log once, oldest first, in pages of every size", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(1), 23)
      const hashes = (yield* (yield* GatewayMemory).records()).map(({ recordHash }) => recordHash)
      for (const pageSize of [1, 2, 7, 22, 23, 24, 1000]) {
        const { events, sink } = collecting()
        const summary = yield* AuditExport.run({ sink, pageSize })
        assert.deepStrictEqual(events.map(({ id }) => id), hashes)
        assert.deepStrictEqual(events.map(({ count }) => count), upTo(23))
        assert.deepInclude(summary, { records: 23, skipped: 0, gaps: 0, findings: 0, refused: 0 })
        assert.deepInclude({ ...summary.cursor }, { count: 23, tenantId: "t", recordHash: hashes[22]! })
      }
    }).pipe(Effect.provide(exporting())))

  it.effect("says nothing of an empty log", () =>
    Effect.gen(function*() {
      const { events, sink } = collecting()
      const summary = yield* AuditExport.run({ sink })
      assert.deepStrictEqual(events, [])
      assert.isUndefined(summary.cursor)
    }).pipe(Effect.provide(exporting())))

  it.effect("neither loses nor doubles records while the log grows with every request", () =>
    Effect.gen(function*() {
      const all = wireRecords(400)
      for (const pageSize of [1, 3, 50]) {
        const { layer, served } = serving(all.slice(0, 40))
        served.before = () => void (served.records = all.slice(0, Math.min(400, 40 + 3 * served.requests)))
        const { events, sink } = collecting()
        yield* AuditExport.run({ sink, pageSize }).pipe(Effect.provide(layer))
        assert.deepStrictEqual(ids(events), upTo(events.length))
        assert.isAtLeast(events.length, 40)
      }
    }))

  it.effect("goes on behind the cursor, and begins where it is told to where there is none", () =>
    Effect.gen(function*() {
      const all = wireRecords(30)
      const { layer, served } = serving(all.slice(0, 10))
      const cursor = yield* ExportCursor.memory
      const first = collecting()
      yield* AuditExport.run({ sink: first.sink, cursor }).pipe(Effect.provide(layer))
      served.records = all.slice(0, 14)
      const second = collecting()
      const { cursor: checkpoint } = yield* AuditExport.run({ sink: second.sink, cursor }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(ids(second.events), [11, 12, 13, 14])
      served.records = all.slice(0, 16)
      const third = collecting()
      yield* AuditExport.run({ sink: third.sink, from: checkpoint }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(ids(third.events), [15, 16])
      const fourth = collecting()
      const before = served.requests
      const fiber = yield* AuditExport.run({ sink: fourth.sink, from: "end", follow: "1 minute" }).pipe(
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* until(() => served.requests >= before + 3)
      served.records = all.slice(0, 18)
      yield* until(() => fourth.events.length >= 2)
      served.records = all.slice(0, 19)
      yield* until(() => fourth.events.length >= 3)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(ids(fourth.events), [17, 18, 19])
    }))

  it.effect("hands on the bytes that were verified where nothing is redacted", () =>
    Effect.gen(function*() {
      const raw = wireRecords(5, (index) => ({ params: { text: "a/b\n", nested: [[index]], "10": 1, "2": 2 } }))
      const { layer } = serving(raw)
      const { events, sink } = collecting()
      yield* AuditExport.run({ sink, redact: Redaction.none }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(
        events.map((event) => event._tag === "Record" ? event.json : ""),
        raw.map((record) => JSON.stringify(record))
      )
    }))

  it.effect("can be pulled", () =>
    Effect.gen(function*() {
      const { layer, served } = serving(wireRecords(100))
      const first = yield* Effect.provide(
        AuditExport.AuditExport.use((service) =>
          service.events({ pageSize: 10 }).pipe(Stream.take(2), Stream.runCollect)
        ),
        layer
      )
      assert.deepStrictEqual(ids(first.flat()), upTo(20))
      assert.isAtMost(served.requests, 4, "nothing is read that nobody takes")
    }))

  it.effect("refuses a page size that the gateway would refuse, and the cursor of another tenant", () =>
    Effect.gen(function*() {
      const { layer } = serving(wireRecords(3))
      const { sink } = collecting()
      const { cursor } = yield* AuditExport.run({ sink }).pipe(Effect.provide(layer))
      const foreign = { ...cursor!, tenantId: "another" } as never
      for (const options of [{ pageSize: 0 }, { pageSize: 1001 }, { pageSize: 1.5 }, { from: foreign }]) {
        const error = yield* AuditExport.run({ sink, ...options }).pipe(Effect.provide(layer), Effect.flip)
        assert(error._tag === "VargateError")
        assert.strictEqual(error.reason._tag, "InvalidRequest")
      }
    }))
})

describe("what does not hold", () => {
  const replace = (index: number, change: object) => (records: ReturnType<typeof wireRecords>) =>
    records.map((record, place) => place === index ? { ...record, ...change } : record)

  it.effect("a changed record is a finding in its place, without its content, and the rest follows", () =>
    Effect.gen(function*() {
      const { layer } = serving(replace(4, { decision: "deny", params: { secret: "forged" } })(wireRecords(10)))
      const { events, sink } = collecting()
      const summary = yield* AuditExport.run({ sink, redact: Redaction.none }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(ids(events), [1, 2, 3, 4, "Finding", 6, 7, 8, 9, 10])
      assert.notInclude(JSON.stringify(events), "forged")
      assert.deepInclude(summary, { records: 9, findings: 1 })
    }))

  it.effect("does not let the cursor vouch for a changed record at the end", () =>
    Effect.gen(function*() {
      const { layer } = serving(replace(9, { decision: "deny" })(wireRecords(10)))
      const { events, sink } = collecting()
      const { cursor } = yield* AuditExport.run({ sink }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(ids(events).at(-1), "Finding")
      assert.strictEqual(cursor?.count, 9)
    }))

  for (
    const [name, tag, before, edit] of [
      ["a removed record", "BrokenLink", 4, (records) => records.filter((_, place) => place !== 4)],
      ["a record shown twice", "Duplicate", 5, (records) => records.toSpliced(5, 0, records[4]!)],
      ["a first record that is none", "DoesNotReachGenesis", 0, (records) => records.slice(2)]
    ] as ReadonlyArray<
      readonly [
        string,
        string,
        number,
        (records: ReturnType<typeof wireRecords>) => ReturnType<typeof wireRecords>
      ]
    >
  ) {
    it.effect(`${name} ends the export, as its last event, and the cursor stays before it`, () =>
      Effect.gen(function*() {
        const { layer } = serving(edit(wireRecords(10)))
        for (const pageSize of [1000, 1, 4]) {
          const cursor = yield* ExportCursor.memory
          const { events, sink } = collecting()
          const error = yield* AuditExport.run({ sink, cursor, pageSize }).pipe(Effect.provide(layer), Effect.flip)
          assert(error._tag === "LogContradicts")
          assert.strictEqual(error.finding._tag, tag)
          assert.strictEqual(error.count, before)
          assert.deepStrictEqual(ids(events), [...upTo(before), "Finding"])
          assert.strictEqual((yield* cursor.read)?.count ?? 0, before)
        }
      }))
  }

  it.effect("ids that do not rise are a finding beside their record", () =>
    Effect.gen(function*() {
      const { layer } = serving(replace(4, { id: 2 })(wireRecords(6)))
      const { events, sink } = collecting()
      yield* AuditExport.run({ sink }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(ids(events), [1, 2, 3, 4, "Finding", 2, 6])
    }))

  it.effect("sees what was rewritten or cut behind its cursor, even where nothing is new", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(2), 20)
      const cursor = yield* ExportCursor.memory
      yield* AuditExport.run({ sink: collecting().sink, cursor })
      const kept = yield* cursor.read
      const memory = yield* GatewayMemory
      const original = yield* memory.records()
      for (
        const [tag, edit] of [
          ["RewrittenSince", original.map((record, place) => place === 3 ? { ...record, tool: "other" } : record)],
          ["TruncatedSince", original.slice(0, 15)]
        ] as const
      ) {
        yield* memory.tamperWithLedger({ edit: () => edit as never, rehash: true })
        const { events, sink } = collecting()
        const error = yield* Effect.flip(AuditExport.run({ sink, cursor }))
        assert(error._tag === "LogContradicts")
        assert.deepStrictEqual(findings(events), [tag])
        assert.deepStrictEqual(yield* cursor.read, kept)
      }
    }).pipe(Effect.provide(exporting())))

  it.effect("a log that claims more than it shows is a finding after a few looks", () =>
    Effect.gen(function*() {
      const { layer, served } = serving(wireRecords(5))
      let isEmpty = false
      const records = served.records
      served.before = () => {
        served.records = isEmpty ? Object.assign([], { length: 9, slice: () => [] }) : records
      }
      isEmpty = true
      const { sink } = collecting()
      const fiber = yield* AuditExport.run({ sink }).pipe(
        Effect.provide(layer),
        Effect.flip,
        Effect.forkChild({ startImmediately: true })
      )
      yield* until(() => fiber.pollUnsafe() !== undefined)
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "LogContradicts")
      assert.strictEqual(error.finding._tag, "MissingRecords")
    }))

  for (const hidden of [[5], [5, 6, 9], [1], [10], [1, 2, 10]]) {
    it.effect(`records that cannot be shown are events: ${hidden.join(", ")}`, () =>
      Effect.gen(function*() {
        const all = wireRecords(10)
        for (const pageSize of [1000, 3, 1]) {
          const { layer } = serving(all, { hidden: new Set(hidden) })
          const { events, sink } = collecting()
          const summary = yield* AuditExport.run({ sink, pageSize }).pipe(Effect.provide(layer))
          assert.deepStrictEqual(ids(events), upTo(10).map((id) => hidden.includes(id) ? "Gap" : id))
          assert.strictEqual(summary.gaps, hidden.length)
          for (const event of events) {
            if (event._tag === "Gap" && event.recordHash !== undefined) {
              assert.strictEqual(event.recordHash, all[event.count - 1]!.record_hash)
            }
          }
        }
      }))
  }
})

describe("delivery", () => {
  it.effect("moves the cursor only after the sink has acknowledged, and sends the same again", () =>
    Effect.gen(function*() {
      const { layer } = serving(wireRecords(50))
      const cursor = yield* ExportCursor.memory
      const { events, sink } = collecting(
        (_, attempt) => attempt === 2 ? Effect.fail(failed("Rejected", "wrong key", { status: 401 })) : Effect.void,
        { maxEvents: 10 }
      )
      const run = AuditExport.run({ sink, cursor }).pipe(Effect.provide(layer))
      const error = yield* Effect.flip(run)
      assert(error._tag === "SinkFailed")
      assert.include(error.message, "wrong key")
      assert.strictEqual((yield* cursor.read)?.count, 20)
      yield* run
      assert.deepStrictEqual(ids(events), upTo(50))
    }))

  it.effect("waits for a sink that is away for an hour, reads no further, and goes on", () =>
    Effect.gen(function*() {
      const { layer, served } = serving(wireRecords(5000))
      let isAway = true
      const { attempts, events, sink } = collecting(() =>
        isAway ? Effect.fail(failed("Unavailable", "no answer")) : Effect.void
      )
      const waits: Array<string> = []
      const fiber = yield* AuditExport.run({
        sink,
        pageSize: 100,
        onProgress: ({ waiting }) => Effect.sync(() => waiting && waits.push(waiting._tag))
      }).pipe(Effect.provide(layer), Effect.forkChild({ startImmediately: true }))
      yield* until(() => attempts() > 0)
      yield* TestClock.adjust("1 hour")
      assert.isAtMost(served.requests, 10, "pages that nobody takes are not read")
      assert.isAtLeast(attempts(), 60)
      assert.isAtLeast(waits.length, 60)
      isAway = false
      yield* until(() => fiber.pollUnsafe() !== undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(ids(events), upTo(5000))
    }))

  it.effect("reads no further than two pages ahead of a sink that is away where pages are large", () =>
    Effect.gen(function*() {
      const { layer, served } = serving(wireRecords(5, () => ({ params: { text: "x".repeat(4 * 1024 * 1024) } })))
      let isAway = true
      const { attempts, events, sink } = collecting(() =>
        isAway ? Effect.fail(failed("Unavailable", "no answer")) : Effect.void
      )
      const fiber = yield* AuditExport.run({ sink, pageSize: 1, redact: Redaction.none }).pipe(
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* until(() => attempts() > 3)
      // How long the log is, the page that the sink has, one that waits for it, and one that waits to be read on.
      assert.strictEqual(served.requests, 4)
      isAway = false
      yield* until(() => fiber.pollUnsafe() !== undefined)
      assert.deepStrictEqual(ids(events), upTo(5))
    }))

  it.effect("sends what was read while the sink was busy at once", () =>
    Effect.gen(function*() {
      const { layer } = serving(wireRecords(90))
      const sizes: Array<number> = []
      const { events, sink } = collecting((batch) =>
        Effect.andThen(Effect.sync(() => void sizes.push(batch.length)), Effect.sleep("1 second"))
      )
      const fiber = yield* AuditExport.run({ sink, pageSize: 10 }).pipe(
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* until(() => fiber.pollUnsafe() !== undefined)
      assert.deepStrictEqual(ids(events), upTo(90))
      assert.deepStrictEqual(sizes, [40, 40, 10])
    }))

  it.effect("fails with the sink's failure when patience ends, and keeps the silence it asks for", () =>
    Effect.gen(function*() {
      const { layer } = serving(wireRecords(5))
      const times: Array<number> = []
      const { attempts, sink } = collecting(() =>
        Effect.clockWith((clock) =>
          Effect.suspend(() => {
            times.push(clock.currentTimeMillisUnsafe())
            return Effect.fail(failed("Unavailable", "busy", { status: 429, retryAfter: Duration.seconds(90) }))
          })
        )
      )
      const retry = Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 }))
      const fiber = yield* AuditExport.run({ sink, retry }).pipe(
        Effect.provide(layer),
        Effect.flip,
        Effect.forkChild({ startImmediately: true })
      )
      yield* until(() => attempts() > 0)
      yield* until(() => fiber.pollUnsafe() !== undefined)
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "SinkFailed" && error.reason === "Unavailable")
      assert.strictEqual(attempts(), 3)
      assert.isAtLeast(times[1]! - times[0]!, 90_000)
    }))

  for (const reason of ["TooLarge", "PartlyRefused"] as const) {
    it.effect(`puts an event in the place of the one record that the sink refuses (${reason})`, () =>
      Effect.gen(function*() {
        const { layer } = serving(wireRecords(40))
        const cursor = yield* ExportCursor.memory
        const { events, sink } = collecting((batch) =>
          batch.some((event) => event._tag === "Record" && event.recordId === 17)
            ? Effect.fail(failed(reason, "413"))
            : Effect.void
        )
        const summary = yield* AuditExport.run({ sink, cursor }).pipe(Effect.provide(layer))
        assert.deepStrictEqual(ids(events), upTo(40).map((id) => id === 17 ? "Refused" : id))
        assert.deepInclude(summary, { records: 39, refused: 1 })
        assert.strictEqual((yield* cursor.read)?.count, 40)
      }))
  }

  it.effect("does not take a sink that refuses everything for forty records at fault", () =>
    Effect.gen(function*() {
      const { layer } = serving(wireRecords(40))
      const cursor = yield* ExportCursor.memory
      const { sink } = collecting((batch) =>
        batch.some(({ _tag }) => _tag === "Record") ? Effect.fail(failed("TooLarge", "413")) : Effect.void
      )
      const error = yield* AuditExport.run({ sink, cursor }).pipe(Effect.provide(layer), Effect.flip)
      assert.strictEqual(error._tag, "SinkFailed")
      assert.isUndefined(yield* cursor.read)
    }))

  it.effect("sends at most as much at once as the sink wants", () =>
    Effect.gen(function*() {
      const { layer } = serving(wireRecords(100))
      const sizes: Array<number> = []
      const limited = (options: object) => {
        const { events, sink } = collecting((batch) => Effect.sync(() => void sizes.push(batch.length)), options)
        return Effect.as(AuditExport.run({ sink }).pipe(Effect.provide(layer)), events)
      }
      assert.deepStrictEqual(ids(yield* limited({ maxEvents: 30 })), upTo(100))
      assert.deepStrictEqual(sizes.splice(0), [30, 30, 30, 10])
      assert.deepStrictEqual(ids(yield* limited({ maxBytes: 1 })), upTo(100))
      assert.strictEqual(sizes.length, 100)
    }))

  it.effect("leaves out what the sink has already, and sees where that is another record", () =>
    Effect.gen(function*() {
      const all = wireRecords(10)
      const { layer } = serving(all)
      const cursor = yield* ExportCursor.memory
      const tail = (recordHash: string) => () => Effect.succeed({ count: 6, ids: [recordHash], recordHash })
      const { events, sink } = collecting(undefined, { tail: tail(all[5]!.record_hash) })
      const summary = yield* AuditExport.run({ sink, cursor, pageSize: 4 }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(ids(events), [7, 8, 9, 10])
      assert.deepInclude(summary, { records: 4, skipped: 6 })
      const other = collecting(undefined, { tail: tail("f".repeat(64)) })
      const error = yield* AuditExport.run({ sink: other.sink }).pipe(Effect.provide(layer), Effect.flip)
      assert(error._tag === "LogContradicts")
      assert.deepStrictEqual(findings(other.events), ["RewrittenSince"])
    }))

  it.effect("has every record in order, however often exporter, sink and gateway break off", () =>
    Effect.gen(function*() {
      for (let seed = 1; seed <= (isFull ? 200 : 6); seed++) {
        const random = seeded(seed)
        const all = wireRecords(120)
        const { layer, served } = serving(all.slice(0, 60))
        served.before = () => {
          served.isAway = random.below(8) === 0
          if (random.below(4) === 0) {
            served.records = all.slice(0, Math.min(120, served.records.length + random.below(9)))
          }
        }
        const cursor = yield* ExportCursor.memory
        const taken: Array<ExportEvent> = []
        // What a sink says, and what it has: an acknowledgement may be lost after the events were taken.
        const { sink } = collecting((batch) => {
          const fate = random.below(10)
          if (fate < 2) return Effect.fail(failed("Unavailable", "away"))
          taken.push(...batch)
          return fate < 4 ? Effect.fail(failed("Unavailable", "no answer")) : Effect.void
        }, { maxEvents: 1 + random.below(20) })
        const run = AuditExport.run({
          sink,
          cursor,
          pageSize: 1 + random.below(40),
          retry: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: random.below(4) }))
        }).pipe(Effect.provide(layer))
        const covered = () => taken.reduce((most, { count }) => Math.max(most, count), 0)
        for (let attempt = 0; covered() < 120; attempt++) {
          assert.isBelow(attempt, 500)
          const fiber = yield* Effect.forkChild(Effect.exit(run), { startImmediately: true })
          const turns = random.below(30)
          let turn = 0
          yield* until(() => fiber.pollUnsafe() !== undefined || turn++ >= turns)
          yield* Fiber.interrupt(fiber)
          assert.isAtMost((yield* cursor.read)?.count ?? 0, covered(), "the cursor is never ahead")
          served.records = all.slice(0, Math.min(120, served.records.length + 1))
        }
        assert.deepStrictEqual([...new Set(taken.map(({ id }) => id))], all.map(({ record_hash }) => record_hash))
      }
    }))

  it.effect("waits for a gateway that is away, and fails with its error when patience ends", () =>
    Effect.gen(function*() {
      const { layer, served } = serving(wireRecords(10))
      served.isAway = true
      const { events, sink } = collecting()
      const waits: Array<string> = []
      const run = AuditExport.run({
        sink,
        retry: AuditExport.patienceOf("10 minutes"),
        onProgress: ({ waiting }) => Effect.sync(() => waiting && waits.push(waiting._tag))
      }).pipe(Effect.provide(layer))
      const fiber = yield* Effect.forkChild(run, { startImmediately: true })
      yield* until(() => waits.length > 0)
      yield* TestClock.adjust("5 minutes")
      assert.isAtLeast(waits.length, 5)
      served.isAway = false
      yield* until(() => fiber.pollUnsafe() !== undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(ids(events), upTo(10))
      served.isAway = true
      const second = yield* Effect.forkChild(Effect.flip(run), { startImmediately: true })
      yield* until(() => second.pollUnsafe() !== undefined)
      const error = yield* Fiber.join(second)
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, "GatewayFault")
    }))
})
