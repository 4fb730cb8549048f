/** What operators handle besides the key is in nothing that a program may print: credentials, tokens, new keys. */
import { describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted } from "effect"
import { Account } from "../../src/operator/Account.ts"
import { Credentials } from "../../src/operator/Credentials.ts"
import { NewAccount, RotatedKey, Session } from "../../src/operator/Session.ts"
import { Tenant } from "../../src/operator/Tenant.ts"
import { NewTenant } from "../../src/operator/TenantEntry.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as KeyProvider from "../../src/transport/KeyProvider.ts"
import * as Vargate from "../../src/Vargate.ts"
import {
  answering,
  credential,
  emptyGateway,
  type Operation,
  type OperationName,
  operations,
  profile,
  scripted,
  withDoor
} from "../support/operations.ts"
import {
  assertSilent,
  bodiesWith,
  core,
  headersWith,
  keys,
  overhear,
  spellings,
  statuses
} from "../support/overhear.ts"

describe.each(keys)("the secret %s", (secret) => {
  const value = Redacted.make(secret)
  const session = new Session({ token: value, tenantId: profile.tenant_id })
  const url = `https://hooks.example/${encodeURIComponent(secret)}`

  /** Operations that carry a secret besides the key. */
  const carrying: Readonly<Record<string, Operation>> = {
    "a credential": Credentials.use((credentials) => credentials.register({ ...credential, value })),
    "a token of a mail": Account.use((account) => account.verifyEmail(value)),
    "a session that lists": Account.use((account) => account.tenants({ session })),
    "a session that switches": Account.use((account) => account.switchTenant("t-2", { session })),
    "a session that rotates": Account.use((account) => account.rotateKey({ session })),
    "a webhook's URL": Tenant.use((tenant) => tenant.apply({ webhookUrl: url }))
  }

  it.effect.each(Object.entries(carrying))(
    "%s is in no error, even where the gateway echoes it",
    ([name, operation]) => {
      let step = ScriptedTransport.refuse
      // Whether a session is of this tenant is asked without it.
      const services = scripted((request) => request.path.endsWith("/dashboard/me") ? emptyGateway(request) : step)
      const bodies = Object.values(bodiesWith(name.endsWith("URL") ? url : secret))
      const texts = bodies.map((body) => typeof body === "string" ? body : JSON.stringify(body))
      const answers = texts.flatMap((text) =>
        statuses.map((status) => ScriptedTransport.text(status, text, headersWith("x")))
      )
      return Effect.forEach(
        [...answers, ScriptedTransport.refuse, ScriptedTransport.disconnect],
        Effect.fnUntraced(function*(next) {
          step = next
          assertSilent(yield* overhear(operation))
        })
      ).pipe(Effect.provide(services))
    }
  )

  /** Operations whose answers hold a new secret, and answers that are almost right. */
  const receiving: Readonly<Record<string, readonly [OperationName, ReadonlyArray<unknown>]>> = {
    "a new key": ["Account.rotateKey", [
      { tenant_id: 5, api_key: secret },
      { tenant_id: "t", api_key: `${secret} ` },
      { tenant_id: "t", key: secret }
    ]],
    "a session": ["Account.session", [{ tenant_id: 5, session_token: secret }, { session_token: [secret] }]],
    "another tenant's session": ["Account.switchTenant", [{ tenant_id: 5, session_token: secret }]],
    "a first key": ["Account.verifyEmail", [{ tenant_id: 5, api_key: secret, session_token: secret }]],
    "a new tenant's key": ["TenantDirectory.create", [{ tenant_id: "t", api_key: secret, name: 5 }]],
    "a webhook's secret": ["Tenant.apply", [{ status: "new", webhook_secret: secret }]]
  }

  it.effect.each(Object.entries(receiving))(
    "%s is in no error of an answer that cannot be read",
    ([, [name, bodies]]) =>
      Effect.gen(function*() {
        const texts = [
          ...bodies.map((body) => JSON.stringify(body)),
          secret,
          `<p>${secret}</p>`,
          `{"api_key":"${secret}`
        ]
        for (const text of texts) {
          for (const status of [200, 202, 418, 500, 502]) {
            const step = ScriptedTransport.text(status, text, { "content-type": "application/json" })
            assertSilent(yield* overhear(operations[name]).pipe(Effect.provide(answering(step))))
          }
        }
      })
  )

  it("is not shown by what holds it", () => {
    const holders = [
      session,
      new RotatedKey({ tenantId: "t", apiKey: value, rotatedAt: DateTime.makeUnsafe(0) }),
      new NewAccount({ tenantId: "t", apiKey: value, session }),
      new NewTenant({ tenantId: "t", name: "T", apiKey: value })
    ]
    assertSilent(holders.flatMap(spellings))
  })
})

describe("a key that was replaced", () => {
  it.effect.each(keys)("%s is blotted out like its successor", (key) => {
    const steps = [
      ScriptedTransport.json(200, { tenant_id: "t", api_key: `next_${core}` }),
      ScriptedTransport.text(500, `${key} next_${core}`),
      ScriptedTransport.json(403, { detail: `${key} next_${core}` })
    ]
    return Effect.gen(function*() {
      yield* operations["Account.rotateKey"]
      for (const name of ["ToolCalls.call", "AuditLog.page"] as const) assertSilent(yield* overhear(operations[name]))
    }).pipe(Effect.provide(scripted(steps, { apiKey: key })))
  })
})

describe("a key provider that fails", () => {
  const failures: Readonly<Record<string, Effect.Effect<string, unknown>>> = {
    "an error": Effect.fail({ _tag: "Sealed", message: core }),
    "a text": Effect.fail(core),
    "a defect": Effect.die(new Error(core)),
    "a bad key": Effect.succeed(`${core} with blanks`)
  }
  const wire = ScriptedTransport.layer(() => ScriptedTransport.json(401, { detail: "Invalid API key" }))

  it.effect.each(Object.entries(failures))("with %s shows nothing of it", ([, failure]) =>
    Effect.gen(function*() {
      const reads = [Effect.succeed("first-key"), failure]
      const later = KeyProvider.layer(Effect.suspend(() => reads.shift() ?? failure))
      const vargate = withDoor(Vargate.layerOperatorKeyProvider())
      const refused = overhear(operations["ToolCalls.call"])
      assertSilent(yield* Effect.provide(refused, vargate.pipe(Layer.provide([later, wire]))))
      const unbuilt = Layer.build(vargate.pipe(Layer.provide([KeyProvider.layer(failure), wire])))
      assertSilent(yield* overhear(Effect.withSpan(unbuilt, "building")))
    }))
})
