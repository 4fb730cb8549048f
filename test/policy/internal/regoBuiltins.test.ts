/** What policies get from their host, against what OPA answers. `regoBuiltins.slow.test.ts` asks OPA itself. */
import { assert, describe, it } from "@effect/vitest"
import { matchesOf, replaceAll, split, UnsupportedPattern } from "../../../src/policy/internal/re2.ts"
import { builtins, parseRfc3339 } from "../../../src/policy/internal/regoBuiltins.ts"

const run = (name: string, ...args: ReadonlyArray<unknown>) => builtins[name]!({ now: () => 0n }, ...args)

describe("patterns of Rego", () => {
  it("match as RE2 does where JavaScript would match otherwise", () => {
    const found = (pattern: string, text: string) => matchesOf(pattern, text).map(({ groups }) => groups[0])
    assert.deepStrictEqual(found(`\\s`, "a\u00a0b\u2028c\vd e"), [" "])
    assert.deepStrictEqual(found(`.+`, "a\rb\u2028c\nd"), ["a\rb\u2028c", "d"])
    assert.deepStrictEqual(found(`(?m)^.`, "a\rb\nc"), ["a", "c"])
    assert.deepStrictEqual(found(`(?i)STRASSE`, "strasse STRA\u017f\u017fe"), ["strasse", "STRA\u017f\u017fe"])
    assert.deepStrictEqual(found(`[[:alpha:]-]+`, "ab-1"), ["ab-"])
    assert.deepStrictEqual(found(`\\x{1F600}`, "a\u{1f600}"), ["\u{1f600}"])
    assert.deepStrictEqual(found(`\\pN\\p{^Latin}\\PL`, "1\u04302"), ["1\u04302"])
    assert.deepStrictEqual(found(`\\Qa.b\\E{2}`, "a.bb axb"), ["a.bb"])
    assert.deepStrictEqual(found(`a{,2}|]|}`, "a{,2}]}"), ["a{,2}", "]", "}"])
    assert.deepStrictEqual(found(`[]a]`, "]ab"), ["]", "a"])
    assert.deepStrictEqual(found(`\\Aab|b\\z`, "abb"), ["ab", "b"])
  })

  it("are refused where they cannot be carried over", () => {
    for (
      const pattern of [
        "(?=a)",
        "a(?i)b",
        "(?i)\\bk",
        "\\1",
        "[[:^alpha:]]",
        "a**",
        "(",
        "\\C",
        "[a",
        "a{1001}",
        "\\xg"
      ]
    ) {
      assert.throws(() => matchesOf(pattern, "text"), UnsupportedPattern)
    }
  })

  it("replace and split as Go does", () => {
    assert.strictEqual(replaceAll("abc", "b*", "X"), "XaXcX")
    assert.strictEqual(replaceAll("John Smith", `(?P<first>\\w+) (\\w+)`, "$2 ${first} $$ $9 $&"), "Smith John $  $&")
    assert.strictEqual(replaceAll("a1", `(\\w)(\\d)`, "$1x"), "")
    assert.deepStrictEqual(split(",", "a,b,,c,"), ["a", "b", "", "c", ""])
    assert.deepStrictEqual(split("", "abc"), ["a", "b", "c"])
    assert.deepStrictEqual(split("x*", ""), [""])
    assert.deepStrictEqual(split("", ""), [])
    assert.deepStrictEqual(split("(b)", "abc"), ["a", "c"])
  })
})

describe("times of Rego", () => {
  it("are read to the nanosecond, or not at all", () => {
    assert.strictEqual(parseRfc3339("2026-11-23T12:00:00Z"), 1_795_435_200_000_000_000n)
    assert.strictEqual(parseRfc3339("2026-11-23T12:00:00.1234567891+05:30"), 1_795_415_400_123_456_789n)
    assert.strictEqual(parseRfc3339("1969-12-31T23:59:59.999999999Z"), -1n)
    for (
      const text of ["lately", "", "2026-11-23", "2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z", "1600-01-01T00:00:00Z"]
    ) {
      assert.isUndefined(parseRfc3339(text), text)
    }
  })

  it("before 1970 fall into their second", () => {
    assert.deepStrictEqual(run("time.clock", -1), [23, 59, 59])
    assert.deepStrictEqual(run("time.date", [-1, "UTC"]), [1969, 12, 31])
    assert.throws(() => run("time.clock", [0, "Europe/Berlin"]), /time zones/)
  })
})

describe("sprintf of Rego", () => {
  it("writes as Go does, or not at all", () => {
    const sprintf = (format: string, ...values: ReadonlyArray<unknown>) => run("sprintf", format, values)
    assert.strictEqual(sprintf("%s is %d of %v, %v%%", "a", 5, 0.5, true), "a is 5 of 0.5, true%")
    assert.strictEqual(sprintf("%d %s", "a", 5), "%!d(string=a) %!s(int64=5)")
    assert.strictEqual(sprintf("%d", 1.5), "%!d(float64=1.5)")
    assert.strictEqual(sprintf("%s %s", "a"), "a %!s(MISSING)")
    assert.strictEqual(sprintf("%s", "a", "b", 1), "a%!(EXTRA string=b, int64=1)")
    for (
      const [format, value] of [["%q", "a"], ["%5d", 1], ["%v", ["a"]], ["%v", { a: 1 }], ["%v", 1e-7], [
        "%",
        1
      ]] as const
    ) {
      assert.throws(() => sprintf(format, value), /sprintf cannot write/)
    }
  })
})
