import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  ConfigProvider,
  Context,
  DateTime,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Redacted,
  Scope,
  Stream
} from "effect"
import { type VargateError, type WebhookEvent, Webhooks } from "effect-vargate"
import { TestClock } from "effect/testing"
import { runInNewContext } from "node:vm"
import { bodyOf, breathe, eventually, secret, signatureOf } from "../support/webhooks.ts"

const body = bodyOf("action.allowed")
const signature = signatureOf(body)

/** Why a delivery is refused. */
const refusal = (
  rawBody: string | Uint8Array,
  header: string | null | undefined,
  secrets: Webhooks.Secret | ReadonlyArray<Webhooks.Secret> = secret,
  options?: Webhooks.VerifyOptions
) =>
  Effect.map(Effect.flip(Webhooks.verify(rawBody, header, secrets, options)), (error) => {
    assert(error._tag === "WebhookRefused", String(error))
    return error.reason
  })

const isRefused = (reason: VargateError.WebhookRefused["reason"], tag: typeof reason["_tag"], message: RegExp) => {
  assert.strictEqual(reason._tag, tag)
  assert.match(reason.message, message)
}

describe("bytes of another realm", () => {
  const foreign: Uint8Array = runInNewContext("Uint8Array.from(bytes)", { bytes: [...new TextEncoder().encode(body)] })

  it.effect("are signed, verified and received like our own", () =>
    Effect.gen(function*() {
      assert.notInstanceOf(foreign, Uint8Array)
      assert.strictEqual(yield* Webhooks.sign(foreign, secret), signature)
      assert.strictEqual((yield* Webhooks.verify(foreign, signature, secret))._tag, "ActionAllowed")
    }))

  it.effect("are no other object that says so", () =>
    Effect.gen(function*() {
      const fake = {
        [Symbol.toStringTag]: "Uint8Array",
        length: 4,
        byteLength: 4,
        byteOffset: 0,
        buffer: foreign.buffer
      }
      isRefused(yield* refusal(fake as never, signature), "UnreadableBody", /neither a text nor bytes/)
    }))
})

describe("sign", () => {
  it.effect("writes what Node's HMAC gives", () =>
    Effect.gen(function*() {
      for (const key of [secret, "é 漢 😀", "x".repeat(200)]) {
        for (const text of [body, "", "é 漢 😀"]) {
          assert.strictEqual(yield* Webhooks.sign(text, key), signatureOf(text, key))
          assert.strictEqual(
            yield* Webhooks.sign(new TextEncoder().encode(text), Redacted.make(key)),
            signatureOf(text, key)
          )
        }
      }
    }))

  it.effect.each([undefined, null, 1, {}, new ArrayBuffer(1)])(
    "refuses a body that is neither a text nor bytes: %s",
    (body) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Webhooks.sign(body as string, secret))
        assert(error.reason._tag === "InvalidRequest")
        assert.deepStrictEqual(error.reason.issues.map(({ path }) => path), [["rawBody"]])
      })
  )

  it.effect("signs with the first of several secrets", () =>
    Effect.map(Webhooks.sign(body, ["new", "old"]), (header) => assert.strictEqual(header, signatureOf(body, "new"))))
})

describe("verify", () => {
  it.effect("gives the event, named by its signature", () =>
    Effect.gen(function*() {
      const event = yield* Webhooks.verify(body, signature, Redacted.make(secret))
      assert(event._tag === "ActionAllowed")
      assert.strictEqual(event.id, signature.slice("sha256=".length))
      assert.strictEqual(event.actionId, "a-1")
      assert.strictEqual(DateTime.toEpochMillis(event.timestamp), 0)
    }))

  it.effect("knows the secrets of a rotation, and no third", () =>
    Effect.gen(function*() {
      for (const key of ["old", "new"]) {
        const event = yield* Webhooks.verify(body, signatureOf(body, key), [Redacted.make("new"), "old"])
        assert.strictEqual(event._tag, "ActionAllowed")
      }
      isRefused(yield* refusal(body, signatureOf(body, "older"), ["new", "old"]), "WrongSignature", /secret/)
      isRefused(yield* refusal(body, signatureOf(body, "old"), "new"), "WrongSignature", /secret/)
    }))

  const digits = signature.slice("sha256=".length)
  const malformed: ReadonlyArray<readonly [string, string, RegExp]> = [
    ["no prefix", digits, /begin with sha256=/],
    ["another prefix", `sha512=${digits}`, /begin with sha256=/],
    ["an upper-case prefix", `SHA256=${digits}`, /begin with sha256=/],
    ["a blank before it", ` ${signature}`, /begin with sha256=/],
    ["upper-case digits", `sha256=${digits.toUpperCase()}`, /upper-case/],
    ["one digit too few", signature.slice(0, -1), /63 characters/],
    ["one digit too many", `${signature}0`, /65 characters/],
    ["a newline behind it", `${signature}\n`, /65 characters/],
    ["nothing but the prefix", "sha256=", /0 characters/],
    ["two of them", `${signature}, ${signature}`, /characters instead of 64/],
    ["rubbish", `sha256=${"zz".repeat(32)}`, /no hex/],
    ["characters outside ASCII", `sha256=${"é".repeat(64)}`, /no hex/],
    ["base64", `sha256=${Buffer.from(digits, "hex").toString("base64")}`, /44 characters/]
  ]
  it.effect.each(malformed)(
    "refuses %s",
    ([, header, message]) =>
      Effect.map(refusal(body, header), (reason) => isRefused(reason, "MalformedSignature", message))
  )

  it.effect.each([undefined, null, ""])(
    "refuses %j for a signature",
    (header) =>
      Effect.map(refusal(body, header), (reason) => isRefused(reason, "MissingSignature", /X-Vargate-Signature/))
  )

  it.effect("refuses what untyped callers may pass", () =>
    Effect.gen(function*() {
      const twice = [signature, signature] as unknown as string
      isRefused(yield* refusal(body, twice), "MalformedSignature", /not one text/)
      isRefused(yield* refusal(JSON.parse(body), signature), "UnreadableBody", /unparsed/)
    }))

  it.effect("refuses another body, and the same JSON in other words", () =>
    Effect.gen(function*() {
      const bodies = ["", "{}", `${body} `, JSON.stringify(JSON.parse(body), null, 1), body.replace("a-1", "a-2")]
      for (const other of bodies) {
        isRefused(yield* refusal(other, signature), "WrongSignature", /before anything parses/)
      }
    }))

  const unreadable: ReadonlyArray<readonly [string, string | Uint8Array, RegExp]> = [
    ["no JSON", "hello", /not JSON/],
    ["no UTF-8", new Uint8Array([0x22, 0xff, 0x22]), /UTF-8/],
    ["no object", "[]", /Expected WebhookBody/],
    ["no name", JSON.stringify({ timestamp: "1970-01-01T00:00:00Z", data: {} }), /event/],
    ["no time", JSON.stringify({ event: "test.ping", data: {} }), /timestamp/],
    ["a time that is none", JSON.stringify({ event: "test.ping", timestamp: "soon", data: {} }), /ISO 8601/]
  ]
  it.effect.each(unreadable)(
    "refuses a signed body with %s",
    ([, text, message]) =>
      Effect.map(refusal(text, signatureOf(text)), (reason) => isRefused(reason, "UnreadableBody", message))
  )

  it.effect("refuses a body over the limit before anything else", () =>
    Effect.gen(function*() {
      const text = bodyOf("x", "é".repeat(32 * 1024))
      isRefused(yield* refusal(text, "rubbish"), "BodyTooLarge", /65536 bytes/)
      const size = new TextEncoder().encode(text).length
      assert.isBelow(text.length, 65_536)
      isRefused(yield* refusal(text, signatureOf(text), secret, { maxBodyBytes: size - 1 }), "BodyTooLarge", /longer/)
      const event = yield* Webhooks.verify(text, signatureOf(text), secret, { maxBodyBytes: size })
      assert.strictEqual(event._tag, "Unknown")
    }))

  it.effect("takes five minutes of age, in both directions, by the clock", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(10 * 60_000)
      const at = (millis: number) => bodyOf("test.ping", {}, millis)
      for (const good of [at(5 * 60_000), at(10 * 60_000), at(15 * 60_000)]) {
        assert.strictEqual((yield* Webhooks.verify(good, signatureOf(good), secret))._tag, "TestPing")
      }
      for (const bad of [at(5 * 60_000 - 1), at(15 * 60_000 + 1), at(0)]) {
        isRefused(yield* refusal(bad, signatureOf(bad)), "OutsideTolerance", /more than 5m lie between/)
      }
      // An old forgery is still a forgery.
      isRefused(yield* refusal(at(0), signatureOf(at(0), "other")), "WrongSignature", /secret/)
      const old = at(0)
      assert.strictEqual(
        (yield* Webhooks.verify(old, signatureOf(old), secret, { tolerance: "10 minutes" }))._tag,
        "TestPing"
      )
      yield* TestClock.adjust("2000 days")
      assert.strictEqual(
        (yield* Webhooks.verify(old, signatureOf(old), secret, { tolerance: "Infinity" }))._tag,
        "TestPing"
      )
    }))

  it.effect("needs a secret and sane options", () =>
    Effect.gen(function*() {
      const invalid: ReadonlyArray<
        [Webhooks.Secret | ReadonlyArray<Webhooks.Secret>, Webhooks.VerifyOptions, string]
      > = [
        ["", {}, "secret"],
        [" ", {}, "secret"],
        [[], {}, "secret"],
        [[secret, ""], {}, "secret"],
        [Redacted.make(""), {}, "secret"],
        [undefined as unknown as string, {}, "secret"],
        [secret, { tolerance: "soon" as "1 second" }, "tolerance"],
        [secret, { tolerance: "-1 seconds" }, "tolerance"],
        [secret, { tolerance: NaN }, "tolerance"],
        [secret, { maxBodyBytes: NaN }, "maxBodyBytes"],
        [secret, { maxBodyBytes: -1 }, "maxBodyBytes"]
      ]
      for (const [secrets, options, path] of invalid) {
        const error = yield* Effect.flip(Webhooks.verify(body, signature, secrets, options))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
        assert.deepStrictEqual(error.reason.issues.map(({ path }) => path), [[path]])
        const built = yield* Effect.flip(Layer.build(Webhooks.layer({ secret: secrets, ...options })))
        assert.strictEqual(built.operation, "Webhooks.make")
      }
      const noOptions: ReadonlyArray<unknown> = [null, "5 minutes", 300]
      for (const options of noOptions) {
        const error = yield* Effect.flip(Webhooks.verify(body, signature, secret, options as Webhooks.VerifyOptions))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
        const built = yield* Effect.flip(Layer.build(Webhooks.layer(options as Webhooks.Options)))
        assert.strictEqual(built.operation, "Webhooks.make")
      }
      const forgetful = yield* Effect.flip(Layer.build(Webhooks.layer({ secret, remember: 0 })))
      assert.match(forgetful.message, /remember/)
    }))
})

describe("events", () => {
  const read = (event: string, data: unknown) =>
    Effect.suspend(() => {
      const text = bodyOf(event, data)
      return Webhooks.verify(text, signatureOf(text), secret)
    })

  it.effect("of the MCP door have fewer fields", () =>
    Effect.gen(function*() {
      const event = yield* read("action.denied", {
        action_id: "a-1",
        tool: "slack",
        method: "post_message",
        decision: "deny",
        source: "mcp_governed"
      })
      assert(event._tag === "ActionDenied")
      assert.isUndefined(event.agentId)
      assert.isUndefined(event.violations)
      assert.strictEqual(event.source, "mcp_governed")
    }))

  it.effect("that nobody knows are Unknown, and so are known ones of another shape", () =>
    Effect.gen(function*() {
      const strange: ReadonlyArray<readonly [string, unknown]> = [
        ["chain.anchored", { tx: "0x1" }],
        ["anomaly.detected", null],
        ["action.approved", [1, 2]],
        ["", "text"],
        ["constructor", {}],
        ["action.allowed", { action_id: "..", tool: "t", method: "m", decision: "allow" }],
        ["action.denied", null],
        ["action.pending", { action_id: "a-1", tool: 5, method: "m", decision: "allow" }],
        ["session.interrupted", {}],
        ["test.ping", "hello"]
      ]
      for (const [name, data] of strange) {
        const event = yield* read(name, data)
        assert.deepInclude(event, { _tag: "Unknown", event: name, data })
      }
      const bare = JSON.stringify({ event: "future", timestamp: "1970-01-01T00:00:00Z" })
      const event = yield* Webhooks.verify(bare, signatureOf(bare), secret)
      assert.deepInclude(event, { _tag: "Unknown", event: "future", data: undefined })
    }))

  it.effect("may have nulls and further fields", () =>
    Effect.gen(function*() {
      const event = yield* read("action.pending", {
        action_id: "a-1",
        tool: "t",
        method: "m",
        decision: "pending_approval",
        agent_id: null,
        violations: null,
        severity: null,
        requires_human: null,
        source: null,
        extra: { deep: true }
      })
      assert.strictEqual(event._tag, "ActionPending")
    }))
})

class Shopkeeper extends Context.Service<Shopkeeper, { readonly tell: (text: string) => void }>()("test/Shopkeeper") {}

interface Shop {
  readonly seen: Array<WebhookEvent.WebhookEvent>
  /** What the consumer does with the next events. */
  consume: Effect.Effect<void, unknown>
}

/** A service whose consumer does as it is told. */
const open = (options?: Partial<Webhooks.Options>) =>
  Effect.gen(function*() {
    const shop: Shop = { seen: [], consume: Effect.void }
    const context = yield* Layer.build(Webhooks.layer({
      secret,
      handle: (event) =>
        Effect.suspend(() => {
          shop.seen.push(event)
          return shop.consume
        }),
      ...options
    }))
    return { shop, webhooks: yield* Effect.provideContext(Webhooks.Webhooks, context) }
  })

const ping = (n: number, at = 0) => {
  const text = bodyOf("test.ping", { message: `${n}` }, at)
  return [text, signatureOf(text)] as const
}

describe("receive", () => {
  it.effect("consumes each event once, whatever comes again", () =>
    Effect.gen(function*() {
      const { shop, webhooks } = yield* open()
      const receipts = yield* Effect.forEach([1, 2, 1, 1, 2], (n) => webhooks.receive(...ping(n)))
      assert.deepStrictEqual(receipts.map(({ isDuplicate }) => isDuplicate), [false, false, true, true, true])
      assert.deepStrictEqual(shop.seen.map((event) => event._tag === "TestPing" && event.message), ["1", "2"])
      assert.strictEqual(receipts[2]!.event.id, shop.seen[0]!.id)
    }))

  it.effect("a replay is a duplicate while it is in time, and refused after", () =>
    Effect.gen(function*() {
      const { shop, webhooks } = yield* open()
      yield* TestClock.setTime(1e9)
      // From a gateway whose clock is ahead: good for ten minutes from now.
      const delivery = ping(1, 1e9 + 5 * 60_000)
      yield* webhooks.receive(...delivery)
      for (let minute = 0; minute < 9; minute++) {
        yield* TestClock.adjust("1 minute")
        assert.isTrue((yield* webhooks.receive(...delivery)).isDuplicate)
      }
      yield* TestClock.adjust("1 minute")
      const atTheEnd = yield* Effect.exit(webhooks.receive(...delivery))
      yield* TestClock.adjust("1 millis")
      const after = yield* Effect.flip(webhooks.receive(...delivery))
      assert(after._tag === "WebhookRefused")
      assert.strictEqual(after.reason._tag, "OutsideTolerance")
      assert.isTrue(Exit.isSuccess(atTheEnd) && atTheEnd.value.isDuplicate)
      assert.strictEqual(shop.seen.length, 1)
    }))

  it.effect("a replay is a duplicate although the clock was set forward and back", () =>
    Effect.gen(function*() {
      const { shop, webhooks } = yield* open()
      yield* TestClock.setTime(1e9)
      yield* webhooks.receive(...ping(1, 1e9))
      const later = 1e9 + 3_600_000
      yield* TestClock.setTime(later)
      yield* webhooks.receive(...ping(2, later))
      yield* TestClock.setTime(1e9)
      assert.isTrue((yield* webhooks.receive(...ping(1, 1e9))).isDuplicate)
      assert.strictEqual(shop.seen.length, 2)
    }))

  it.effect("refuses without troubling the consumer", () =>
    Effect.gen(function*() {
      const { shop, webhooks } = yield* open()
      const [text, header] = ping(1)
      const error = yield* Effect.flip(webhooks.receive(`${text} `, header))
      assert.strictEqual(error._tag, "WebhookRefused")
      assert.strictEqual(shop.seen.length, 0)
      assert.isFalse((yield* webhooks.receive(text, header)).isDuplicate)
    }))

  it.effect("a consumer that fails, or dies, or throws, gets the event again", () =>
    Effect.gen(function*() {
      const { shop, webhooks } = yield* open()
      const failures: ReadonlyArray<Effect.Effect<void, string>> = [
        Effect.fail("no database"),
        Effect.die(new Error("bug")),
        Effect.suspend(() => {
          throw new Error("thrown")
        })
      ]
      for (const failure of failures) {
        shop.consume = failure
        const error = yield* Effect.flip(webhooks.receive(...ping(1)))
        assert(error._tag === "WebhookUnconsumed")
        assert.match(String(error.cause), /no database|bug|thrown/)
        assert.strictEqual(error.sideEffect, "possible")
      }
      shop.consume = Effect.void
      assert.isFalse((yield* webhooks.receive(...ping(1))).isDuplicate)
      assert.isTrue((yield* webhooks.receive(...ping(1))).isDuplicate)
      assert.strictEqual(shop.seen.length, 4)
    }))

  const fates: ReadonlyArray<{
    readonly fate: string
    readonly outcome: Effect.Effect<void, string>
    readonly expected: ReadonlyArray<string>
  }> = [
    { fate: "success", outcome: Effect.void, expected: ["duplicate: false", "duplicate: true", "duplicate: true"] },
    { fate: "failure", outcome: Effect.fail("no database"), expected: ["failed", "failed", "failed"] }
  ]
  it.effect.each(fates)(
    "a second attempt waits for the first one's consumer, and shares its $fate",
    (test) =>
      Effect.gen(function*() {
        const { shop, webhooks } = yield* open()
        const gate = yield* Deferred.make<void>()
        shop.consume = Effect.andThen(Deferred.await(gate), test.outcome)
        const attempts = yield* Effect.forEach(
          [1, 2, 3],
          () => Effect.forkChild(Effect.exit(webhooks.receive(...ping(1))), { startImmediately: true })
        )
        yield* eventually(() => shop.seen.length > 0)
        yield* breathe
        assert.isTrue(attempts.every((fiber) => fiber.pollUnsafe() === undefined))
        yield* Deferred.succeed(gate, undefined)
        const exits = yield* Effect.forEach(attempts, Fiber.join)
        // Which of them was first is up to Web Crypto.
        assert.deepStrictEqual(
          exits.map((exit) => Exit.isSuccess(exit) ? `duplicate: ${exit.value.isDuplicate}` : "failed").sort(),
          test.expected
        )
        assert.strictEqual(shop.seen.length, 1)
      })
  )

  it.effect("a gateway that hangs up does not stop the consumer", () =>
    Effect.gen(function*() {
      const { shop, webhooks } = yield* open()
      const gate = yield* Deferred.make<void>()
      let finished = 0
      shop.consume = Effect.andThen(Deferred.await(gate), Effect.sync(() => void finished++))
      const attempt = yield* Effect.forkChild(webhooks.receive(...ping(1)))
      yield* eventually(() => shop.seen.length > 0)
      yield* Fiber.interrupt(attempt)
      const retry = yield* Effect.forkChild(webhooks.receive(...ping(1)))
      yield* breathe
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue((yield* Fiber.join(retry)).isDuplicate)
      assert.strictEqual(finished, 1)
    }))

  it.effect("closing the service ends the consumer, and whoever waits for it", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { shop, webhooks } = yield* Effect.provideService(open(), Scope.Scope, scope)
      shop.consume = Effect.never
      const attempts = yield* Effect.forEach(
        [1, 2],
        () => Effect.forkChild(Effect.exit(webhooks.receive(...ping(1))), { startImmediately: true })
      )
      yield* eventually(() => shop.seen.length > 0)
      yield* Scope.close(scope, Exit.void)
      for (const attempt of attempts) {
        const exit = yield* Fiber.join(attempt)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }
      const late = yield* Effect.exit(webhooks.receive(...ping(2)))
      assert.isTrue(Exit.isFailure(late) && Cause.hasInterruptsOnly(late.cause))
    }))

  it.effect("a consumer has the services of the layer, the span of the delivery, and a scope for each event", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      let closed = 0
      const layer = Webhooks.layer({
        secret,
        handle: (event) =>
          Effect.gen(function*() {
            const { tell } = yield* Shopkeeper
            const span = yield* Effect.currentSpan
            yield* Effect.addFinalizer(() => Effect.sync(() => void closed++))
            tell(`${event._tag} in ${span.name}`)
          })
      }).pipe(
        Layer.provide(Layer.succeed(Shopkeeper, { tell: (text) => void told.push(text) })),
        Layer.withSpan("the start of the program")
      )
      const webhooks = Context.get(yield* Layer.build(layer), Webhooks.Webhooks)
      yield* webhooks.receive(...ping(1))
      yield* webhooks.receive(...ping(2))
      assert.deepStrictEqual(told, ["TestPing in Webhooks.receive", "TestPing in Webhooks.receive"])
      assert.strictEqual(closed, 2)
    }))

  it.effect("remembers as many as it should, and forgets the oldest", () =>
    Effect.gen(function*() {
      const { shop, webhooks } = yield* open({ remember: 3 })
      yield* Effect.forEach([1, 2, 3], (n) => webhooks.receive(...ping(n)))
      assert.isTrue((yield* webhooks.receive(...ping(1))).isDuplicate)
      yield* webhooks.receive(...ping(4))
      assert.isFalse((yield* webhooks.receive(...ping(1))).isDuplicate)
      assert.isTrue((yield* webhooks.receive(...ping(4))).isDuplicate)
      assert.strictEqual(shop.seen.length, 5)
    }))

  it.effect("publishes each event once, after the consumer is done with it", () =>
    Effect.gen(function*() {
      const { shop, webhooks } = yield* open()
      const ids: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(webhooks.events, ({ id }) => Effect.sync(() => ids.push(id))),
        { startImmediately: true }
      )
      shop.consume = Effect.fail("not yet")
      yield* Effect.flip(webhooks.receive(...ping(1)))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(ids, [])
      shop.consume = Effect.void
      for (const n of [1, 1, 2]) yield* webhooks.receive(...ping(n))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(ids, [1, 2].map((n) => ping(n)[1].slice("sha256=".length)))
    }))

  it.effect("a subscriber that falls behind loses the oldest and holds nobody up", () =>
    Effect.gen(function*() {
      const { webhooks } = yield* open({ handle: () => Effect.void })
      const messages: Array<unknown> = []
      const gate = yield* Deferred.make<void>()
      yield* Effect.forkChild(
        Stream.runForEach(webhooks.events, (event) =>
          Effect.andThen(
            Deferred.await(gate),
            Effect.sync(() => messages.push(event._tag === "TestPing" ? event.message : event))
          )),
        { startImmediately: true }
      )
      for (let n = 0; n < 1500; n++) yield* webhooks.receive(...ping(n))
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(0)
      assert.isBelow(messages.length, 1500)
      assert.isAtLeast(messages.length, 1024)
      assert.strictEqual(messages.at(-1), "1499")
    }))
})

describe("layerConfig", () => {
  const build = (environment: Record<string, string>) =>
    Layer.build(Webhooks.layerConfig()).pipe(
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
    )

  it.effect("reads one secret, or several", () =>
    Effect.gen(function*() {
      for (const [secrets, key] of [["one", "one"], ["new, old", "old"], ["new,old", "new"]] as const) {
        const context = yield* build({ VARGATE_WEBHOOK_SECRET: secrets })
        const webhooks = yield* Effect.provideContext(Webhooks.Webhooks, context)
        assert.strictEqual((yield* webhooks.receive(body, signatureOf(body, key))).event._tag, "ActionAllowed")
      }
    }))

  it.effect("fails without one", () =>
    Effect.gen(function*() {
      assert.include(String(yield* Effect.flip(build({}))), "VARGATE_WEBHOOK_SECRET")
      assert.match(String(yield* Effect.flip(build({ VARGATE_WEBHOOK_SECRET: "one," }))), /secret is required/)
    }))
})
