import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted, Stream } from "effect"
import { AuditLog } from "../../src/audit/AuditLog.ts"
import { Checkpoint } from "../../src/audit/Checkpoint.ts"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import { ActionId } from "../../src/model/ActionId.ts"
import { RecordHash } from "../../src/model/RecordHash.ts"
import { GatewayMemory } from "../../src/testing/GatewayMemory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as Vargate from "../../src/Vargate.ts"
import { capturesOf, hasCaptures, plain, reason, time } from "../conformance/captures.ts"
import { type Random, seeded } from "../support/generateJson.ts"
import { gateway, submitSome } from "../support/rawLog.ts"

/** A log of numbered records that a script serves, and that grows as it is read. */
const growing = (options: {
  readonly length: number
  readonly random?: Random | undefined
  readonly poisoned?: ReadonlyArray<number> | undefined
  readonly maxPage?: number | undefined
}) => {
  const { maxPage = 1000, poisoned = [], random } = options
  let { length } = options
  // Ids have gaps.
  const record = (place: number) => ({
    id: 3 * place + 1,
    action_id: `a-${place}`,
    agent_id: "agent",
    tool: "t",
    method: "m",
    params: {},
    requested_at: "2026-01-01T00:00:00.000000+00:00",
    decision: "allow",
    violations: [],
    severity: "none",
    bundle_revision: "v1",
    prev_hash: "GENESIS",
    record_hash: "0".repeat(64)
  })
  const layer = Vargate.layer({ apiKey: "test-key" }).pipe(
    Layer.provideMerge(ScriptedTransport.layer(({ path }) => {
      const query = new URL(path, "http://localhost").searchParams
      const offset = Number(query.get("offset"))
      const limit = Math.min(Number(query.get("limit")), maxPage)
      const places = Array.from({ length: limit }, (_, i) => length - 1 - offset - i).filter((place) => place >= 0)
      const total = length
      length += random?.below(5) ?? 0
      return places.some((place) => poisoned.includes(place))
        ? ScriptedTransport.text(500, "Internal Server Error", { "content-type": "text/plain; charset=utf-8" })
        : ScriptedTransport.json(200, {
          records: places.map(record),
          count: places.length,
          offset,
          total,
          tenant_id: "t"
        })
    }))
  )
  return { layer, currentLength: () => length }
}

const placesOf = (options?: Parameters<AuditLog["Service"]["records"]>[0]) =>
  AuditLog.use((auditLog) => Stream.runCollect(auditLog.records(options))).pipe(
    Effect.map((records) => records.map(({ id }) => (id - 1) / 3))
  )

const upTo = (end: number, start = 0) => Array.from({ length: end - start }, (_, i) => start + i)

const since = (count: number) =>
  new Checkpoint({
    tenantId: "t",
    id: 3 * (count - 1) + 1,
    recordHash: RecordHash.make("0".repeat(64)),
    count,
    at: DateTime.makeUnsafe(0),
    roots: []
  })

describe("records", () => {
  it.effect("come newest first or oldest first, in pages of any size", () =>
    Effect.gen(function*() {
      for (const length of [0, 1, 7, 40]) {
        for (const pageSize of [1, 3, 39, 40, 41, 1000]) {
          const { layer } = growing({ length })
          assert.deepStrictEqual(yield* Effect.provide(placesOf({ pageSize }), layer), upTo(length).reverse())
          assert.deepStrictEqual(yield* Effect.provide(placesOf({ pageSize, order: "oldest" }), layer), upTo(length))
        }
      }
    }))

  it.effect("are neither lost nor doubled while others are appended", () =>
    Effect.gen(function*() {
      for (let seed = 0; seed < 60; seed++) {
        const pageSize = 6 + seed % 9
        const newest = growing({ length: 50, random: seeded(seed) })
        assert.deepStrictEqual(yield* Effect.provide(placesOf({ pageSize }), newest.layer), upTo(50).reverse())
        const oldest = growing({ length: 50, random: seeded(seed) })
        const places = yield* Effect.provide(placesOf({ pageSize, order: "oldest" }), oldest.layer)
        assert.deepStrictEqual(places, upTo(places.length))
        assert.isAtLeast(places.length, 50)
      }
    }))

  it.effect("go on from a checkpoint", () =>
    Effect.gen(function*() {
      for (const pageSize of [1, 4, 1000]) {
        const { layer } = growing({ length: 30 })
        assert.deepStrictEqual(
          yield* Effect.provide(placesOf({ pageSize, since: since(20) }), layer),
          upTo(30, 20).reverse()
        )
        assert.deepStrictEqual(
          yield* Effect.provide(placesOf({ pageSize, since: since(20), order: "oldest" }), layer),
          upTo(30, 20)
        )
        assert.deepStrictEqual(
          yield* Effect.provide(placesOf({ pageSize, since: since(30), order: "oldest" }), layer),
          []
        )
      }
    }))

  it.effect("step over what cannot be shown, and say where it is", () =>
    Effect.gen(function*() {
      const poisoned = [0, 11, 12, 29]
      for (const order of ["newest", "oldest"] as const) {
        for (const pageSize of [1, 7, 1000]) {
          const gaps: Array<number> = []
          const onGap = (position: number) => Effect.sync(() => gaps.push(position))
          const { layer } = growing({ length: 30, poisoned })
          const places = yield* Effect.provide(placesOf({ order, pageSize, onGap }), layer)
          assert.deepStrictEqual(places.sort((a, b) => a - b), upTo(30).filter((place) => !poisoned.includes(place)))
          assert.deepStrictEqual([...new Set(gaps)].sort((a, b) => a - b), poisoned)
        }
      }
    }))

  it.effect("come from a gateway that gives shorter pages than it was asked for", () =>
    Effect.gen(function*() {
      const { layer } = growing({ length: 30, maxPage: 4 })
      assert.deepStrictEqual(yield* Effect.provide(placesOf(), layer), upTo(30).reverse())
      assert.deepStrictEqual(yield* Effect.provide(placesOf({ order: "oldest" }), layer), upTo(30))
    }))

  it.effect("refuse a page size out of bounds", () =>
    Effect.gen(function*() {
      const { layer } = growing({ length: 3 })
      for (const pageSize of [0, 1001, 0.5]) {
        const error = yield* Effect.flip(Effect.provide(placesOf({ pageSize }), layer))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      }
    }))
})

describe("record", () => {
  it.effect("finds one action, or says that there is none", () =>
    Effect.gen(function*() {
      yield* submitSome(seeded(51), 5)
      const [first] = yield* GatewayMemory.use((memory) => memory.records())
      const auditLog = yield* AuditLog
      assert.strictEqual((yield* auditLog.record(first!.actionId)).id, first!.id)
      const error = yield* Effect.flip(auditLog.record(ActionId.make("nope")))
      assert(error._tag === "VargateError" && error.reason._tag === "NotFound")
    }).pipe(Effect.provide(gateway())))
})

describe("personal data", () => {
  const submit = (params: Record<string, unknown>) =>
    ToolCalls.use((toolCalls) => Effect.ignore(toolCalls.decide({ tool: "crm", method: "update", params })))

  it.effect("is encrypted on record, under the subject's key, and gone when that is", () =>
    Effect.gen(function*() {
      yield* submit({ email: "alice@example.org", customer_id: "alice", note: "x" })
      yield* submit({ email: "bob@example.org", subject_id: "bob" })
      yield* submit({ name: "Carol", user_id: 7 })
      yield* submit({ name: "Dave" })
      const auditLog = yield* AuditLog
      const { records } = yield* auditLog.page()
      assert.deepStrictEqual(records.map(({ piiSubjectId }) => piiSubjectId), ["effect-agent", "7", "bob", "alice"])
      const recorded = records.at(-1)!.params as Record<string, string>
      assert.match(recorded["email"]!, /^\[ENCRYPTED:key-alice-v1:[A-Za-z0-9+/]+=*\]$/)
      assert.deepInclude(recorded, { customer_id: "alice", note: "x" })
      assert.deepStrictEqual((yield* auditLog.subjects).map(({ id, records }) => [id, records]), [
        ["7", 1],
        ["alice", 1],
        ["bob", 1],
        ["effect-agent", 1]
      ])

      const before = yield* auditLog.verifyErasure("alice")
      assert.notInclude(JSON.stringify(before) + String(before), "alice@example.org")
      assert.isFalse(Redacted.value(before).isErased)
      assert.strictEqual(Redacted.value(before).fields[0]!.plaintext, "alice@example.org")

      const receipt = yield* auditLog.erase("alice")
      assert.deepInclude({ ...receipt }, { subjectId: "alice", records: 1 })
      assert.deepStrictEqual(yield* auditLog.erase("alice"), receipt)
      const after = Redacted.value(yield* auditLog.verifyErasure("alice"))
      assert.isTrue(after.isErased)
      assert.isUndefined(after.fields[0]!.plaintext)
      assert.isFalse(Redacted.value(yield* auditLog.verifyErasure("bob")).isErased)
      assert.isTrue((yield* auditLog.verify).valid)

      yield* submit({ email: "alice@again.org", customer_id: "alice" })
      const [again] = (yield* auditLog.page()).records
      assert.match((again!.params as Record<string, string>)["email"]!, /^\[ENCRYPTED:key-alice-v2:/)
    }).pipe(Effect.provide(gateway())))

  it.effect("of nobody is not found, and an id that cannot stand in a URL is refused", () =>
    Effect.gen(function*() {
      const auditLog = yield* AuditLog
      for (
        const [id, tag] of [["nobody", "NotFound"], ["..", "InvalidRequest"], [".", "InvalidRequest"], [
          "",
          "InvalidRequest"
        ]]
      ) {
        for (const operation of [auditLog.erase(id!), auditLog.verifyErasure(id!)]) {
          const error = yield* Effect.flip<unknown, unknown, never>(operation)
          assert.nestedPropertyVal(error, "reason._tag", tag)
        }
      }
      yield* submit({ email: "x@y.org", customer_id: "a/b ?#%" })
      assert.isTrue(Redacted.isRedacted(yield* auditLog.verifyErasure("a/b ?#%")))
    }).pipe(Effect.provide(gateway())))

  it.effect("stays out of errors", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(AuditLog.use((auditLog) => auditLog.verifyErasure("alice")))
      assert.notInclude(JSON.stringify(error) + String(error) + JSON.stringify({ ...error }), "alice@example.org")
      assert(error._tag === "VargateError" && error.reason._tag === "UnexpectedResponse")
      assert.strictEqual(error.reason.excerpt, "")
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(
        Layer.provide(ScriptedTransport.layer([ScriptedTransport.json(200, { plaintext: "alice@example.org" })]))
      )
    )))
})

describe.skipIf(!hasCaptures)(`captured answers (${reason})`, () => {
  const refusals: Readonly<Record<number, string>> = {
    401: "Unauthenticated",
    404: "NotFound",
    422: "InvalidRequest",
    429: "RateLimited",
    500: "GatewayFault"
  }

  type Raw = Readonly<Record<string, never>>
  const rows = (body: Raw, key: string) => body[key] as unknown as ReadonlyArray<Raw>

  const routes: ReadonlyArray<{
    readonly name: string
    readonly captures: ReturnType<typeof capturesOf>
    readonly run: Effect.Effect<unknown, unknown, AuditLog>
    readonly expected: (body: Raw) => unknown
  }> = [
    {
      name: "AuditLog.agents",
      captures: capturesOf("GET", /^\/audit\/agents$/),
      run: AuditLog.use((auditLog) => auditLog.agents()),
      expected: (body) =>
        rows(body, "agents").map((agent) => ({
          agentId: agent["agent_id"],
          total: agent["total"],
          blocked: agent["blocked"],
          lastAction: time(agent["last_action"]),
          anomalyScore: agent["anomaly_score"],
          tools: agent["tools"]
        }))
    },
    {
      name: "AuditLog.subjects",
      captures: capturesOf("GET", /^\/audit\/subjects$/),
      run: AuditLog.use((auditLog) => auditLog.subjects),
      expected: (body) =>
        rows(body, "subjects").map((subject) => ({
          id: subject["subject_id"],
          records: subject["record_count"],
          erasureStatus: subject["erasure_status"],
          lastSeen: time(subject["last_seen"])
        }))
    },
    {
      name: "AuditLog.erase",
      captures: capturesOf("POST", /^\/audit\/erase\/[^/]+$/),
      run: AuditLog.use((auditLog) => auditLog.erase("alice")),
      expected: (body) => ({
        subjectId: body["subject_id"],
        records: body["records_affected"],
        certificate: body["erasure_certificate"],
        erasedAt: time(body["erased_at"]),
        interpretation: body["interpretation"]
      })
    },
    {
      name: "AuditLog.verifyErasure",
      captures: capturesOf("GET", /^\/audit\/erase\/[^/]+\/verify$/),
      run: AuditLog.use((auditLog) => Effect.map(auditLog.verifyErasure("alice"), Redacted.value)),
      expected: (body) => {
        const result = body["results"]!["email"] as Raw
        const { erased, error, plaintext } = result["result"]! as Raw
        return {
          subjectId: body["subject_id"],
          claimedErased: body["erasure_verified"],
          fields: [plain({
            field: "email",
            encrypted: result["encrypted_value"],
            plaintext,
            error,
            claimedErased: result["erasure_verified"],
            keyErased: erased
          })],
          interpretation: body["interpretation"]
        }
      }
    }
  ]

  for (const { captures, expected, name, run } of routes) {
    it.effect.each(captures)(`${name}: $status $file`, (capture) =>
      Effect.gen(function*() {
        const step = ScriptedTransport.text(capture.status, capture.text, capture.headers)
        const layer = Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provide(ScriptedTransport.layer([step])))
        const result = yield* Effect.result(Effect.provide(run, layer))
        if (capture.status === 200) {
          assert(result._tag === "Success", String(result))
          assert.deepStrictEqual(plain(result.success), plain(expected(JSON.parse(capture.text))))
        } else {
          assert(result._tag === "Failure")
          const { _tag, reason } = result.failure as {
            readonly _tag: string
            readonly reason?: { readonly _tag: string }
          }
          assert.strictEqual(reason?._tag ?? _tag, refusals[capture.status])
        }
      }))
  }

  it("have cases of every route", () => {
    assert.deepStrictEqual(routes.map(({ captures }) => captures.length), [3, 3, 6, 4])
  })
})
