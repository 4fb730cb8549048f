/**
 * A verdict on the screen, and what each finding means.
 *
 * @internal
 */
import type { ChainReport, Finding } from "../../verify/ChainReport.ts"
import type { TreeFinding, TreesReport } from "../../verify/TreesReport.ts"
import { dim, green, type Line, red, wrap, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"
import { rate } from "./progress.ts"

const shownFindings = 10
const shownGaps = 10
/** More would not fit into one readable line of JSON. */
const jsonFindings = 100_000

/**
 * How many findings a report has to hold, for the screen or for `--json`.
 *
 * @internal
 */
export const findingsFor = ({ isJson }: { readonly isJson: boolean }): number | undefined =>
  isJson ? jsonFindings : undefined

/** @internal */
export const verdictLine = (report: ChainReport, seconds: number): Line =>
  report.valid
    ? [
      green("✓ valid"),
      `, ${Words.count(report.records, "record")}`,
      report.gaps.length === 0
        ? ""
        : yellow(
          ` without ${
            Words.count(report.gaps.reduce((sum, { size }) => sum + size, 0), "record")
          } that could not be read`
        ),
      report.since === undefined ? "" : `, back to the checkpoint at ${report.since.id}`,
      dim(` in ${Words.stretch(seconds * 1000)}`),
      // Of a few records it says nothing.
      report.records < 1000 ? "" : dim(`, ${rate(report.records, seconds)}`)
    ]
    : [
      red("✗ broken"),
      `: ${Words.count(countOf(report), "finding")} in ${Words.count(report.records, "record")}`
    ]

const countOf = ({ findings, omittedFindings, trees }: ChainReport) =>
  findings.length + omittedFindings + (trees?.findings.filter(({ _tag }) => _tag !== "ErasedLeaves").length ?? 0)

/**
 * Everything that is wrong, and what is not known.
 *
 * @internal
 */
export const findingLines = (report: ChainReport, width: number | undefined): ReadonlyArray<Line> => {
  const shown = report.findings.slice(0, shownFindings)
  const hidden = report.findings.length + report.omittedFindings - shown.length
  return [
    ...shown.flatMap((finding) => [
      [red(finding._tag), `  record ${finding.id}  `, dim(finding.actionId)],
      ...indented(meaning(finding), width)
    ]),
    ...hidden > 0 ? [dim(`... and ${Words.count(hidden, "finding")} more: ${whereRest(shown.length + hidden)}`)] : [],
    ...report.gaps.slice(0, shownGaps).flatMap(({ newer, older, size }) => [
      [
        yellow("Gap"),
        `  ${Words.count(size, "record")} between ${older?.id ?? "the beginning"} and ${newer?.id ?? "the end"}`
      ],
      ...indented(
        size === 1
          ? "It could not be read, so nothing is proved about it."
          : "They could not be read, so nothing is proved about them.",
        width
      )
    ]),
    ...report.gaps.length > shownGaps
      ? [dim(`... and ${Words.count(report.gaps.length - shownGaps, "gap")} more: --json has them`)]
      : [],
    ...treeLines(report.trees, width)
  ]
}

const whereRest = (all: number) =>
  all <= jsonFindings ? "--json has them" : `--json has the oldest ${jsonFindings.toLocaleString("en")} of them all`

const indented = (text: string, width: number | undefined): ReadonlyArray<Line> =>
  (width === undefined ? [text] : wrap(text, width - 2)).map((line) => ["  ", ...[line].flat()] as Line)

const brief = (hash: string) => hash.length > 16 ? `${hash.slice(0, 12)}...` : hash

const meaning = (finding: Finding): string => {
  switch (finding._tag) {
    case "HashMismatch":
      return `Its content hashes to ${brief(finding.computed)}, but ${brief(finding.stored)} is stored: it was changed${
        finding.mayBeDroppedKey
          ? ", unless it has params whose keys begin with _sa, which a gateway drops from its output."
          : "."
      }`
    case "BrokenLink":
      return `It follows ${brief(finding.expected)}, but ${
        brief(finding.found)
      } stands before it: something was removed, inserted or computed anew.`
    case "MissingRecords":
      return `${missing[finding.of]} ${Words.count(finding.expected, "record")}, and there ${Words.are(finding.found)}.`
    case "Duplicate":
      return "It stands in the log twice."
    case "OutOfOrder":
      return `It stands after record ${finding.after}, where it does not belong.`
    case "DoesNotReachGenesis":
      return `It is the oldest, but follows ${brief(finding.prevHash)}: older records are missing, or were not given.`
    case "RewrittenSince":
      return `${finding.shown === "checkpoint" ? "A kept checkpoint" : "Another page"} shows ${
        brief(finding.expected)
      } here, and now there is ${finding.found === undefined ? "nothing" : brief(finding.found)}.`
    case "TruncatedSince":
      return `A kept checkpoint counted ${Words.count(finding.expected, "record")} up to this one, and now there ${
        Words.are(finding.found)
      }: the end was cut off.`
  }
}

const missing = {
  count: "The page says it holds",
  total: "The log says it holds",
  checkpoint: "A kept checkpoint counted"
} as const

const treeLines = (trees: TreesReport | undefined, width: number | undefined): ReadonlyArray<Line> =>
  (trees?.findings ?? []).flatMap((finding) => [
    [finding._tag === "ErasedLeaves" ? yellow(finding._tag) : red(finding._tag), ` ${placeOf(finding)}`],
    ...indented(treeMeaning(finding), width)
  ])

const placeOf = (finding: TreeFinding) =>
  finding._tag === "UncoveredRecords" ? `from record ${finding.firstId}` : `tree ${finding.index}`

const treeMeaning = (finding: TreeFinding): string => {
  switch (finding._tag) {
    case "Tampered":
      return `Its records hash to ${brief(finding.rebuilt)}, but ${
        brief(finding.stored)
      } is stored (${finding.found} of \
${Words.count(finding.expected, "record")}).`
    case "ErasedLeaves":
      return `${
        Words.count(finding.erased, "record was", "records were")
      } erased under data protection law, which explains it.`
    case "BrokenTreeChain":
      return `It follows ${brief(finding.expected)}, but ${brief(finding.found)} stands before it.`
    case "MissingTree":
      return "There are earlier and later ones, but not this one."
    case "UncoveredRecords":
      return `${Words.count(finding.records, "record stands", "records stand")} between the trees, and in none of them.`
    case "RootChanged":
      return `It was ${brief(finding.expected)}, and now it is ${
        finding.found === undefined ? "gone" : brief(finding.found)
      }.`
  }
}

/** @internal */
export const treesWord = ({ notRead, rebuilt, valid }: TreesReport): Line => [
  valid ? green("✓ valid") : red("✗ broken"),
  `, ${Words.count(rebuilt, "tree")} rebuilt`,
  notRead === 0 ? "" : dim(`, ${notRead} not read`)
]

/** @internal */
export const headWord = ({ head }: ChainReport): Line =>
  head === undefined ? dim("the log is empty") : [`record ${head.id}`, dim(`  ${head.recordHash.slice(0, 32)}...`)]
