/** The last lines of a run: what was skipped, in one line with the reasons, and how many tests passed. */
import type { Reporter, TestModule } from "vitest/node"

/** The reason in a title: `... (needs OPA: ...)`, `... (skipped where ...)`. */
const reasonOf = (title: string): string => /\(((?:needs|skipped where) [^):]*)/.exec(title)?.[1] ?? title

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
  }
}
