import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as AuditLog from "../../src/audit/AuditLog.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as Vargate from "../../src/Vargate.ts"

const issues = (count: number) =>
  ScriptedTransport.json(422, { detail: Array.from({ length: count }, () => ({ loc: ["a"], msg: "x" })) })

const refusal = (count: number) =>
  AuditLog.AuditLog.use((auditLog) => auditLog.page()).pipe(
    Effect.flip,
    Effect.map((error) => error._tag === "VargateError" ? error.reason : undefined),
    Effect.provide(
      Vargate.layer({ apiKey: "a-long-key" }).pipe(Layer.provide(ScriptedTransport.layer([issues(count)])))
    )
  )

describe("an answer that says what is wrong", () => {
  it.effect("is read for its first hundred issues", () =>
    Effect.gen(function*() {
      const reason = yield* refusal(1000)
      assert(reason?._tag === "InvalidRequest")
      assert.lengthOf(reason.issues, 100)
    }))

  it.effect("is not read where it is as long as no gateway's", () =>
    Effect.gen(function*() {
      const reason = yield* refusal(20_000)
      assert(reason?._tag === "UnexpectedResponse")
      assert.include(reason.detail, "larger than 262144 bytes")
    }))
})
