/** The first example against a gateway that is not in its process. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { TemplateName } from "../../src/gateway/tenants/Tenants.ts"
import { environment, Served, served } from "../support/cli.ts"

const program = fileURLToPath(new URL("../../examples/00_quickstart.ts", import.meta.url))

const gateway = (policyTemplate: TemplateName) =>
  served({ tenants: [{ id: "shop", apiKey: "test-key", policyTemplate, burst: 100 }] })

const tour = Effect.gen(function*() {
  const { env, url } = yield* Served
  return yield* Effect.promise(() =>
    new Promise<string>((resolve) =>
      execFile(
        process.execPath,
        ["--conditions=effect-vargate-source", program],
        { env: environment({ ...env, VARGATE_URL: url }) },
        (_, out, err) => resolve(out + err)
      )
    )
  )
})

const sectionsOf = (out: string) => [...out.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number))

layer(gateway("general"), { excludeTestServices: true, timeout: 60_000 })("the quickstart", (it) => {
  it.effect("says why nothing is pending, and numbers what it tells", () =>
    Effect.gen(function*() {
      const out = yield* tour
      assert.match(out, /the real gateway/)
      assert.match(out, /nothing of this is pending[^]*approval_threshold[^]*settings apply settings\.json/)
      assert.match(out, /recomputed from the bytes: valid, \d+ records?/)
      assert.deepStrictEqual(sectionsOf(out), [1, 2, 3])
      assert.match(out, /\nNext: npm test/)
    }))
})
