import { defineConfig } from "vitest/config"

export default defineConfig({
  ssr: { resolve: { conditions: ["effect-vargate-source", "node", "import", "module", "default"] } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/inboxBundle.ts"],
    setupFiles: ["test/support/freshClaims.ts"],
    reporters: ["default", "test/support/summary.ts"],
    // Ends what hangs, on a machine under load as well.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Vitest leaves one core idle unless told.
    maxWorkers: "100%",
    sequence: { concurrent: false }
  }
})
