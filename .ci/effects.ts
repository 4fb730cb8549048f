/**
 * Effects that are created and never run, and whatever else Effect's language service calls an error: its plugin, asked
 * about every file of the project.
 *
 * The plugin needs the compiler as a library, which TypeScript 7 is not: it gets TypeScript 6.
 */
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import ts from "typescript-6"

const root = fileURLToPath(new URL("..", import.meta.url))
const project = ts.getParsedCommandLineOfConfigFile(`${root}tsconfig.json`, {}, {
  ...ts.sys,
  onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
    throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"))
  }
})
if (project === undefined) throw new Error("tsconfig.json cannot be read")

const program = ts.createProgram(project.fileNames, project.options)
const plugin = createRequire(import.meta.url)("@effect/language-service")({ typescript: ts })
// The compiler's own findings are `tsc`'s to report: only the program is handed to the plugin.
const service: Pick<ts.LanguageService, "getSemanticDiagnostics"> = plugin.create({
  languageService: { getProgram: () => program, getSemanticDiagnostics: () => [] },
  languageServiceHost: {},
  config: {},
  project: { log: () => {}, projectService: { logger: { info: () => {} } } }
})

const errors = project.fileNames
  .flatMap((file) => service.getSemanticDiagnostics(file))
  .filter(({ category }) => category === ts.DiagnosticCategory.Error)
const text = ts.formatDiagnostics(errors, {
  getCanonicalFileName: (file) => file,
  getCurrentDirectory: () => root,
  getNewLine: () => "\n"
})
console.error(text)
console.log(`${project.fileNames.length} files, ${errors.length} errors`)
process.exit(errors.length === 0 ? 0 : 1)
