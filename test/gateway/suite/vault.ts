/** What every vault of credentials does, wherever it keeps them. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { CredentialVault } from "../../../src/gateway/tenants/CredentialVault.ts"

const use = { actionId: "action-1", agentId: "agent-1" }

export const vaultSuite = (place: string, layer: Layer.Layer<CredentialVault>) => {
  const test = (name: string, body: (vault: CredentialVault["Service"]) => Effect.fn.Return<void>) =>
    it.effect(name, () => Effect.provide(CredentialVault.use((vault) => Effect.gen(() => body(vault))), layer))

  const register = (vault: CredentialVault["Service"], toolId: string, name: string, value: string, tenantId = "t") =>
    vault.register(tenantId, { toolId, name, value: Redacted.make(value) })

  const values = (opened: ReadonlyMap<string, Redacted.Redacted>) =>
    [...opened].map(([name, value]) => [name, Redacted.value(value)]).sort()

  describe(`CredentialVault ${place}`, () => {
    test("gives a tool its own values by name", function*(vault) {
      yield* register(vault, "stripe", "api_key", "sk-1")
      yield* register(vault, "stripe", "account", "é😀\u0000\"")
      yield* register(vault, "slack", "token", "xoxb")
      assert.deepStrictEqual(values(yield* vault.open("t", "stripe", use)), [["account", "é😀\u0000\""], [
        "api_key",
        "sk-1"
      ]])
      assert.deepStrictEqual(values(yield* vault.open("t", "nothing", use)), [])
    })

    test("lists by tool and name, with the time of the latest registration, and no value", function*(vault) {
      yield* register(vault, "stripe", "b", "1")
      yield* register(vault, "stripe", "a", "1")
      yield* register(vault, "slack", "z", "1")
      yield* register(vault, "", "", "")
      yield* TestClock.adjust("1 second")
      yield* register(vault, "stripe", "b", "2")
      const listed = (yield* vault.list("t")).map(({ createdAt, ...others }) => ({
        ...others,
        at: DateTime.toEpochMillis(createdAt)
      }))
      assert.deepStrictEqual(listed, [
        { toolId: "", name: "", at: 0 },
        { toolId: "slack", name: "z", at: 0 },
        { toolId: "stripe", name: "a", at: 0 },
        { toolId: "stripe", name: "b", at: 1000 }
      ])
      assert.deepStrictEqual(values(yield* vault.open("t", "stripe", use)), [["a", "1"], ["b", "2"]])
    })

    test("names the tools of a tenant that have a credential at the moment", function*(vault) {
      assert.deepStrictEqual(yield* vault.tools("t"), [])
      yield* register(vault, "stripe", "a", "1")
      yield* register(vault, "stripe", "b", "1")
      yield* register(vault, "slack", "z", "1")
      yield* register(vault, "\u0000\ud800", "z", "1", "u")
      assert.deepStrictEqual(yield* vault.tools("t"), ["slack", "stripe"])
      assert.deepStrictEqual(yield* vault.tools("u"), ["\u0000\ud800"])
      yield* vault.remove("t", "stripe", "a")
      assert.deepStrictEqual(yield* vault.tools("t"), ["slack", "stripe"])
      yield* vault.remove("t", "stripe", "b")
      assert.deepStrictEqual(yield* vault.tools("t"), ["slack"])
    })

    test("removes one, and says whether there was one", function*(vault) {
      yield* register(vault, "stripe", "a", "1")
      yield* register(vault, "stripe", "b", "1")
      assert.isTrue(yield* vault.remove("t", "stripe", "a"))
      assert.isFalse(yield* vault.remove("t", "stripe", "a"))
      assert.isFalse(yield* vault.remove("t", "nothing", "a"))
      assert.deepStrictEqual((yield* vault.list("t")).map(({ name }) => name), ["b"])
      assert.deepStrictEqual(values(yield* vault.open("t", "stripe", use)), [["b", "1"]])
    })

    test("tells strange names apart, and gives them back", function*(vault) {
      const names = ["\u0000", "\ud800", "\udfff", "\u0001\"x\"", "é😀"]
      for (const name of names) yield* register(vault, name, name, "value")
      const listed = yield* vault.list("t")
      assert.sameMembers(listed.map(({ toolId }) => toolId), names)
      assert.sameMembers(listed.map(({ name }) => name), names)
      for (const name of names) assert.deepStrictEqual(values(yield* vault.open("t", name, use)), [[name, "value"]])
      assert.sameMembers((yield* vault.accessLog("t")).map(({ name }) => name), names)
    })

    test("logs each use, newest first, and forgets all but the latest 50", function*(vault) {
      yield* register(vault, "stripe", "a", "1")
      yield* vault.open("t", "stripe", use)
      yield* TestClock.adjust("1 second")
      yield* vault.open("t", "stripe", { actionId: "action-2", agentId: "agent-2" })
      yield* vault.open("t", "nothing", use)
      const [newest, oldest, ...others] = yield* vault.accessLog("t")
      assert.deepInclude(newest, { toolId: "stripe", name: "a", actionId: "action-2", agentId: "agent-2" })
      assert.strictEqual(DateTime.toEpochMillis(newest!.accessedAt), 1000)
      assert.deepInclude(oldest, { actionId: "action-1", agentId: "agent-1" })
      assert.deepStrictEqual(others, [])
      for (let i = 0; i < 60; i++) yield* vault.open("t", "stripe", { actionId: `more-${i}`, agentId: "a" })
      const log = yield* vault.accessLog("t")
      assert.deepStrictEqual([log.length, log[0]?.actionId, log.at(-1)?.actionId], [50, "more-59", "more-10"])
    })

    test("keeps tenants apart", function*(vault) {
      yield* register(vault, "stripe", "a", "mine")
      yield* register(vault, "stripe", "a", "theirs", "other")
      assert.deepStrictEqual(values(yield* vault.open("t", "stripe", use)), [["a", "mine"]])
      assert.deepStrictEqual(yield* vault.accessLog("other"), [])
      assert.isTrue(yield* vault.remove("other", "stripe", "a"))
      assert.lengthOf(yield* vault.list("t"), 1)
    })
  })
}
