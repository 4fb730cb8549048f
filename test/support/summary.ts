/** The last lines of a run: what was skipped, in one line with the reasons, and how many tests passed. */
import type { Reporter, TestCase, TestModule } from "vitest/node"

/** The reason in a title: `... (needs OPA: ...)`, `... (skipped where ...)`. */
const reasonOf = (title: string): string => /\(((?:needs|skipped where) [^):]*)/.exec(title)?.[1] ?? title

/** What to do after `npm test`. */
const nextAfter = ([failed]: ReadonlyArray<TestCase>): string =>
  failed === undefined
    ? "Next: docs/getting-started.md, or npm run test:slow for the rest (see CONTRIBUTING.md)"
    : `Next: npm run test:all -- ${failed.module.relativeModuleId}`

export default class Summary implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>) {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const of = (state: string) => tests.filter((test) => test.result().state === state)
    const skipped = of("skipped")

    const reasons = new Map<string, number>()
    for (const { fullName } of skipped) reasons.set(reasonOf(fullName), (reasons.get(reasonOf(fullName)) ?? 0) + 1)
    if (skipped.length > 0) {
      console.log(`skipped: ${Array.from(reasons, ([reason, count]) => `${count} ${reason}`).join("; ")}`)
    }
    console.log(`${of("passed").length} passed, ${of("failed").length} failed, ${skipped.length} skipped`)
    if (process.env["npm_lifecycle_event"] === "test" && process.env["CI"] === undefined) {
      console.log(nextAfter(of("failed")))
    }
  }
}
