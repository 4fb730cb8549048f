import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted, Schema, Stream } from "effect"
import {
  ActionId,
  Agent,
  Approvals,
  AuditLog,
  Ballots,
  Grants,
  ReviewPanel,
  ReviewRules,
  ReviewVerifier,
  ToolCalls,
  VoteSigner
} from "effect-vargate"
import * as GrantsSql from "effect-vargate/node/GrantsSql"
import * as SqlClient from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { covers } from "../../src/reviews/internal/coverage.ts"
import { inProcess, Wiretap, type World } from "../support/worlds.ts"
import { action, minute, reviewer, signer } from "./ballots.ts"

const ann = reviewer("ann", "finance")
const bob = reviewer("bob", "finance")

const sqlite = GrantsSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)
const stores = { "in memory": Grants.layerStoreMemory, "in SQLite": sqlite }

type Needs = World | Ballots.Ballots | VoteSigner.VoteSigner | Grants.Grants

const idOf = Schema.decodeSync(ActionId.ActionId)

const one = { rules: ReviewRules.make({ otherwise: ReviewRules.anyOf("finance") }) }
const two = { rules: ReviewRules.make({ otherwise: ReviewRules.quorum(2, "finance") }) }

const hold = (params: Readonly<Record<string, unknown>>, agentId = "bot") =>
  Effect.map(
    ToolCalls.decide({ tool: "db", method: "delete", params, agent: { id: agentId }, allowDuplicate: true }),
    ({ actionId }) => actionId
  )

const outcomeOf = (actionId: ActionId.ActionId) =>
  Effect.map(Approvals.Approvals.use(({ outcome }) => outcome(actionId)), ({ _tag }) => _tag)

const scope = (change: Partial<Grants.GrantRequest> = {}): Grants.GrantRequest => ({
  agentId: "bot",
  tool: "db",
  method: "delete",
  params: { n: Grants.range(0, 50) },
  expiresIn: "1 day",
  ...change
})

const nestedFields = (depth: number): Grants.Constraint =>
  depth === 0 ? Grants.any : Grants.fields({ a: nestedFields(depth - 1) })

const grant = (by: typeof ann, change?: Partial<Grants.GrantRequest>) =>
  Grants.Grants.use(({ grant }) => grant(by, scope(change)))

const verify = Effect.gen(function*() {
  const { publicKey } = yield* VoteSigner.VoteSigner
  const { records } = yield* AuditLog.AuditLog
  const ballots = yield* Ballots.Ballots.use(({ list }) => list({ limit: 1_000 }))
  const grants = yield* Grants.Grants.use(({ store }) => store.list({ limit: 1_000 }))
  const check = (grants: ReadonlyArray<Grants.GrantStatus>) =>
    ReviewVerifier.verify(ballots, records(), { publicKeys: [publicKey], grants })
  return { check, grants, report: yield* check(grants) }
})

const faultsOf = ({ findings }: ReviewVerifier.ReviewReport) => findings.map(({ fault }) => fault)

for (const [name, store] of Object.entries(stores)) {
  const test = (title: string, effect: Effect.Effect<void, unknown, Needs>) =>
    it.effect(title, () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(minute(0).epochMilliseconds)
        yield* Effect.provide(
          effect,
          Layer.mergeAll(
            Layer.fresh(Ballots.layerMemory),
            Layer.provideMerge(Layer.provide(Grants.layer, Layer.fresh(store)), signer),
            inProcess({
              tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }],
              tools: { "db/delete": () => Effect.succeed("gone") }
            })
          )
        )
      }))

  describe(`a grant ${name}`, () => {
    test(
      "has the panel approve what it covers, on record under its id, and nothing else",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make(one)
        const { id } = yield* grant(ann, { note: "small ones" })
        const within = yield* hold({ n: 50 })
        const others = [
          yield* hold({ n: 51 }),
          yield* hold({ n: 5, force: true }),
          yield* hold({}),
          yield* hold({ n: 5 }, "another"),
          yield* hold({ n: "5" })
        ]
        yield* panel.sweep
        assert.strictEqual(yield* outcomeOf(within), "Approved")
        for (const other of others) assert.strictEqual(yield* outcomeOf(other), "Waiting")
        const [decided] = yield* Approvals.Approvals.use(({ history }) => history)
        assert.include(decided!.note, `ann (grant ${id})`)
        assert.match(decided!.note!, /^review-panel\/1 approve sha256:/)
        const { store } = yield* Grants.Grants
        assert.deepStrictEqual((yield* store.uses(id, 10)).map(({ actionId }) => actionId), [within])
        assert.strictEqual((yield* store.find(id))!.uses, 1)
        const { report } = yield* verify
        assert.deepStrictEqual([report.valid, report.approvals, report.findings], [true, 1, []])
        const requests = (yield* Wiretap).requests.filter((request) => /approve|reject/.test(request))
        assert.deepStrictEqual(requests, [`POST /api/approve/${within}`])
      })
    )

    test(
      "counts no more once it is revoked, has expired, or is used up",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make(one)
        const sweep = Effect.fnUntraced(function*(n: number) {
          const actionId = yield* hold({ n })
          yield* panel.sweep
          return yield* outcomeOf(actionId)
        })
        const { revoke } = yield* Grants.Grants
        const first = yield* grant(ann)
        assert.strictEqual(yield* sweep(1), "Approved")
        assert.isTrue(yield* revoke(first.id, "bob"))
        assert.isFalse(yield* revoke(first.id, "bob"))
        assert.isFalse(yield* revoke("none", "bob"))
        assert.strictEqual(yield* sweep(2), "Waiting")
        yield* grant(ann, { count: 2, params: { n: Grants.range(10, 19) } })
        assert.deepStrictEqual([yield* sweep(10), yield* sweep(11), yield* sweep(12)], [
          "Approved",
          "Approved",
          "Waiting"
        ])
        yield* grant(ann, { expiresIn: "10 minutes", params: { n: Grants.range(20, 29) } })
        assert.strictEqual(yield* sweep(20), "Approved")
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(yield* sweep(21), "Waiting")
        const { grants, report } = yield* verify
        assert.deepStrictEqual(report.findings, [])
        assert.deepStrictEqual(grants.map(({ revokedBy, uses }) => [revokedBy, uses]).sort(), [
          [null, 1],
          [null, 2],
          ["bob", 1]
        ])
      })
    )

    test(
      "can be verified where the log keeps encrypted what it covers",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make(one)
        yield* grant(ann, {
          params: { to: Grants.oneOf("a@example.com", "b@example.com"), n: Grants.range(0, 5), account: Grants.any },
          budgets: [{ sum: "n", per: "day", max: 5 }]
        })
        const covered = yield* hold({ to: "b@example.com", n: 5, account: "DE89370400440532013000" })
        const other = yield* hold({ to: "c@example.com", n: 1, account: "x" })
        yield* panel.sweep
        assert.deepStrictEqual([yield* outcomeOf(covered), yield* outcomeOf(other)], ["Approved", "Waiting"])
        const { records } = yield* AuditLog.AuditLog
        const logged = yield* Stream.runCollect(records())
        assert.include(JSON.stringify(logged.find(({ actionId }) => actionId === covered)!.params), "[ENCRYPTED:")
        const { report } = yield* verify
        assert.deepStrictEqual([report.findings, report.approvals], [[], 1])
      })
    )

    test(
      "keeps to its budgets: an hour's, and that of the grant",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make(one)
        yield* grant(ann, {
          budgets: [{ sum: "n", per: "hour", max: 60 }, { sum: "n", per: "grant", max: 100 }]
        })
        const outcomes = Effect.fnUntraced(function*(...amounts: ReadonlyArray<number>) {
          const ids = yield* Effect.forEach(amounts, (n) => Effect.tap(hold({ n }), panel.sweep))
          return yield* Effect.forEach(ids, outcomeOf)
        })
        assert.deepStrictEqual(yield* outcomes(40, 30, 20), ["Approved", "Waiting", "Approved"])
        // What waited has its turn in the next hour, and expires after it.
        yield* TestClock.adjust("59 minutes")
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(yield* outcomes(41, 40, 1), ["Waiting", "Approved", "Waiting"])
        const { report } = yield* verify
        assert.deepStrictEqual(report.findings, [])
      })
    )

    test(
      "is one reviewer's vote: a rule that asks two still asks two, and who asked does not approve",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make({
          rules: ReviewRules.make({
            otherwise: ReviewRules.quorum(2, "finance"),
            requesters: ({ agentId }) => agentId === "anns-bot" ? ["ann"] : []
          })
        })
        yield* grant(ann)
        yield* grant(ann, { agentId: "anns-bot" })
        yield* grant(reviewer("cid", "legal"))
        const [mine, other] = [yield* hold({ n: 1 }, "anns-bot"), yield* hold({ n: 1 })]
        yield* panel.sweep
        assert.deepStrictEqual([yield* outcomeOf(mine), yield* outcomeOf(other)], ["Waiting", "Waiting"])
        assert.deepStrictEqual((yield* panel.status(mine))!.ballot.votes, [])
        const { ballot } = (yield* panel.status(other))!
        assert.deepStrictEqual(ballot.votes.map(({ reviewerId }) => reviewerId), ["ann"])
        yield* panel.vote(bob, { actionId: other, digest: ballot.opening.digest, choice: "approve" })
        assert.strictEqual(yield* outcomeOf(other), "Approved")
        const { report } = yield* verify
        assert.deepStrictEqual([report.findings, report.approvals], [[], 1])
      })
    )

    test(
      "never changes what its reviewer has voted by hand",
      Effect.gen(function*() {
        const panel = yield* ReviewPanel.make({
          rules: ReviewRules.make({ otherwise: ReviewRules.quorum(2, "finance", { rejections: 2 }) })
        })
        const actionId = yield* hold({ n: 1 })
        const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
        yield* panel.vote(ann, { actionId, digest: ReviewPanel.digest(pending[0]!), choice: "reject" })
        yield* grant(ann)
        yield* panel.sweep
        const { ballot } = (yield* panel.status(actionId))!
        assert.deepStrictEqual(ballot.votes.map(({ choice }) => choice), ["reject"])
      })
    )

    test(
      "is used once for an action, by however many panels",
      Effect.gen(function*() {
        const panels = yield* Effect.forEach([1, 2, 3], () => ReviewPanel.make(one))
        const { id } = yield* grant(ann, { count: 3 })
        const ids = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => hold({ n }))
        yield* Effect.all(panels.map(({ sweep }) => Effect.ignore(sweep)), { concurrency: 3 })
        yield* Effect.all(panels.map(({ sweep }) => Effect.ignore(sweep)), { concurrency: 3 })
        const outcomes = yield* Effect.forEach(ids, outcomeOf)
        assert.strictEqual(outcomes.filter((outcome) => outcome === "Approved").length, 3)
        assert.strictEqual((yield* Grants.Grants.use(({ store }) => store.find(id)))!.uses, 3)
        const { report } = yield* verify
        assert.deepStrictEqual(report.findings, [])
      })
    )

    test(
      "is recorded once for a use, and not beyond its time",
      Effect.gen(function*() {
        const { store } = yield* Grants.Grants
        const { id } = yield* grant(ann, { count: 2, budgets: [{ sum: "n", per: "grant", max: 1 }] })
        const use = (n: number, at = 1) => ({ actionId: idOf(`a-${n}`), digest: String(n).repeat(64), at: minute(at) })
        const draw = (amount: number) => [{ budget: "0 ", amount, max: 10 }]
        const used = yield* Effect.all([1, 2, 3].map(() => store.use(id, use(1), draw(8))), { concurrency: 3 })
        assert.deepStrictEqual(used, [true, true, true])
        assert.isFalse(yield* store.use(id, use(2), draw(3)))
        assert.isTrue(yield* store.use(id, use(2), draw(2)))
        assert.isFalse(yield* store.use(id, use(3), draw(0)))
        assert.isFalse(yield* store.use(id, use(4, 24 * 60), []))
        assert.isFalse(yield* store.use("none", use(1), []))
        assert.strictEqual((yield* store.uses(id, 10)).length, 2)
      })
    )
  })
}

const test = (title: string, effect: Effect.Effect<void, unknown, Needs>) =>
  it.effect(title, () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(minute(0).epochMilliseconds)
      yield* Effect.provide(
        effect,
        Layer.mergeAll(
          Layer.fresh(Ballots.layerMemory),
          Layer.provideMerge(Layer.fresh(Grants.layerMemory), signer),
          inProcess({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] })
        )
      )
    }))

describe("a store that somebody else writes to", () => {
  /** The panel's database, for the other one too. */
  const database = Layer.fresh(
    Layer.provideMerge(GrantsSql.layer, SqliteClient.layer({ filename: ":memory:" })).pipe(Layer.orDie)
  )
  const hostile = (title: string, effect: Effect.Effect<void, unknown, Needs | SqlClient.SqlClient>) =>
    it.effect(title, () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(minute(0).epochMilliseconds)
        yield* Effect.provide(
          effect,
          Layer.mergeAll(
            Layer.fresh(Ballots.layerMemory),
            Layer.provideMerge(Grants.layer, Layer.merge(database, signer)),
            inProcess({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] })
          )
        )
      }))

  const sweeping = Effect.map(ReviewPanel.make(one), (panel) =>
    Effect.fnUntraced(function*(n: number) {
      const actionId = yield* hold({ n })
      yield* panel.sweep
      return yield* outcomeOf(actionId)
    }))

  hostile(
    "does not revive a grant that was revoked here, or that a look has found revoked or gone",
    Effect.gen(function*() {
      const sweep = yield* sweeping
      const sql = yield* SqlClient.SqlClient
      const { revoke } = yield* Grants.Grants
      const revive = sql`UPDATE vargate_grants SET revoked_at = NULL, revoked_by = NULL`
      const here = yield* grant(ann, { params: { n: Grants.range(0, 9) } })
      assert.strictEqual(yield* sweep(1), "Approved")
      // Before the panel looks again.
      yield* Effect.andThen(revoke(here.id, "bob"), revive)
      assert.strictEqual(yield* sweep(2), "Waiting")
      // By another process.
      yield* grant(ann, { params: { n: Grants.range(10, 19) } })
      assert.strictEqual(yield* sweep(10), "Approved")
      yield* sql`UPDATE vargate_grants SET revoked_at = ${minute(0).toString()}`
      assert.strictEqual(yield* sweep(11), "Waiting")
      yield* revive
      assert.strictEqual(yield* sweep(12), "Waiting")
      const gone = yield* grant(ann, { params: { n: Grants.range(20, 29) } })
      assert.strictEqual(yield* sweep(20), "Approved")
      const [row] = yield* sql`SELECT * FROM vargate_grants WHERE id = ${gone.id}`
      yield* sql`DELETE FROM vargate_grants WHERE id = ${gone.id}`
      assert.strictEqual(yield* sweep(21), "Waiting")
      yield* sql`INSERT INTO vargate_grants ${sql.insert({ ...row! })}`
      assert.strictEqual(yield* sweep(22), "Waiting")
      // What has not ended goes on.
      yield* grant(ann, { params: { n: Grants.range(30, 39) } })
      assert.deepStrictEqual([yield* sweep(30), yield* sweep(31)], ["Approved", "Approved"])
    })
  )

  hostile(
    "does not take uses back, and widens no count, end or scope",
    Effect.gen(function*() {
      const sweep = yield* sweeping
      const sql = yield* SqlClient.SqlClient
      yield* grant(ann, { count: 2, params: { n: Grants.range(0, 9) } })
      assert.deepStrictEqual([yield* sweep(1), yield* sweep(2)], ["Approved", "Approved"])
      yield* sql`UPDATE vargate_grants SET max_uses = NULL`
      assert.strictEqual(yield* sweep(3), "Waiting")
      yield* sql`UPDATE vargate_grants SET uses = 0`
      yield* sql`DELETE FROM vargate_grant_uses`
      assert.strictEqual(yield* sweep(4), "Waiting")
      yield* grant(ann, { params: { n: Grants.range(10, 19) }, expiresIn: "10 minutes" })
      yield* TestClock.adjust("11 minutes")
      yield* sql`UPDATE vargate_grants SET expires_at = '2999-01-01T00:00:00.000Z'`
      assert.strictEqual(yield* sweep(10), "Waiting")
      yield* grant(ann, { params: { n: Grants.range(20, 29) } })
      yield* sql`UPDATE vargate_grants SET body = replace(body, '"max":29', '"max":99')`
      assert.strictEqual(yield* sweep(20), "Waiting")
    })
  )

  hostile(
    "keeps no other grant from counting by one that cannot be read, and no vote by a table that is not there",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const sql = yield* SqlClient.SqlClient
      const broken = yield* grant(ann, { params: { n: Grants.range(0, 9) } })
      const copied = yield* grant(ann, { params: { n: Grants.range(10, 19) } })
      yield* sql`UPDATE vargate_grants SET body = '{' WHERE id = ${broken.id}`
      yield* sql`UPDATE vargate_grants SET id = 'another' WHERE id = ${copied.id}`
      yield* grant(ann, { params: { n: Grants.range(20, 29) } })
      const ids = yield* Effect.forEach([1, 10, 20], (n) => hold({ n }))
      yield* panel.sweep
      assert.deepStrictEqual(yield* Effect.forEach(ids, outcomeOf), ["Waiting", "Waiting", "Approved"])
      yield* sql`DROP TABLE vargate_grants`
      const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
      yield* panel.sweep
      yield* panel.vote(ann, {
        actionId: ids[0]!,
        digest: ReviewPanel.digest(pending.find(({ actionId }) => actionId === ids[0])!),
        choice: "approve"
      })
      assert.strictEqual(yield* outcomeOf(ids[0]!), "Approved")
    })
  )
})

describe("the verifier of reviews", () => {
  const approved = Effect.gen(function*() {
    const panel = yield* ReviewPanel.make(one)
    const made = yield* grant(ann, { count: 2 })
    yield* hold({ n: 7 })
    yield* hold({ n: 8 })
    yield* panel.sweep
    const { check, report } = yield* verify
    assert.deepStrictEqual([report.valid, report.approvals], [true, 2])
    const [status] = yield* Grants.Grants.use(({ store }) => store.list({ limit: 1 }))
    return { made, status: status!, check }
  })
  const changed = (status: Grants.GrantStatus, grant: Partial<typeof Grants.Grant.Type>) =>
    new Grants.GrantStatus({ ...status, grant: new Grants.Grant({ ...status.grant, ...grant }) })

  test(
    "does not take an approval under a grant that is unknown, or that was not in force",
    Effect.gen(function*() {
      const { check, status } = yield* approved
      assert.deepStrictEqual(faultsOf(yield* check([])), ["OtherGrant", "OtherGrant"])
      const revoked = new Grants.GrantStatus({ ...status, revokedAt: minute(-1), revokedBy: "bob" })
      const { findings } = yield* check([revoked])
      assert.match(findings[0]!.detail, /was not in force when the vote was cast/)
      // One that was revoked afterwards was in force.
      const later = new Grants.GrantStatus({ ...status, revokedAt: minute(1), revokedBy: "bob" })
      assert.deepStrictEqual((yield* check([later])).findings, [])
    })
  )

  test(
    "finds a grant that was changed after it was signed, also where it would cover the action",
    Effect.gen(function*() {
      const { check, status } = yield* approved
      const wider = yield* check([changed(status, { params: { n: Grants.any } })])
      assert.match(wider.findings[0]!.detail, /was not signed by a trusted key/)
      const narrower = yield* check([changed(status, { params: { n: Grants.range(0, 7) } })])
      assert.isTrue(narrower.findings.some(({ detail }) => /does not cover the action/.test(detail)))
      const fewer = yield* check([changed(status, { count: 1 })])
      assert.isTrue(fewer.findings.some(({ detail }) => /was used 2 times, and 1 are allowed/.test(detail)))
      const dearer = yield* check([changed(status, { budgets: [{ sum: "n", per: "grant", max: 10 }] })])
      assert.isTrue(dearer.findings.some(({ detail }) => /was used beyond its budget/.test(detail)))
      const another = yield* check([changed(status, { reviewerId: "bob" })])
      assert.isTrue(another.findings.some(({ detail }) => /is no vote of this reviewer's/.test(detail)))
    })
  )
})

describe("a panel", () => {
  test(
    "takes a vote that says always, where its scope covers the action",
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(one)
      const actionId = yield* hold({ n: 7 })
      const { pending } = yield* Approvals.Approvals.use(({ pending }) => pending)
      const vote = { actionId, digest: ReviewPanel.digest(pending[0]!), choice: "approve" } as const
      const always = (params: Grants.GrantRequest["params"]) => ({ params, expiresIn: "1 day" } as const)
      const refusals = [
        panel.vote(ann, { ...vote, always: always({ n: Grants.range(0, 5) }) }),
        panel.vote(ann, { ...vote, always: always({}) }),
        panel.vote(ann, { ...vote, choice: "reject", always: always({ n: Grants.any }) }),
        panel.vote(ann, { ...vote, onBehalfOf: "bob", always: always({ n: Grants.any }) }),
        panel.vote(ann, { ...vote, always: { ...always({ n: Grants.any }), count: 0 } })
      ]
      for (const refusal of refusals) assert.strictEqual((yield* Effect.flip(refusal))._tag, "VargateError")
      const { store } = yield* Grants.Grants
      assert.deepStrictEqual(yield* store.list({ limit: 10 }), [])
      assert.strictEqual(yield* outcomeOf(actionId), "Waiting")
      yield* panel.vote(ann, { ...vote, always: always({ n: Grants.range(0, 10) }) })
      assert.strictEqual(yield* outcomeOf(actionId), "Approved")
      const [next, beyond] = [yield* hold({ n: 10 }), yield* hold({ n: 11 })]
      yield* panel.sweep
      assert.deepStrictEqual([yield* outcomeOf(next), yield* outcomeOf(beyond)], ["Approved", "Waiting"])
      const [status] = yield* store.list({ limit: 10 })
      assert.deepInclude(status!.grant, { reviewerId: "ann", agentId: "bot", tool: "db", method: "delete" })
      const { report } = yield* verify
      assert.deepStrictEqual([report.findings, report.approvals], [[], 2])
    })
  )

  test(
    "applies no grant that it has not signed",
    Effect.gen(function*() {
      const { store } = yield* Grants.Grants
      const other = VoteSigner.layer(Redacted.make("22".repeat(32))).pipe(Layer.orDie)
      const foreign = yield* Effect.provide(
        grant(ann),
        Layer.provide(Layer.fresh(Grants.layerMemory), other)
      )
      yield* store.add(foreign)
      const real = yield* grant(bob, { params: { n: Grants.equals(1) } })
      yield* store.add(new Grants.Grant({ ...real, id: "forged", params: { n: Grants.any } }))
      const actionId = yield* hold({ n: 7 })
      const panel = yield* ReviewPanel.make(one)
      yield* panel.sweep
      assert.strictEqual(yield* outcomeOf(actionId), "Waiting")
      assert.deepStrictEqual(yield* store.uses(foreign.id, 10), [])
    })
  )

  it.effect("without grants approves nothing by itself", () =>
    Effect.gen(function*() {
      const panel = yield* ReviewPanel.make(two)
      const actionId = yield* hold({ n: 1 })
      yield* panel.sweep
      assert.strictEqual(yield* outcomeOf(actionId), "Waiting")
    }).pipe(Effect.provide(Layer.mergeAll(
      Layer.fresh(Ballots.layerMemory),
      signer,
      inProcess({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] })
    ))))
})

describe("a grant", () => {
  test(
    "is refused without an end, with an end beyond a year, and with limits that are none",
    Effect.gen(function*() {
      const bad: ReadonlyArray<Partial<Grants.GrantRequest>> = [
        { expiresIn: "0 seconds" },
        { expiresIn: "Infinity" as never },
        { expiresIn: "400 days" },
        { count: 0 },
        { count: 1.5 },
        { budgets: [{ sum: "", per: "day", max: 1 }] },
        { budgets: [{ sum: "n", per: "day", max: -1 }] },
        { budgets: [{ sum: "n", per: "week" as never, max: 1 }] },
        { params: { n: Grants.oneOf() } },
        { params: { n: Grants.range(2, 1) } },
        { params: { order: Grants.fields({ n: Grants.range(2, 1) }) } },
        { params: { n: Grants.equals(Number.NaN) } },
        { params: { n: Grants.equals(() => 5) } },
        { params: { n: Grants.equals(5n) } },
        { params: { n: Grants.equals("x".repeat(70_000)) } },
        { params: { n: nestedFields(17) } },
        { budgets: [{ sum: "m", per: "day", max: 1 }] },
        { params: { n: 5 as never } },
        { note: "x".repeat(2001) }
      ]
      for (const change of bad) {
        const error = yield* Effect.flip(grant(ann, change))
        assert(error._tag === "VargateError")
        assert.strictEqual(error.reason._tag, "InvalidRequest")
      }
    })
  )

  test(
    "covers what its fields say, and no field that it does not name",
    Effect.gen(function*() {
      const coversOf = Effect.fnUntraced(function*(params: Grants.GrantRequest["params"], given: unknown) {
        const made = yield* grant(ann, { params })
        return covers(made, action({ agentId: "bot", tool: "db", method: "delete", params: given }))
      })
      assert.isTrue(yield* coversOf({}, {}))
      assert.isFalse(yield* coversOf({}, { n: 1 }))
      assert.isTrue(yield* coversOf({}, { vargate_reference: "a1b2" }))
      const recipient = { to: Grants.oneOf("a@example.com", "b@example.com"), text: Grants.any }
      assert.isTrue(yield* coversOf(recipient, { to: "a@example.com", text: { any: ["thing"] } }))
      assert.isFalse(yield* coversOf(recipient, { to: "c@example.com", text: "" }))
      assert.isFalse(yield* coversOf(recipient, { to: "a@example.com" }))
      assert.isFalse(yield* coversOf(recipient, { to: "a@example.com", text: "", cc: "c@example.com" }))
      const nested = { order: Grants.fields({ total: Grants.range(1, 2), items: Grants.equals([1, { a: 2 }]) }) }
      assert.isTrue(yield* coversOf(nested, { order: { items: [1, { a: 2 }], total: 1.5 } }))
      assert.isFalse(yield* coversOf(nested, { order: { items: [1, { a: 2 }], total: 1.5, gift: true } }))
      assert.isFalse(yield* coversOf(nested, { order: { items: [1, { a: 2 }], total: 2.5 } }))
      assert.isFalse(yield* coversOf(nested, { order: [] }))
      assert.isFalse(yield* coversOf({ n: Grants.range(0, 50) }, { n: Number.NaN }))
      assert.isFalse(yield* coversOf({ n: Grants.equals("[ENCRYPTED:x]") }, { n: 5 }))
      // What stands in place of a value may be any one: nothing is said of it but that.
      const sealed = "[ENCRYPTED:email]"
      for (const value of [sealed, "[ERASED]", [sealed], { to: sealed }]) {
        assert.isFalse(yield* coversOf({ to: Grants.equals(value) }, { to: value }), JSON.stringify(value))
        assert.isFalse(yield* coversOf({ to: Grants.oneOf("a", value) }, { to: value }), JSON.stringify(value))
        assert.isTrue(yield* coversOf({ to: Grants.any }, { to: value }), JSON.stringify(value))
      }
      // A number that no double holds was rounded before it was read.
      const large = 2 ** 53
      assert.isFalse(yield* coversOf({ n: Grants.equals(large) }, { n: large }))
      assert.isFalse(yield* coversOf({ n: Grants.equals([large]) }, { n: [large] }))
      assert.isFalse(yield* coversOf({ n: Grants.range(0, 2 ** 60) }, { n: large }))
      assert.isTrue(yield* coversOf({ n: Grants.equals(large - 1) }, { n: large - 1 }))
      // Texts are their characters, and no numbers.
      const composed = "caf\u00e9"
      assert.isFalse(yield* coversOf({ n: Grants.equals(composed) }, { n: composed.normalize("NFD") }))
      for (const text of ["5", "1e1", "0x5", " 5", "", true, null, [5], { n: 5 }]) {
        assert.isFalse(yield* coversOf({ n: Grants.range(0, 50) }, { n: text }), JSON.stringify(text))
      }
      // Only what is a reference by its form is no argument.
      for (const reference of [5, null, { to: "x" }, ["x"], "", "two words", "x".repeat(129)]) {
        assert.isFalse(yield* coversOf({}, { vargate_reference: reference }), JSON.stringify(reference))
      }
      assert.isFalse(yield* coversOf({ n: Grants.any }, ["n"]))
      assert.isFalse(yield* coversOf(JSON.parse("{\"__proto__\":{\"_tag\":\"Any\"}}"), {}))
    })
  )

  test(
    "has the agent of the call, whoever runs it",
    Effect.gen(function*() {
      assert.notStrictEqual((yield* Agent.Agent).id, "bot")
      const made = yield* grant(ann)
      assert.isTrue(DateTime.isGreaterThan(made.expiresAt, made.createdAt))
      assert.deepInclude(made, { agentId: "bot", reviewerId: "ann", reviewerName: "ANN" })
      assert.deepStrictEqual(made.groups, ["finance"])
    })
  )
})
