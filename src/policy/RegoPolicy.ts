/**
 * Policies in Rego that run in this process: compiled to WebAssembly by OPA.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { execFile } from "node:child_process"
import { hash } from "node:crypto"
import { mkdtemp, readFile, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { gunzipBytes } from "../internal/gunzip.ts"
import { filesIn } from "./internal/tar.ts"

/**
 * A compiled policy. Make one with {@link open}, {@link fromBundle}, {@link fromWasm} or {@link compile}.
 *
 * @category models
 * @since 0.2.0
 */
export interface RegoPolicy {
  readonly module: WebAssembly.Module
  /** Of the module, in bytes. */
  readonly size: number
  /** The document `data`, as JSON. */
  readonly data: string
  /** That of the bundle, or `wasm-` and a hash over the module and its data. */
  readonly revision: string
  /**
   * Paths of the decision document that it reads, such as `action.params`, where that is known: of Rego that was compiled
   * here. `""` is the whole document.
   */
  readonly reads?: ReadonlyArray<string> | undefined
}

/**
 * The rule that every policy defines, as in `OpaEngine`.
 *
 * @category constants
 * @since 0.2.0
 */
export const decisionRule = "vargate/policy/decision"

/**
 * The rule that lists what a policy needs of a document, where it has one.
 *
 * @category constants
 * @since 0.2.0
 */
export const requiredFieldsRule = "vargate/policy/required_fields"

const invalid = (operation: string, message: string) => invalidRequest(operation, [{ path: [], message }])

/**
 * A policy from the bytes of a `.wasm` file. Fails with `InvalidRequest` where it is none.
 *
 * **Gotchas**
 *
 * A module alone has neither a revision nor the data files of its policy: give them, or load the bundle.
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromWasm = Effect.fnUntraced(function*(
  bytes: Uint8Array,
  { data = {}, revision }: { readonly data?: unknown; readonly revision?: string | undefined } = {}
): Effect.fn.Return<RegoPolicy, VargateError> {
  const module = yield* Effect.tryPromise({
    try: () => WebAssembly.compile(bytes.slice()),
    catch: () => invalid("RegoPolicy.fromWasm", "it is no WebAssembly module; compile it with opa build -t wasm")
  })
  const json = yield* Effect.try({
    try: () => JSON.stringify(data) as string,
    catch: () => invalid("RegoPolicy.fromWasm", "its data cannot be written as JSON")
  })
  return {
    module,
    size: bytes.length,
    data: json,
    revision: revision || `wasm-${hash("sha256", `${hash("sha256", bytes, "hex")} ${json}`, "hex").slice(0, 16)}`
  }
})

const Manifest = Schema.fromJsonString(Schema.Struct({ revision: Schema.optionalKey(Schema.String) }))

const limits = { maxBytes: 256 * 1024 * 1024, maxExpansion: 1000 }

/**
 * A policy from the bytes of a bundle, as `opa build -t wasm` writes it. Fails with `InvalidRequest` where it has no
 * compiled policy.
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromBundle = Effect.fnUntraced(function*(
  bytes: Uint8Array
): Effect.fn.Return<RegoPolicy, VargateError> {
  const operation = "RegoPolicy.fromBundle"
  const archive = yield* Effect.mapError(
    gunzipBytes(bytes, limits),
    () => invalid(operation, "it is damaged, or too large")
  )
  const files = filesIn(archive)
  const wasm = files?.get("policy.wasm")
  if (files === undefined || wasm === undefined) {
    return yield* invalid(
      operation,
      files === undefined
        ? "it is no bundle: make one with opa build -t wasm"
        : "it has no policy.wasm: compile it with opa build -t wasm"
    )
  }
  const textOf = (name: string) => {
    const file = files.get(name)
    return file === undefined ? undefined : new TextDecoder().decode(file)
  }
  const manifest = Option.getOrUndefined(Schema.decodeUnknownOption(Manifest)(textOf(".manifest")))
  const data = yield* Effect.try({
    try: (): unknown => JSON.parse(textOf("data.json") ?? "{}"),
    catch: () => invalid(operation, "its data.json is no JSON")
  })
  return yield* fromWasm(wasm, { data, revision: manifest?.revision })
})

/**
 * How policies are compiled.
 *
 * @category options
 * @since 0.2.0
 */
export interface CompileOptions {
  /** A file of Rego, or a folder with Rego and data. Tests (`*_test.rego`) are left out. */
  readonly path: string
  /** OPA's binary. Default: `opa`, wherever the shell finds it. */
  readonly opa?: string | undefined
}

interface Ran {
  readonly code: string | number | undefined
  readonly output: string
}

const compileTimeout = 120_000

const execute = (command: string, args: ReadonlyArray<string>, cwd: string): Effect.Effect<Ran> =>
  Effect.callback((resume) => {
    const child = execFile(command, args, { cwd, timeout: compileTimeout }, (error, stdout, stderr) => {
      const output = error === null ? stdout : stderr || stdout
      resume(Effect.succeed({ code: error === null ? 0 : error.code ?? "ended", output }))
    })
    return Effect.sync(() => child.kill())
  })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vargate-rego-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/**
 * Compiles Rego with OPA's binary (`opa build -t wasm`). Fails with `InvalidRequest` where there is no binary or OPA refuses
 * the policy; the error has its words.
 *
 * @category constructors
 * @since 0.2.0
 */
export const compile: (options: CompileOptions) => Effect.Effect<RegoPolicy, VargateError> = Effect.fn(
  "RegoPolicy.compile"
)(function*({ opa = "opa", path }: CompileOptions) {
  const operation = "RegoPolicy.compile"
  const found = yield* Effect.tryPromise({
    try: () => stat(path),
    catch: () => invalid(operation, `${path} cannot be read`)
  })
  // The names of files are in what OPA writes, and so in the revision: it must not depend on where they are.
  const [where, what] = found.isDirectory() ? [path, "."] : [dirname(path), basename(path)]
  const bundle = join(yield* folder, "bundle.tar.gz")
  const build = (rules: ReadonlyArray<string>) =>
    execute(
      opa,
      [
        "build",
        "--target",
        "wasm",
        "--ignore",
        "*_test.rego",
        "--output",
        bundle,
        ...rules.flatMap((rule) => ["--entrypoint", rule]),
        what
      ],
      where
    )
  // OPA refuses an entry point that no rule defines, and not every policy requires fields.
  const whole = yield* build([decisionRule, requiredFieldsRule])
  const built = whole.code === 0 || whole.code === "ENOENT" ? whole : yield* build([decisionRule])
  if (built.code === "ENOENT") {
    return yield* invalid(operation, `there is no OPA at ${opa}: install it, or give a compiled bundle instead of Rego`)
  }
  if (built.code !== 0) {
    return yield* invalid(
      operation,
      `OPA cannot compile it: ${built.output.trim().replaceAll("\n", "; ").slice(0, 1000)}`
    )
  }
  const policy = yield* fromBundle(yield* Effect.promise(() => readFile(bundle)))
  const { output } = yield* execute(opa, ["deps", "--format", "json", "--data", what, decisionQuery], where)
  return { ...policy, reads: pathsIn(output) }
}, Effect.scoped)

const decisionQuery = "data.vargate.policy.decision"

const Dependencies = Schema.fromJsonString(Schema.Struct({
  base: Schema.optionalKey(
    Schema.Array(Schema.Array(Schema.Struct({ type: Schema.String, value: Schema.Unknown })))
  )
}))

/** References to the input, up to their first step that is no constant. */
const pathsIn = (json: string): ReadonlyArray<string> | undefined => {
  const found = Option.getOrUndefined(Schema.decodeOption(Dependencies)(json))
  return found && [
    ...new Set(
      (found.base ?? []).filter(([head]) => head?.value === "input").map((steps) => {
        const end = steps.findIndex(({ type }, index) => index > 0 && type !== "string")
        return steps.slice(1, end < 0 ? undefined : end).map(({ value }) => String(value)).join(".")
      })
    )
  ]
}

/**
 * A policy from a path: a `.wasm` module, a bundle (`.tar.gz`), or Rego to be compiled (a `.rego` file or a folder).
 *
 * @category constructors
 * @since 0.2.0
 */
export const open: (
  path: string,
  options?: Omit<CompileOptions, "path">
) => Effect.Effect<RegoPolicy, VargateError> = Effect.fn("RegoPolicy.open")(function*(
  path: string,
  options: Omit<CompileOptions, "path"> = {}
) {
  const cannotRead = () => invalid("RegoPolicy.open", `${path} cannot be read`)
  const found = yield* Effect.tryPromise({ try: () => stat(path), catch: cannotRead })
  if (found.isDirectory() || path.endsWith(".rego")) return yield* compile({ ...options, path })
  const bytes = yield* Effect.tryPromise({ try: () => readFile(path), catch: cannotRead })
  return yield* path.endsWith(".wasm") ? fromWasm(bytes) : fromBundle(bytes)
})
