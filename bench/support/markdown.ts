import type { Cell, Report, Table, Target } from "./report.ts"
import { columnBefore, figureBefore, reasonOf } from "./targetNotes.ts"

/** Three significant digits are what such measurements are worth. */
export const format = (cell: Cell): string => {
  if (cell === undefined || cell === null) return "-"
  if (typeof cell === "string") return cell
  if (Number.isInteger(cell) || Math.abs(cell) >= 100) return Math.round(cell).toLocaleString("en")
  return cell.toPrecision(3)
}

const isFigure = (cell: Cell) => typeof cell !== "string" || /^-?[\d.,]+$/.test(cell)

/** Aligned, figures to the right. */
const tableOf = ({ columns, rows }: Omit<Table, "title">): string => {
  const texts = [columns, ...rows].map((row) => row.map(format))
  const widths = columns.map((_, column) => Math.max(3, ...texts.map((row) => row[column]!.length)))
  const isRight = columns.map((_, column) => rows.every((row) => isFigure(row[column])))
  const line = (row: ReadonlyArray<string>) =>
    `| ${row.map((text, i) => isRight[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)).join(" | ")} |`
  const rule = `| ${
    widths.map((width, i) => isRight[i] ? "-".repeat(width - 1) + ":" : "-".repeat(width)).join(" | ")
  } |`
  return [line(texts[0]!), rule, ...texts.slice(1).map(line)].join("\n")
}

const isReached = ({ bound, limit, measured }: Target) =>
  measured !== undefined && (bound === "at most" ? measured <= limit : measured >= limit)

const verdict = (target: Target) =>
  target.measured === undefined ? "not measured" : isReached(target) ? "reached" : "**missed**"

const targetTable = (targets: ReadonlyArray<Target>) =>
  tableOf({
    columns: ["what", "target", columnBefore, "measured", "", "unit"],
    rows: targets.map((target) => [
      target.what,
      `${target.bound} ${Number(target.limit.toPrecision(3))}`,
      figureBefore(target),
      target.measured,
      verdict(target),
      target.unit
    ])
  })

/** How many were reached, and all of them. */
export const targetSection = (reports: ReadonlyArray<Report>): string => {
  const targets = reports.flatMap(({ targets = [] }) => targets)
  const reached = targets.filter(isReached).length
  const missed = targets.filter((target) => target.measured !== undefined && !isReached(target))
  const reasons = new Set(missed.map(reasonOf).filter((reason) => reason !== undefined))
  const why = Array.from(reasons, (reason) => {
    const names = missed.filter((target) => reasonOf(target) === reason).map(({ what }) => what)
    return `- ${[...new Set(names)].join("; ")}: ${reason}`
  })
  return [
    `## Targets`,
    `${reached} of ${targets.length} are reached in this run.`,
    targetTable(targets),
    ...(why.length === 0 ? [] : ["What is in the way of those that are missed:", why.join("\n")])
  ].join("\n\n")
}

export const reportSection = ({ about, skipped = [], tables, title }: Report): string =>
  [
    `## ${title}`,
    about,
    ...tables.flatMap((table) => [...(table.title === undefined ? [] : [`**${table.title}**`]), tableOf(table)]),
    ...(skipped.length === 0 ? [] : [`Left out: ${skipped.join("; ")}.`])
  ].join("\n\n")
