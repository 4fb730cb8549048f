/**
 * Tells bundlers that what a module of the package computes at its start may be left out where nothing uses it, as the
 * modules of `effect` do: calls in the values of constants and in the heritage of classes are marked as pure. A call that
 * is a statement of its own stays as it is. Runs in `npm run build`, after the compiler; takes the folder that the compiler
 * wrote to.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript-6"

const mark = "/* @__PURE__ */ "

/** Where calls begin that run when the module is loaded. One mark holds for a whole chain of them. */
const callsAtStart = (text: string): ReadonlyArray<number> => {
  const positions = new Set<number>()
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) return
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) positions.add(node.getStart())
    ts.forEachChild(node, visit)
  }
  for (const statement of ts.createSourceFile("module.js", text, ts.ScriptTarget.Latest, true).statements) {
    if (ts.isVariableStatement(statement)) {
      for (const { initializer } of statement.declarationList.declarations) if (initializer) visit(initializer)
    } else if (ts.isClassDeclaration(statement)) {
      // Fields belong to instances, and are computed when one is made.
      for (const clause of statement.heritageClauses ?? []) visit(clause)
    }
  }
  return [...positions].sort((a, b) => a - b)
}

/** The text with its marks. */
export const marked = (text: string): string => {
  let from = 0
  let all = ""
  for (const position of callsAtStart(text)) {
    all += text.slice(from, position) + mark
    from = position
  }
  return all + text.slice(from)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? fileURLToPath(new URL("../dist", import.meta.url))
  for (const file of globSync("**/*.js", { cwd: folder })) {
    const path = join(folder, file)
    writeFileSync(path, marked(readFileSync(path, "utf8")))
  }
}
