/** Policies of a test, compiled by a real OPA. */
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as RegoPolicy from "../../src/policy/RegoPolicy.ts"
import { opa } from "./opa.ts"

/** A folder that goes with the test. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rego-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A file of Rego in the package of the decision. */
export const regoFile = Effect.fnUntraced(function*(rego: string) {
  const path = join(yield* folder, "policy.rego")
  writeFileSync(path, `package vargate.policy\n\n${rego}\n`)
  return path
})

/** A compiled policy. */
export const policyOf = (rego: string) =>
  Effect.scoped(Effect.flatMap(regoFile(rego), (path) => RegoPolicy.open(path, { opa })))
