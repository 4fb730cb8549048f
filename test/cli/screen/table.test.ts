import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Column, facts, table } from "../../../src/cli/screen/table.ts"
import { bold, render, widthOf } from "../../../src/cli/screen/text.ts"

const text = (lines: ReadonlyArray<Parameters<typeof render>[0]>) => lines.map((line) => render(line, false))

const columns: ReadonlyArray<Column> = [{ title: "ID", align: "right" }, { title: "NAME", min: 6 }, {
  title: "WHY",
  min: 4
}]

describe("a table", () => {
  it("is as wide as what is in it", () => {
    assert.deepStrictEqual(text(table(columns, [["7", bold("stripe"), "because"], ["12", "http", ""]], 80)), [
      "ID  NAME    WHY",
      " 7  stripe  because",
      "12  http"
    ])
  })

  it("cuts the widest of the columns that may be cut", () => {
    assert.deepStrictEqual(text(table(columns, [["7", "a-name-that-is-long", "a reason"]], 22)), [
      "ID  NAME      WHY",
      " 7  a-name-…  a reason"
    ])
  })

  it("is not cut where the screen has no end, and later rows neither", () => {
    const long = "x".repeat(500)
    assert.include(text(table(columns, [["7", long, long]], undefined))[1], `${long}  ${long}`)
  })

  it.prop(
    "fits the screen, whatever is in it",
    [Schema.Array(Schema.Tuple([Schema.String, Schema.String])), Schema.Literals([30, 40, 80])],
    ([rows, width]) => {
      for (const line of table(columns, rows.map(([name, why]) => ["1", name, why]), width)) {
        assert.isAtMost(widthOf(line), width)
      }
    }
  )
})

describe("facts", () => {
  it("stand under one another, and go on below where they are long", () => {
    assert.deepStrictEqual(
      text(facts([["One", "a b"], undefined, ["Second", "these words do not fit in one line"]], 30)),
      [
        "One     a b",
        "Second  these words do not fit",
        "        in one line"
      ]
    )
  })
})
