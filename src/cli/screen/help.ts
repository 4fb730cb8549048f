/**
 * Help that fits the screen: a description that is too long for its line continues below itself.
 *
 * @internal
 */
import { displayWidth } from "effect/cli/CliOutput"

/** A flag, a command or an argument with the blanks before and behind it, at least two, and what it is for. */
const halves = (line: string): readonly [left: string, description: string] => {
  const gap = line.startsWith(" ") ? line.indexOf("  ", line.length - line.trimStart().length) : -1
  const description = gap < 0 ? "" : line.slice(gap).trimStart()
  return [line.slice(0, line.length - description.length), description]
}

const fold = (line: string, width: number): string => {
  const [left, description] = halves(line)
  if (description === "") return line
  const column = displayWidth(left)
  const rows = [""]
  for (const word of description.split(" ")) {
    const row = rows.at(-1)!
    if (row === "") rows[rows.length - 1] = word
    else if (column + displayWidth(`${row} ${word}`) <= width) rows[rows.length - 1] = `${row} ${word}`
    else rows.push(word)
  }
  return left + rows.join(`\n${" ".repeat(column)}`)
}

/** @internal */
export const foldHelp = (help: string, width: number): string =>
  help.split("\n").map((line) => displayWidth(line) <= width ? line : fold(line, width)).join("\n")
