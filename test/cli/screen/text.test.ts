import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { cut, dim, jsonLine, pad, red, render, visible, widthOf, wrap } from "../../../src/cli/screen/text.ts"

const hostile: ReadonlyArray<readonly [text: string, shown: string]> = [
  ["\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"],
  ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
  ["one\ntwo\r\tthree", "one\\ntwo\\r\\tthree"],
  ["\u009b2J", "\\x9b2J"],
  ["\x7f", "\\x7f"],
  ["user\u202etxt.exe", "user\\u202etxt.exe"],
  ["a\u200bb\ufeffc", "a\\u200bb\\ufeffc"],
  ["\u2028\u2029", "\\u2028\\u2029"],
  ["\u{e0041}", "\\u{e0041}"],
  ["\ud800", "\\ud800"]
]

/** What a terminal would obey, and what turns the writing direction or hides. */
const obeyed = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u

describe("text of others", () => {
  it.each(hostile)("%j is written out", (text, shown) => {
    assert.strictEqual(visible(text), shown)
    assert.strictEqual(render([red(text), text], false), shown + shown)
  })

  it("leaves letters of all scripts alone", () => {
    const text = "Grüße, 世界, שלום, 👍, é"
    assert.strictEqual(visible(text), text)
  })

  it.prop("never holds what a terminal obeys", [Schema.String, Schema.String], ([one, two]) => {
    const lines = [render([one, dim(two)], false), ...wrap([one, two], 10).map((line) => render(line, false))]
    for (const line of [...lines, render(cut(one + two, 7), false)]) assert.notMatch(line, obeyed)
  })

  it.prop("is the same JSON, and just as harmless", [Schema.Record(Schema.String, Schema.String)], ([value]) => {
    const line = jsonLine(value)
    assert.notMatch(line, obeyed)
    assert.deepStrictEqual(JSON.parse(line), value)
  })

  it("is JSON without a break even with every kind of hostile character", () => {
    const value = hostile.map(([text]) => text)
    assert.notMatch(jsonLine(value), obeyed)
    assert.deepStrictEqual(JSON.parse(jsonLine(value)), value)
  })
})

describe("styles", () => {
  it("are only set where there is colour", () => {
    assert.strictEqual(render(["a ", red("b")], true), "a \x1b[31mb\x1b[0m")
    assert.strictEqual(render(["a ", red("b")], false), "a b")
  })
})

describe("widths", () => {
  it("are counted in cells", () => {
    assert.deepStrictEqual(["abc", "世界", "é", "👍", "\x1b"].map((text) => widthOf(text)), [3, 4, 1, 2, 4])
  })

  it("are kept by cutting, with an ellipsis in the last cell", () => {
    assert.strictEqual(render(cut("abcdef", 6), false), "abcdef")
    assert.strictEqual(render(cut("abcdef", 5), false), "abcd…")
    assert.strictEqual(render(cut("世界世界", 5), false), "世界…")
    assert.strictEqual(render(cut(["ab", red("cdef"), "gh"], 5), true), "ab\x1b[31mcd…\x1b[0m")
    assert.strictEqual(render(cut("ab\x1b[1m", 5), false), "ab…")
  })

  it.prop("are never exceeded", [Schema.String, Schema.Literals([1, 2, 3, 10])], ([text, width]) => {
    assert.isAtMost(widthOf(cut(text, width)), width)
  })

  it("are filled up on either side", () => {
    assert.strictEqual(render([pad("ab", 4), pad("cd", 4, "right"), "."].flat(), false), "ab    cd.")
  })

  it("break sentences between words, also where styles change", () => {
    assert.deepStrictEqual(wrap("one two three", 7).map((line) => render(line, false)), ["one two", "three"])
    assert.deepStrictEqual(wrap(["one", red(" two"), "four five"], 8).map((line) => render(line, true)), [
      "one",
      "\x1b[31mtwo\x1b[0mfour",
      "five"
    ])
    assert.deepStrictEqual(wrap("incomprehensibilities a", 5).map((line) => render(line, false)), [
      "incomprehensibilities",
      "a"
    ])
  })
})
