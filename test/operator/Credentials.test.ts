import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Credentials, type VargateError } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { answering, scripted } from "../support/operations.ts"

const secret = "sk-live-1234567890"
const key: Credentials.NewCredential = { toolId: "stripe", name: "api_key", value: Redacted.make(secret) }

const credentials = <A, E>(use: (credentials: Credentials.Credentials["Service"]) => Effect.Effect<A, E>) =>
  Credentials.Credentials.use(use)

const reasonOf = <A, R>(effect: Effect.Effect<A, VargateError.OperationError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert(error._tag === "VargateError", error._tag)
    return error.reason
  })

describe("Credentials", () => {
  it.effect("registers, lists and removes, and never hands out a value", () =>
    Effect.gen(function*() {
      yield* credentials(({ register }) => register(key))
      yield* credentials(({ register }) => register({ ...key, value: Redacted.make("sk-new") }))
      const listed = yield* credentials(({ list }) => list)
      assert.deepStrictEqual(listed.map(({ name, toolId }) => [toolId, name]), [["stripe", "api_key"]])
      assert.notMatch(JSON.stringify(listed), /sk-/)
      assert.isTrue((yield* credentials(({ status }) => status("stripe"))).registered)
      yield* credentials(({ remove }) => remove(key))
      assert.isFalse((yield* credentials(({ status }) => status("stripe"))).registered)
      assert.strictEqual((yield* reasonOf(credentials(({ remove }) => remove(key))))._tag, "NotFound")
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("sends the value once, and keeps it out of an error whose body repeats it", () => {
    const sent: Array<string> = []
    const echo = ScriptedTransport.json(400, { detail: `value ${secret} is not accepted` })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(credentials(({ register }) => register(key)))
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, "InvalidRequest")
      assert.notInclude(`${error.message}${JSON.stringify(error)}${String(error.reason)}`, secret)
      assert.deepStrictEqual(sent, ["/credentials/register"])
    }).pipe(Effect.provide(scripted(({ path }) => {
      sent.push(path.replace(/^.*(?=\/credentials)/, ""))
      return echo
    })))
  })

  it.effect("refuses names that no route can carry before anything is sent", () => {
    let requests = 0
    return Effect.gen(function*() {
      for (const wrong of [{ name: "" }, { name: "a/b" }, { toolId: ".." }, { value: Redacted.make("") }]) {
        const reason = yield* reasonOf(credentials(({ register }) => register({ ...key, ...wrong })))
        assert.deepInclude(reason, { _tag: "InvalidRequest" })
      }
      assert.strictEqual(requests, 0)
    }).pipe(Effect.provide(scripted(() => {
      requests++
      return ScriptedTransport.json(200, {})
    })))
  })

  it.effect("says of a lost answer that the value may be there", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(credentials(({ register }) => register(key)))
      assert.deepInclude(error, { _tag: "VargateError", operation: "Credentials.register", sideEffect: "possible" })
    }).pipe(Effect.provide(answering(ScriptedTransport.disconnect))))
})
