/** Accounts: signing up, sessions, keys. */
import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import type { VerificationMail } from "../../../src/gateway/tenants/Signups.ts"
import { Account, layerSignup, Signup } from "../../../src/operator/Account.ts"
import type { Session } from "../../../src/operator/Session.ts"
import { Tenant } from "../../../src/operator/Tenant.ts"
import { TenantDirectory } from "../../../src/operator/TenantDirectory.ts"
import { history, hold, log, reasonOf, reject } from "./cases.ts"
import { acme, Address, as, caseOf, type Door, globex, send } from "./doors.ts"

const session = Account.use((account) => account.session)
const me = Tenant.use((tenant) => tenant.me)
const bearer = ({ token }: Session) => ({ key: null, headers: { authorization: `Bearer ${Redacted.value(token)}` } })

export const accounts = (door: Door) => {
  const test = caseOf(door)

  describe("a session", () => {
    test("stands in for the key, for seven days", function*() {
      const opened = yield* session
      assert.strictEqual(opened.tenantId, "acme")
      assert.strictEqual(opened.expiresAt?.epochMilliseconds, 7 * 24 * 3_600_000)
      const answer = yield* send("GET", "/dashboard/me", bearer(opened))
      assert.deepInclude(JSON.parse(answer.text), { tenant_id: "acme" })
      yield* TestClock.adjust("7 days")
      const late = yield* send("GET", "/dashboard/me", bearer(opened))
      assert.deepStrictEqual([late.status, late.text], [401, `{"detail":"Invalid or expired session token"}`])
    })

    const person = caseOf(door, { tenants: [{ ...acme, email: "ann@acme.example" }, globex] })

    person("names the reviewer", function*() {
      const opened = yield* session
      const ids = [yield* hold(), yield* hold(), yield* hold()] as const
      yield* send("POST", `/approve/${ids[0]}`, { body: {}, ...bearer(opened) })
      yield* send("POST", `/reject/${ids[1]}`, { body: {}, ...bearer(opened) })
      yield* reject(ids[2])
      assert.deepStrictEqual((yield* history).map(({ reviewer }) => reviewer), [
        "unknown",
        "ann@acme.example",
        "ann@acme.example"
      ])
    })

    test("of one gateway, or with a changed claim, is worth nothing", function*() {
      const [head, payload, signature] = Redacted.value((yield* session).token).split(".") as [string, string, string]
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString())
      const forge = (claims: object) => Buffer.from(JSON.stringify(claims)).toString("base64url")
      const tokens = [
        `${head}.${forge({ ...claims, tenant_id: "globex" })}.${signature}`,
        `${forge({ alg: "none", typ: "JWT" })}.${payload}.`,
        `${head}.${payload}.${signature.slice(1)}A`,
        `${head}.${payload}`,
        `${head}.${payload}.${signature}.x`,
        `${head}..`,
        ""
      ]
      for (const token of tokens) {
        const answer = yield* send("GET", "/audit/log", { key: null, headers: { authorization: `Bearer ${token}` } })
        assert.strictEqual(answer.status, 401, token)
      }
    })

    test("is not opened with a session", function*() {
      const answer = yield* send("POST", "/auth/session", bearer(yield* session))
      assert.deepStrictEqual([answer.status, JSON.parse(answer.text)], [422, {
        detail: [{ type: "missing", loc: ["header", "x-api-key"], msg: "Field required" }]
      }])
    })
  })

  describe("rotation", () => {
    test("gives a new key, the old one is dead, and the services go on", function*() {
      yield* log()
      const { apiKey, tenantId } = yield* Account.use((account) => account.rotateKey())
      assert.strictEqual(tenantId, "acme")
      assert.match(Redacted.value(apiKey), /^vg-[0-9a-f]{48}$/)
      assert.strictEqual((yield* send("GET", "/audit/log")).status, 401)
      assert.strictEqual((yield* send("GET", "/audit/log", { key: Redacted.value(apiKey) })).status, 200)
      yield* log()
      assert.strictEqual((yield* me).keyPrefix, `${Redacted.value(apiKey).slice(0, 12)}...`)
      assert.strictEqual(Redacted.value(yield* Account.use((account) => account.key)), Redacted.value(apiKey))
      yield* as(globex)(log())
    })

    test("by a session, also when the key is lost", function*() {
      const opened = yield* session
      yield* Account.use((account) => account.rotateKey({ session: opened }))
      yield* log()
      // The session went with the key that it was opened with.
      const late = yield* send("GET", "/dashboard/me", bearer(opened))
      assert.deepStrictEqual([late.status, late.text], [401, `{"detail":"Invalid or expired session token"}`])
      const again = yield* Effect.flip(Account.use((account) => account.rotateKey({ session: opened })))
      assert(again._tag === "VargateError" && again.reason._tag === "Unauthenticated")
      yield* log()
    })

    test("by a session of another tenant is refused, and changes nothing", function*() {
      const other = yield* as(globex)(session)
      const error = yield* Effect.flip(Account.use((account) => account.rotateKey({ session: other })))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.strictEqual((yield* me).tenantId, "acme")
      yield* as(globex)(log())
    })

    test("by many at once leaves a key that works", function*() {
      yield* Effect.forEach([1, 2, 3], () => Account.use((account) => account.rotateKey()), {
        concurrency: "unbounded"
      })
      yield* log()
    })
  })

  describe("tenants of one person", () => {
    const mine = { ...acme, githubLogin: "octo" }
    const other = { ...globex, githubLogin: "octo", name: "Globex" }
    const test = caseOf(door, {
      tenants: [mine, other, { id: "initech", apiKey: "initech-key", githubLogin: "peter" }]
    })
    const alone = caseOf(door)

    test("are listed", function*() {
      const tenants = yield* Account.use((account) => account.tenants())
      assert.deepStrictEqual<ReadonlyArray<object>>(tenants.map((tenant) => ({ ...tenant })), [
        { tenantId: "acme", name: "acme", current: true },
        { tenantId: "globex", name: "Globex", current: false }
      ])
    })

    test("are switched between by sessions", function*() {
      const account = yield* Account
      const switched = yield* account.switchTenant("globex", { session: yield* account.session })
      assert.strictEqual(switched.tenantId, "globex")
      const answer = yield* send("GET", "/dashboard/me", bearer(switched))
      assert.strictEqual(JSON.parse(answer.text).tenant_id, "globex")
      assert.deepStrictEqual(
        (yield* account.tenants({ session: switched })).map(({ current, tenantId }) => [tenantId, current]),
        [["acme", false], ["globex", true]]
      )
      // The transport stays with its own tenant.
      assert.strictEqual((yield* me).tenantId, "acme")
      for (const stranger of ["initech", "nobody"]) {
        assert.strictEqual(yield* reasonOf(account.switchTenant(stranger)), "Forbidden: No access to this tenant")
      }
    })

    alone("are nobody's who did not come by GitHub", function*() {
      assert.lengthOf(yield* Account.use((account) => account.tenants()), 1)
      assert.strictEqual(
        yield* reasonOf(Account.use((account) => account.switchTenant("globex"))),
        "Forbidden: Cannot switch tenants without GitHub authentication"
      )
      const answer = yield* send("POST", "/auth/switch-tenant", { body: {} })
      assert.deepStrictEqual([answer.status, answer.text], [400, `{"detail":"tenant_id required"}`])
    })
  })

  describe("the directory", () => {
    const person = caseOf(door, { tenants: [{ ...acme, githubLogin: "octo" }, globex] })
    const directory = TenantDirectory
    const list = Effect.map(
      directory.use((tenants) => tenants.list),
      (entries) => entries.map(({ tenantId }) => tenantId)
    )

    person("makes tenants, and shows a person's own", function*() {
      const made = yield* directory.use((tenants) => tenants.create({ tenantId: "lab", name: "Lab", burst: 3 }))
      assert.deepInclude(made, { tenantId: "lab", name: "Lab", burst: 3, rateLimit: 10 })
      assert.deepStrictEqual(yield* list, ["acme", "lab"])
      const lab = { id: "lab", apiKey: Redacted.value(made.apiKey) }
      assert.deepStrictEqual(yield* as(lab)(list), ["acme", "lab"])
      assert.deepInclude(yield* as(lab)(directory.use((tenants) => tenants.get("acme"))), {
        tenantId: "acme",
        keyPrefix: "ac...",
        burst: 1000
      })
      assert.strictEqual(
        yield* reasonOf(directory.use((tenants) => tenants.create({ tenantId: "lab", name: "x" }))),
        "Conflict: Tenant already exists: lab"
      )
    })

    person("takes no more than it can keep", function*() {
      const burst = 100_001
      const wrong: ReadonlyArray<readonly [string, object]> = [
        ["tenant_id", { tenant_id: "x".repeat(257), name: "x" }],
        ["tenant_id", { tenant_id: "", name: "x" }],
        ["tenant_id", { tenant_id: "a/b", name: "x" }],
        ["name", { tenant_id: "lab", name: "x".repeat(201) }],
        ["name", { tenant_id: "lab", name: "" }],
        ["rate_limit_burst", { tenant_id: "lab", name: "x", rate_limit_burst: burst }],
        ["rate_limit_burst", { tenant_id: "lab", name: "x", rate_limit_burst: -1 }]
      ]
      for (const [field, body] of wrong) {
        const answer = yield* send("POST", "/tenants", { body })
        assert.strictEqual(answer.status, 422, JSON.stringify(body).slice(0, 80))
        assert.deepStrictEqual(JSON.parse(answer.text).detail[0].loc, ["body", field])
      }
      assert.deepStrictEqual(yield* list, ["acme"])
    })

    person("shows nobody else's", function*() {
      assert.deepStrictEqual(yield* as(globex)(list), ["globex"])
      for (const id of ["acme", "nope"]) {
        assert.strictEqual(
          yield* as(globex)(reasonOf(directory.use((tenants) => tenants.get(id)))),
          `NotFound: Tenant not found: ${id}`
        )
      }
    })
  })

  describe("signing up", () => {
    const mails: Array<VerificationMail> = []
    const test = caseOf(door, { sendMail: (mail) => Effect.sync(() => mails.push(mail)) })
    const without = caseOf(door)

    const signup = Effect.flatMap(
      Address,
      (url) => Effect.map(Layer.build(layerSignup({ url })), (context) => Effect.provide(Signup, context))
    ).pipe(Effect.flatten)

    test("ends with a key, and needs none", function*() {
      mails.length = 0
      const { signup: begin, verifyEmail } = yield* signup
      const receipt = yield* begin({ email: "ann@widgets.example", name: "Widgets & Co" })
      assert.deepInclude(receipt, { status: "verification_sent", email: "ann@widgets.example" })
      assert.lengthOf(mails, 1)
      const account = yield* verifyEmail(mails[0]!.token)
      assert.strictEqual(account.tenantId, "widgets-co")
      const profile = yield* as({ id: account.tenantId, apiKey: Redacted.value(account.apiKey) })(me)
      assert.deepInclude(profile, {
        name: "Widgets & Co",
        email: "ann@widgets.example",
        slug: "widgets-co",
        activated: false
      })
      assert.strictEqual((yield* send("GET", "/dashboard/me", bearer(account.session!))).status, 200)
      for (const token of [mails[0]!.token, Redacted.make("bad")]) {
        const error = yield* Effect.flip(verifyEmail(token))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
        assert.include(error.message, "Invalid or expired verification token")
      }
      assert.strictEqual(
        yield* reasonOf(begin({ email: "ann@widgets.example", name: "x" })),
        "Conflict: Email already registered"
      )
    })

    test("gives every name a tenant of its own, and every address only one", function*() {
      mails.length = 0
      const { signup: begin, verifyEmail } = yield* signup
      for (const email of ["a@x.example", "b@x.example", "b@x.example"]) yield* begin({ email, name: "Acme" })
      const ids = [yield* verifyEmail(mails[0]!.token), yield* verifyEmail(mails[1]!.token)].map(({ tenantId }) =>
        tenantId
      )
      assert.deepStrictEqual(ids, ["acme-2", "acme-3"])
      assert.strictEqual((yield* Effect.flip(verifyEmail(mails[2]!.token)))._tag, "VargateError")
    })

    test("is over after a day", function*() {
      mails.length = 0
      const { signup: begin, verifyEmail } = yield* signup
      yield* begin({ email: "a@x.example", name: "x" })
      yield* TestClock.adjust("1 day")
      yield* Effect.flip(verifyEmail(mails[0]!.token))
    })

    test("takes no name and no address that is too long, and sends no more than three mails to one", function*() {
      mails.length = 0
      const { signup: begin } = yield* signup
      const tooLong = [
        { email: `a@${"a.".repeat(64_000)}@`, name: "x" },
        { email: `${"a".repeat(250)}@x.example`, name: "x" },
        { email: "a@x.example", name: "x".repeat(201) }
      ]
      for (const person of tooLong) {
        const error = yield* Effect.flip(begin(person))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      }
      for (const _ of [1, 2, 3]) yield* begin({ email: "a@x.example", name: "x" })
      assert.strictEqual((yield* Effect.flip(begin({ email: "a@x.example", name: "x" })))._tag, "RateLimited")
      assert.lengthOf(mails, 3)
    })

    test("takes no address that is none", function*() {
      const { signup: begin } = yield* signup
      for (const email of ["nope", "a@b", "a b@c.de", "x@mailinator.com", "x@Mailinator.com", ""]) {
        const error = yield* Effect.flip(begin({ email, name: "x" }))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest", email)
      }
    })

    without("is not possible where no mail can be sent", function*() {
      const { signup: begin } = yield* signup
      assert.strictEqual(
        yield* reasonOf(begin({ email: "a@x.example", name: "x" })),
        "GatewayFault: This gateway has no way to send mail"
      )
      // Nothing of what was sent is looked at.
      const nonsense = yield* send("POST", "/auth/signup", { key: null, body: { email: "@".repeat(1000), name: "" } })
      assert.strictEqual(nonsense.status, 502)
    })
  })
}
