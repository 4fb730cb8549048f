import { defineConfig } from "vitest/config"

export default defineConfig({
  ssr: { resolve: { conditions: ["effect-vargate-source", "node", "import", "module", "default"] } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/inboxBundle.ts"],
    reporters: ["default", "test/support/summary.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    sequence: { concurrent: false }
  }
})
