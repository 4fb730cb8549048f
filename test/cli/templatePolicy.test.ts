/** The rules of a new project, in TypeScript and in Rego, on one table of calls: both decide the same. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { rules } from "../../template/src/rules.ts"
import { needsOpa, opa } from "../support/opa.ts"

interface Decided {
  readonly allow: boolean
  readonly requires_human: boolean
  readonly violations: ReadonlyArray<string>
}

const params = (text: string): Readonly<Record<string, unknown>> => JSON.parse(text)
const small = "{\"charge\":\"c\",\"amount\":5}"
const large = "{\"charge\":\"c\",\"amount\":5000}"

const cases: ReadonlyArray<readonly [decision: "allowed" | "pending" | "denied", tool: string, params: string]> = [
  ["allowed", "payments", small],
  ["allowed", "payments", "{\"amount\":0}"],
  ["allowed", "payments", "{\"amount\":-0}"],
  ["allowed", "payments", "{\"amount\":1e2}"],
  ["allowed", "payments", "{\"amount\":5,\"vargate_reference\":\"r\"}"],
  ["pending", "payments", "{\"amount\":100.01}"],
  ["pending", "payments", "{\"amount\":1000}"],
  ["denied", "payments", "{\"amount\":1000.01}"],
  ["denied", "payments", "{\"amount\":1e300}"],
  ["denied", "payments", "{\"amount\":-5000}"],
  ["denied", "payments", "{\"amount\":-0.01}"],
  ...["\"\"", "\"50\"", "\" 50 \"", "\"0x10\"", "\"1e2\"", "null", "[]", "[50]", "[[50]]", "true", "false", "{}"].map((
    amount
  ) => ["denied", "payments", `{"amount":${amount}}`] as const),
  ["denied", "payments", "{}"],
  ["denied", "payments", "{\"Amount\":5}"],
  ["denied", "payments", "{\"amount\":5,\"Amount\":5000}"],
  ["denied", "payments", "{\"amount\":5,\"more\":{\"amount\":5000}}"],
  ["denied", "payments", "{\"amount\":5,\"__proto__\":{\"amount\":5000}}"],
  ["denied", "payments", "{\"__proto__\":{\"amount\":5}}"],
  ["denied", "Payments", large],
  ["denied", "PAY-MENTS.", large],
  ["denied", "payment\u017f", large],
  ["allowed", "Payments", small],
  ["allowed", "search", "{}"],
  ["allowed", "search", large]
]

const decisionOf = ({ allow, requires_human }: Decided) => !allow ? "denied" : requires_human ? "pending" : "allowed"
const title = (tool: string, params: string) => `${tool} ${params}`

const here = cases.map(([, tool, text]): Decided => {
  const call = { action: { tool, params: params(text) } }
  const violations = rules.rules.filter(({ when }) => when(call)).map(({ name }) => name)
  const isAllowed = violations.length === 0
  return { allow: isAllowed, requires_human: isAllowed && rules.approvals.some((rule) => rule(call)), violations }
})

describe("the rules of a new project", () => {
  for (const [i, [decision, tool, text]] of cases.entries()) {
    it(`${decision}: ${title(tool, text)}`, () => assert.strictEqual(decisionOf(here[i]!), decision))
  }

  it.skipIf(opa === undefined)(`decide the same in Rego${needsOpa}`, () => {
    const folder = fileURLToPath(new URL("../../template/policy", import.meta.url))
    const query = "[d | some action in input; d := data.vargate.policy.decision with input as {\"action\": action}]"
    const input = `[${cases.map(([, tool, text]) => `{"tool":${JSON.stringify(tool)},"params":${text}}`).join(",")}]`
    const args = ["eval", "--format", "raw", "--stdin-input", "--data", folder, "--import", "rego.v1", query]
    const { stderr, stdout } = spawnSync(opa!, args, { input, encoding: "utf8" })
    assert.strictEqual(stderr, "")
    const decided = JSON.parse(stdout) as ReadonlyArray<Decided>
    for (const [i, [decision, tool, text]] of cases.entries()) {
      assert.strictEqual(decisionOf(decided[i]!), decision, title(tool, text))
      assert.sameMembers([...decided[i]!.violations], [...here[i]!.violations], title(tool, text))
    }
    const tests = spawnSync(opa!, ["test", folder], { encoding: "utf8" })
    assert.strictEqual(tests.status, 0, tests.stdout)
  })
})
