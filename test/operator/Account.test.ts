import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import { Account, AuditLog, Session, System, ToolCalls, Vargate } from "effect-vargate"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { allowed, answer, keyedWire, lost, unauthorized, type Visit } from "../support/keyedWire.ts"

const rotated = (key: string) =>
  answer(200, { tenant_id: "t", api_key: key, rotated_at: "2026-11-23T00:40:26.798035+00:00" })

const isRotation = ({ path }: Visit) => path === "/api-keys/rotate"

const call = ToolCalls.call({ tool: "slack", method: "post_message" })
const rotate = (by?: Account.Identity) => Account.Account.use((account) => account.rotateKey(by))
const health = System.System.use((system) => system.health)

/** A gateway with one good key, which a rotation replaces by the next; the answers of rotations can be held back. */
const world = (
  options: {
    /** Between what the gateway does and its answer. */
    readonly onRotated?: (visit: Visit, key: string) => Effect.Effect<ReturnType<typeof answer>, "lost">
    /** Between sending and arriving. */
    readonly onTheWay?: (visit: Visit) => Effect.Effect<void>
  } = {}
) => {
  const state = { good: "test-key-0", rotations: 0, done: 0 }
  const { layer, visits } = keyedWire(Effect.fnUntraced(function*(visit) {
    yield* options.onTheWay?.(visit) ?? Effect.void
    if (visit.authorization === undefined && visit.key !== state.good) return unauthorized
    if (visit.path === "/dashboard/me") {
      return answer(200, {
        tenant_id: "t",
        name: "t",
        api_key_prefix: "k",
        public_dashboard: false,
        anchor_chain: null,
        auto_approve_tools: []
      })
    }
    if (visit.path === "/health") return answer(200, { status: "ok" })
    if (!isRotation(visit)) {
      state.done++
      return allowed
    }
    state.good = `test-key-${++state.rotations}`
    return yield* options.onRotated?.(visit, state.good) ?? Effect.succeed(rotated(state.good))
  }))
  return { state, visits, layer: Vargate.layerOperator({ apiKey: "test-key-0" }).pipe(Layer.provide(layer)) }
}

const keysOf = (visits: ReadonlyArray<Visit>, path = "/mcp/tools/call") =>
  visits.filter((visit) => visit.path === path).map(({ key }) => key)

const session = new Session.Session({ token: Redacted.make("jwt"), tenantId: "t" })

describe("rotateKey", () => {
  it.effect("moves the transport over to the new key", () => {
    const { layer, visits } = world()
    return Effect.gen(function*() {
      yield* call
      const { apiKey, rotatedAt, tenantId } = yield* rotate()
      assert.deepStrictEqual([Redacted.value(apiKey), tenantId], ["test-key-1", "t"])
      assert.strictEqual(rotatedAt?.epochMilliseconds, Date.UTC(2026, 10, 23, 0, 40, 26, 798))
      yield* call
      assert.deepStrictEqual(keysOf(visits), ["test-key-0", "test-key-1"])
      assert.strictEqual(Redacted.value(yield* Account.Account.use((account) => account.key)), "test-key-1")
    }).pipe(Effect.provide(layer))
  })

  it.effect("holds back what begins meanwhile", () => {
    const { layer, visits } = world({ onRotated: (_, key) => Effect.delay(Effect.succeed(rotated(key)), "10 seconds") })
    return Effect.gen(function*() {
      const rotation = yield* Effect.forkChild(rotate(), { startImmediately: true })
      const calls = yield* Effect.forkChild(Effect.all([call, call, health], { concurrency: "unbounded" }))
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(visits.map(({ path }) => path), ["/api-keys/rotate"])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(rotation)
      yield* Fiber.join(calls)
      assert.deepStrictEqual(keysOf(visits), ["test-key-1", "test-key-1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("sends again what was under way and is refused before the new key is here", () => {
    const { layer, state, visits } = world({
      onTheWay: (visit) =>
        visit.path === "/mcp/tools/call" && visit.key === "test-key-0" ? Effect.sleep("2 seconds") : Effect.void,
      onRotated: (_, key) => Effect.delay(Effect.succeed(rotated(key)), "10 seconds")
    })
    return Effect.gen(function*() {
      const calls = yield* Effect.forkChild(Effect.all([call, call], { concurrency: "unbounded" }), {
        startImmediately: true
      })
      const rotation = yield* Effect.forkChild(rotate(), { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      // Both are refused by now, and wait for the key.
      assert.deepStrictEqual(keysOf(visits), ["test-key-0", "test-key-0"])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(rotation)
      assert.lengthOf(yield* Fiber.join(calls), 2)
      assert.deepStrictEqual(keysOf(visits), ["test-key-0", "test-key-0", "test-key-1", "test-key-1"])
      assert.strictEqual(state.done, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("sends again what arrives late, past several rotations", () => {
    const { layer, state, visits } = world({
      onTheWay: ({ key, path }) =>
        path === "/mcp/tools/call" && key !== "test-key-3" ? Effect.sleep("5 seconds") : Effect.void
    })
    return Effect.gen(function*() {
      const late = yield* Effect.forkChild(call, { startImmediately: true })
      yield* rotate()
      yield* TestClock.adjust("5 seconds")
      yield* rotate()
      yield* TestClock.adjust("5 seconds")
      yield* rotate()
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(late))._tag, "Allowed")
      assert.deepStrictEqual(keysOf(visits), ["test-key-0", "test-key-1", "test-key-2", "test-key-3"])
      assert.strictEqual(state.done, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("has a call sent again for as long as its deadline allows", () => {
    const { layer, visits } = world({
      onTheWay: ({ path }) => path === "/mcp/tools/call" ? Effect.sleep("5 seconds") : Effect.void
    })
    return Effect.gen(function*() {
      const unlucky = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
      for (let i = 0; i < 8; i++) {
        yield* rotate()
        yield* TestClock.adjust("5 seconds")
      }
      const error = yield* Fiber.join(unlucky)
      // The last one was on its way when time was up.
      assert(error._tag === "OutcomeUnknown" && error.cause._tag === "Timeout")
      assert.deepStrictEqual(keysOf(visits), [
        "test-key-0",
        "test-key-1",
        "test-key-2",
        "test-key-3",
        "test-key-4",
        "test-key-5"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is refused leaves the key as it is", () => {
    const { layer, visits } = world({ onRotated: () => Effect.succeed(answer(403, { detail: "not you" })) })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(rotate())
      assert(error._tag === "VargateError" && error.reason._tag === "Forbidden")
      yield* Effect.exit(call)
      assert.deepStrictEqual(keysOf(visits), ["test-key-0"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("whose answer is lost says so, and what to do", () => {
    const { layer, state } = world({
      onRotated: ({ authorization }, key) => authorization ? Effect.succeed(rotated(key)) : lost
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(rotate())
      assert(error._tag === "RotationUnknown")
      assert.deepStrictEqual([error.sideEffect, error.isRetryable, error.cause._tag], [
        "possible",
        false,
        "ConnectionLost"
      ])
      assert.include(error.message, "rotateKey({ session })")
      const refused = yield* Effect.flip(call)
      assert(refused._tag === "VargateError" && refused.reason._tag === "Unauthenticated")
      yield* rotate({ session })
      yield* call
      assert.deepStrictEqual([state.rotations, state.done], [2, 1])
    }).pipe(Effect.provide(layer))
  })

  it.effect("whose answer cannot be read is unknown too, and shows nothing of it", () => {
    const bodies = [
      { tenant_id: "t", apikey: "S3CR3T" },
      { tenant_id: "t", api_key: "S3CR3T with blanks" },
      { tenant_id: 5, api_key: "S3CR3T" },
      "S3CR3T"
    ]
    return Effect.forEach(bodies, (body) => {
      const { layer } = world({ onRotated: () => Effect.succeed(answer(200, body)) })
      return Effect.gen(function*() {
        const error = yield* Effect.flip(rotate())
        assert(error._tag === "RotationUnknown" && error.cause._tag === "UnexpectedResponse")
        const printed = [
          String(error),
          JSON.stringify(error),
          inspect(error, { depth: 9, showHidden: true }),
          error.stack
        ]
        assert.notInclude(printed.join(), "S3CR3T")
        assert.strictEqual(Redacted.value(yield* Account.Account.use((account) => account.key)), "test-key-0")
      }).pipe(Effect.provide(layer))
    })
  })

  it.effect("that takes too long lets the others go on", () => {
    const { layer, visits } = world({ onRotated: () => Effect.never })
    return Effect.gen(function*() {
      const rotation = yield* Effect.forkChild(Effect.flip(rotate()), { startImmediately: true })
      const waiting = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      yield* TestClock.adjust("29 seconds")
      assert.lengthOf(visits, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(rotation))._tag, "RotationUnknown")
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(keysOf(visits), ["test-key-0"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("cannot be interrupted, so that no key is lost", () => {
    const { layer, visits } = world({ onRotated: (_, key) => Effect.delay(Effect.succeed(rotated(key)), "10 seconds") })
    return Effect.gen(function*() {
      const rotation = yield* Effect.forkChild(rotate(), { startImmediately: true })
      const interruption = yield* Effect.forkChild(Fiber.interrupt(rotation), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(interruption)
      yield* call
      assert.deepStrictEqual(keysOf(visits), ["test-key-1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("that waits for another rotation can be interrupted", () => {
    const { layer, state } = world({ onRotated: (_, key) => Effect.delay(Effect.succeed(rotated(key)), "10 seconds") })
    return Effect.gen(function*() {
      const first = yield* Effect.forkChild(rotate(), { startImmediately: true })
      const second = yield* Effect.forkChild(rotate(), { startImmediately: true })
      yield* Fiber.interrupt(second)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(first)
      assert.strictEqual(state.rotations, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("by many at once is one after the other, and the last key stays", () => {
    const { layer, visits } = world({ onRotated: (_, key) => Effect.delay(Effect.succeed(rotated(key)), "1 second") })
    return Effect.gen(function*() {
      const all = yield* Effect.forkChild(Effect.all([rotate(), rotate(), rotate()], { concurrency: "unbounded" }), {
        startImmediately: true
      })
      for (let i = 0; i < 3; i++) yield* TestClock.adjust("1 second")
      const keys = (yield* Fiber.join(all)).map(({ apiKey }) => Redacted.value(apiKey))
      assert.deepStrictEqual(keys, ["test-key-1", "test-key-2", "test-key-3"])
      assert.deepStrictEqual(keysOf(visits, "/api-keys/rotate"), ["test-key-0", "test-key-1", "test-key-2"])
      yield* call
      assert.deepStrictEqual(keysOf(visits), ["test-key-3"])
    }).pipe(Effect.provide(layer))
  })
})

describe("an operation that is under way", () => {
  it.effect("and times out while it waits for the key did nothing", () => {
    const { layer } = world({
      onTheWay: ({ path }) => path === "/mcp/tools/call" ? Effect.sleep("25 seconds") : Effect.void,
      onRotated: (_, key) => Effect.delay(Effect.succeed(rotated(key)), "29 seconds")
    })
    return Effect.gen(function*() {
      const caller = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      const rotation = yield* Effect.forkChild(rotate(), { startImmediately: true })
      yield* TestClock.adjust("28 seconds")
      const error = yield* Fiber.join(caller)
      assert(error._tag === "VargateError" && error.reason._tag === "Timeout")
      assert.strictEqual(error.sideEffect, "none")
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(rotation)
    }).pipe(Effect.provide(layer))
  })

  it.effect("and is refused without a rotation is not sent again", () => {
    const { layer, state, visits } = world()
    return Effect.gen(function*() {
      state.good = "another"
      yield* Effect.flip(call)
      yield* Effect.flip(AuditLog.AuditLog.use((auditLog) => auditLog.page()))
      assert.lengthOf(visits, 2)
    }).pipe(Effect.provide(layer))
  })
})

describe("a session", () => {
  it.effect("is sent in the place of the key, never beside it", () => {
    const { layer, visits } = world()
    return Effect.gen(function*() {
      const account = yield* Account.Account
      yield* account.rotateKey({ session })
      yield* Effect.exit(account.tenants({ session }))
      yield* Effect.exit(account.switchTenant("other", { session }))
      yield* call
      assert.deepStrictEqual(
        visits.map(({ authorization, key, path }) => [path, key, authorization]),
        [
          ["/dashboard/me", "test-key-0", undefined],
          ["/api-keys/rotate", undefined, "Bearer jwt"],
          ["/auth/my-tenants", undefined, "Bearer jwt"],
          ["/auth/switch-tenant", undefined, "Bearer jwt"],
          ["/mcp/tools/call", "test-key-1", undefined]
        ]
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("of another tenant rotates nothing", () => {
    const { layer, visits } = world()
    return Effect.gen(function*() {
      const other = new Session.Session({ token: Redacted.make("jwt"), tenantId: "other" })
      const error = yield* Effect.flip(rotate({ session: other }))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(visits.map(({ path }) => path), ["/dashboard/me"])
    }).pipe(Effect.provide(layer))
  })

  it("tells when it ends, if its token does", () => {
    const token = (claims: unknown) =>
      new Session.Session({
        token: Redacted.make(`h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`),
        tenantId: "t"
      })
    assert.strictEqual(token({ exp: 1_795_999_226 }).expiresAt?.epochMilliseconds, 1_795_999_226_000)
    for (const claims of [{}, { exp: "soon" }, { exp: 1e300 }, null, 5, []]) assert.isUndefined(token(claims).expiresAt)
    for (const text of ["", "a.b.c", "..", "x"]) {
      assert.isUndefined(new Session.Session({ token: Redacted.make(text), tenantId: "t" }).expiresAt)
    }
  })
})

describe("signing up", () => {
  it.effect("sends no key", () => {
    const { layer: wire, visits } = keyedWire(({ path }) =>
      Effect.succeed(
        path === "/auth/signup"
          ? answer(200, { status: "verification_sent", email: "a@b.example" })
          : answer(200, {
            status: "verified",
            tenant_id: "t",
            api_key: "vg-1",
            session_token: "jwt",
            dashboard_url: "/d"
          })
      )
    )
    return Effect.gen(function*() {
      const context = yield* Layer.build(Account.layerSignup().pipe(Layer.provide(wire)))
      const signup = Context.get(context, Account.Signup)
      yield* signup.signup({ email: "a@b.example", name: "A" })
      const account = yield* signup.verifyEmail(Redacted.make("token"))
      assert.strictEqual(Redacted.value(account.apiKey), "vg-1")
      assert.strictEqual(account.session?.tenantId, "t")
      assert.deepStrictEqual(
        visits.map(({ authorization, key, method, path }) => [method, path, key, authorization]),
        [["POST", "/auth/signup", undefined, undefined], ["GET", "/auth/verify-email", undefined, undefined]]
      )
    }).pipe(Effect.scoped)
  })
})
