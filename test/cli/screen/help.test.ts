import { expect, it } from "@effect/vitest"
import { foldHelp } from "../../../src/cli/screen/help.ts"

it("continues a description that is too long below itself, and leaves other lines", () => {
  const help = [
    "DESCRIPTION",
    "  A sentence of its own that is longer than the screen",
    "",
    "  --format text    How the answer is shown, in words",
    "  --key  Short"
  ].join("\n")
  expect(foldHelp(help, 40)).toBe([
    "DESCRIPTION",
    "  A sentence of its own that is longer than the screen",
    "",
    "  --format text    How the answer is",
    "                   shown, in words",
    "  --key  Short"
  ].join("\n"))
})

it("leaves a line that has no column, however many blanks it has", () => {
  const line = `${" ".repeat(50)}word`
  expect(foldHelp(line, 20)).toBe(line)
  expect(foldHelp("x  and what follows two blanks", 20)).toBe("x  and what follows two blanks")
})
