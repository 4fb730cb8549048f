import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { fieldIssues } from "../../../src/errors/internal/fieldIssues.ts"

const Tree: Schema.Codec<unknown> = Schema.Union([
  Schema.Finite,
  Schema.Record(Schema.String, Schema.suspend((): Schema.Codec<unknown> => Tree)),
  Schema.Array(Schema.suspend((): Schema.Codec<unknown> => Tree))
])

const issuesOf = (schema: Schema.Codec<unknown>, value: unknown) => {
  const result = Schema.decodeUnknownResult(schema, { errors: "all" })(value)
  assert(Result.isFailure(result))
  return fieldIssues(result.failure.issue, ["body"])
}

const size = (issues: ReturnType<typeof fieldIssues>) => JSON.stringify(issues).length

describe("fieldIssues", () => {
  it("names the place of each fault", () => {
    const schema = Schema.Struct({ a: Schema.String, b: Schema.Array(Schema.Finite), c: Schema.String })
    assert.deepStrictEqual(issuesOf(schema as never, { a: 1, b: [1, "x"] }), [
      { path: ["body", "a"], message: "Expected string" },
      { path: ["body", "b", 1], message: "Expected number" },
      { path: ["body", "c"], message: "Missing key" }
    ])
  })

  it("tells a hundred of any number of faults", () => {
    const many = issuesOf(Schema.Array(Schema.Finite) as never, Array.from({ length: 60_000 }, () => "x"))
    assert.deepStrictEqual(many.map(({ path }) => path), Array.from({ length: 100 }, (_, i) => ["body", i]))
    const spread = Array.from({ length: 30_000 }, () => ({ a: "x", b: "x" }))
    const pairs = Schema.Array(Schema.Struct({ a: Schema.Finite, b: Schema.Finite }))
    assert.strictEqual(issuesOf(pairs as never, spread).length, 100)
  })

  it("is short where faults are under long keys and far down", () => {
    const long = issuesOf(Tree, { ["k".repeat(900_000)]: Array.from({ length: 10_000 }, () => "x") })
    assert.isAtLeast(long.length, 1)
    assert.isBelow(size(long), 100_000)
    assert.strictEqual(String(long[0]!.path[1]).length, 257)

    let deep: unknown = Array.from({ length: 1000 }, () => "x")
    for (let level = 0; level < 300; level++) deep = { ["level ".repeat(100)]: deep }
    const far = issuesOf(Tree, deep)
    assert.isAtLeast(far.length, 1)
    assert.isBelow(size(far), 100_000)
    assert.strictEqual(far[0]!.path.at(-1), "…")
  })
})
