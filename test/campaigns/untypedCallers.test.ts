/** What callers without types may pass: a typed failure, and nothing is sent. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, type Context, DateTime, Effect, Exit, Redacted, Schedule, Stream } from "effect"
import { AuditLog } from "../../src/audit/AuditLog.ts"
import { VargateError } from "../../src/errors/VargateError.ts"
import { Account } from "../../src/operator/Account.ts"
import { Compliance } from "../../src/operator/Compliance.ts"
import { Credentials } from "../../src/operator/Credentials.ts"
import { ManagedAgents } from "../../src/operator/ManagedAgents.ts"
import { Session } from "../../src/operator/Session.ts"
import { Tenant } from "../../src/operator/Tenant.ts"
import { TenantDirectory } from "../../src/operator/TenantDirectory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import type * as Vargate from "../../src/Vargate.ts"
import { Merkle } from "../../src/verify/Merkle.ts"
import { agentId, emptyGateway, scripted, sessionId } from "../support/operations.ts"

type Attempt = Effect.Effect<unknown, unknown, Vargate.OperatorServices>

/** An operation of a service, given anything. */
const attempt = <I extends Vargate.OperatorServices, S extends object>(
  service: Context.Key<I, S>,
  method: keyof S,
  ...before: ReadonlyArray<unknown>
) =>
(input: unknown): Attempt =>
  Effect.flatMap(service, (service) => {
    const call = service[method] as (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown> | Stream.Stream<unknown>
    const answer = call(...before, input)
    return Stream.isStream(answer) ? Stream.runDrain(answer) : answer
  })

const within = (name: string, take: (input: unknown) => Attempt) => (input: unknown) => take({ [name]: input })

const secret = "do-not-show"
const noObject = [null, "text", 1, true, Symbol("x")]
const noDate = [null, "2026-07-01", 0, Number.NaN, {}, [], new Date(Number.NaN), new Date(0)]
const noSecret = [undefined, null, secret, 1, {}, Redacted.make(""), Redacted.make({ secret }), Redacted.make(1n)]
const noSession = [null, secret, Redacted.make(secret), { token: secret, tenantId: "t" }]
const noDuration = [null, "soon", true, Symbol("x")]
const noSchedule = [null, "1 second", 1000, {}, () => Effect.void]

const day = (text: string) => DateTime.makeUnsafe(text)
const noRange = [{ from: day("2026-07-02"), to: day("2026-07-01") }]

const table: Readonly<Record<string, readonly [take: (input: unknown) => Attempt, inputs: ReadonlyArray<unknown>]>> = {
  "Tenant.plan": [attempt(Tenant, "plan"), [undefined, ...noObject]],
  "Tenant.apply": [attempt(Tenant, "apply"), [undefined, ...noObject]],
  "TenantDirectory.create": [attempt(TenantDirectory, "create"), [undefined, ...noObject]],
  "TenantDirectory.get": [attempt(TenantDirectory, "get"), [undefined, null, 1, {}, "", ".", ".."]],
  "Credentials.register": [attempt(Credentials, "register"), [undefined, ...noObject]],
  "Credentials.register value": [
    (value) => attempt(Credentials, "register")({ toolId: "t", name: "n", value }),
    noSecret
  ],
  "Credentials.status": [attempt(Credentials, "status"), [undefined, null, 1, {}, "", ".", ".."]],
  "Credentials.remove": [attempt(Credentials, "remove"), [undefined, ...noObject, { toolId: "..", name: "n" }]],
  "Account.signup": [attempt(Account, "signup"), [undefined, ...noObject]],
  "Account.verifyEmail": [attempt(Account, "verifyEmail"), noSecret],
  "Account.rotateKey": [attempt(Account, "rotateKey"), noObject],
  "Account.rotateKey session": [within("session", attempt(Account, "rotateKey")), noSession],
  "Account.tenants": [attempt(Account, "tenants"), noObject],
  "Account.tenants session": [within("session", attempt(Account, "tenants")), noSession],
  "Account.switchTenant": [attempt(Account, "switchTenant", "t"), noObject],
  "Account.switchTenant session": [within("session", attempt(Account, "switchTenant", "t")), noSession],
  "AuditLog.page": [attempt(AuditLog, "page"), noObject],
  "AuditLog.records": [attempt(AuditLog, "records"), noObject],
  "AuditLog.agents": [attempt(AuditLog, "agents"), noObject],
  "Merkle.roots": [attempt(Merkle, "roots"), noObject],
  "Merkle.awaitProof": [attempt(Merkle, "awaitProof", "0".repeat(64)), noObject],
  "Merkle.awaitProof timeout": [within("timeout", attempt(Merkle, "awaitProof", "0".repeat(64))), noDuration],
  "Compliance.export": [attempt(Compliance, "export"), [...noObject, ...noRange]],
  "Compliance.export from": [within("from", attempt(Compliance, "export")), noDate],
  "Compliance.export to": [within("to", attempt(Compliance, "export")), noDate],
  "Compliance.export tenantId": [within("tenantId", attempt(Compliance, "export")), [null, 1, "", ".", ".."]],
  "Compliance.pdf": [attempt(Compliance, "pdf"), [...noObject, ...noRange]],
  "Compliance.pdf from": [within("from", attempt(Compliance, "pdf")), noDate],
  "ManagedAgents.register": [attempt(ManagedAgents, "register"), [undefined, ...noObject]],
  "ManagedAgents.start": [attempt(ManagedAgents, "start", agentId), noObject],
  "ManagedAgents.sessions": [attempt(ManagedAgents, "sessions"), noObject],
  "ManagedAgents.sessions limit": [
    within("limit", attempt(ManagedAgents, "sessions")),
    [null, "1", 0, -1, 1.5, 201, Number.NaN, Infinity]
  ],
  "ManagedAgents.audit": [attempt(ManagedAgents, "audit", sessionId), noObject],
  "ManagedAgents.interrupt": [attempt(ManagedAgents, "interrupt", sessionId), [undefined, ...noObject]],
  "ManagedAgents.watch": [attempt(ManagedAgents, "watch", sessionId), noObject],
  "ManagedAgents.watch schedule": [within("schedule", attempt(ManagedAgents, "watch", sessionId)), noSchedule]
}

describe("an untyped caller", () => {
  it.effect.each(Object.entries(table))("of %s", ([name, [take, inputs]]) =>
    Effect.gen(function*() {
      const wire = yield* ScriptedTransport.ScriptedTransport
      for (const input of inputs) {
        const exit = yield* Effect.exit(take(input))
        assert(Exit.isFailure(exit), `${name} took it`)
        const error = Cause.squash(exit.cause)
        assert(error instanceof VargateError && Cause.hasFails(exit.cause), `${name}: ${String(error)}`)
        assert.deepStrictEqual([error.operation, error.reason._tag], [name.replace(/ .*/, ""), "InvalidRequest"])
        assert.notInclude(Cause.pretty(exit.cause) + JSON.stringify(error), secret)
      }
      assert.deepStrictEqual(yield* wire.requests, [])
    }).pipe(Effect.provide(scripted(emptyGateway))))
})

describe("what is left out", () => {
  it.effect("is no mistake, and neither is a good value", () =>
    Effect.gen(function*() {
      const session = new Session({ token: Redacted.make("jwt"), tenantId: "t" })
      // One day, and the two at different times of it.
      const from = day("2026-07-01T12:00:00Z")
      const to = DateTime.makeZonedUnsafe("2026-07-01T09:00:00Z", { timeZone: "Europe/Berlin" })
      const good: Readonly<Record<string, Attempt>> = {
        tenants: Account.use((account) => Effect.andThen(account.tenants(), account.tenants({ session }))),
        export: Compliance.use((compliance) => compliance.export({ tenantId: "t", from, to })),
        sessions: ManagedAgents.use((managed) => managed.sessions()),
        start: ManagedAgents.use((managed) => managed.start(agentId)),
        watch: ManagedAgents.use((managed) =>
          Stream.runDrain(managed.watch(sessionId, { schedule: Schedule.recurs(1) }))
        )
      }
      const wire = yield* ScriptedTransport.ScriptedTransport
      for (const [name, operation] of Object.entries(good)) {
        const before = (yield* wire.requests).length
        yield* Effect.exit(operation)
        assert.isAbove((yield* wire.requests).length, before, name)
      }
    }).pipe(Effect.provide(scripted(emptyGateway))))
})
