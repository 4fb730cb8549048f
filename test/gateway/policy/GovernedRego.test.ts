/** A caller who nests a governed field in itself does not make the example policies slow: with `fail_open` that would allow. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { needsOpa, opa, policies } from "../../support/opa.ts"

const nested = (levels: number): unknown => {
  let params: unknown = Object.fromEntries(Array.from({ length: 10 * levels }, (_, i) => [`k${i}`, 1]))
  for (let i = 0; i < levels; i++) params = { fields: params }
  return params
}

/** How many expressions OPA evaluates, which no other load on the machine changes. */
const evaluations = (levels: number) => {
  const { stdout } = spawnSync(
    opa!,
    [
      "eval",
      "--format",
      "json",
      "--profile",
      "--profile-limit",
      "1000",
      "--stdin-input",
      "--data",
      join(policies, "governed.rego"),
      "data.vargate.policy.governed.keys(\"fields\")"
    ],
    { input: JSON.stringify({ action: { params: nested(levels) } }), encoding: "utf8", maxBuffer: 1e8 }
  )
  const { profile, result } = JSON.parse(stdout) as {
    readonly profile: ReadonlyArray<{ readonly num_eval: number }>
    readonly result: ReadonlyArray<{ readonly expressions: ReadonlyArray<{ readonly value: ReadonlyArray<string> }> }>
  }
  assert.strictEqual(result[0]!.expressions[0]!.value.length, 10 * levels + (levels > 1 ? 1 : 0))
  return profile.reduce((sum, { num_eval }) => sum + num_eval, 0)
}

describe.skipIf(opa === undefined)(`the keys of a governed field in Rego${needsOpa}`, () => {
  it("are collected in a time that grows with the params alone", () => {
    assert.isBelow(evaluations(80) / evaluations(40), 2.5)
  })
})
