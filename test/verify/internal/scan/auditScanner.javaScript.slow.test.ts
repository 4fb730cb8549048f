/** The scanner without its WebAssembly module, which reads nothing while somebody else claims it. */
import { afterAll, beforeAll } from "@effect/vitest"
import { claimModule } from "../javaScriptOnly.ts"

let release = () => {}
beforeAll(() => {
  release = claimModule()
})
afterAll(() => release())

await import("./auditScanner.slow.test.ts")
