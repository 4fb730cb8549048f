/**
 * Checks that every regular expression of `src` takes time that grows with its text, and no faster. Patterns that are put
 * together at run time cannot be checked: they are listed here, each with the reason why it is harmless.
 */
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { homedir } from "node:os"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript-6"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Beside the caches of other tools, not among the dependencies: its optional parts, a JAR and a native one, are 30 MB. */
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-vargate", "recheck-4.5.0")
const checker = join(cache, "node_modules", "recheck", "lib", "main.js")
if (!existsSync(checker)) {
  const install = ["install", "--no-audit", "--no-fund", "--omit=optional", "--prefix", cache, "recheck@4.5.0"]
  execFileSync("npm", install, { stdio: ["ignore", "ignore", "inherit"] })
}
// The backend in JavaScript: the others are the parts that were left out.
process.env["RECHECK_BACKEND"] = "pure"
interface Checked {
  readonly status: "safe" | "vulnerable" | "unknown"
  readonly checker: "automaton" | "fuzz"
  readonly complexity?: { readonly summary: string }
}
const { checkSync }: {
  readonly checkSync: (source: string, flags: string, options: { readonly timeout: number }) => Checked
} = createRequire(import.meta.url)(checker)

/** Files that build patterns, and why those are linear. */
const built: Readonly<Record<string, string>> = {
  "src/export/Redaction.ts": "patterns of the user's own, with one more flag",
  "src/gateway/calls/GatewayMetrics.ts": "paths of the contract: `[^/]+` between slashes, anchored at both ends",
  "src/gateway/http/middleware.ts": "paths of the contract: `[^/]+` between slashes, anchored at both ends",
  "src/policy/internal/re2.ts": "patterns of a policy, in a thread that is ended where one takes too long"
}

interface Pattern {
  readonly place: string
  readonly source: string
  readonly flags: string
}

const patterns: Array<Pattern> = []
const problems: Array<string> = []

const visit = (file: ts.SourceFile, path: string) => {
  const look = (node: ts.Node): void => {
    const place = `${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf("/")
      patterns.push({ place, source: node.text.slice(1, end), flags: node.text.slice(end + 1) })
    } else if (ts.isIdentifier(node) && node.text === "RegExp" && !ts.isTypeReferenceNode(node.parent)) {
      if (built[path] === undefined) problems.push(`${place}: a pattern that is built at run time is not in the list`)
    }
    ts.forEachChild(node, look)
  }
  look(file)
}

for (const entry of readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith(".ts")) continue
  const path = join(entry.parentPath, entry.name)
  visit(ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true), relative(root, path))
}

const checked = new Map<string, string | undefined>()

/** The fuzzer confirms what it suspects by the clock, and a busy machine misleads it: three times in a row count. */
const check = (source: string, flags: string, again = 2): Checked => {
  const result = checkSync(source, flags, { timeout: 20_000 })
  return result.status === "vulnerable" && result.checker === "fuzz" && again > 0
    ? check(source, flags, again - 1)
    : result
}

const verdictOn = ({ flags, source }: Pattern): string | undefined => {
  const key = `/${source}/${flags}`
  if (!checked.has(key)) {
    const result = check(source, flags)
    const problem = result.status === "safe" ? undefined : result.complexity?.summary ?? "not cleared"
    checked.set(key, problem)
  }
  return checked.get(key)
}

for (const pattern of patterns) {
  const verdict = verdictOn(pattern)
  if (verdict !== undefined) problems.push(`${pattern.place}: /${pattern.source}/${pattern.flags} is ${verdict}`)
}

if (problems.length > 0) {
  console.error(problems.join("\n"))
  process.exit(1)
}
console.log(`${checked.size} patterns in ${patterns.length} places take linear time`)
