import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, Metric, Result, Schema } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { readMetrics, readSample, trimmed } from "../../../src/operator/internal/prometheusText.ts"
import { valueOf } from "../../../src/operator/MetricFamily.ts"
import { looksAt } from "../../support/countedText.ts"

const read = (text: string) => {
  const result = readMetrics(text)
  assert(Result.isSuccess(result), JSON.stringify(Result.isFailure(result) && result.failure))
  return result.success
}

const only = (line: string) => {
  const [family, ...others] = read(line)
  assert.isEmpty(others)
  assert.lengthOf(family!.samples, 1)
  return family!.samples[0]!
}

describe("readMetrics", () => {
  it("reads nothing from nothing", () => {
    for (const text of ["", "\n\n", "  \t \n", "# a comment\n#\n# EOF\n#HELPLESS"]) {
      assert.deepStrictEqual(read(text), [])
    }
  })

  it.each([
    ["a 1", { name: "a", labels: {}, value: 1 }],
    ["  a\t 1  ", { name: "a", labels: {}, value: 1 }],
    ["a 1\r", { name: "a", labels: {}, value: 1 }],
    ["a:b_9{} 1", { name: "a:b_9", labels: {}, value: 1 }],
    ["a{x=\"1\"} 1", { name: "a", labels: { x: "1" }, value: 1 }],
    ["a { x = \"1\" , _y9 = \"\" , } 1", { name: "a", labels: { x: "1", _y9: "" }, value: 1 }],
    ["a{x=\"}\"} 1", { name: "a", labels: { x: "}" }, value: 1 }],
    ["a{x=\",y=\\\"z\\\"\"} 1", { name: "a", labels: { x: ",y=\"z\"" }, value: 1 }],
    ["a{x=\"\\\\n\\n\\\\\"} 1", { name: "a", labels: { x: "\\n\n\\" }, value: 1 }],
    ["a{x=\"é😀 # {\"} 1", { name: "a", labels: { x: "é😀 # {" }, value: 1 }],
    ["a -1.5e-3", { name: "a", labels: {}, value: -0.0015 }],
    ["a +.5", { name: "a", labels: {}, value: 0.5 }],
    ["a 5.", { name: "a", labels: {}, value: 5 }],
    ["a 1.96595712E+08", { name: "a", labels: {}, value: 196595712 }],
    ["a NaN", { name: "a", labels: {}, value: NaN }],
    ["a +Inf", { name: "a", labels: {}, value: Infinity }],
    ["a -inf", { name: "a", labels: {}, value: -Infinity }],
    ["a Infinity", { name: "a", labels: {}, value: Infinity }],
    ["a 1 1395066363000", { name: "a", labels: {}, value: 1, at: DateTime.makeUnsafe(1395066363000) }],
    ["a 1 -3982045", { name: "a", labels: {}, value: 1, at: DateTime.makeUnsafe(-3982045) }]
  ])("reads %j", (line, sample) => assert.deepStrictEqual(only(line), sample))

  it("reads families with their parts, and samples of no family", () => {
    const families = read(
      [
        "# HELP h Duration \\\\ in\\nseconds",
        "# TYPE h histogram",
        "h_bucket{le=\"0.5\"} 1",
        "h_bucket{le=\"+Inf\"} 2",
        "h_sum 1.5",
        "h_count 2",
        "# TYPE s summary",
        "s{quantile=\"0.5\"} 4",
        "s_sum 8",
        "s_count 2",
        "# TYPE c counter",
        "# HELP c  two words ",
        "c_total 3",
        "c 4",
        "lonely_count 1",
        "# TYPE empty gauge"
      ].join("\n")
    )
    assert.deepStrictEqual(
      families.map(({ help, name, samples, type }) => [name, type, help, samples.map((sample) => sample.name)]),
      [
        ["h", "histogram", "Duration \\ in\nseconds", ["h_bucket", "h_bucket", "h_sum", "h_count"]],
        ["s", "summary", undefined, ["s", "s_sum", "s_count"]],
        ["c", "counter", "two words", ["c"]],
        ["c_total", "untyped", undefined, ["c_total"]],
        ["lonely_count", "untyped", undefined, ["lonely_count"]],
        ["empty", "gauge", undefined, []]
      ]
    )
    assert.strictEqual(valueOf(families, "h_bucket", { le: "+Inf" }), 2)
  })

  it("takes no label for a part of an object", () => {
    const { labels } = only("a{__proto__=\"x\",constructor=\"y\"} 1")
    assert.deepStrictEqual(Object.entries(labels), [["__proto__", "x"], ["constructor", "y"]])
    assert.isUndefined(valueOf(read("a 1"), "a", { constructor: "y" }))
    assert.isFalse("x" in {})
  })

  it.each([
    ["<html>", "a metric's name was expected"],
    ["{\"detail\":\"no\"}", "a metric's name was expected"],
    ["9a 1", "a metric's name was expected"],
    ["a", "a has no value"],
    ["a{x=\"1\"}", "a has no value"],
    ["a one", "\"one\" is no value"],
    ["a 0x10", "\"0x10\" is no value"],
    ["a 1_000", "\"1_000\" is no value"],
    ["a 1e", "\"1e\" is no value"],
    ["a .", "\".\" is no value"],
    ["a- 1", "\"-\" is no value"],
    ["a 1 2 3", "something stands behind the time: \"3\""],
    ["a 1 1.5", "\"1.5\" is no time in milliseconds"],
    ["a 1 99999999999999999999", "\"99999999999999999999\" is no time in milliseconds"],
    ["a{x=1} 1", "the label x has no value in quotes"],
    ["a{x} 1", "the label x has no \"=\""],
    ["a{x=\"1\" y=\"2\"} 1", "a comma or a closing brace was expected"],
    ["a{,} 1", "a label's name was expected"],
    ["a{x=\"1\",,} 1", "a label's name was expected"],
    ["a{9=\"1\"} 1", "a label's name was expected"],
    ["a{x:y=\"1\"} 1", "the label x has no \"=\""],
    ["a{x=\"1\"", "a comma or a closing brace was expected"],
    ["a{x=\"1", "the label x has no value in quotes"],
    ["a{x=\"\\t\"} 1", "the escape \\t is unknown"],
    ["a{x=\"1\",x=\"2\"} 1", "the label x is there twice"],
    ["# TYPE a number", "\"number\" is no type"],
    ["# TYPE a", "\"\" is no type"],
    ["# HELP", "HELP names no metric"],
    ["# HELP a \\t", "the escape \\t is unknown"]
  ])("refuses %j", (line, message) => {
    const result = readMetrics(`ok 1\n${line}\nok2 1`)
    assert(Result.isFailure(result))
    assert.deepStrictEqual(result.failure, { line: 2, message })
  })

  it.each([
    ["a 1\na 1", "a is there twice with the same labels"],
    ["a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2", "a is there twice with the same labels"],
    ["# TYPE a gauge\n# TYPE a gauge", "a has a second TYPE"],
    ["# HELP a x\n# HELP a y", "a has a second HELP"],
    ["a 1\n# TYPE a gauge", "the TYPE of a comes after its samples"]
  ])("refuses %j together", (text, message) => {
    const result = readMetrics(text)
    assert(Result.isFailure(result))
    assert.deepStrictEqual(result.failure, { line: 2, message })
  })

  it("reads a long text and a long line in no time that matters", () => {
    const many = Array.from({ length: 20_000 }, (_, n) => `a{n="${n}"} ${n}`).join("\n")
    assert.lengthOf(read(many)[0]!.samples, 20_000)
    for (const text of ["y".repeat(10_000_000), "\\\\".repeat(500_000), "\\n".repeat(500_000)]) {
      assert.lengthOf(read(`a{x="${text}"} 1`), 1)
      assert.isTrue(Result.isFailure(readMetrics(`a{x="${text}`)))
    }
    assert.isTrue(Result.isFailure(readMetrics("{".repeat(10_000_000))))
  })

  const name = Arbitrary.schema(Schema.String.check(Schema.isPattern(/^[a-z]{1,8}$/)))
  const labels = Arbitrary.array(Arbitrary.schema(Schema.Tuple([Schema.String, Schema.String])), { maxLength: 4 })
  const value = Arbitrary.schema(Schema.Finite)

  it.effect.prop(
    "reads what Effect writes",
    { name, labels, value },
    ({ labels, name, value }) =>
      Effect.gen(function*() {
        const attributes = Object.fromEntries(labels.map(([, text], index) => [`l${index}`, text]))
        yield* Metric.update(Metric.withAttributes(Metric.gauge(name), attributes), value)
        const [family] = read(yield* PrometheusMetrics.format())
        assert.deepStrictEqual(family?.samples, [{ name, labels: attributes, value: value + 0 }])
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect.prop(
    "gives an answer to any text",
    { text: Arbitrary.schema(Schema.String) },
    ({ text }) =>
      Effect.sync(() => {
        readMetrics(text)
        readMetrics(`a{${text}`)
        readMetrics(`# TYPE ${text}`)
      })
  )
})

describe("a hostile text", () => {
  const blanks = (n: number) => " ".repeat(n)

  it.each<readonly [string, (text: string) => unknown, (n: number) => string]>([
    ["blanks around a sample", trimmed, (n) => `${blanks(n)}a 1${blanks(n)}`],
    ["blanks only", trimmed, blanks],
    ["blanks within a line", trimmed, (n) => `a${blanks(n)}1`],
    ["a long label", readSample, (n) => `a{l="${"x".repeat(n)}"} 1`],
    ["many labels", readSample, (n) => `a{${Array.from({ length: n / 10 }, (_, i) => `l${i}="1"`).join(",")}} 1`]
  ])("takes steps in proportion to its length: %s", (_, read, textOf) => {
    const [one, two] = looksAt(read, textOf, 2000)
    assert.isAbove(one, 0)
    assert.isAtMost(two, 2 * one + 10)
  })

  it("of a million blanks, digits, quotes or names is read in one go", () => {
    const n = 1_000_000
    for (
      const line of [
        `a${blanks(n)}x`,
        `${blanks(n)}x`,
        `a ${"1".repeat(n)}x`,
        `a{l="${"\\\\".repeat(n / 2)}`,
        `a{l="${"x".repeat(n)}`,
        `${"a".repeat(n)}`,
        `# HELP a ${blanks(n)}x`,
        `# ${blanks(n)}`,
        `a{${"l".repeat(n)}`
      ]
    ) {
      const result = readMetrics(line)
      if (Result.isFailure(result)) assert.isAtMost(result.failure.message.length, 300)
    }
  })

  it("is quoted in part only, and refused where it is too long", () => {
    const result = readMetrics(`a ${"x".repeat(1000)}`)
    assert(Result.isFailure(result))
    assert.isAtMost(result.failure.message.length, 120)
    const long = readMetrics("# x\n".repeat(5_000_000))
    assert(Result.isFailure(long))
    assert.match(long.failure.message, /more than 16777216/)
  })
})
