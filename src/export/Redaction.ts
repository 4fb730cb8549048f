/**
 * What of a call's params leaves for another system. An export or a channel of reviews without a redaction withholds them.
 *
 * **Details**
 *
 * The audit log holds the params of every call: names, amounts, texts of customers. A system that collects logs has more
 * readers than the audit log has, and so has a chat. So {@link withheld} is the default everywhere: `params` and
 * `pii_subject_id` leave as `null`, and the event says that it is redacted. The hash of a record stays, so that it can be
 * found in the log and verified there.
 *
 * Violations are the policy's words, and leave: what they quote of the params only {@link patterns} take out.
 *
 * Everything here is applied before a sink or a channel sees anything. What a redaction cannot handle (its function throws,
 * params nest deeper than the stack) is withheld.
 *
 * **Example** (Only what is on the list, and no card numbers in it)
 *
 * ```ts
 * import { Redaction } from "effect-vargate"
 *
 * const redact = Redaction.all(Redaction.only(["amount", "currency", "note"]), Redaction.patterns([/\b\d{13,19}\b/]))
 * ```
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { isRecord } from "../internal/isRecord.ts"

/**
 * What stands where a value was taken out.
 *
 * @category constants
 * @since 0.2.0
 */
export const mark = "<redacted>"

/**
 * Whose params they are.
 *
 * @category models
 * @since 0.2.0
 */
export interface CallName {
  readonly tool: string
  readonly method: string
}

/**
 * A redaction. {@link all} combines several: each sees what the one before it has left.
 *
 * @category models
 * @since 0.2.0
 */
export interface Redaction {
  /** What leaves instead of the params: nothing, all of them, or what the function returns. */
  readonly params: "withhold" | "keep" | ((params: unknown, call: CallName) => unknown)
  /**
   * Applied to every text of the record that is neither an id, a hash nor a time, keys of params included. A number in the
   * params that it would change is taken out.
   */
  readonly texts?: ((text: string) => string) | undefined
  /** Whether the name of a data subject (`pii_subject_id`) leaves. Default: `withhold`. */
  readonly subject?: "withhold" | "keep" | undefined
}

/**
 * No params, and no name of a data subject. The default.
 *
 * @category redactions
 * @since 0.2.0
 */
export const withheld: Redaction = { params: "withhold", subject: "withhold" }

/**
 * Everything, as it is in the log. For a system that may hold what the log holds: then the records there can be verified
 * byte for byte.
 *
 * @category redactions
 * @since 0.2.0
 */
export const none: Redaction = { params: "keep", subject: "keep" }

/**
 * Each in turn. What one of them withholds stays withheld.
 *
 * @category constructors
 * @since 0.2.0
 */
export const all = (...redactions: ReadonlyArray<Redaction>): Redaction => {
  const rules = redactions.map(({ params }) => params)
  const texts = redactions.flatMap(({ texts }) => texts === undefined ? [] : [texts])
  const functions = rules.filter((rule) => typeof rule === "function")
  return {
    params: redactions.length === 0 || rules.includes("withhold")
      ? "withhold"
      : functions.length === 0
      ? "keep"
      : (params, call) => functions.reduce((left, rule) => rule(left, call), params),
    texts: texts.length === 0 ? undefined : (text) => texts.reduce((left, change) => change(left), text),
    subject: redactions.length > 0 && redactions.every(({ subject }) => subject === "keep") ? "keep" : "withhold"
  }
}

// --- by path ---------------------------------------------------------------------------------------------------------

type Path = ReadonlyArray<string>

const pathOf = (path: string): Path => path.split(".")

/** What is left of paths behind one key; `**` stands for any number of keys. */
const behind = (paths: ReadonlyArray<Path>, key: string): ReadonlyArray<Path> =>
  paths.flatMap((path) => {
    const [first, ...rest] = path
    if (first === "**") {
      return [path, ...rest[0] === key || rest[0] === "*" ? [rest.slice(1)] : []]
    }
    return first === key || first === "*" ? [rest] : []
  })

const isHere = (paths: ReadonlyArray<Path>) =>
  paths.some((path) => path.length === 0 || (path.length === 1 && path[0] === "**"))

/** An object with keys of any name, `__proto__` included. */
const mapped = (value: unknown, change: (value: unknown, key: string) => unknown): unknown =>
  Array.isArray(value)
    ? value.map((one, index) => change(one, String(index)))
    : isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, change(one, key)]))
    : value

const without = (value: unknown, paths: ReadonlyArray<Path>): unknown =>
  isHere(paths)
    ? mark
    : paths.length === 0
    ? value
    : typeof value === "string"
    ? withoutInText(value, paths)
    : mapped(value, (one, key) => without(one, behind(paths, key)))

/** A text that is JSON is written anew, whatever is taken out: of names that stand twice, only the last was looked at. */
const withoutInText = (text: string, paths: ReadonlyArray<Path>): string => {
  const value = parsedText(text)
  if (value === undefined) return text
  // What fails here, as with nesting deeper than the stack, withholds the params: the text must not stay as it was.
  return JSON.stringify(without(value, paths))
}

const parsedText = (text: string): unknown => {
  if (!/^[\t\n\r ]*[[{"]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const within = (value: unknown, paths: ReadonlyArray<Path>): unknown =>
  isHere(paths)
    ? value
    : paths.length === 0 || value === null || typeof value !== "object"
    ? mark
    : mapped(value, (one, key) => within(one, behind(paths, key)))

/**
 * Takes out what stands at these places of the params; the rest leaves. Keys are joined with dots; `*` is any key or index,
 * `**` any number of them: `customer.email`, `items.*.note`, `**.token`. Paths lead into texts that are JSON too.
 *
 * **Gotchas**
 *
 * A field that a tool gets tomorrow leaves, until a path names it. {@link only} has it the other way round.
 *
 * @category constructors
 * @since 0.2.0
 */
export const paths = (list: ReadonlyArray<string>): Redaction => {
  const parsed = list.map(pathOf)
  return { params: (params) => without(params, parsed) }
}

/**
 * Lets out only what stands at these places of the params, written as for {@link paths}. Keys stay, values go.
 *
 * @category constructors
 * @since 0.2.0
 */
export const only = (list: ReadonlyArray<string>): Redaction => {
  const parsed = list.map(pathOf)
  return { params: (params) => within(params, parsed) }
}

// --- by pattern ------------------------------------------------------------------------------------------------------

/**
 * Takes out what matches, wherever it stands: in texts and keys of the params, in violations, in names of agents and tools.
 * Ids, hashes and times are left alone. A number in the params that matches is taken out as a whole.
 *
 * @category constructors
 * @since 0.2.0
 */
export const patterns = (list: ReadonlyArray<RegExp>): Redaction => {
  const global = list.map((pattern) =>
    new RegExp(pattern, pattern.flags.includes("g") ? pattern.flags : `${pattern.flags}g`)
  )
  return {
    params: "keep",
    texts: (text) => global.reduce((left, pattern) => left.replace(pattern, mark), text)
  }
}

// --- by schema -------------------------------------------------------------------------------------------------------

const sensitiveKey = "effect-vargate/sensitive"

/**
 * Says of a field that its value must not leave. For {@link schemas}.
 *
 * @category constructors
 * @since 0.2.0
 */
export const sensitive = <S extends Schema.Top>(schema: S): S["Rebuild"] => schema.annotate({ [sensitiveKey]: true })

const isSensitive = (ast: SchemaAST.AST): boolean =>
  ast.annotations?.[sensitiveKey] === true ||
  ast.checks?.some(({ annotations }) => annotations?.[sensitiveKey] === true) === true ||
  ast.encoding?.some(({ to }) => isSensitive(to)) === true

const bySchema = (ast: SchemaAST.AST, value: unknown): unknown => {
  if (isSensitive(ast)) return mark
  const encoding = ast.encoding?.at(-1)
  if (encoding !== undefined) return bySchema(encoding.to, value)
  switch (ast._tag) {
    case "Suspend":
      return bySchema(ast.thunk(), value)
    case "Objects":
      return isRecord(value)
        ? mapped(value, (one, key) => {
          const property = ast.propertySignatures.find(({ name }) => name === key)
          const index = ast.indexSignatures.find(({ parameter }) => parameter._tag === "String")
          const type = property?.type ?? index?.type
          return type === undefined ? mark : bySchema(type, one)
        })
        : mark
    case "Arrays":
      return Array.isArray(value)
        ? value.map((one, index) => {
          const type = ast.elements[index] ?? ast.rest[0]
          return type === undefined ? mark : bySchema(type, one)
        })
        : mark
    case "Union": {
      const fitting = ast.types.filter((type) => Schema.is(Schema.make(SchemaAST.toEncoded(type)))(value))
      return fitting.length === 0 ? mark : fitting.reduce((left, type) => bySchema(type, left), value)
    }
    case "String":
    case "Number":
    case "Boolean":
    case "Null":
    case "Literal":
    case "Enum":
    case "TemplateLiteral":
      return typeof value === "object" && value !== null ? mark : value
    default:
      return mark
  }
}

/**
 * Redacts the params of each tool by its schema, `tool/method` or `tool` to schema: what is marked {@link sensitive} is taken
 * out, and so is everything that the schema does not describe (`Schema.Unknown` included). Keys stay. Params of tools without
 * a schema are withheld.
 *
 * **Example** (An amount leaves, an address does not)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Redaction } from "effect-vargate"
 *
 * const redact = Redaction.schemas({
 *   "stripe/refund": Schema.Struct({ amount: Schema.Number, email: Redaction.sensitive(Schema.String) })
 * })
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const schemas = (byTool: Readonly<Record<string, Schema.Top>>): Redaction => {
  const known = new Map(Object.entries(byTool))
  return {
    params: (params, { method, tool }) => {
      const schema = known.get(`${tool}/${method}`) ?? known.get(tool)
      return schema === undefined ? null : bySchema(schema.ast, params)
    }
  }
}
