/**
 * A candidate, as it is named on a command line.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { pathToFileURL } from "node:url"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import type { PolicyRule } from "../../gateway/policy/PolicyRule.ts"
import * as PolicyTemplates from "../../gateway/policy/PolicyTemplates.ts"
import * as PolicyCandidate from "../../policy/PolicyCandidate.ts"
import { FileFailed, Usage } from "../core/failure.ts"
import { readText } from "../core/readText.ts"
import { aboutPolicy, regoPolicy } from "../core/rego.ts"

/** @internal */
export const description =
  "A template's name; a .json file with template and parameters; a .js or .ts file that exports rules; Rego, a bundle or a " +
  ".wasm file; or the URL of an OPA server"

const Settings = Schema.Struct({
  template: Schema.optionalKey(Schema.String),
  parameters: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
})

const isRule = (value: unknown): value is PolicyRule =>
  typeof value === "object" && value !== null && typeof Reflect.get(value, "name") === "string" &&
  ["low", "medium", "high", "critical"].includes(Reflect.get(value, "severity")) &&
  typeof Reflect.get(value, "when") === "function"

const Rules = Schema.Struct({
  ...Settings.fields,
  rules: Schema.optionalKey(Schema.Array(
    Schema.declare(isRule, { expected: "a rule with name, severity and when" })
  )),
  approvals: Schema.optionalKey(Schema.Array(
    Schema.declare(
      (value: unknown): value is (...args: ReadonlyArray<never>) => boolean => typeof value === "function",
      {
        expected: "a function"
      }
    )
  )),
  requiredFields: Schema.optionalKey(Schema.Array(Schema.String))
})

const faults = (path: string, what: string) => ({ issue }: Schema.SchemaError) =>
  new Usage({
    message: `${path} is no ${what}: ${
      fieldIssues(issue, []).slice(0, 3).map(({ message, path }) => [...path, message].join(": ")).join("; ")
    }.`
  })

const fromJson = Effect.fnUntraced(function*(path: string) {
  const text = yield* Effect.mapError(readText(path), FileFailed.of("read", path))
  const settings = yield* Schema.decodeEffect(Schema.fromJsonString(Settings))(text, { onExcessProperty: "error" })
    .pipe(
      Effect.mapError(faults(path, "template with parameters"))
    )
  return yield* Effect.mapError(PolicyCandidate.builtin(settings), aboutPolicy(path))
})

const fromModule = Effect.fnUntraced(function*(path: string) {
  const paths = yield* Path.Path
  const loaded = yield* Effect.tryPromise({
    try: (): Promise<Readonly<Record<string, unknown>>> => import(pathToFileURL(paths.resolve(path)).href),
    catch: (error) => new Usage({ message: `${path} cannot be loaded: ${String(error).split("\n")[0]}` })
  })
  const exported = loaded["default"] ?? { ...loaded }
  const rules = yield* Schema.decodeUnknownEffect(Rules)(exported, { onExcessProperty: "error" }).pipe(
    Effect.mapError(faults(path, "module of rules"))
  )
  return yield* Effect.mapError(
    PolicyCandidate.builtin({ ...rules, name: path } as PolicyCandidate.BuiltinOptions),
    aboutPolicy(path)
  )
})

const fromServer = Effect.fnUntraced(function*(url: string) {
  const OpaEngine = yield* Effect.promise(() => import("../../gateway/policy/OpaEngine.ts"))
  // Not the client that speaks to the gateway.
  const engine = yield* OpaEngine.make({ url }).pipe(
    Effect.provide(FetchHttpClient.layer),
    Effect.mapError(aboutPolicy(url))
  )
  return PolicyCandidate.ofEngine(engine, { name: url })
})

const fromRego = Effect.fnUntraced(function*(path: string) {
  const { engine, reads } = yield* regoPolicy(path, path)
  return PolicyCandidate.ofEngine(engine, { name: path, reads })
})

/**
 * Opens a candidate by its name.
 *
 * @internal
 */
export const open = (name: string) =>
  Effect.gen(function*() {
    if (PolicyTemplates.all.some(({ id }) => id === name)) {
      return yield* Effect.mapError(PolicyCandidate.builtin({ template: name }), aboutPolicy(name))
    }
    if (/^https?:\/\//.test(name)) return yield* fromServer(name)
    if (name.endsWith(".json")) return yield* fromJson(name)
    const files = yield* FileSystem.FileSystem
    if (!/[./\\]/.test(name) && !(yield* Effect.orElseSucceed(files.exists(name), () => false))) {
      const names = PolicyTemplates.all.map(({ id }) => id).join(", ")
      return yield* new Usage({ message: `${name} is neither a template (${names}) nor a file or folder here.` })
    }
    return yield* /\.[cm]?[jt]s$/.test(name) ? fromModule(name) : fromRego(name)
  })
