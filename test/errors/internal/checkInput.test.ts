import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { checkInput, checkObject } from "../../../src/errors/internal/checkInput.ts"

const issuesOf = Effect.fnUntraced(function*(checked: ReturnType<ReturnType<typeof checkInput>>) {
  const error = yield* Effect.flip(checked)
  assert(error.reason._tag === "InvalidRequest")
  return { operation: error.operation, issues: error.reason.issues }
})

describe("checkInput", () => {
  const check = checkInput(
    "person",
    Schema.Struct({ name: Schema.NonEmptyString, token: Schema.Redacted(Schema.String) })
  )

  it.effect("gives what is of the type", () =>
    Effect.gen(function*() {
      const token = Redacted.make("t")
      assert.deepStrictEqual(yield* check("A.b", { name: "n", token }), { name: "n", token })
    }))

  it.effect("names the operation and every issue, and shows no value", () =>
    Effect.gen(function*() {
      const { issues, operation } = yield* issuesOf(check("A.b", { name: "", token: "do-not-show" }))
      assert.strictEqual(operation, "A.b")
      assert.deepStrictEqual(issues.map(({ path }) => path), [["person", "name"], ["person", "token"]])
      assert.notInclude(JSON.stringify(issues), "do-not-show")
    }))
})

describe("checkObject", () => {
  it.effect("gives the same object, and takes nothing else for one", () =>
    Effect.gen(function*() {
      const options = { limit: 1 }
      assert.strictEqual(yield* checkObject("A.b", options), options)
      const others: ReadonlyArray<unknown> = [null, undefined, "limit", 1, true]
      for (const other of others) {
        const { issues } = yield* issuesOf(checkObject("A.b", other as object))
        assert.deepStrictEqual(issues.map(({ path }) => path), [["options"]])
      }
    }))
})
