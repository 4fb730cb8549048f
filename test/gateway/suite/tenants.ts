/** What every register of tenants does, wherever it keeps them. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { type TenantOptions, Tenants } from "../../../src/gateway/tenants/Tenants.ts"

const acme = { id: "acme", apiKey: "acme-key" } as const
const globex = { id: "globex", apiKey: "globex-key", email: "boss@globex.example", slug: "globex" } as const

export const tenantsSuite = (place: string, layer: (initial: ReadonlyArray<TenantOptions>) => Layer.Layer<Tenants>) => {
  const test = (name: string, body: (tenants: Tenants["Service"]) => Effect.fn.Return<void>) =>
    it.effect(
      name,
      () => Effect.provide(Tenants.use((tenants) => Effect.gen(() => body(tenants))), layer([acme, globex]))
    )

  const key = (text: string) => Redacted.make(text)
  const changed = ["createdAt", "apiKey"]
  const settingsOf = (tenant: object | undefined) =>
    Object.fromEntries(Object.entries(tenant ?? {}).filter(([name]) => !changed.includes(name)))

  describe(`Tenants ${place}`, () => {
    test("fills in the defaults", function*(tenants) {
      assert.deepStrictEqual(settingsOf(yield* tenants.byId("acme")), {
        id: "acme",
        name: "acme",
        email: null,
        githubLogin: null,
        slug: null,
        publicDashboard: false,
        anchorChain: "polygon",
        policyTemplate: "general",
        policyConfig: {},
        opaFailure: "fail_closed",
        redisFailure: "fail_open",
        blockchainFailure: "fail_open",
        autoApproveTools: [],
        webhookUrl: null,
        webhookSecret: null,
        webhookEvents: [],
        burst: 20
      })
    })

    test("keeps every setting as it was given", function*(tenants) {
      const full = {
        id: "full",
        name: "Full & Co. é😀",
        email: "a@full.example",
        githubLogin: "octo",
        slug: "full",
        publicDashboard: true,
        anchorChain: "sepolia",
        policyTemplate: "financial",
        policyConfig: { transaction_limit: 100, currency: "USD", nested: { list: [1, null, "x"] } },
        opaFailure: "fail_to_queue",
        redisFailure: "fail_closed",
        blockchainFailure: "fail_to_queue",
        autoApproveTools: ["slack/post_message"],
        webhookUrl: "https://full.example/hook",
        webhookEvents: ["action.denied"],
        burst: 7
      } as const
      const added = yield* tenants.add({ ...full, apiKey: "full-key", webhookSecret: key("whsec") })
      const { webhookSecret, ...others } = settingsOf(yield* tenants.byId("full"))
      assert.deepStrictEqual<object>(others, full)
      assert(Redacted.isRedacted(webhookSecret))
      assert.strictEqual(Redacted.value(webhookSecret), "whsec")
      assert.deepStrictEqual(settingsOf(added), { ...others, webhookSecret })
    })

    test("finds by key and by id, and nothing else", function*(tenants) {
      assert.strictEqual((yield* tenants.byKey(key("globex-key")))?.id, "globex")
      assert.strictEqual((yield* tenants.byId("globex"))?.name, "globex")
      for (const other of ["", "globex-ke", "globex-key ", "GLOBEX-KEY", "globex"]) {
        assert.isUndefined(yield* tenants.byKey(key(other)))
      }
      assert.isUndefined(yield* tenants.byId("nobody"))
    })

    test("lists the oldest first", function*(tenants) {
      yield* TestClock.adjust("1 second")
      yield* tenants.add({ id: "abc", apiKey: "abc-key" })
      yield* tenants.update("acme", () => ({ name: "Acme" }))
      const all = yield* tenants.all
      assert.deepStrictEqual(all.map(({ id }) => id), ["acme", "globex", "abc"])
      assert.deepStrictEqual(all.map(({ createdAt }) => DateTime.toEpochMillis(createdAt)), [0, 0, 1000])
    })

    test("adds no tenant that has what another has", function*(tenants) {
      const takers: ReadonlyArray<TenantOptions> = [
        { id: "globex", apiKey: "new" },
        { id: "new", apiKey: "globex-key" },
        { id: "new", apiKey: "new", email: "boss@globex.example" },
        { id: "new", apiKey: "new", slug: "globex" }
      ]
      for (const taker of takers) assert.isUndefined(yield* tenants.add(taker))
      assert.lengthOf(yield* tenants.all, 2)
      // Having none is nothing that can be taken.
      assert.isDefined(yield* tenants.add({ id: "new", apiKey: "new" }))
    })

    test("updates by what is there at that moment", function*(tenants) {
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => index),
        () => tenants.update("acme", ({ burst }) => ({ burst: burst + 1 })),
        { concurrency: "unbounded" }
      )
      const updated = yield* tenants.update("acme", () => ({ webhookUrl: "https://a.example", name: "Acme" }))
      assert.deepInclude(updated, {
        burst: 40,
        webhookUrl: "https://a.example",
        name: "Acme",
        policyTemplate: "general"
      })
      assert.deepStrictEqual(settingsOf(yield* tenants.byKey(key("acme-key"))), settingsOf(updated))
      assert.isUndefined(yield* tenants.update("nobody", () => ({ name: "x" })))
    })

    test("puts a tenant anew, with its birthday and its webhook's secret", function*(tenants) {
      yield* tenants.update("acme", () => ({ webhookSecret: key("whsec"), name: "Acme" }))
      yield* TestClock.adjust("1 hour")
      const put = yield* tenants.put({ ...acme, apiKey: "next-key", burst: 1 })
      assert.deepInclude(settingsOf(put), { name: "acme", burst: 1 })
      assert.strictEqual(DateTime.toEpochMillis(put.createdAt), 0)
      assert.strictEqual(put.webhookSecret === null ? "" : Redacted.value(put.webhookSecret), "whsec")
      assert.isUndefined(yield* tenants.byKey(key("acme-key")))
      assert.strictEqual((yield* tenants.byKey(key("next-key")))?.id, "acme")
      const added = yield* tenants.put({ id: "new", apiKey: "new" })
      assert.strictEqual(DateTime.toEpochMillis(added.createdAt), 3_600_000)
    })

    test("rotates a key: the old one is dead at once", function*(tenants) {
      assert.isTrue(yield* tenants.rotateKey("acme", key("acme-key"), key("second")))
      assert.isUndefined(yield* tenants.byKey(key("acme-key")))
      assert.strictEqual((yield* tenants.byKey(key("second")))?.id, "acme")
      assert.strictEqual((yield* tenants.byKey(key("globex-key")))?.id, "globex")
    })

    test("lets one of two rotations win", function*(tenants) {
      const won = yield* Effect.forEach(
        ["a", "b", "c"],
        (to) => tenants.rotateKey("acme", key("acme-key"), key(to)),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(won.filter((isWinner) => isWinner), 1)
      assert.strictEqual((yield* tenants.byKey(key(["a", "b", "c"][won.indexOf(true)]!)))?.id, "acme")
      assert.isFalse(yield* tenants.rotateKey("nobody", key("acme-key"), key("x")))
    })
  })
}
