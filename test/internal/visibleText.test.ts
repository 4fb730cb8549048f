import { assert, describe, it } from "@effect/vitest"
import { nameOf, type Piece, piecesOf } from "../../src/internal/visibleText.ts"

/** What is read on the page: names in angle brackets, words from right to left in braces. */
const read = (text: string) =>
  piecesOf(text).map((piece: Piece) =>
    typeof piece === "string" ? piece : "text" in piece ? `{${piece.text}}` : `<${nameOf(piece)}>`
  ).join("")

describe("visible text", () => {
  it("leaves what can be seen as it is", () => {
    for (
      const text of ["", "files/delete", "größer ≥ 10 €", "日本語", "नमस्ते", "👍🏽 ❤️ ☎️", "a b  c", "<b>&amp;</b>"]
    ) {
      assert.strictEqual(read(text), text)
    }
  })

  const hidden: Readonly<Record<string, string>> = {
    "user\u202Egpj.exe": "user<U+202E>gpj.exe",
    "\u2066a\u2069\u200E\u200F\u061C": "<U+2066>a<U+2069><U+200E><U+200F><U+061C>",
    "pay\u200Bpal\uFEFF": "pay<U+200B>pal<U+FEFF>",
    "a\u0000b\u001b[31m\u007f\u009b": "a<U+0000>b<U+001B>[31m<U+007F><U+009B>",
    "a\nb\tc\r": "a<U+000A>b<U+0009>c<U+000D>",
    "so\u00ADft\u2028\u2029": "so<U+00AD>ft<U+2028><U+2029>",
    "tag\u{E0041}\u{E0042}": "tag<U+E0041><U+E0042>",
    "variation a\uFE0F\u{E0100}": "variation a<U+FE0F><U+E0100>",
    "filler \u3164\u115F\u1160\uFFA0": "filler <U+3164><U+115F><U+1160><U+FFA0>",
    "lone \ud800 half": "lone <U+D800> half",
    "no\u00A0break\u202F": "no<U+00A0>break<U+202F>",
    "wide\u3000 thin\u2009": "wide<U+3000> thin<U+2009>",
    "braille\u2800 note\u{1D159} khitan\u{16FE4}": "braille<U+2800> note<U+1D159> khitan<U+16FE4>"
  }
  for (const [text, seen] of Object.entries(hidden)) {
    it(`names what cannot be seen: ${seen}`, () => assert.strictEqual(read(text), seen))
  }

  it("counts what is repeated, so that a flood is one mark", () => {
    assert.strictEqual(read(`a${"\u200B".repeat(30_000)}b${"\u{E0041}".repeat(3)}`), "a<U+200B ×30000>b<U+E0041 ×3>")
    assert.isBelow(piecesOf("\u202E".repeat(65_000)).length, 2)
  })

  it("keeps words from right to left together, within their quotes", () => {
    assert.strictEqual(read(`"שלום": "עולם, 5 אחים"`), `"{שלום}": "{עולם, 5 אחים}"`)
    assert.strictEqual(read(`"a שלום b"`), `"a {שלום} b"`)
    assert.strictEqual(read("مرحبا\u202Eabc"), "{مرحبا}<U+202E>abc")
  })

  it("loses nothing", () => {
    const text = `x\u202E\u202E"שלום"\u200B${"y".repeat(1000)}\u{1F600}`
    const back = piecesOf(text).map((piece) =>
      typeof piece === "string"
        ? piece
        : "text" in piece
        ? piece.text
        : String.fromCodePoint(piece.codePoint).repeat(piece.times)
    )
    assert.strictEqual(back.join(""), text)
  })
})
