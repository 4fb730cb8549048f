/**
 * Help that fits the screen: a description that is too long for its line continues below itself.
 *
 * @internal
 */
import { displayWidth } from "effect/cli/CliOutput"

const fold = (line: string, width: number): string => {
  // A flag, a command or an argument, at least two blanks, and what it is for.
  const [, left = "", description = ""] = /^( +\S(?:\S| (?! ))* {2,})(\S.*)$/.exec(line) ?? []
  const column = displayWidth(left)
  const rows = [""]
  for (const word of description.split(" ")) {
    const row = rows.at(-1)!
    if (row === "") rows[rows.length - 1] = word
    else if (column + displayWidth(`${row} ${word}`) <= width) rows[rows.length - 1] = `${row} ${word}`
    else rows.push(word)
  }
  return left === "" ? line : left + rows.join(`\n${" ".repeat(column)}`)
}

/** @internal */
export const foldHelp = (help: string, width: number): string =>
  help.split("\n").map((line) => displayWidth(line) <= width ? line : fold(line, width)).join("\n")
