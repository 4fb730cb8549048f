/** The verifier without the WebAssembly module, which reads nothing while somebody else claims it. */
import { afterAll, beforeAll } from "@effect/vitest"
import { claimModule } from "./internal/javaScriptOnly.ts"

let release = () => {}
beforeAll(() => {
  release = claimModule()
})
afterAll(() => release())

await import("./ChainVerifier.captures.slow.test.ts")
await import("./ChainVerifier.findings.test.ts")
await import("./ChainVerifier.property.slow.test.ts")
await import("./ChainVerifier.test.ts")
