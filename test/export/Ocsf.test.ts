import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as AuditExport from "../../src/export/AuditExport.ts"
import * as Ocsf from "../../src/export/Ocsf.ts"
import { collecting, serving, wireRecords } from "../support/exporting.ts"

/** What was parsed. */
type Json = ReturnType<JSON["parse"]>

const now = Date.UTC(2026, 11, 1)

const mapped = (
  fields: (index: number) => Readonly<Record<string, unknown>>,
  count = 1,
  hidden: ReadonlyArray<number> = []
) =>
  Effect.gen(function*() {
    const { events, sink } = collecting()
    const { layer } = serving(wireRecords(count, fields), { hidden: new Set(hidden) })
    yield* AuditExport.run({ sink }).pipe(Effect.provide(layer))
    return events.map((event) => JSON.parse(JSON.stringify(Ocsf.eventOf(event, now))))
  })

/** What version 1.5.0 requires of every event, and the ids that it knows. */
const checkBase = (event: Json) => {
  for (const name of ["class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "time"]) {
    assert.isTrue(Number.isSafeInteger(event[name]), name)
  }
  assert.strictEqual(event.type_uid, 100 * event.class_uid + event.activity_id)
  assert.strictEqual(event.category_uid, Math.floor(event.class_uid / 1000))
  assert.include([0, 1, 2, 3, 4, 5, 6, 99], event.severity_id)
  assert.strictEqual(event.metadata.version, "1.5.0")
  assert.isNotEmpty(event.metadata.product.name)
  assert.isNotEmpty(event.metadata.uid)
}

describe("Ocsf", () => {
  it.effect("has what API Activity requires, whatever words the record has", () =>
    Effect.gen(function*() {
      const words = ["allow", "deny", "observed", "pending_approval", "constructor", "__proto__", "toString", "", "x"]
      const events = yield* mapped(
        (index) => ({ decision: words[index], severity: words[index], tool: words[index], method: words[index] }),
        words.length
      )
      for (const [index, event] of events.entries()) {
        checkBase(event)
        assert.strictEqual(event.class_uid, 6003)
        assert.include([1, 2, 3, 4, 99], event.activity_id)
        assert.isString(event.activity_name)
        assert.strictEqual(event.action, words[index])
        assert.isTrue(Number.isInteger(event.disposition_id))
        assert.isString(event.api.operation)
        assert.isNotEmpty(event.api.request.uid)
        assert.isNotEmpty(event.actor.app_name)
        assert.isNotEmpty(event.src_endpoint.name)
        assert.strictEqual(event.time, Date.UTC(2026, 10, 30, 10))
      }
      assert.deepStrictEqual(events.map(({ action_id }) => action_id), [1, 2, 3, 99, 99, 99, 99, 99, 99])
    }))

  it.effect("reads the activity from the first word of the method", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [string, number]> = [
        ["POST", 1],
        ["create_charge", 1],
        ["createCharge", 1],
        ["Get", 2],
        ["list-users", 2],
        ["PATCH /users", 3],
        ["delete", 4],
        ["settle_invoice", 99],
        ["newsletter", 99],
        ["address", 99],
        ["getaway", 99],
        ["refund", 99]
      ]
      const events = yield* mapped((index) => ({ method: cases[index]![0] }), cases.length)
      assert.deepStrictEqual(events.map(({ activity_id }) => activity_id), cases.map(([, id]) => id))
      assert.strictEqual(events[0].activity_name, "Create")
      assert.strictEqual(events.at(-1).activity_name, "refund")
    }))

  it.effect("has what Detection Finding requires of what is no record, and says which event each was", () =>
    Effect.gen(function*() {
      const [first, gap] = yield* mapped(() => ({ requested_at: "not a time" }), 3, [2])
      assert.strictEqual(first.time, now)
      checkBase(gap)
      assert.deepInclude(gap, { class_uid: 2004, category_uid: 2, status_id: 1 })
      assert.deepInclude(gap.finding_info, { uid: "t:gap:2", title: "UnreadableRecord" })
      assert.deepStrictEqual(Ocsf.keyOf(gap), { id: "t:gap:2", tenant: "t", count: 2, isRecord: false })
      assert.deepInclude(Ocsf.keyOf(first), { tenant: "t", count: 1, isRecord: true })
      for (const other of [{}, { ...gap, class_uid: 1 }, { ...gap, metadata: null }, { ...gap, metadata: {} }]) {
        assert.isUndefined(Ocsf.keyOf(other))
      }
    }))
})
