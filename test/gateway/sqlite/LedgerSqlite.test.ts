import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber, Layer, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Approvals } from "../../../src/approvals/Approvals.ts"
import * as Reviews from "../../../src/approvals/Reviews.ts"
import { AuditLog } from "../../../src/audit/AuditLog.ts"
import * as Replay from "../../../src/audit/Replay.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import { AgentHistory } from "../../../src/gateway/ledger/AgentHistory.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { layer as SubjectKeysLayer, SubjectKeys } from "../../../src/gateway/ledger/SubjectKeys.ts"
import { noRevision } from "../../../src/gateway/policy/PolicyEngine.ts"
import { CredentialVault } from "../../../src/gateway/tenants/CredentialVault.ts"
import { Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as Vargate from "../../../src/Vargate.ts"
import * as ChainVerifier from "../../../src/verify/ChainVerifier.ts"
import * as Merkle from "../../../src/verify/Merkle.ts"
import { folder } from "../../support/folder.ts"
import { allowed, approve, destructive, hold, newest, pending, reasonOf, reject, upTo } from "../suite/cases.ts"
import { acme, globex } from "../suite/doors.ts"

type House = Vargate.Services | Reviews.Reviews | Gateway.Parts

/** One life of a gateway on a file. */
const life = (filename: string, options: Gateway.Options = {}): Layer.Layer<House> =>
  Reviews.layer.pipe(
    Layer.provideMerge(Vargate.layer({ apiKey: acme.apiKey })),
    Layer.provideMerge(Gateway.layerSqlite({ filename, tenants: [acme, globex], ...options })),
    Layer.provideMerge(NodeHasher.layer),
    Layer.orDie,
    Layer.fresh
  )

type Body<A> = Effect.Effect<A, unknown, House | Scope.Scope>

/** Two lives of one gateway; the second is told what the first one saw. */
const twoLives = <A>(
  name: string,
  first: Body<A>,
  second: (seen: A) => Body<void>,
  options: { readonly first?: Gateway.Options; readonly second?: Gateway.Options } = {}
) =>
  it.effect(name, () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "vargate.db")
      const seen = yield* Effect.provide(Effect.scoped(first), life(filename, options.first))
      yield* Effect.provide(Effect.scoped(second(seen)), life(filename, options.second))
    }))

const log = AuditLog.use((auditLog) => auditLog.page({ limit: 1000 }))

const verified = ChainVerifier.ChainVerifier.use((verifier) => verifier.verify())

describe("a gateway on a file", () => {
  const everyKind = Effect.gen(function*() {
    yield* ToolCalls.call({ ...allowed, params: { "10": 1, é: "😀", list: [1e21, null, { deep: true }] } })
    yield* ToolCalls.call({ ...allowed, params: { customer_id: "c-1", to: "ann@example.com" } })
    yield* approve(yield* hold(), "fine")
    yield* reject(yield* hold(), "no")
    yield* hold({ ...destructive, params: { customer_id: "c-1", to: "bob@example.com" } })
  })

  twoLives(
    "finds its log again, and adds to the same chain",
    Effect.andThen(everyKind, log),
    Effect.fnUntraced(function*(before) {
      assert.deepStrictEqual(yield* log, before)
      yield* ToolCalls.call(allowed)
      const after = yield* log
      assert.deepStrictEqual(after.records.slice(1), before.records)
      assert.strictEqual(after.records[0]!.prevHash, before.records[0]!.recordHash)
      assert.strictEqual(after.records[0]!.id, before.records[0]!.id + 1)
      const report = yield* verified
      assert.strictEqual(report.valid, true, JSON.stringify(report))
      assert.strictEqual(report.records, before.total + 1)
    })
  )

  twoLives(
    "finds again what waits, with its params and its time, and what was decided",
    Effect.gen(function*() {
      yield* everyKind
      const list = yield* pending
      return { list, history: yield* Approvals.use((approvals) => approvals.history) }
    }),
    Effect.fnUntraced(function*({ history, list }) {
      assert.deepStrictEqual(yield* pending, list)
      assert.deepStrictEqual(yield* Approvals.use((approvals) => approvals.history), history)
      const [waiting] = list.pending
      assert.deepStrictEqual(waiting!.params, { customer_id: "c-1", to: "bob@example.com" })
      yield* TestClock.adjust("61 minutes")
      assert.match(yield* reasonOf(approve(waiting!.actionId)), /expired/)
      assert.deepStrictEqual((yield* pending).stats, { pending: 0, approved: 1, rejected: 1, expired: 1 })
    })
  )

  twoLives(
    "proves old records against the trees that it built then",
    Effect.gen(function*() {
      for (const n of upTo(5)) yield* ToolCalls.call({ ...allowed, params: { n } })
      yield* TestClock.adjust("1 hour")
      const record = yield* newest
      const roots = yield* Merkle.Merkle.use((merkle) => merkle.roots())
      return { record, roots, proof: yield* Merkle.Merkle.use((merkle) => merkle.proof(record.recordHash)) }
    }),
    Effect.fnUntraced(function*({ proof, record, roots }) {
      assert.strictEqual(roots.length, 1)
      assert.deepStrictEqual(yield* Merkle.Merkle.use((merkle) => merkle.roots()), roots)
      assert.deepStrictEqual(yield* Merkle.Merkle.use((merkle) => merkle.proof(record.recordHash)), proof)
    })
  )

  twoLives(
    "reads people's data with the same keys, and replays what the policy saw of it",
    Effect.gen(function*() {
      yield* everyKind
      const ledger = yield* Ledger
      return yield* ledger.subjectKeys("acme", "c-1")
    }),
    Effect.fnUntraced(function*(keys) {
      const ledger = yield* Ledger
      assert.deepStrictEqual(yield* ledger.subjectKeys("acme", "c-1"), keys)
      assert.deepStrictEqual((yield* ledger.subjects("acme")).map(({ id, records }) => [id, records]), [["c-1", 2]])
      const { actionId } = (yield* log).records.find(({ decision, piiSubjectId }) =>
        piiSubjectId === "c-1" && decision === "allow"
      )!
      assert.strictEqual((yield* Replay.Replay.use((replay) => replay.replay(actionId))).consistent, true)
    })
  )

  twoLives(
    "remembers how its agents behaved",
    Effect.gen(function*() {
      yield* ToolCalls.decide({ ...allowed, params: { to: "ann@example.com", amount: 5000 } })
      yield* TestClock.adjust("1 hour")
      yield* ToolCalls.decide({ tool: "forbidden", method: "use" })
      return yield* past
    }),
    Effect.fnUntraced(function*(before) {
      assert.deepStrictEqual(yield* past, before)
      assert.strictEqual(before.last_24h.action_count, 2)
      assert.strictEqual(before.last_24h.policy_violations, 1)
      assert.isAbove(before.anomaly_score, 0.15)
      assert.isTrue(before.known_recipient)
      assert.strictEqual(before.last_24h.high_value_transactions, 1)
      assert.deepStrictEqual(before.last_10min, { action_count: 1, denied_count: 1 })
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual((yield* past).last_10min, { action_count: 0, denied_count: 0 })
      yield* TestClock.adjust("1370 minutes")
      assert.strictEqual((yield* past).last_24h.action_count, 1)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* past).last_24h, {
        high_value_transactions: 0,
        action_count: 0,
        policy_violations: 0,
        last_violation_at: null
      })
    }),
    {
      first: {
        policy: { rules: [{ name: "no", severity: "high", when: ({ action }) => action.tool === "forbidden" }] }
      }
    }
  )

  twoLives(
    "keeps a daily limit over its own restart",
    Effect.forEach(upTo(3), () => ToolCalls.call(allowed)),
    Effect.fnUntraced(function*() {
      const error = yield* Effect.flip(ToolCalls.call(allowed))
      assert(error._tag === "Denied")
      assert.deepStrictEqual(error.violations, ["daily_action_limit_exceeded"])
    }),
    { second: { tenants: [{ ...acme, policyConfig: { dailyActionLimit: 2 } }] } }
  )

  twoLives(
    "knows its tenants and their credentials",
    Effect.gen(function*() {
      const [tenants, vault] = [yield* Tenants, yield* CredentialVault]
      yield* tenants.add({
        id: "late",
        apiKey: "late-key",
        policyConfig: { dailyActionLimit: 1 },
        webhookSecret: "whsec"
      })
      yield* tenants.rotateKey("late", Redacted.make("late-key"), Redacted.make("new-key"))
      yield* vault.register("late", { toolId: "stripe", name: "key", value: Redacted.make("sk-secret") })
      return yield* tenants.byId("late")
    }),
    Effect.fnUntraced(function*(before) {
      const [tenants, vault] = [yield* Tenants, yield* CredentialVault]
      assert.deepStrictEqual(yield* tenants.byKey(Redacted.make("new-key")), before)
      assert.isUndefined(yield* tenants.byKey(Redacted.make("late-key")))
      assert.strictEqual(Redacted.value(before!.webhookSecret!), "whsec")
      const opened = yield* vault.open("late", "stripe", { actionId: "1", agentId: "a" })
      assert.strictEqual(Redacted.value(opened.get("key")!), "sk-secret")
    })
  )
})

const past = Effect.gen(function*() {
  const history = yield* AgentHistory
  const at = yield* DateTime.now
  const [agent] = yield* AuditLog.use((auditLog) => auditLog.agents())
  return yield* history.of({ tenantId: "acme", agentId: agent!.agentId, at, params: { to: "ann@example.com" } })
})

describe("people's keys", () => {
  it.effect("are one for all calls that come at the same time", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "vargate.db")
      yield* Effect.gen(function*() {
        yield* Effect.forEach(
          upTo(20),
          (n) => ToolCalls.call({ ...allowed, params: { customer_id: "c-1", to: `ann+${n}@example.com` } }),
          { concurrency: "unbounded" }
        )
        const ledger = yield* Ledger
        assert.lengthOf(yield* ledger.subjectKeys("acme", "c-1"), 1)
        const keys = yield* SubjectKeys
        const values = yield* Effect.forEach((yield* log).records, ({ params }) =>
          keys.decrypt("acme", "c-1", String((params as { readonly to: string }).to)))
        assert.deepStrictEqual(
          values.toSorted(),
          upTo(20).map((n) =>
            `ann+${n}@example.com`
          ).toSorted()
        )
      }).pipe(Effect.provide(SubjectKeysLayer.pipe(Layer.provideMerge(life(filename)))))
    }))
})

describe("an approval that was cut off while the gateway executed it", () => {
  it.effect("has a record in the next life, as one of which nobody knows", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "vargate.db")
      const started = yield* Deferred.make<void>()
      const tools = {
        "files/delete": () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
      }
      const id = yield* Effect.gen(function*() {
        const id = yield* hold()
        // The client's caller goes; the gateway does not get any further, as if it were killed.
        const approval = yield* Effect.forkChild(approve(id, "go"), { startImmediately: true })
        yield* Deferred.await(started)
        yield* Fiber.interrupt(approval)
        return id
      }).pipe(Effect.provide(life(filename, { tools })))

      for (const _ of upTo(2)) {
        yield* Effect.gen(function*() {
          const { records: [review, original, ...others] } = yield* log
          assert.deepStrictEqual(others, [])
          assert.strictEqual(review!.actionId, ActionId.make(`approval-${id}`))
          assert.deepStrictEqual(review!.params, {
            target_action: id,
            note: "go",
            executed: null,
            execution_note: "The gateway stopped during the execution."
          })
          assert.strictEqual(review!.bundleRevision, noRevision)
          assert.strictEqual(original!.executionMode, "vargate_brokered")
          const approved = yield* Approvals.use((approvals) => approvals.await(id))
          assert.strictEqual(approved.execution._tag, "ExecutedUnseen")
          assert.strictEqual((yield* verified).valid, true)
        }).pipe(Effect.provide(life(filename)))
      }
    }))
})

describe("the file itself", () => {
  it.effect("shows no secret and no personal data to whoever lacks the key", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const filename = join(root, "vargate.db")
      const secrets = ["ann@example.com", "AB123456C", "sk-secret", "whsec-1", acme.apiKey, globex.apiKey]
      yield* Effect.gen(function*() {
        yield* ToolCalls.call({ ...allowed, params: { to: "ann@example.com", plain: "visible-text" } })
        yield* hold({ ...destructive, params: { customer_id: "c-1", text: "AB123456C" } })
        const [tenants, vault] = [yield* Tenants, yield* CredentialVault]
        yield* tenants.update("acme", () => ({ webhookSecret: Redacted.make("whsec-1") }))
        yield* vault.register("acme", { toolId: "stripe", name: "key", value: Redacted.make("sk-secret") })
      }).pipe(Effect.provide(life(filename)))
      const key = readFileSync(`${filename}.key`, "utf8").trim()
      const bytes = Buffer.concat(
        readdirSync(root).filter((name) => !name.endsWith(".key")).map((name) => readFileSync(join(root, name)))
      )
      assert.isTrue(bytes.includes("visible-text"))
      for (const secret of [...secrets, key, Buffer.from(key, "hex")]) assert.isFalse(bytes.includes(secret))
    }))

  it.effect("holds nothing of an erased person's key and data, not even in its free pages", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const filename = join(root, "vargate.db")
      const calls = Effect.forEach(
        upTo(20),
        (n) => ToolCalls.call({ ...allowed, params: { customer_id: "c-1", to: "ann@example.com", n } })
      )
      yield* Effect.provide(calls, life(filename))
      const query = (sql: string) => {
        const db = new DatabaseSync(filename)
        const row = db.prepare(sql).get()
        db.close()
        return row
      }
      const traces = [
        query("SELECT secret AS sealed FROM subject_keys"),
        query("SELECT substr(input, 1, 64) AS sealed FROM policy_inputs WHERE record_id = 10")
      ].map((row) => Buffer.from(row!.sealed as Uint8Array))
      const found = () => {
        const contents = Buffer.concat(readdirSync(root).map((name) => readFileSync(join(root, name))))
        return traces.filter((trace) => contents.includes(trace)).length
      }
      assert.strictEqual(found(), 2)
      yield* Effect.gen(function*() {
        yield* AuditLog.use((auditLog) => auditLog.erase("c-1"))
        // Already now, while the file is open and its write-ahead log beside it.
        assert.strictEqual(found(), 0)
        assert.deepStrictEqual(
          (yield* log).records.map(({ erasureStatus }) => erasureStatus),
          upTo(20).map(() => "erased")
        )
        assert.strictEqual((yield* verified).valid, true)
      }).pipe(Effect.provide(life(filename)))
      assert.deepStrictEqual(query("SELECT count(*) AS inputs FROM policy_inputs")?.inputs, 0)
    }))

  it.effect("that somebody wrote into is read, and the break is named", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "vargate.db")
      yield* Effect.forEach(upTo(5), (n) => ToolCalls.call({ ...allowed, params: { n } })).pipe(
        Effect.provide(life(filename))
      )
      const changes = [
        [`UPDATE records SET params = '{"n":7}' WHERE id = 5`, "record_hash mismatch"],
        [`UPDATE records SET params = 'no json at all' WHERE id = 4`, "record_hash mismatch"],
        [`UPDATE records SET violations = '{' WHERE id = 3`, "record_hash mismatch"],
        [`DELETE FROM records WHERE id = 2`, "prev_hash mismatch"]
      ] as const
      for (const [change, reason] of changes) {
        const db = new DatabaseSync(filename)
        db.exec(change)
        db.close()
        yield* Effect.gen(function*() {
          const status = yield* AuditLog.use((auditLog) => auditLog.verify)
          assert.deepStrictEqual([status.valid, status.reason], [false, reason], change)
          assert.strictEqual((yield* verified).valid, false)
        }).pipe(Effect.provide(life(filename)))
      }
    }))
})
