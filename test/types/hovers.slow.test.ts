/** What an editor shows where a program is hovered over. */
import { assert, describe, it } from "@effect/vitest"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

const ts = createRequire(import.meta.url)("typescript-6")

const folder = fileURLToPath(new URL(".", import.meta.url))

const program = `
import { Effect, Schema } from "effect"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GovernedMcpServer from "effect-vargate/mcp/GovernedMcpServer"
import { LanguageModel, Tool, Toolkit } from "effect/ai"

const Tools = Toolkit.make(Tool.make("Refund", {
  parameters: Schema.Struct({ amount: Schema.FiniteFromString }),
  success: Schema.String
}))

export const generation = Effect.gen(function*() {
  const { text } = yield* LanguageModel.generateText({ prompt: "go", toolkit: GovernedToolkit.govern(Tools) })
  return text
})

export const handlers = GovernedToolkit.layer(Tools, { Refund: () => Effect.succeed("refunded") })

export const server = GovernedMcpServer.toolkit(Tools)
`

/** The names of a program's exports, with what is shown of them. */
const hoversOf = (text: string): Readonly<Record<string, string>> => {
  const file = `${folder}hovered.ts`
  const { options } = ts.getParsedCommandLineOfConfigFile(`${folder}tsconfig.json`, {}, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: () => undefined
  })
  const service = ts.createLanguageService({
    ...ts.sys,
    useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (name: string) =>
      name === file || ts.sys.fileExists(name)
        ? ts.ScriptSnapshot.fromString(name === file ? text : ts.sys.readFile(name))
        : undefined,
    getCurrentDirectory: () => folder,
    getCompilationSettings: () => options,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name: string) => name === file || ts.sys.fileExists(name)
  })
  return Object.fromEntries(
    Array.from(text.matchAll(/export const (\w+)/g), ({ 0: declaration, 1: name, index }) => {
      const info = service.getQuickInfoAtPosition(file, index + declaration.length - 1)
      return [name!, ts.displayPartsToString(info.displayParts).replaceAll(/\s+/g, " ")]
    })
  )
}

describe("a governed toolkit", () => {
  it("shows the services that it needs by their names", () => {
    const { generation, handlers, server } = hoversOf(program)
    assert.match(generation!, /^const generation: Effect\.Effect<string, AiError, [\w.|<>" ]+>$/)
    assert.match(handlers!, /^const handlers: Layer<Tool\.Handler<"Refund">, never, [\w.|<>" ]+>$/)
    for (const hover of [generation, handlers, server]) assert.include(hover!, "ToolCalls | Approvals | AuditLog")
  })
})
