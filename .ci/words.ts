/**
 * Plain words: what users and maintainers read says a thing by its standard term. Each row is a picture that the prose has
 * outgrown, with the term in its place. A line is reported unless `allowed` names it, with the reason.
 */
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

/** The term to write, and the pattern not to. */
const words: ReadonlyArray<readonly [term: string, pattern: RegExp]> = [
  ["unknown; it is not known whether", /\bnobody\b|\bno one\b/],
  ["the caller, the client, the process", /\bwhoever\b|\b(?:some|any|every)body\b|\bsomeone\b|\bpeople\b/],
  ["reviewer (who decides), operator (who configures)", /\bpersons?\b|\bhumans?\b|\banswers? for (?:them|agents)\b/],
  ["pending (a call), waiting (a program)", /\bheld\b(?! (?:in memory|by another|on a file))|\bwaits? for you\b/],
  ["action, execution; perform, execute", /\bdeeds?\b|\bdid it\b|\bdone to\b/],
  ["requested settings, settings diff", /\bwish(?:es|ed|ing)?\b/],
  ["redact", /\bblot\w*/],
  ["poller, waiter, subscription", /\bwaiting ?rooms?\b|\bguests?\b|\bat (?:a|its|one|the) tables?\b/],
  [
    "verified run, scan, split, assemble",
    /\bsound ?runs?\b|\b(?:record|log) ?tails?\b|\btails? of (?:a|the) (?:log|page|record)|\b(?:scan|split|read)\w* ?ahead\b/
  ],
  ["entry point", /\bfront doors?\b/],
  ["folder, module", /\brooms?\b(?! for\b)/],
  ["indefinitely, permanently", /\bfor ever\b/],
  ["fix, correct", /\bmend(?:s|ed|ing)?\b/],
  ["discard, drop, ignore", /\b(?:leaves?|leaving|left) (?:\w+ )?behind\b|\b(?:lets?|letting) (?:\w+ )?go\b/],
  ["fails with, returns, emits", /\b(?:comes?|came) to\b|\bgives\b(?! up\b)|\b(?:tells?|told|telling) of\b/],
  ["is closed, ends, is terminated", /\bgoes\b|\bdies\b|\bdied\b/]
]

/** Where a word stays, by file and text around it, and why. */
const allowed: ReadonlyArray<readonly [file: RegExp, text: RegExp, reason: string]> = [
  [/^src\/gateway\/(?:ledger|sqlite|calls)\//, /\bheld\b/, "named after the table `held_actions`"],
  [/^src\/(?:workflow|http|cli)\//, /["'`.]held\b|\bheld: Effect/, "a state that journals store"],
  [/^src\/gateway\/inbox\/Feed/, /\bHeld\b/, "the tag of an event on the inbox's wire"],
  [
    /^src\/(?:approvals|audit|gateway|policy)\//,
    /human-reviewer/,
    "the agent id under which the gateway records reviews"
  ],
  [
    /^src\/gateway\/http\/handlers\/(?:toolCalls|mcpDoor)|^bench\/support\/gateway/,
    /requires human approval/,
    "the real gateway's text"
  ],
  [/^CHANGELOG/, /`(?:"nobody"|nobody knows|[Hh]eld|a person's)`/, "old names"]
]

const files = [
  "*.md",
  "llms.txt",
  "docs/**/*.md",
  "bench/**/*.{ts,md,py,svg}",
  "examples/**/*.{ts,md,rego}",
  "src/**/*.{ts,css,html}"
].flatMap((pattern) => globSync(pattern, { cwd: root })).sort()

/** One line of text, with the number of the source line on which each part begins: phrases wrap in comments. */
const flatten = (source: string) => {
  const starts: Array<number> = []
  let text = ""
  for (const line of source.split("\n")) {
    starts.push(text.length)
    text += `${line.replace(/^\s*(?:\/?\*+|\/\/)?\s*/, "").trimEnd()} `
  }
  return { text, lineAt: (index: number) => starts.findLastIndex((start) => start <= index) + 1 }
}

const used = new Set<number>()
const faults = files.flatMap((file) => {
  const { lineAt, text } = flatten(readFileSync(`${root}${file}`, "utf8"))
  return words.flatMap(([term, pattern]) =>
    [...text.matchAll(new RegExp(pattern, "gi"))].flatMap(({ 0: word, index }) => {
      const around = text.slice(Math.max(0, index - 60), index + word.length + 60)
      const exception = allowed.findIndex(([path, part]) => path.test(file) && part.test(around))
      if (exception >= 0) {
        used.add(exception)
        return []
      }
      return [`${file}:${lineAt(index)}: "${word}": write ${term}`]
    })
  )
})
const unused = allowed.flatMap(([path, text], n) => used.has(n) ? [] : [`allowed for nothing: ${path} ${text}`])

for (const fault of [...faults, ...unused]) console.error(fault)
console.log(`${files.length} files, ${faults.length + unused.length} faults`)
process.exit(faults.length + unused.length === 0 ? 0 : 1)
