/** What a compiled policy computes with its host's functions, against OPA itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { filesIn } from "../../../src/policy/internal/tar.ts"
import { load, type Sdk } from "../../../src/policy/internal/wasmHost.ts"
import { needsOpa, opa } from "../../support/opa.ts"
import { folder } from "../../support/rego.ts"

const patterns = [
  "a+",
  "a*",
  "",
  "b|",
  "(a)(b)?",
  "[^a-c]+",
  "(?i)ab",
  "(?s)a.b",
  "(?m)^b$",
  "(?im)^B",
  "\\s+",
  "\\S",
  "\\w+",
  "\\W",
  "\\bb",
  "\\d{2,3}",
  "a{2}",
  "a{,2}",
  "\\p{L}+",
  "\\pN",
  "\\P{Greek}",
  "\\p{^Lu}",
  "[[:alpha:][:digit:]]+",
  "[\\w-]+",
  "[^\\s]",
  "[a\\-z]",
  "[-a]",
  "\\x{e9}|\\x41",
  "\\Q.*\\E",
  ".*?b",
  "(?P<x>a)|(?:b)",
  "\\Aa",
  "b\\z",
  "[./\\[\\]]+"
]

const texts = [
  "",
  "a",
  "aab",
  "ab\nb",
  "a\r\nb\u2028c",
  "Ab aB 12 345",
  "\u00e9\u03b1\u0430\u{1f600}",
  "a\u00a0b\u000bc",
  "x.*y",
  "a.b/c[d]",
  "abcabcab",
  "A_b-c"
]

const times = [
  "2026-11-23T12:00:00Z",
  "2026-11-23T12:00:00.123456789Z",
  "2026-11-23T1:00:00Z",
  "2026-11-23T12:00:00.5+05:30",
  "2026-11-23T12:00:00,5Z",
  "2026-11-23t12:00:00z",
  "2026-02-29T00:00:00Z",
  "2024-02-29T23:59:59.9999999999-00:01",
  "2026-11-23T12:00:60Z",
  "2026-11-23T12:00:00",
  "1677-09-21T00:12:43Z",
  "2262-04-11T23:47:16.854775807Z",
  "2262-04-11T23:47:17Z",
  "0000-01-01T00:00:00Z"
]

const json = JSON.stringify

const expressions = [
  ...patterns.flatMap((pattern) =>
    texts.flatMap((text) => [
      `regex.replace(${json(text)}, ${json(pattern)}, "<$0|$1>")`,
      `regex.split(${json(pattern)}, ${json(text)})`,
      `regex.find_n(${json(pattern)}, ${json(text)}, -1)`
    ])
  ),
  ...times.map((time) => `time.parse_rfc3339_ns(${json(time)})`),
  ...["0", "1795435200000000000", "-1", "1795435199999999999", `[1795435200000000000, "UTC"]`].flatMap((time) =>
    ["clock", "date", "weekday"].map((name) => `time.${name}(${time})`)
  ),
  ...[
    `"%s %d %v", ["a", 5, 0.5]`,
    `"%v %v %v", [true, null, "b"]`,
    `"%d %s", ["a", 5]`,
    `"%d%%", [1.5]`,
    `"%s %s", ["a"]`,
    `"%s", ["a", "b", 1]`,
    `"%v %v", [-123456.25, 0.0001]`,
    `"no verbs", []`
  ].map((args) => `sprintf(${args})`),
  `strings.any_prefix_match("abc", ["b", "ab"])`,
  `strings.any_prefix_match({"abc", "x"}, {"y", "z"})`,
  `strings.any_suffix_match(["abc"], "bc")`,
  `json.is_valid("{\\"a\\": 1}")`,
  `json.is_valid("{a}")`
]

describe.skipIf(opa === undefined)(`functions of Rego${needsOpa}`, () => {
  it.effect("answer as OPA's own", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const rules = expressions.map((expression, index) => `results["${index}"] := x if x := ${expression}`)
      writeFileSync(
        join(path, "t.rego"),
        `package t\n\nresults[name] := value if { false; name := ""; value := 1 }\n${rules.join("\n")}\n`
      )
      const ofOpa: Record<string, unknown> = JSON.parse(
        execFileSync(opa!, ["eval", "--data", path, "--format", "raw", "data.t.results"], { encoding: "utf8" })
      )
      const bundle = join(path, "bundle.tar.gz")
      execFileSync(opa!, ["build", "--target", "wasm", "--entrypoint", "t/results", "--output", bundle, path])
      const wasm = filesIn(gunzipSync(readFileSync(bundle)))!.get("policy.wasm")!
      const { default: sdk } = yield* Effect.promise(
        (): Promise<{ readonly default: Sdk }> => import("@open-policy-agent/opa-wasm") as never
      )
      const module = new WebAssembly.Module(wasm.slice())
      const host = load(sdk, { module, size: wasm.length, data: "{}", maxPages: 1024 })
      assert.deepStrictEqual(host.missing, [])
      const ours = host.evaluate("t/results", undefined, 0n) as Record<string, unknown>
      assert.isAtLeast(Object.keys(ofOpa).length, expressions.length - 12)
      for (const [index, expression] of expressions.entries()) {
        assert.deepStrictEqual(ours[index], ofOpa[index], expression)
      }
    }))
})
